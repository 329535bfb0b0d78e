"""What operators see of a site that is managed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from hub.chargers.loads.plan import Scene
from hub.chargers.loads.safety import Standing
from hub.chargers.loads.tree import TENTHS, Node
from ocpi_modules.types import encode_decoded


def show(scene: Scene, loads: Mapping[str, int]) -> str:
    """JSON: each node with its room and what is counted there, each EVSE that is counted with its set-point and what its meter says."""
    return encode_decoded({"nodes": [*_nodes(scene, loads)], "evses": [*_evses(scene)]}).decode()


def _nodes(scene: Scene, loads: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    room = scene.room
    for node in scene.tree.nodes.values():
        yield {
            "id": node.id,
            "name": node.name,
            "unit": "W" if node.is_watts else "A",
            "limit": _tenths(node.limit),
            "room": _tenths(room[node.id]),
            "counted": _tenths(loads[node.id]),
            "metered_w": _metered(scene, node),
            "net_w": scene.tree.net_w(node, scene.now),
        }


def _metered(scene: Scene, node: Node) -> Decimal:
    below = (charge for uid, charge in scene.charges.items() if node in scene.tree.path(uid))
    return sum((charge.power_w or Decimal(0) for charge in below), Decimal(0))


def _evses(scene: Scene) -> Iterator[dict[str, Any]]:
    for point in scene.points():
        charge, standing = scene.charges.get(point.evse_uid), scene.standing(point.evse_uid)
        yield {
            "uid": point.evse_uid,
            "charge": None if charge is None else charge.number,
            "set_a": None if charge is None or standing.confirmed is None else _tenths(standing.confirmed),
            "counted_a": _tenths(point.counted),
            "metered_w": None if charge is None else charge.power_w,
            "is": _word(standing),
        }


def _word(standing: Standing) -> str:
    if not standing.is_there:
        return "away"
    if standing.is_deaf:
        return "takes more than it was told"
    return "does not confirm" if standing.is_refusing else "led"


def _tenths(value: int) -> Decimal:
    return Decimal(value) / TENTHS

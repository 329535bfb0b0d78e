"""The limits of a site: a tree of grid, site, groups and EVSEs. Pure.

As provisioned (`limits` of a site)::

    {id: grid, limit_kw: 60, base_load_kw: 10, mode: edf, children: [
        {id: north, name: North garage, limit_a: 63, phases: 3, evses: ["1", "2"]},
        {id: roof, limit_kw: 22, mode: surplus, grid_kw: 0, min_on_seconds: 300, min_off_seconds: 300, evses: ["3"]}]}

Each node has one limit: `limit_kw` of all phases together, or `limit_a` per phase. `base_load_kw` is what else is behind it, where no meter
says more; `volts` (230) and `phases` (3) are what A and W are turned into each other with. Below a limit in W a car counts with the phases
that it uses: one phase is a third. Below a limit in A it counts on every phase, since nobody knows which one it is on.

All sums are whole numbers: currents in tenths of an ampere per phase, below a limit in W powers in tenths of a watt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from ocpi_modules.types import fold

Object = Mapping[str, Any]

VOLTS = 230
TENTHS = 10
MIN_TENTHS = 60
"""6 A: below it no car charges (IEC 61851-1)."""

LIMIT_MAX_KW = Decimal(100_000)
LIMIT_MAX_A = Decimal(10_000)
VOLTS_MAX = 1_000
SECONDS_MAX = 86_400
LEVELS_MAX = 16
NODES_MAX = 1_000

_FIELDS = frozenset(
    {"id", "name", "kind", "limit_kw", "limit_a", "volts", "phases", "base_load_kw", "children", "evses"}
    | {"mode", "grid_kw", "min_on_seconds", "min_off_seconds"}
)


class BadLimits(ValueError):
    """A tree that is not one; `faults` are sentences that begin with the place (``limits.children[0].limit_kw: …``)."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class Mode(StrEnum):
    """How what is there is shared out: earliest deadline first, in equal parts, or only what the sun gives."""

    EDF = "edf"
    FAIR = "fair"
    SURPLUS = "surplus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How the surplus of a node is followed: `grid_w` may be taken besides; it stays on, and off, for so long at least."""

    grid_w: int = 0
    min_on_seconds: int = 300
    min_off_seconds: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A point with a limit: `limit` in tenths, of W where `is_watts`, else of A per phase."""

    id: str
    name: str = ""
    is_watts: bool
    limit: int
    volts: int = VOLTS
    phases: int = 3
    base_load_w: int = 0
    mode: Mode | None = None
    following: Following = Following()
    children: tuple[Node, ...] = ()
    evses: tuple[str, ...] = ()

    def weight(self, car_phases: int) -> int:
        """What a tenth of an ampere per phase of a car counts here."""
        return self.volts * min(car_phases, self.phases) if self.is_watts else 1

    def from_watts(self, watts: int) -> int:
        """A power of all phases in what this node counts in, rounded down: less room, or more load."""
        return watts * TENTHS if self.is_watts else watts * TENTHS // (self.volts * self.phases)

    def walk(self) -> Iterator[Node]:
        """Itself and all below it, the leaves first."""
        for child in self.children:
            yield from child.walk()
        yield self


@dataclass(frozen=True, slots=True)
class LimitEvent:
    """Somebody limits a node for a while (UTC): the grid operator by a signal, or the operator by hand."""

    node: str
    limit_w: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter says of a node, in W."""

    node: str
    watts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Now:
    """What counts besides the tree, at a moment: limits in force, other loads and PV production by meters."""

    at: datetime
    limits: tuple[LimitEvent, ...] = ()
    base_loads: tuple[Reading, ...] = ()
    pv: tuple[Reading, ...] = ()

    def limit_w(self, node: str) -> int | None:
        """The lowest limit in force at a node."""
        return min((one.limit_w for one in self.limits if one.node == node and self.at < one.until), default=None)

    def base_w(self, node: Node) -> int:
        """The load besides charging; a reading that is too old counts only where it is more than what was provisioned."""
        last = next((one for one in self.base_loads if one.node == node.id), None)
        if last is None:
            return node.base_load_w
        return last.watts if self.at < last.until else max(last.watts, node.base_load_w)

    def pv_w(self, node: str) -> int:
        """The production; an old reading counts as none."""
        return next((max(0, one.watts) for one in self.pv if one.node == node and self.at < one.until), 0)


@dataclass(frozen=True)
class Tree:
    """The limits of a site."""

    root: Node
    nodes: Mapping[str, Node] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", {node.id: node for node in self.root.walk()})

    @cached_property
    def paths(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes above each EVSE, the root first."""
        return dict(_paths(self.root, ()))

    def path(self, evse_uid: str) -> tuple[Node, ...]:
        """The nodes above an EVSE; one that no node names hangs at the root."""
        return self.paths.get(evse_uid, (self.root,))

    def net_w(self, node: Node, now: Now) -> int:
        """The load besides charging at a node and below it, less what is produced there."""
        return now.base_w(node) - now.pv_w(node.id) + sum(self.net_w(child, now) for child in node.children)

    def room(self, now: Now) -> dict[str, int]:
        """How much may be charged with at each node, in its own unit; below zero where the other loads are more than the limit."""
        return {node.id: _room(node, self.net_w(node, now), now.limit_w(node.id)) for node in self.nodes.values()}

    def standing_room(self) -> dict[str, int]:
        """The same for whatever comes: no PV, the provisioned load, no passing limits."""
        return self.room(Now(datetime.max.replace(tzinfo=UTC)))


def _room(node: Node, net_w: int, limited_w: int | None) -> int:
    limit = node.limit if limited_w is None else min(node.limit, node.from_watts(limited_w))
    return limit + node.from_watts(-net_w)


def _paths(node: Node, above: tuple[Node, ...]) -> Iterator[tuple[str, tuple[Node, ...]]]:
    path = (*above, node)
    yield from ((uid, path) for uid in node.evses)
    for child in node.children:
        yield from _paths(child, path)


# --- reading ---


def read_tree(limits: Object, evse_uids: Collection[str]) -> Tree:
    """The tree of a site with these EVSEs, as provisioned. Raises BadLimits with all that is wrong."""
    reader = _Reader({fold(uid): uid for uid in evse_uids})
    root = reader.node("limits", limits, 1)
    if reader.faults or root is None:
        raise BadLimits(reader.faults)
    return Tree(root)


class _Reader:
    """Reads nodes and notes what is wrong with them."""

    def __init__(self, uids: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._uids, self._seen, self._ids = uids, set[str](), set[str]()

    def node(self, place: str, item: Any, level: int) -> Node | None:
        if not isinstance(item, Mapping) or not self._may_go_on(place, level):
            self._wrong(place, "is not an object")
            return None
        for name in sorted(map(str, item.keys() - _FIELDS)):
            self._wrong(f"{place}.{name[:36]}", "is not a field of a node")
        is_watts, limit = self._limit(place, item)
        return Node(
            id=self._id(place, item),
            name=str(item.get("name") or ""),
            is_watts=is_watts,
            limit=limit,
            volts=self._whole(f"{place}.volts", item.get("volts", VOLTS), 1, VOLTS_MAX),
            phases=self._phases(f"{place}.phases", item.get("phases", 3)),
            base_load_w=self._watts(f"{place}.base_load_kw", item.get("base_load_kw", 0)),
            mode=self._mode(f"{place}.mode", item.get("mode"), is_root=level == 1),
            following=self._following(place, item),
            children=self._children(place, item, level),
            evses=self._evses(place, item),
        )

    def _may_go_on(self, place: str, level: int) -> bool:
        if level <= LEVELS_MAX and len(self._ids) < NODES_MAX:
            return True
        self._wrong(place, f"more than {LEVELS_MAX} levels or {NODES_MAX} nodes")
        return False

    def _id(self, place: str, item: Object) -> str:
        name = item.get("id")
        if not isinstance(name, str) or not name:
            self._wrong(f"{place}.id", "is required: a text")
            return ""
        if fold(name) in self._ids:
            self._wrong(f"{place}.id", f"{name[:36]!r} stands twice")
        self._ids.add(fold(name))
        return name

    def _limit(self, place: str, item: Object) -> tuple[bool, int]:
        if ("limit_kw" in item) == ("limit_a" in item):
            self._wrong(place, "has one limit: limit_kw (all phases together) or limit_a (per phase)")
            return True, 0
        if "limit_kw" in item:
            return True, self._watts(f"{place}.limit_kw", item["limit_kw"]) * TENTHS
        return False, int(self._number(f"{place}.limit_a", item["limit_a"], LIMIT_MAX_A) * TENTHS)

    def _following(self, place: str, item: Object) -> Following:
        usual = Following()
        return Following(
            grid_w=self._watts(f"{place}.grid_kw", item.get("grid_kw", 0)),
            min_on_seconds=self._whole(
                f"{place}.min_on_seconds", item.get("min_on_seconds", usual.min_on_seconds), 0, SECONDS_MAX
            ),
            min_off_seconds=self._whole(
                f"{place}.min_off_seconds", item.get("min_off_seconds", usual.min_off_seconds), 0, SECONDS_MAX
            ),
        )

    def _children(self, place: str, item: Object, level: int) -> tuple[Node, ...]:
        children = self._list(f"{place}.children", item.get("children"))
        read = (self.node(f"{place}.children[{index}]", child, level + 1) for index, child in enumerate(children))
        return tuple(node for node in read if node is not None)

    def _evses(self, place: str, item: Object) -> tuple[str, ...]:
        named = enumerate(self._list(f"{place}.evses", item.get("evses")))
        read = (self._evse(f"{place}.evses[{index}]", uid) for index, uid in named)
        return tuple(uid for uid in read if uid)

    def _evse(self, place: str, uid: Any) -> str:
        key = fold(uid) if isinstance(uid, str) else ""
        if key not in self._uids:
            self._wrong(place, "there is no EVSE of this uid at the site")
            return ""
        if key in self._seen:
            self._wrong(place, f"{uid[:36]!r} stands twice")
        self._seen.add(key)
        return self._uids[key]

    def _mode(self, place: str, value: Any, *, is_root: bool) -> Mode | None:
        if value is None:
            return None
        if value not in tuple(Mode):
            self._wrong(place, f"is one of {', '.join(Mode)}")
            return None
        if value != Mode.SURPLUS and not is_root:
            self._wrong(place, f"{value} is for the whole site: it stands at the topmost node")
        return Mode(value)

    def _watts(self, place: str, value: Any) -> int:
        return int(self._number(place, value, LIMIT_MAX_KW) * 1000)

    def _number(self, place: str, value: Any, most: Decimal) -> Decimal:
        is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        number = Decimal(str(value)) if is_number else Decimal(-1)
        if number.is_finite() and 0 <= number <= most:
            return number
        self._wrong(place, f"is a number from 0 to {most}")
        return Decimal(0)

    def _phases(self, place: str, value: Any) -> int:
        if value in (1, 3) and not isinstance(value, bool):
            return int(value)
        self._wrong(place, "is 1 or 3")
        return 3

    def _whole(self, place: str, value: Any, least: int, most: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._wrong(place, f"is a whole number from {least} to {most}")
        return least

    def _list(self, place: str, value: Any) -> list[Any]:
        if value is None or isinstance(value, list):
            return value or []
        self._wrong(place, "is a list")
        return []

    def _wrong(self, place: str, what: str) -> None:
        if not any(fault.startswith(f"{place}: ") for fault in self.faults):
            self.faults.append(f"{place}: {what}")

"""One control step of a site, as far as it is thinking: what everybody should be told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from hub.chargers.loads.charges import ActiveCharge, Evse
from hub.chargers.loads.safety import Free, Point, SetPoints, Standing, fits, secure
from hub.chargers.loads.sharing import SHARES, Claim, Share, fair, leaves_in
from hub.chargers.loads.surplus import Swing, budget_w, follow, least_w, surplus_w
from hub.chargers.loads.tree import MIN_TENTHS, Mode, Node, Now, Tree

DEAD_BAND_TENTHS = 10
RAISE_EVERY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Turn:
    """How long a charge has had something, or has waited; `raised_seconds`: how long ago it was given more."""

    is_on: bool
    seconds: float
    raised_seconds: float = RAISE_EVERY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A site at a moment: the charges by EVSE, what is known of each EVSE, and how long cars usually stay (ascending)."""

    tree: Tree
    now: Now
    evses: Mapping[str, Evse]
    charges: Mapping[str, ActiveCharge]
    standings: Mapping[str, Standing]
    turns: Mapping[str, Turn] = field(default_factory=dict)
    dwells_seconds: Sequence[float] = ()

    def standing(self, uid: str) -> Standing:
        """What is known of an EVSE."""
        return self.standings.get(uid, Standing())

    @property
    def room(self) -> dict[str, int]:
        """What may be charged with at each node."""
        return self.tree.room(self.now)

    def points(self) -> list[Point]:
        """Whoever takes power now, or may take it unseen."""
        found = (self._point(uid) for uid in self.evses)
        return [point for point in found if point is not None]

    def _point(self, uid: str) -> Point | None:
        evse, standing, charge = self.evses[uid], self.standing(uid), self.charges.get(uid)
        if charge is not None:
            most = evse.most_of(charge)
            return Point(evse_uid=uid, most=most, counted=standing.counted(most), phases=charge.phases)
        if standing.is_there:
            return None
        return Point(evse_uid=uid, most=evse.most, counted=standing.counted(evse.most), phases=evse.phases)


@dataclass(frozen=True, slots=True)
class Plan:
    """What everybody who charges should have, the first served first; `swings` of the nodes that follow the sun."""

    wishes: dict[str, int]
    swings: Mapping[str, Swing]


def plan(scene: Scene, swings: Mapping[str, Swing], share: Share | None = None) -> Plan:
    """Share out what is left beside those who cannot be led, as the site's mode has it or by another `share`.

    Whoever has nearly what it should have keeps it.
    """
    led = [uid for uid in scene.charges if scene.standing(uid).is_led]
    swung = {node.id: _swing(scene, node, swings) for node in scene.tree.nodes.values() if node.mode is Mode.SURPLUS}
    room = _left_for(scene, led, swung)
    share_out = share or SHARES[scene.tree.root.mode or Mode.EDF]
    claims = [_claim(scene, uid) for uid in led]
    shared = share_out(scene.tree, room, claims)
    others = {uid: MIN_TENTHS for uid in scene.charges if uid not in shared}
    return Plan({**others, **_calm(scene, room, (claims, shared))}, swung)


def grants(scene: Scene, wishes: SetPoints) -> dict[str, int]:
    """What may be given of the wishes while everybody is counted as it stands."""
    order = {uid: place for place, uid in enumerate(wishes)}
    points = sorted(scene.points(), key=lambda point: order.get(point.evse_uid, -1))
    given = secure(scene.tree, scene.room, points, wishes)
    return {uid: given[uid] for uid in wishes if uid in given}


def fallbacks(tree: Tree, evses: Mapping[str, Evse]) -> dict[str, int]:
    """What each EVSE may take by itself when nobody tells it anything: all together fit, whatever comes."""
    claims = [Claim(evse_uid=evse.uid, most=evse.most, phases=evse.phases) for evse in evses.values()]
    return fair(tree, tree.standing_room(), claims)


def within(tree: Tree, evses: Mapping[str, Evse], installed: SetPoints, wanted: SetPoints) -> dict[str, int]:
    """How far each fall-back may go towards what is wanted while those that are installed stay as they are."""
    points = [
        Point(evse_uid=uid, most=evse.most, counted=installed.get(uid, 0), phases=evse.phases)
        for uid, evse in evses.items()
    ]
    return secure(tree, tree.standing_room(), points, wanted)


def _swing(scene: Scene, node: Node, swings: Mapping[str, Swing]) -> Swing:
    below = _below(scene, node)
    is_enough = bool(below) and _surplus(scene, node, below) + node.following.grid_w >= _least(node, below)
    return follow(swings.get(node.id, Swing()), is_enough, node.following, scene.now.at)


def _left_for(scene: Scene, led: Sequence[str], swings: Mapping[str, Swing]) -> dict[str, int]:
    free = Free(scene.tree, scene.room)
    for point in scene.points():
        if point.evse_uid not in led:
            free.take(point, point.counted)
    for id, swing in swings.items():
        node = scene.tree.nodes[id]
        below = _below(scene, node)
        budget = budget_w(swing, _surplus(scene, node, below), _least(node, below), node.following)
        free.left[id] = min(free.left[id], node.from_watts(budget))
    return free.left


def _below(scene: Scene, node: Node) -> list[ActiveCharge]:
    return [charge for uid, charge in scene.charges.items() if node in scene.tree.path(uid)]


def _surplus(scene: Scene, node: Node, below: Sequence[ActiveCharge]) -> int:
    others = sum(int(charge.power_w or 0) for charge in scene.charges.values() if charge not in below)
    return surplus_w(scene.tree, node, scene.now, others)


def _least(node: Node, below: Sequence[ActiveCharge]) -> int:
    return min((least_w(node, charge.phases) for charge in below), default=0)


def _claim(scene: Scene, uid: str) -> Claim:
    evse, charge = scene.evses[uid], scene.charges[uid]
    turn = scene.turns.get(uid, Turn(False, 0))
    return Claim(
        evse_uid=uid,
        most=evse.allowed(charge),
        phases=charge.phases,
        leaves_in_seconds=_leaves_in(scene, charge),
        remaining_wh=None if charge.wanted_wh is None else float(charge.wanted_wh - charge.energy_wh),
        waits_seconds=0 if turn.is_on else turn.seconds,
        on_seconds=turn.seconds if turn.is_on else 0,
    )


def _leaves_in(scene: Scene, charge: ActiveCharge) -> float | None:
    if charge.departs_at is not None:
        return (charge.departs_at - scene.now.at) / timedelta(seconds=1)
    return leaves_in((scene.now.at - charge.since) / timedelta(seconds=1), scene.dwells_seconds)


def _calm(scene: Scene, room: Mapping[str, int], given: tuple[Sequence[Claim], Mapping[str, int]]) -> dict[str, int]:
    """Leave what hardly changes, and what was raised a moment ago; all of it only where it fits."""
    claims, shared = given
    kept = {uid: _kept(scene, uid, wish) for uid, wish in shared.items()}
    points = [claim.point for claim in claims]
    return kept if fits(scene.tree, room, points, kept) else dict(shared)


def _kept(scene: Scene, uid: str, wish: int) -> int:
    confirmed, turn = scene.standing(uid).confirmed, scene.turns.get(uid)
    if not confirmed or not wish:
        return wish
    is_early = wish > confirmed and turn is not None and turn.raised_seconds < RAISE_EVERY_SECONDS
    return confirmed if is_early or abs(wish - confirmed) < DEAD_BAND_TENTHS else wish

"""Who gets how much of what is there. Pure.

Nobody is planned with energy that its car did not ask for: who has got it comes last. A car charges with 6 A or more, or waits; who waited
longest is next, and a turn lasts TURN_SECONDS at least, so that nobody starves and no relay chatters.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import ceil, inf

from hub.chargers.loads.safety import Free, Point, legal
from hub.chargers.loads.tree import MIN_TENTHS, TENTHS, VOLTS, Mode, Node, Tree

TURN_SECONDS = 900
DWELL_QUANTILE = 0.5
DWELLS_MIN = 20
"""With fewer past stays nothing is said about the next one."""

HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody who charges: at most with `most` tenths of an ampere per phase.

    `leaves_in_seconds` and `remaining_wh` are None where nobody knows. `waits_seconds`: how long it has had nothing; `on_seconds`: since
    when it has had something without a break; one of the two is zero.
    """

    evse_uid: str
    most: int
    phases: int = 3
    leaves_in_seconds: float | None = None
    remaining_wh: float | None = None
    waits_seconds: float = 0
    on_seconds: float = 0

    @property
    def point(self) -> Point:
        """The same for the sums."""
        return Point(evse_uid=self.evse_uid, most=self.most, phases=self.phases)

    @property
    def laxity_seconds(self) -> float:
        """How long it could wait and still get all; endless where that is not known."""
        if self.leaves_in_seconds is None or self.remaining_wh is None or self.most <= 0:
            return inf
        power_w = self.most * VOLTS * self.phases / TENTHS
        return self.leaves_in_seconds - self.remaining_wh * HOUR_SECONDS / power_w


Share = Callable[[Tree, Mapping[str, int], Sequence[Claim]], dict[str, int]]
"""Set-points by uid of the EVSE, each zero or from 6 A on; together they fit into the room."""


class _Rank(IntEnum):
    """Who comes before whom."""

    LEAVES = 0
    UNKNOWN = 1
    LATE = 2
    SERVED = 3


def leaves_in(stayed_seconds: float, dwells_seconds: Sequence[float]) -> float | None:
    """When somebody will probably leave who has not said: the median of past stays that were longer than this one.

    `dwells_seconds` in ascending order. None with fewer than DWELLS_MIN stays, or where nobody stayed longer.
    """
    shorter = bisect_right(dwells_seconds, stayed_seconds)
    longer = len(dwells_seconds) - shorter
    if len(dwells_seconds) < DWELLS_MIN or not longer:
        return None
    return dwells_seconds[shorter + ceil(longer * DWELL_QUANTILE) - 1] - stayed_seconds


def edf(tree: Tree, room: Mapping[str, int], claims: Sequence[Claim]) -> dict[str, int]:
    """First the least that a car can take for everybody, in turn; the rest by deadlines, the earliest first.

    Of two that leave together, who can wait less comes first. Then, in equal parts, those of whom nothing is known; then who should have
    left; last who has got all that it asked for. The first 6 A for everybody cost little and help those whose deadline was guessed wrong.
    """
    free, given = Free(tree, room), dict[str, int]()
    _start(free, given, _unserved(claims))
    for claim in sorted(_of_rank(claims, _Rank.LEAVES), key=_urgency):
        _top_up(free, given, claim)
    for rank in (_Rank.UNKNOWN, _Rank.LATE):
        _rise_together(free, given, _of_rank(claims, rank))
    _level(free, given, _of_rank(claims, _Rank.SERVED))
    return given


def fair(tree: Tree, room: Mapping[str, int], claims: Sequence[Claim]) -> dict[str, int]:
    """In equal parts (max-min): nobody gets more while somebody with less could have it."""
    free, given = Free(tree, room), dict[str, int]()
    _level(free, given, _unserved(claims))
    _level(free, given, _of_rank(claims, _Rank.SERVED))
    return given


def round_robin(tree: Tree, room: Mapping[str, int], claims: Sequence[Claim]) -> dict[str, int]:
    """One after the other at full power; who had its turn goes to the end. For comparison."""
    free, given = Free(tree, room), dict[str, int]()
    for claim in sorted(claims, key=_turn):
        _give(free, given, claim, claim.most)
    return given


SHARES: Mapping[Mode, Share] = {Mode.EDF: edf, Mode.FAIR: fair, Mode.SURPLUS: edf}


def _rank(claim: Claim) -> _Rank:
    if claim.remaining_wh is not None and claim.remaining_wh <= 0:
        return _Rank.SERVED
    if claim.leaves_in_seconds is None:
        return _Rank.UNKNOWN
    return _Rank.LEAVES if claim.leaves_in_seconds > 0 else _Rank.LATE


def _of_rank(claims: Iterable[Claim], rank: _Rank) -> list[Claim]:
    return [claim for claim in claims if _rank(claim) is rank]


def _unserved(claims: Iterable[Claim]) -> list[Claim]:
    return [claim for claim in claims if _rank(claim) is not _Rank.SERVED]


def _urgency(claim: Claim) -> tuple[float, float, str]:
    return claim.leaves_in_seconds or 0, claim.laxity_seconds, claim.evse_uid


def _turn(claim: Claim) -> tuple[int, float, str]:
    """Whose turn lasts, then who waits, the longest first, then whose turn is over."""
    if claim.waits_seconds > 0 or claim.on_seconds <= 0:
        return 1, -claim.waits_seconds, claim.evse_uid
    return 0 if claim.on_seconds < TURN_SECONDS else 2, claim.on_seconds, claim.evse_uid


def _give(free: Free, given: dict[str, int], claim: Claim, wish: int) -> None:
    amount = legal(min(wish, free.fits(claim.point)), claim.most)
    free.take(claim.point, amount)
    given[claim.evse_uid] = amount


def _start(free: Free, given: dict[str, int], claims: Iterable[Claim]) -> None:
    """The least that a car can take, in turn."""
    for claim in sorted(claims, key=_turn):
        _give(free, given, claim, MIN_TENTHS)


def _top_up(free: Free, given: dict[str, int], claim: Claim) -> None:
    """All that somebody who has its 6 A can take besides."""
    if given[claim.evse_uid]:
        more = min(claim.most - given[claim.evse_uid], free.fits(claim.point))
        free.take(claim.point, more)
        given[claim.evse_uid] += more


def _level(free: Free, given: dict[str, int], claims: Sequence[Claim]) -> None:
    """Equal parts of what is left."""
    _start(free, given, claims)
    _rise_together(free, given, claims)


def _rise_together(free: Free, given: dict[str, int], claims: Iterable[Claim]) -> None:
    """Whoever has its 6 A gets more, all of them alike, until a node above them is full."""
    rising = [claim for claim in claims if 0 < given[claim.evse_uid] < claim.most]
    while rising:
        by = _rise(free, rising, given)
        for claim in rising:
            free.take(claim.point, by)
            given[claim.evse_uid] += by
        full = _full(free, rising)
        rising = [one for one in rising if given[one.evse_uid] < one.most and not full & _ids(free.path(one.point))]


def _rise(free: Free, rising: Sequence[Claim], given: Mapping[str, int]) -> int:
    """By how much all of them can rise."""
    weights = _weights(free, rising)
    return max(
        0,
        min(
            min(free.left[node] // weight for node, weight in weights.items()),
            min(claim.most - given[claim.evse_uid] for claim in rising),
        ),
    )


def _full(free: Free, rising: Sequence[Claim]) -> set[str]:
    """The nodes at which those who rise cannot rise together any more."""
    return {node for node, weight in _weights(free, rising).items() if free.left[node] < weight}


def _weights(free: Free, rising: Sequence[Claim]) -> dict[str, int]:
    sums = dict[str, int]()
    for claim in rising:
        for node in free.path(claim.point):
            sums[node.id] = sums.get(node.id, 0) + node.weight(claim.phases)
    return sums


def _ids(nodes: Iterable[Node]) -> set[str]:
    return {node.id for node in nodes}

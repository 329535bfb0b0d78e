"""The hard layer: whatever was shared out, no limit is exceeded. Pure, and apart from those who share out.

Set-points go in, set-points come out. Stations that do not confirm, do not obey or are away are counted at the most that they may take, or
at the fall-back that was installed in them. Currents are whole tenths of an ampere per phase.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.chargers.loads.tree import MIN_TENTHS, Node, Tree

TOLERANCE_TENTHS = 10
TOLERANCE_SHARE = 10
"""A station obeys that takes no more than 1 A, or a tenth, above what it was told: its voltage is not known."""

SetPoints = Mapping[str, int]
"""By uid of the EVSE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An EVSE that takes or may take power: `most` it can, `counted` whatever it is told now, with so many phases."""

    evse_uid: str
    most: int
    counted: int = 0
    phases: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of how far an EVSE does as told.

    `confirmed`: the set-point that its station accepted last; `unsure`: the highest that was sent since without an answer; `fallback`: what
    it takes by itself, confirmed too. `is_there`: its station is connected. `is_lapsed`: the set-point may have run out there.
    `is_deaf`: it takes more than it was told; `is_refusing`: it did not accept what it was told last.
    """

    confirmed: int | None = None
    confirmed_at: datetime | None = None
    unsure: int = 0
    fallback: int | None = None
    is_there: bool = True
    is_lapsed: bool = False
    is_deaf: bool = False
    is_refusing: bool = False

    @property
    def is_led(self) -> bool:
        """Whether it takes part: it is there and does as it is told, as far as anybody knows."""
        return self.is_there and not self.is_deaf and not self.is_refusing

    def counted(self, most: int) -> int:
        """What an EVSE has to be counted at while it is told nothing new."""
        if self.is_deaf:
            return most
        alone = most if self.fallback is None else self.fallback
        told = alone if self.confirmed is None else self.confirmed
        return min(most, max(told, self.unsure, 0 if self.is_there and not self.is_lapsed else alone))


def is_deaf(standing: Standing, drawn: int, read_at: datetime, step: timedelta) -> bool:
    """Whether a reading shows that an EVSE does not obey; one from before it could obey shows nothing new."""
    if standing.confirmed is None or standing.confirmed_at is None or read_at < standing.confirmed_at + step:
        return standing.is_deaf
    tolerance = max(TOLERANCE_TENTHS, standing.confirmed // TOLERANCE_SHARE)
    return drawn > standing.confirmed + tolerance


def legal(wish: int, most: int) -> int:
    """A set-point that a car can follow: nothing, or from 6 A on."""
    capped = min(wish, most)
    return capped if capped >= MIN_TENTHS else 0


def secure(tree: Tree, room: Mapping[str, int], points: Sequence[Point], wishes: SetPoints) -> dict[str, int]:
    """Set-points that fit: at each node they come to no more than its room, counted points included. Who is named first is served first.

    Where what is counted anyway is too much already, nobody gets anything besides.
    """
    free = Free(tree, room)
    for point in points:
        free.take(point, point.counted)
    return {point.evse_uid: _granted(free, point, wishes.get(point.evse_uid, 0)) for point in points}


def _granted(free: Free, point: Point, wish: int) -> int:
    wanted = legal(wish, point.most)
    if wanted <= point.counted:
        return wanted
    given = legal(min(wanted, point.counted + free.fits(point)), point.most)
    free.take(point, max(0, given - point.counted))
    return given


def fits(tree: Tree, room: Mapping[str, int], points: Sequence[Point], setpoints: SetPoints) -> bool:
    """Whether these set-points can stand as they are."""
    return secure(tree, room, points, setpoints) == {
        point.evse_uid: setpoints.get(point.evse_uid, 0) for point in points
    }


def load(tree: Tree, points: Iterable[Point], setpoints: SetPoints) -> dict[str, int]:
    """What all points come to at each node, in its own unit."""
    free = Free(tree, dict.fromkeys(tree.nodes, 0))
    for point in points:
        free.take(point, max(setpoints.get(point.evse_uid, 0), point.counted))
    return {node: -left for node, left in free.left.items()}


class Free:
    """What is left at each node while it is given away."""

    def __init__(self, tree: Tree, room: Mapping[str, int]) -> None:
        self._tree = tree
        self.left = dict(room)

    def fits(self, point: Point) -> int:
        """How much more a point may take: whole tenths, never below zero."""
        return max(0, min(self.left[node.id] // node.weight(point.phases) for node in self.path(point)))

    def take(self, point: Point, tenths: int) -> None:
        """Give it away."""
        for node in self.path(point):
            self.left[node.id] -= tenths * node.weight(point.phases)

    def path(self, point: Point) -> tuple[Node, ...]:
        """The nodes above it."""
        return self._tree.path(point.evse_uid)

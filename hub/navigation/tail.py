"""Changes that are numbered before they are committed: each is told once, though some come late. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol, TypeVar


class Numbered(Protocol):
    """A change with its number."""

    @property
    def id(self) -> int: ...


Change = TypeVar("Change", bound=Numbered)


class Tail:
    """Where a reader of changes stands: what is above `floor` is to be read again.

    A number that was given more than `overlap_seconds` ago is committed by now, or never will be. `known` are the numbers above `floor`
    that have been told.
    """

    def __init__(self, floor: int, known: Iterable[int] = (), overlap_seconds: float = 60.0) -> None:
        self.floor = floor
        self._known = {id_ for id_ in known if id_ > floor}
        self._overlap_seconds = overlap_seconds
        self._tops: deque[tuple[float, int]] = deque()

    def take(self, found: Iterable[Change], top: int, now: float) -> list[Change]:
        """Those of the changes above `floor` that are new; `top` is the last number that was given before they were read.

        `now` are seconds of a clock that never goes back.
        """
        new = [change for change in found if change.id not in self._known]
        self._known.update(change.id for change in new)
        self._tops.append((now, top))
        self._rise(now)
        return new

    def _rise(self, now: float) -> None:
        before = self.floor
        while self._tops and self._tops[0][0] <= now - self._overlap_seconds:
            self.floor = max(self.floor, self._tops.popleft()[1])
        if self.floor != before:
            self._known = {id_ for id_ in self._known if id_ > self.floor}

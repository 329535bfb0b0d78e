"""How long something whose push was refused is left alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

REST_FIRST_SECONDS = 10
REST_MAX_SECONDS = 600
RESTING_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Rest:
    """Until when something is left alone, and how long that was."""

    until: datetime
    seconds: int

    @classmethod
    def after(cls, before: Rest | None, now: datetime) -> Rest:
        """The next rest: twice as long as the one before, up to a bound."""
        seconds = REST_FIRST_SECONDS if before is None else min(before.seconds * 2, REST_MAX_SECONDS)
        return cls(now + timedelta(seconds=seconds), seconds)


@dataclass(slots=True)
class Rests:
    """What rests, by its number; RESTING_MAX at most."""

    _by_number: dict[int, Rest] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_number)

    def is_resting(self, number: int, now: datetime) -> bool:
        """Whether something is to be left alone now."""
        rest = self._by_number.get(number)
        return rest is not None and now < rest.until

    def note(self, number: int, now: datetime, *, is_good: bool) -> None:
        """Something was tried: it has worked, or rests longer than before."""
        before = self._by_number.pop(number, None)
        if not is_good and len(self._by_number) < RESTING_MAX:
            self._by_number[number] = Rest.after(before, now)

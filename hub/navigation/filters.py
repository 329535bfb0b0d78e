"""What a driver looks for."""

from __future__ import annotations

from dataclasses import dataclass

from hub.navigation.entry import PAYMENTS, Vehicles


@dataclass(frozen=True, slots=True)
class Filter:
    """What a Location has to have; what is empty or None is not asked for.

    One group of EVSEs has to have all of `connectors` (one of these standards), power (kW, with both ends; an unknown power is in no
    range), `payments` (one of these capabilities), `vehicle` and `is_available_now` (one of them AVAILABLE) together: a free slow
    socket beside a fast one that is taken is not a fast one that is free. The Location has to have the rest: `operators` (one of these,
    an owner as ``CC/PID`` or an operator's name, in any case), and `is_open_now`. A Location of which nobody said when it is open is
    not known to be open, and is left out then. Raises ValueError for a payment that is none of PAYMENTS and for a range without an inside.
    """

    connectors: frozenset[str] = frozenset()
    power_min_kw: float | None = None
    power_max_kw: float | None = None
    operators: frozenset[str] = frozenset()
    payments: frozenset[str] = frozenset()
    is_open_now: bool = False
    is_available_now: bool = False
    vehicle: Vehicles | None = None

    def __post_init__(self) -> None:
        if strange := self.payments - frozenset(PAYMENTS):
            raise ValueError(f"no way to pay: {', '.join(sorted(strange))}; known: {', '.join(PAYMENTS)}")
        if self.power_min_kw is not None and self.power_max_kw is not None and self.power_min_kw > self.power_max_kw:
            raise ValueError("the least power is above the most power")

    @property
    def is_of_groups(self) -> bool:
        """Whether groups of EVSEs have to be looked at."""
        powers = self.power_min_kw, self.power_max_kw
        return bool(self.connectors or self.payments or self.is_available_now or self.vehicle) or powers != (None, None)

"""More energy than a connector can give (mod_locations, Connector; the finding ENERGY_ABOVE_PHYSICAL_LIMIT)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from hub.pricing.charge import Charge
from hub.pricing.exact import PER_ONE, Exact
from hub.pricing.findings import has_periods_in_wh, has_total_in_wh
from hub.pricing.moments import HOUR, duration_since, period_length
from hub.pricing.result import Warning

MARGIN_SHARE = Fraction(5, 100)
SHORT_MICROSECONDS = 6 * 60 * PER_ONE
SHORT_EXTRA_ENERGY = PER_ONE // 10  # millionths of a kWh
LEAST_MICROSECONDS = PER_ONE
"""What a meter is read for at one moment belongs to the whole only."""


def above_power(charge: Charge, watts: Fraction) -> Iterator[Warning]:
    """The whole charge where it is above the limit, else each period that is; nothing where energy is in the wrong unit anyway."""
    if has_periods_in_wh(charge) or has_total_in_wh(charge):
        return
    energy: Exact = sum(period.energy or 0 for period in charge.periods)
    whole = duration_since(charge.start, charge.end)
    if whole is not None and energy > _limit(watts, whole):
        yield _warning(energy, _limit(watts, whole), watts)
        return
    for index, period in enumerate(charge.periods):
        length = period_length(charge, index)
        if length is None or length <= LEAST_MICROSECONDS or period.energy is None:
            continue
        if period.energy > _limit(watts, length):
            yield _warning(period.energy, _limit(watts, length), watts, index)


def _limit(watts: Fraction, length: int) -> Fraction:
    """The most energy that can flow in a time, in millionths of a kWh."""
    extra = SHORT_EXTRA_ENERGY if length < SHORT_MICROSECONDS else 0
    return watts / 1000 * PER_ONE * Fraction(length, HOUR) * (1 + MARGIN_SHARE) + extra


def _warning(energy: Exact, limit: Fraction, watts: Fraction, period: int | None = None) -> Warning:
    facts: dict[str, object] = {
        "energy_kwh": Fraction(energy, PER_ONE),
        "limit_kwh": limit / PER_ONE,
        "power_w": watts,
    }
    return Warning("ENERGY_ABOVE_PHYSICAL_LIMIT", "More energy is stated than the connector can give.", period, facts)

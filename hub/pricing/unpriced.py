"""What a charge states and nothing prices: it costs nothing, and is shown all the same (rule D1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hub.pricing.charge import Period
from hub.pricing.exact import Exact
from hub.pricing.pricer import Priced


class Unpriced(NamedTuple):
    """A stated quantity without a price, in the units of `charge.Period`; `tariff` is the id of the tariff of its period.

    `rule` tells why: nothing prices the dimension at that moment (E1), or no tariff is relevant then (T2).
    """

    period: int
    dimension: str
    quantity: Exact
    tariff: str | None
    rule: str


def unpriced(priced: Priced) -> Iterator[Unpriced]:
    """Every quantity other than 0 that no component prices, in the order of the periods."""
    lines = priced.working.lines.unordered()
    done = {(line.period, line.component.dimension) for line in lines}
    for index, period in enumerate(priced.working.charge.periods):
        tariff = priced.working.tariffs[index]
        for dimension, quantity in _stated(period):
            if quantity and (index, dimension) not in done:
                name, rule = (None, "T2") if tariff is None else (tariff.id, "E1")
                yield Unpriced(index, dimension, quantity, name, rule)


def _stated(period: Period) -> tuple[tuple[str, Exact | None], ...]:
    return (
        ("ENERGY", period.energy),
        ("TIME", period.time),
        ("PARKING_TIME", period.parking),
        ("RESERVATION_TIME", period.reservation),
    )

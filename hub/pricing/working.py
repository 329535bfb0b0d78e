"""What the pricer has chosen for a charge, before it is added up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

import msgspec

from hub.pricing.charge import Charge, Period
from hub.pricing.exact import Exact
from hub.pricing.policy import Policy
from hub.pricing.restrictions import Moment
from hub.pricing.result import Lines
from hub.pricing.tariff import CompiledTariff, Component, Components

Tariffs = Sequence[CompiledTariff | None]


class Working(msgspec.Struct, gc=False):
    """A charge under a policy: the tariff and the state at the start of every period, and the lines.

    `charge` is what is priced, `stated` what was sent; a policy may read the one from the other.
    """

    stated: Charge
    charge: Charge
    policy: Policy
    zone: tzinfo | None
    tariffs: Tariffs
    moments: Sequence[Moment]
    lines: Lines


def active(components: Components, moment: Moment) -> Component | None:
    """The first component whose restrictions all hold (E1); None where the dimension costs nothing."""
    for component in components:
        for check in component.checks:
            if not check(moment):
                break
        else:
            return component
    return None


def quantities(period: Period, tariff: CompiledTariff, expired: bool) -> tuple[tuple[Components, Exact | None], ...]:
    """What a period may state, None where it does not, beside the components that may price it (R2, R3)."""
    if period.is_reservation:
        return ((tariff.expired_time if expired else tariff.reserved_time, period.reservation),)
    return (tariff.energy, period.energy), (tariff.time, period.time), (tariff.parking, period.parking)


def flats(period: Period, tariff: CompiledTariff, expired: bool) -> tuple[Components, ...]:
    """The groups of FLATs of which one each may be due in a period (R2 to R4)."""
    if not period.is_reservation:
        return (tariff.flat,)
    return tariff.expired_flats if expired else (tariff.reserved_flat,)


def is_expired(charge: Charge) -> bool:
    """Whether there was only a reservation, which nobody used (R1)."""
    first = charge.periods[0]
    return first.reservation is not None and all(period.is_reservation for period in charge.periods)

"""What a charge should have cost: choose a component for every quantity, round up to steps, add up, limit.

Source: mod_tariffs and mod_cdrs; the order is that of the rules: D, T, E, R, F, S, V, M, C. Nothing here rounds money.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import tzinfo
from functools import cached_property

from hub.pricing.charge import Charge, in_four_decimals
from hub.pricing.exact import Exact
from hub.pricing.findings import findings, in_kwh, uncertainties
from hub.pricing.limits import Bounded, bounded, total_of
from hub.pricing.moments import by_timestamps, moments_of
from hub.pricing.policy import DEFAULT, Policy
from hub.pricing.restrictions import Moment
from hub.pricing.result import Line, Lines, Money, Unpriceable, Warning
from hub.pricing.selection import Missing, Selected, TariffBook, select
from hub.pricing.steps import add_surpluses
from hub.pricing.tariff import PARTS, CompiledTariff, Component, Components
from hub.pricing.working import Tariffs, Working, active, flats, is_expired
from hub.pricing.zones import zone_at

NO_BOOK = TariffBook()


class Priced:
    """A price, exact, and everything that it was made of; amounts are in the currency of the charge.

    The total is there at once; words and sums by part are worked out when somebody asks.
    """

    def __init__(self, working: Working, total: Bounded, doubts: tuple[Warning, ...], book: TariffBook) -> None:
        self.working, self.total, self.doubts, self.book = working, total, doubts, book

    @property
    def charge(self) -> Charge:
        """What was priced, as it was sent."""
        return self.working.stated

    @property
    def policy(self) -> Policy:
        """How it was read."""
        return self.working.policy

    @property
    def lines(self) -> list[Line]:
        """In the order of the periods, what step_size added last."""
        return list(self.working.lines)

    @cached_property
    def vat_unknown(self) -> bool:
        """Whether nothing that was priced states a VAT (V3)."""
        return all(line.component.vat is None for line in self.working.lines.unordered())

    @property
    def has_incl_vat(self) -> bool:
        """Whether the amounts including VAT can be told."""
        return not self.vat_unknown or self.policy.missing_vat == "same_amount"

    @property
    def total_cost(self) -> Money:
        """The total after limits, negated for a Credit CDR (C1)."""
        excl, incl = self.total.excl, self.total.incl
        return self._money(-excl, -incl) if self.charge.is_credit else self._money(excl, incl)

    @cached_property
    def parts(self) -> dict[str, Money]:
        """The cost of each part that had an active component, before limits and never negated (M5, C1)."""
        lines: list[list[Line]] = [[] for _ in PARTS]
        for line in self.working.lines.unordered():
            lines[line.component.part].append(line)
        return {name: self.cost_of(own) for name, own in zip(PARTS, lines, strict=True) if own}

    def cost_of(self, lines: Iterable[Line]) -> Money:
        """What some of the lines cost together."""
        total = total_of(lines)
        return self._money(total.excl, total.incl)

    def _money(self, excl: Exact, incl: Exact) -> Money:
        return Money(excl, incl if self.has_incl_vat else None)

    def billed(self, dimension: str) -> Exact:
        """The quantity of a dimension that was priced, after step_size, in the units of `charge.Period`."""
        lines = self.working.lines.unordered()
        return sum(line.quantity for line in lines if line.component.dimension == dimension)

    @cached_property
    def warnings(self) -> tuple[Warning, ...]:
        """All findings that the pricer alone can make."""
        return (*self.doubts, *map(self._with_both_prices, findings(self.working)))

    @property
    def uncertainties(self) -> tuple[Warning, ...]:
        """Those of `warnings` that are about tariffs, times and evidence, not about what the charge says of itself."""
        return (*self.doubts, *uncertainties(self.working))

    def _with_both_prices(self, warning: Warning) -> Warning:
        """What the charge would cost with its energy in kWh belongs to the finding that it is not (D4)."""
        charge = in_kwh(self.charge) if warning.kind == "ENERGY_UNIT_ERROR" else None
        other = None if charge is None else price(charge, self.book, self.policy, self.working.zone)
        if not isinstance(other, Priced):
            return warning
        return replace(warning, facts={**warning.facts, "total_cost_in_kwh": other.total_cost})


def price(
    charge: Charge, book: TariffBook = NO_BOOK, policy: Policy = DEFAULT, zone: tzinfo | None = None
) -> Priced | Unpriceable:
    """What the charge should have cost. Without `zone`, that of the Location, its coordinates tell it (E3).

    Raises tariff.NotATariff where the tariff that prices it cannot be read; others that cannot are warned of.
    """
    stated, charge = charge, as_read(charge, policy)
    selected = select(charge, book, policy)
    if isinstance(selected, Missing):
        return Unpriceable(selected.kind, selected.detail, stated, policy, selected.warnings)
    return _under((stated, charge), selected, (book, policy, zone))


def price_under(plain: Priced, tariffs: Tariffs, policy: Policy, zone: tzinfo | None) -> Priced:
    """The price of the same charge with the tariffs of its periods told, and so not looked for.

    For policies that read the charge and its tariffs as before; nothing is told that could be doubted about the tariffs.
    """
    return _under((plain.charge, plain.working.charge), Selected(list(tariffs), ()), (plain.book, policy, zone))


def _under(charges: tuple[Charge, Charge], selected: Selected, by: tuple[TariffBook, Policy, tzinfo | None]) -> Priced:
    """The price of a charge, as it was sent and as it is read, under its tariffs."""
    (stated, charge), tariffs, (book, policy, zone) = charges, selected.tariffs, by
    if zone is None:
        zone = zone_if_needed(charge, tariffs)
    moments = moments_of(charge, tariffs, policy, zone)
    working = Working(stated, charge, policy, zone, tariffs, moments, Lines([], [], [], [], []))
    add_lines(working)
    add_surpluses(working.lines, policy)
    return Priced(working, bounded(charge, tariffs, working.lines, policy), selected.warnings, book)


def as_read(charge: Charge, policy: Policy) -> Charge:
    """The charge with its quantities read as the policy says (N1, D2)."""
    if policy.number_reading == "four_decimals":
        charge = in_four_decimals(charge)
    if policy.time_quantity == "timestamps":
        charge = by_timestamps(charge)
    return charge


def zone_if_needed(charge: Charge, tariffs: Tariffs) -> tzinfo | None:
    """The zone at the coordinates of the charge, where a tariff asks for it."""
    needs = any(tariff is not None and tariff.needs_local_time for tariff in tariffs)
    return zone_of(charge) if needs else None


def zone_of(charge: Charge) -> tzinfo | None:
    """The zone at the coordinates of the charge; None where nobody knows it."""
    coordinates = charge.place.coordinates if charge.place is not None else None
    return None if coordinates is None else zone_at(str(coordinates.latitude), str(coordinates.longitude))


# --- which component prices what -------------------------------------------------------------


def add_lines(working: Working) -> None:
    """A line for every FLAT that is due (F1, R3) and every quantity that an active component prices (E1)."""
    lines, tariffs, moments = working.lines, working.tariffs, working.moments
    paid, expired = set[object](), is_expired(working.charge)
    for index, period in enumerate(working.charge.periods):
        tariff, moment = tariffs[index], moments[index]
        if tariff is None:
            continue
        if tariff.has_flats:
            _add_flats(working, index, tariff, expired, paid)
        if period.reservation is not None and period.is_reservation:
            components = tariff.expired_time if expired else tariff.reserved_time
            _add(lines.reservation, index, components, moment, period.reservation)
            continue
        if period.energy is not None:
            _add(lines.energy, index, tariff.energy, moment, period.energy)
        if period.time is not None:
            _add(lines.time, index, tariff.time, moment, period.time)
        if period.parking is not None:
            _add(lines.parking, index, tariff.parking, moment, period.parking)


def _add(lines: list[Line], index: int, components: Components, moment: Moment, quantity: Exact) -> None:
    for component in components:  # `active`, without the call
        for check in component.checks:
            if not check(moment):
                break
        else:
            lines.append(Line(index, component, quantity))
            return


_PAID = ((False, 0), None)
"""The key of the FLAT that is due once in a session."""


def _add_flats(working: Working, index: int, tariff: CompiledTariff, expired: bool, paid: set[object]) -> None:
    period = working.charge.periods[index]
    if _PAID in paid and working.policy.flat == "session" and period.reservation is None:
        return
    for group, components in enumerate(flats(period, tariff, expired)):
        component = active(components, working.moments[index])
        if component is not None and _is_due(component, (period.is_reservation, group), paid, working.policy):
            working.lines.flat.append(Line(index, component, 1))


def _is_due(component: Component, group: tuple[bool, int], paid: set[object], policy: Policy) -> bool:
    """Whether a FLAT was not paid before; then it is paid now (F1)."""
    key = component if policy.flat == "component" else (group, component.tariff if policy.flat == "tariff" else None)
    if key in paid:
        return False
    paid.add(key)
    return True

"""min_price and max_price (mod_tariffs, notes of the Tariff object; rules M1 to M5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import msgspec

from hub.pricing.charge import Charge
from hub.pricing.exact import PER_ONE, Exact
from hub.pricing.policy import Policy
from hub.pricing.result import LimitApplied, Line, Lines
from hub.pricing.tariff import RESERVATION, CompiledTariff, Limit
from hub.pricing.working import Tariffs


class Bounded(msgspec.Struct, gc=False):
    """A total in EXCL_UNITS and INCL_UNITS, and the limits that made it."""

    excl: Exact
    incl: Exact
    limits: tuple[LimitApplied, ...] = ()


def bounded(charge: Charge, tariffs: Tariffs, lines: Lines, policy: Policy) -> Bounded:
    """The total of all lines within the limits of the tariffs that priced them."""
    total, first = total_of(lines), tariffs[0]
    if first is not None and tariffs.count(first) == len(tariffs):
        if not first.has_limits or policy.limits == "ignored":
            return total
        return _within(total, first, _apart(lines, policy), _Case(charge, tariffs, policy))
    used = [tariff for tariff in dict.fromkeys(tariffs) if tariff is not None]
    if not any(tariff.has_limits for tariff in used) or policy.limits == "ignored":
        return total
    return _within_each(used, lines, _Case(charge, tariffs, policy))


class _Case(NamedTuple):
    charge: Charge
    tariffs: Tariffs
    policy: Policy


def _within_each(used: Sequence[CompiledTariff], lines: Lines, case: _Case) -> Bounded:
    """Each tariff limits what it priced, or the last one the whole (M3)."""
    if case.policy.limit_scope == "last_tariff":
        return _within(total_of(lines), used[-1], _apart(lines, case.policy), case)
    shares = []
    for tariff in used:
        under = _lines_under(tariff, lines)
        shares.append(_within(total_of(under), tariff, _apart(under, case.policy), case))
    limits = tuple(limit for share in shares for limit in share.limits)
    return Bounded(sum(share.excl for share in shares), sum(share.incl for share in shares), limits)


def _lines_under(tariff: CompiledTariff, lines: Lines) -> list[Line]:
    return [line for line in lines if line.component.tariff == tariff.id]


def _within(total: Bounded, tariff: CompiledTariff, apart: Bounded | None, case: _Case) -> Bounded:
    if tariff.min_price is not None and _binds_min(tariff, case):
        total = _limited(total, tariff.min_price, ("min_price", tariff.id), case.policy)
    if tariff.max_price is None:
        return total
    if apart is None:
        return _limited(total, tariff.max_price, ("max_price", tariff.id), case.policy)
    rest = Bounded(total.excl - apart.excl, total.incl - apart.incl, total.limits)
    limited = _limited(rest, tariff.max_price, ("max_price", tariff.id), case.policy)
    return Bounded(limited.excl + apart.excl, limited.incl + apart.incl, limited.limits)


def _binds_min(tariff: CompiledTariff, case: _Case) -> bool:
    """Whether min_price counts: it binds a charging session, so not a reservation that nobody used (M4)."""
    for period, under in zip(case.charge.periods, case.tariffs, strict=True):
        if under is tariff and not (period.reservation is not None and period.is_reservation):
            return True
    return case.policy.unused_reservation_min == "applied"


def _apart(lines: Iterable[Line], policy: Policy) -> Bounded | None:
    """What max_price does not limit (M4)."""
    of_reservation = [line for line in lines if line.component.part == RESERVATION]
    if not of_reservation or policy.max_price_reservation == "included":
        return None
    return total_of(of_reservation)


def _limited(total: Bounded, limit: Limit, name: tuple[str, str], policy: Policy) -> Bounded:
    """Both sides clamped for themselves (M1), the one with VAT in proportion where it has no limit (M2)."""
    clamp = max if name[0] == "min_price" else min
    excl = clamp(total.excl, limit.excl)
    incl = _scaled(total, excl, policy) if limit.incl is None else clamp(total.incl, limit.incl)
    if excl == total.excl and incl == total.incl:
        return total
    rule = "M2" if limit.incl is None else "M1"
    changes = (("excl_vat", total.excl, excl, "M1"), ("incl_vat", total.incl, incl, rule))
    applied = [LimitApplied(*name, *change) for change in changes if change[1] != change[2]]  # type: ignore[arg-type]
    return Bounded(excl, incl, (*total.limits, *applied))


def _scaled(total: Bounded, excl: Exact, policy: Policy) -> Exact:
    if excl == total.excl or policy.limit_without_incl == "unlimited":
        return total.incl
    if total.excl == 0:
        return excl * PER_ONE
    return total.incl * Fraction(excl, total.excl)


def total_of(lines: Lines | Iterable[Line]) -> Bounded:
    """What lines cost together, without and with VAT (V1, V2)."""
    excl: Exact = 0
    incl: Exact = 0
    for line in lines.unordered() if type(lines) is Lines else lines:
        component, quantity = line.component, line.quantity
        excl += quantity * component.rate
        incl += quantity * component.rate_incl
    return Bounded(excl, incl)

"""A price as JSON content: amounts are exact numbers, with 20 decimals where they never end."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

from hub.pricing.comparison import Amount
from hub.pricing.exact import PER_ONE, Exact, quotient, to_decimal
from hub.pricing.explain import Explanation
from hub.pricing.pricer import Priced
from hub.pricing.result import LimitApplied, Line, Money, Unpriceable, Warning
from hub.pricing.rounding import rounded
from hub.pricing.tariff import EXCL_UNITS, INCL_UNITS, PARTS
from hub.pricing.unpriced import Unpriced, unpriced
from ocpi_modules.types import format_datetime

Content = dict[str, Any]

MOMENTS_KEPT_MAX = 4096  # of one CDR a period has several lines

_UNITS = {"ENERGY": "kWh", "FLAT": "1"}
_PART_NAMES = {"ENERGY": "energy", "TIME": "time", "PARKING_TIME": "parking", "RESERVATION_TIME": "reservation"}
_BILLED = {"energy_kwh": "ENERGY", "time_s": "TIME", "parking_s": "PARKING_TIME", "reservation_s": "RESERVATION_TIME"}


def answer(result: Priced | Unpriceable) -> Content:
    """The content of the answer to a request for a price."""
    return _unpriceable(result) if isinstance(result, Unpriceable) else _priced(result)


def _unpriceable(result: Unpriceable) -> Content:
    return {
        "unpriceable": result.kind,
        "detail": result.detail,
        "warnings": [warning_content(warning) for warning in result.warnings],
        "policy": result.policy.as_content(),
    }


def _priced(priced: Priced) -> Content:
    parts = {f"total_{name}_cost": money(amount) for name, amount in priced.parts.items()}
    return {
        "currency": priced.charge.currency,
        "total_cost": money(priced.total_cost),
        "settlement_amount": _settled(priced),
        **parts,
        "billed": {name: _number(priced.billed(dimension)) for name, dimension in _BILLED.items()},
        "vat_unknown": priced.vat_unknown,
        "lines": [_line(priced, line, has_incl_vat=priced.has_incl_vat) for line in priced.lines],
        "unpriced": [_unpriced_line(priced, one) for one in unpriced(priced)],
        "limits": [_limit(limit) for limit in priced.total.limits],
        "warnings": [warning_content(warning) for warning in priced.warnings],
        **({"credit": True} if priced.charge.is_credit else {}),
        **({"home_charging_compensation": True} if priced.charge.is_home_compensation else {}),
        "policy": priced.policy.as_content(),
    }


def money(amount: Money) -> Content:
    """An amount in the form of a Price, `incl_vat` null where nobody knows it."""
    incl = None if amount.incl is None else quotient(amount.incl, INCL_UNITS)
    return {"excl_vat": quotient(amount.excl, EXCL_UNITS), "incl_vat": incl}


def _settled(priced: Priced) -> Content:
    total, policy = priced.total_cost, priced.policy
    exponent = None if policy.rounding_exponent == "iso_4217" else int(policy.rounding_exponent)
    sides = {"excl_vat": total.excl_vat, "incl_vat": total.incl_vat}
    return {
        side: None if amount is None else rounded(amount, priced.charge.currency, policy.rounding_mode, exponent)
        for side, amount in sides.items()
    }


def _number(quantity: Exact) -> object:
    return quotient(quantity, PER_ONE)


def _line(priced: Priced, line: Line, *, has_incl_vat: bool) -> Content:
    component, quantity = line.component, line.quantity
    return {
        "period": line.period,
        "start_date_time": _start(priced, line.period),
        "dimension": component.dimension,
        "part": PARTS[component.part],
        "tariff_id": component.tariff,
        "element": component.element,
        "component": component.index,
        "restrictions": component.restrictions.stated,
        "quantity": quantity if component.dimension == "FLAT" else _number(quantity),
        "unit": _UNITS.get(component.dimension, "s"),
        "price": component.price,
        **({} if component.vat is None else {"vat": component.vat}),
        "step_size": component.step_size,
        "excl_vat": quotient(quantity * component.rate, EXCL_UNITS),
        "incl_vat": quotient(quantity * component.rate_incl, INCL_UNITS) if has_incl_vat else None,
        **({"surplus": True} if line.is_surplus else {}),
        "rules": rules_of(line),
    }


def _start(priced: Priced, period: int) -> str | None:
    return _written(priced.charge.periods[period].start)


@lru_cache(maxsize=MOMENTS_KEPT_MAX)
def _written(moment: datetime | None) -> str | None:
    return None if moment is None else format_datetime(moment)


def _unpriced_line(priced: Priced, one: Unpriced) -> Content:
    return {
        "period": one.period,
        "start_date_time": _start(priced, one.period),
        "dimension": one.dimension,
        "part": _PART_NAMES[one.dimension],
        "tariff_id": one.tariff,
        "quantity": _number(one.quantity),
        "unit": _UNITS.get(one.dimension, "s"),
        "priced": False,
        "rules": ["D1", one.rule],
    }


def rules_of(line: Line) -> list[str]:
    """The rules that made a line."""
    component = line.component
    if line.is_surplus:
        return ["S1", "S3", *(["S6"] if line.quantity < 0 else [])]
    rules = ["E1", *(["E2"] if component.restrictions.stated else [])]
    if component.dimension == "FLAT":
        rules.append("F1")
    if component.restrictions.reservation is not None:
        rules.append("R2" if component.restrictions.reservation == "RESERVATION" else "R3")
    return rules


def _limit(limit: LimitApplied) -> Content:
    units = EXCL_UNITS if limit.side == "excl_vat" else INCL_UNITS
    return {
        "limit": limit.limit,
        "tariff_id": limit.tariff,
        "side": limit.side,
        "from": quotient(limit.before, units),
        "to": quotient(limit.after, units),
        "rule": limit.rule,
    }


def warning_content(warning: Warning) -> Content:
    """The content of a warning."""
    period = {} if warning.period is None else {"period": warning.period}
    return {
        "kind": warning.kind,
        **period,
        "detail": warning.detail,
        **{name: _fact(value) for name, value in warning.facts.items()},
    }


def _fact(value: object) -> object:
    if isinstance(value, Fraction):
        return to_decimal(value)
    return money(value) if isinstance(value, Money) else value


def explanation(found: Explanation) -> Content:
    """The content of an explanation; amounts are exact."""
    return {
        "kind": found.kind,
        "counterfactual": found.counterfactual,
        "sentence": found.sentence,
        "claimed": _amount(found.claimed),
        "computed": _amount(found.computed),
        "difference": None if found.difference is None else to_decimal(found.difference),
        "reproduced": _amount(found.reproduced),
        "also": [warning_content(warning) for warning in found.also],
    }


def _amount(amount: Amount | None) -> Content | None:
    if amount is None:
        return None
    incl = None if amount.incl_vat is None else to_decimal(amount.incl_vat)
    return {"excl_vat": to_decimal(amount.excl_vat), "incl_vat": incl}

"""What a live charge costs: the hub's own pricer, with amounts as CPOs state them.

Amounts of a CDR are rounded to four decimals each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.demo.shelf import Object
from hub.pricing.interface import price_object
from hub.pricing.rounding import rounded

AMOUNT_DECIMALS = 4


def costs(cdr: Object, time_zone: str) -> dict[str, Object]:
    """`total_cost` and its parts, by the names that a CDR gives them, for a CDR that carries its Tariffs. Raises ValueError."""
    answer = price_object({"cdr": cdr, "timezone": time_zone})
    if "total_cost" not in answer:
        raise ValueError(f"the CDR {cdr['id']} has no price: {answer}")
    names = [name for name in answer if name.startswith("total_")]
    return {name: _stated(answer[name], answer["currency"], has_vat=not answer["vat_unknown"]) for name in names}


def _stated(price: Mapping[str, Any], currency: str, *, has_vat: bool) -> Object:
    sides = ("excl_vat", "incl_vat") if has_vat else ("excl_vat",)
    return {side: rounded(price[side], currency, exponent=AMOUNT_DECIMALS) for side in sides}

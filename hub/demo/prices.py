"""What a live charge costs: only for tariffs that a person can work out in the head.

A charge here has one power from start to end, no parking and no reservation. Prices without VAT, amounts rounded to four decimals.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from hub.demo.shelf import Object

AMOUNT_STEP = Decimal("0.0001")
WATT_HOURS, SECONDS = Decimal(1000), Decimal(3600)

_UNITS = {"ENERGY": WATT_HOURS, "TIME": SECONDS}
_COUNTED = ("FLAT", "ENERGY", "TIME")
_PARTS = {"FLAT": "total_fixed_cost", "ENERGY": "total_energy_cost", "TIME": "total_time_cost"}


@dataclass(frozen=True, slots=True)
class Charged:
    """Energy in kWh and time in hours."""

    kwh: Decimal
    hours: Decimal

    def volume(self, dimension: str) -> Decimal:
        """How much there is of a dimension; of FLAT there is one."""
        return {"FLAT": Decimal(1), "ENERGY": self.kwh, "TIME": self.hours}[dimension]


def is_plain(tariff: Object) -> bool:
    """Whether energy, time and the flat part cost the same whenever and however fast somebody charges."""
    return all(
        element.get("restrictions") is None or _dimensions(element) == {"PARKING_TIME"}
        for element in tariff["elements"]
    )


def costs(tariff: Object, charged: Charged) -> dict[str, Object]:
    """`total_cost` of a charge under a plain tariff and its parts, by the names that a CDR gives them."""
    components = _components(tariff)
    parts = {_PARTS[name]: _price(component, charged) for name, component in components.items()}
    has_vat = all(component.get("vat") is not None for component in components.values())
    excl = sum((part["excl_vat"] for part in parts.values()), Decimal(0))
    incl = sum((part["incl_vat"] for part in parts.values()), Decimal(0)) if has_vat else None
    total = _bounded(tariff, _amount(excl, incl))
    return {"total_cost": total, **parts}


def _components(tariff: Object) -> dict[str, Object]:
    """The first component of each dimension that counts."""
    found: dict[str, Object] = {}
    for element in tariff["elements"]:
        for component in element["price_components"]:
            if component["type"] in _COUNTED and element.get("restrictions") is None:
                found.setdefault(component["type"], component)
    return found


def _price(component: Object, charged: Charged) -> Object:
    volume = _in_steps(component, charged.volume(component["type"]))
    excl = _rounded(volume * component["price"])
    vat = component.get("vat")
    return _amount(excl, None if vat is None else _rounded(volume * component["price"] * (1 + Decimal(vat) / 100)))


def _in_steps(component: Object, volume: Decimal) -> Decimal:
    unit = _UNITS.get(component["type"])
    if unit is None:
        return volume
    step = Decimal(max(1, component["step_size"]))
    return (volume * unit / step).to_integral_value(ROUND_CEILING) * step / unit


def _bounded(tariff: Object, total: Object) -> Object:
    least, most = tariff.get("min_price"), tariff.get("max_price")
    if least is not None and total["excl_vat"] < least["excl_vat"]:
        return dict(least)
    if most is not None and total["excl_vat"] > most["excl_vat"]:
        return dict(most)
    return total


def _dimensions(element: Object) -> set[str]:
    return {component["type"] for component in element["price_components"]}


def _amount(excl_vat: Decimal, incl_vat: Decimal | None) -> Object:
    return {"excl_vat": excl_vat} if incl_vat is None else {"excl_vat": excl_vat, "incl_vat": incl_vat}


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(AMOUNT_STEP, ROUND_HALF_UP)

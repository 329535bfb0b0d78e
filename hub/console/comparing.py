"""One CDR side by side: what its CPO says, what the hub computed, what was seen while it was charged. Pure.

Values are texts or numbers as they were sent; None where a side says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from hub.pricing.rounding import rounded
from ocpi_modules.types import lenient_datetime

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """What one side says of something, and how it is written."""

    said: Any
    computed: Any
    seen: Any


@dataclass(frozen=True, slots=True)
class Compared:
    """A line of the comparison."""

    label: str
    kind: Literal["money", "number", "moment", "text"]
    side: Side
    unit: str = ""

    @property
    def differs(self) -> bool:
        """Whether what is said and what is computed are not the same, as far as both are there; money as it is shown, in minor units."""
        said, computed = self.side.said, self.side.computed
        if said is None or computed is None:
            return False
        if self.kind == "money" and isinstance(said, Decimal) and isinstance(computed, Decimal):
            return rounded(said, self.unit) != rounded(computed, self.unit)
        return bool(said != computed)


def compared(cdr: Content, price: Content, session: Content | None) -> Sequence[Compared]:
    """The lines for a CDR, its price and its session; lines on which nobody says anything are left out."""
    seen, currency = session or {}, str(cdr.get("currency") or "")
    lines = (
        Compared("Total without VAT", "money", _costs("total_cost", "excl_vat", cdr, price, seen), currency),
        Compared("Total with VAT", "money", _costs("total_cost", "incl_vat", cdr, price, seen), currency),
        *(
            Compared(label, "money", _costs(name, "excl_vat", cdr, price, {}), currency)
            for name, label in (
                ("total_energy_cost", "Cost of energy"),
                ("total_time_cost", "Cost of time"),
                ("total_parking_cost", "Cost of parking"),
                ("total_fixed_cost", "Fixed cost"),
                ("total_reservation_cost", "Cost of reservation"),
            )
        ),
        Compared(
            "Energy",
            "number",
            Side(_number(cdr, "total_energy"), _number(_part(price, "billed"), "energy_kwh"), _number(seen, "kwh")),
            "kWh",
        ),
        Compared("Time", "number", Side(_number(cdr, "total_time"), None, None), "h"),
        Compared("Billed time", "number", Side(None, _hours(_part(price, "billed"), "time_s"), None), "h"),
        Compared("Start", "moment", _moments("start_date_time", cdr, seen)),
        Compared("End", "moment", _moments("end_date_time", cdr, seen)),
        Compared("Token", "text", Side(_token(cdr), None, _token(seen))),
        Compared("EVSE", "text", Side(_part(cdr, "cdr_location").get("evse_uid"), None, seen.get("evse_uid"))),
        Compared("Tariff", "text", Side(_tariffs(cdr), _priced_by(price), None)),
    )
    return [line for line in lines if line.side != Side(None, None, None)]


def _part(content: Content, name: str) -> Content:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def _costs(name: str, field: str, cdr: Content, price: Content, seen: Content) -> Side:
    return Side(*(_number(_part(content, name), field) for content in (cdr, price, seen)))


def _number(content: Content, name: str) -> Decimal | int | None:
    value = content.get(name)
    return value if isinstance(value, Decimal | int) and not isinstance(value, bool) else None


def _moments(name: str, cdr: Content, seen: Content) -> Side:
    return Side(lenient_datetime(cdr.get(name)), None, lenient_datetime(seen.get(name)))


def _hours(content: Content, name: str) -> Decimal | None:
    """Seconds as hours; None where no time is priced."""
    seconds = _number(content, name)
    return None if not seconds else (Decimal(seconds) / 3600).quantize(Decimal("0.0001"))


def _token(content: Content) -> str | None:
    token = _part(content, "cdr_token")
    return f"{token.get('uid')} ({token.get('type')})" if token else None


def _tariffs(cdr: Content) -> str | None:
    periods = cdr.get("charging_periods")
    named = {period.get("tariff_id") for period in periods or () if isinstance(period, Mapping)} - {None}
    brought = [tariff.get("id") for tariff in cdr.get("tariffs") or () if isinstance(tariff, Mapping)]
    return ", ".join(sorted(map(str, named or brought))) or None


def _priced_by(price: Content) -> str | None:
    lines = price.get("lines") or ()
    return ", ".join(sorted({str(line.get("tariff_id")) for line in lines})) or None

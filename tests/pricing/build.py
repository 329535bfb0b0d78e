"""Short ways to write the CDRs and Tariffs that prices are tried with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.pricing.interface import price_object

Content = dict[str, Any]

START = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
"""A Monday, 12:00 in Amsterdam."""

D = Decimal


def at(minutes: float) -> str:
    """So many minutes after the start."""
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def component(kind: str, price: str, *, vat: str | None = None, step: int = 1) -> Content:
    """A price component."""
    content: Content = {"type": kind, "price": D(price), "step_size": step}
    return content if vat is None else {**content, "vat": D(vat)}


def element(*components: Content, **restrictions: Any) -> Content:
    """A tariff element."""
    content: Content = {"price_components": list(components)}
    return {**content, "restrictions": restrictions} if restrictions else content


def tariff(*elements: Content, id: str = "T1", **more: Any) -> Content:
    """A tariff in euros."""
    owner = {"country_code": "NL", "party_id": "TNM", "last_updated": "2026-01-01T00:00:00Z"}
    return {**owner, "id": id, "currency": "EUR", "elements": list(elements), **more}


def period(start: str, tariff_id: str | None = "T1", **volumes: str | int) -> Content:
    """A charging period; volumes by the name of their dimension."""
    dimensions = [{"type": name, "volume": D(volume)} for name, volume in volumes.items()]
    content: Content = {"start_date_time": start, "dimensions": dimensions}
    return content if tariff_id is None else {**content, "tariff_id": tariff_id}


def cdr(*periods: Content, minutes: float = 60, tariffs: list[Content] | None = None, **more: Any) -> Content:
    """A CDR of so many minutes."""
    content = {
        "country_code": "NL",
        "party_id": "TNM",
        "id": "C1",
        "start_date_time": at(0),
        "end_date_time": at(minutes),
        "currency": "EUR",
        "charging_periods": list(periods),
    }
    return {**content, **({"tariffs": tariffs} if tariffs else {}), **more}


def priced(charge: Content, *tariffs: Content, **more: Any) -> Content:
    """The answer for a charge and what the store holds, in Amsterdam."""
    return price_object({"timezone": "Europe/Amsterdam", "cdr": charge, "tariffs": list(tariffs), **more})


def total(answer: Content) -> tuple[Decimal, Decimal]:
    """Without and with VAT."""
    cost = answer["total_cost"]
    return D(cost["excl_vat"]), D(cost["incl_vat"])


def kinds(answer: Content) -> list[str]:
    """The kinds of its warnings."""
    return [warning["kind"] for warning in answer["warnings"]]

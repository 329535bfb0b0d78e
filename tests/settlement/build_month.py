"""Writes `fixtures/settlement/october.json`: a month of two CPOs and two eMSPs in two currencies, with one mistake of nearly every kind.

Run `python -m tests.settlement.build_month` after a change; `tests/settlement/test_month.py` fails until then. All parties are invented.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from ocpi_modules.types import encode_json, format_datetime
from tests.settlement.cases import (
    ABSENT,
    OTHER_EMSP,
    Content,
    cdr,
    changed,
    credit_of,
    dc_tariff,
    location,
    other_token,
    session_of,
    tariff,
    token,
)

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "settlement"
BUNDLE = FOLDER / "october.json"
MONTH = datetime(2026, 10, 1, tzinfo=UTC)
CENT = Decimal("0.01")

SWISS = {"country_code": "CH", "party_id": "VLT"}
SWISS_TARIFF: Content = tariff(
    **SWISS,
    id="T-CH",
    currency="CHF",
    elements=[
        {
            "price_components": [
                {"type": "ENERGY", "price": Decimal("0.55"), "vat": Decimal("8.1"), "step_size": 1},
                {"type": "FLAT", "price": Decimal("1.00"), "vat": Decimal("8.1"), "step_size": 1},
            ]
        }
    ],
)
SWISS_LOCATION: Content = location(
    **SWISS,
    id="LOC-ZH",
    name="Seefeld",
    address="Seestrasse 12",
    city="Zürich",
    postal_code="8008",
    country="CHE",
    coordinates={"latitude": "47.355200", "longitude": "8.555300"},
    time_zone="Europe/Zurich",
    evses__0__evse_id="CH*VLT*E1",
    evses__0__connectors__0__tariff_ids=["T-CH"],
    evses__1__evse_id="CH*VLT*E2",
    evses__1__connectors__0__tariff_ids=["T-CH"],
)
LOST_TOKEN: Content = token(uid="TOKEN3", contract_id="NL-MSP-C00000003-3", valid=False)
TOKENS = {"msp": token(), "emo": other_token(), "lost": LOST_TOKEN}


@dataclass(frozen=True, slots=True)
class Entry:
    """A CDR with when it came and to whom, and what is to be known of its session; of None: what is usual."""

    cdr: Content
    received_at: str | None = None
    to: str | None = None
    session: Mapping[str, Any] | None = None
    has_session: bool = True
    is_held_by_emsp: bool = True


def charge(name: str, day: int, hour: int, kwh: int, **changes: Any) -> Content:
    """Two hours in Berlin, the last half of one parking: EUR 0.40 a kWh, 2.00 an hour of parking, VAT 19 %."""
    start = MONTH + timedelta(days=day - 1, hours=hour)
    energy, parking = Decimal("0.40") * kwh, Decimal("1.00")
    content = cdr(
        id=name,
        session_id=f"S-{name}",
        start_date_time=format_datetime(start),
        end_date_time=format_datetime(start + timedelta(hours=2)),
        last_updated=format_datetime(start + timedelta(hours=2)),
        charging_periods__0__start_date_time=format_datetime(start),
        charging_periods__0__dimensions=[{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": Decimal("1.5")}],
        charging_periods__1__start_date_time=format_datetime(start + timedelta(hours=1, minutes=30)),
        total_energy=kwh,
        total_energy_cost=_cost(energy, 19),
        total_parking_cost=_cost(parking, 19),
        total_cost=_cost(energy + parking, 19),
    )
    return changed(content, **changes)


def swiss_charge(name: str, day: int, hour: int, kwh: int, **changes: Any) -> Content:
    """An hour in Zürich by a token of OTHER_EMSP: CHF 0.55 a kWh and 1.00 once, VAT 8.1 %."""
    start = MONTH + timedelta(days=day - 1, hours=hour)
    energy, flat = Decimal("0.55") * kwh, Decimal("1.00")
    place = SWISS_LOCATION
    content = cdr(
        **SWISS,
        id=name,
        session_id=f"S-{name}",
        start_date_time=format_datetime(start),
        end_date_time=format_datetime(start + timedelta(hours=1)),
        last_updated=format_datetime(start + timedelta(hours=1)),
        cdr_token={field: other_token()[field] for field in ("country_code", "party_id", "uid", "type", "contract_id")},
        auth_method="WHITELIST",
        currency="CHF",
        tariffs=[SWISS_TARIFF],
        charging_periods=[_period(start, kwh)],
        total_energy=kwh,
        total_time=1,
        total_parking_time=0,
        total_energy_cost=_cost(energy, Decimal("8.1")),
        total_fixed_cost=_cost(flat, Decimal("8.1")),
        total_cost=_cost(energy + flat, Decimal("8.1")),
        total_parking_cost=ABSENT,
        cdr_location__evse_id="CH*VLT*E1",
        **{
            f"cdr_location__{field}": place[field]
            for field in ("id", "name", "address", "city", "postal_code", "country", "coordinates")
        },
    )
    return changed(content, **changes)


def month() -> Content:
    """The whole bundle."""
    entries = [*_honest(), *_mistakes()]
    return {
        "name": "October 2026",
        "settlement_period": {
            "from": "2026-10-01T00:00:00Z",
            "to": "2026-11-01T00:00:00Z",
            "closes_at": "2026-11-05T18:00:00Z",
        },
        "parties": [
            {"country_code": "DE", "party_id": "ABC", "roles": ["CPO"], "name": "Spreestrom"},
            {"country_code": "CH", "party_id": "VLT", "roles": ["CPO", "EMSP"], "name": "Volta Seefeld"},
            {"country_code": "NL", "party_id": "MSP", "roles": ["EMSP"], "name": "Molenpas"},
            {"country_code": "BE", "party_id": "EMO", "roles": ["EMSP"], "name": "Emo Laadkaart"},
        ],
        "tolerances": {"overlap_seconds": 60, "physical_margin": "0.05"},
        "input": {
            "locations": [location(), SWISS_LOCATION],
            "tariffs": [tariff(), dc_tariff(), SWISS_TARIFF],
            "tokens": list(TOKENS.values()),
            "sessions": [*_sessions(entries), session_of(charge("X1", 3, 19, 12), id="S-NEVER-BILLED")],
            "cdrs": [_received(entry) for entry in entries],
        },
        "emsp_view": {"BE-EMO": {"cdrs": list(_held_by(OTHER_EMSP, entries))}},
    }


def _honest() -> Iterator[Entry]:
    """Charges that are as they should be: at most one of each CPO a day."""
    for day in range(1, 29):
        yield Entry(charge(f"B{day:02}", day, 6, 10 + day % 9))
        if day % 2:
            yield Entry(swiss_charge(f"Z{day:02}", day, 7, 8 + day % 7))


def _mistakes() -> Iterator[Entry]:
    yield Entry(charge("SAME", 2, 10, 12))
    yield Entry(charge("SAME", 2, 10, 12), "2026-10-02T14:00:00Z")
    yield Entry(charge("REUSED", 2, 13, 12))
    yield Entry(charge("REUSED", 2, 16, 14), "2026-10-02T20:00:00Z")
    yield Entry(charge("FIRST", 4, 10, 11))
    yield Entry(charge("SECOND", 4, 10, 11, session_id="S-FIRST"), "2026-10-04T20:00:00Z", has_session=False)
    yield Entry(charge("OVER-A", 5, 10, 11))
    yield Entry(charge("OVER-B", 5, 11, 13))
    yield from _credits()
    yield from _wrong_amounts()
    yield from _wrong_quantities()
    yield Entry(charge("WHO", 12, 10, 12, cdr_token__uid="NOBODYS"))
    yield Entry(charge("LOST", 12, 13, 12, **{f"cdr_token__{n}": LOST_TOKEN[n] for n in ("uid", "contract_id")}))
    yield Entry(charge("ASTRAY", 13, 10, 12), to="BE-EMO")
    yield Entry(charge("NO-SESSION", 14, 10, 12), has_session=False)
    yield Entry(charge("NO-PLACE", 14, 13, 12, cdr_location__id="LOC9", cdr_location__evse_uid="E9"))
    yield Entry(charge("LATE", 15, 10, 12), "2026-11-06T09:00:00Z")
    yield Entry(charge("NOVEMBER", 31, 23, 12), "2026-11-01T02:00:00Z")
    yield Entry(swiss_charge("NOT-HELD", 16, 10, 12), is_held_by_emsp=False)


def _credits() -> Iterator[Entry]:
    wrong = charge("WRONG", 6, 10, 30)
    yield Entry(wrong, session={"kwh": 20, "total_cost": _cost(Decimal(9), 19)})
    yield Entry(credit_of(wrong, last_updated="2026-10-07T10:00:00Z"), "2026-10-07T10:00:00Z")
    yield Entry(charge("RIGHT", 6, 10, 20, session_id="S-WRONG"), "2026-10-07T11:00:00Z", has_session=False)
    half = charge("HALF", 7, 10, 20)
    yield Entry(half)
    yield Entry(credit_of(half, total_cost=_cost(Decimal("-4.50"), 19)), "2026-10-08T10:00:00Z")
    gone = charge("GONE", 7, 13, 20)
    yield Entry(credit_of(gone), "2026-10-08T11:00:00Z", has_session=False)


def _wrong_amounts() -> Iterator[Entry]:
    for place in range(3):
        dearer = charge(f"DEARER-{place}", 8 + place, 13, 20)
        yield Entry(_with_energy_price(dearer, Decimal("0.49")))
    yield Entry(_with_energy_price(charge("CHEAPER", 8, 16, 20), Decimal("0.30")))
    yield Entry(charge("VAT", 9, 16, 20, total_cost__incl_vat=Decimal("10.89")))
    yield Entry(charge("SUM", 10, 16, 20, total_energy_cost=_cost(Decimal("7.00"), 19)))
    yield Entry(swiss_charge("EURO", 11, 10, 12, currency="EUR"))
    yield Entry(charge("NO-TARIFF", 11, 13, 12, tariffs=ABSENT, charging_periods__0__tariff_id="T-NONE"))


def _wrong_quantities() -> Iterator[Entry]:
    watt_hours = charge("WATT-HOURS", 17, 10, 12000)
    yield Entry(watt_hours, session={"kwh": 12})
    yield Entry(charge("TOO-MUCH", 17, 13, 60))
    yield Entry(charge("PARTS", 18, 10, 20, total_energy=26))
    yield Entry(charge("BACKWARDS", 18, 13, 20, end_date_time="2026-10-18T12:00:00Z"), "2026-10-18T16:00:00Z")
    yield Entry(charge("LESS", 19, 10, 20), session={"kwh": 17})


def _with_energy_price(content: Content, price: Decimal) -> Content:
    energy = price * content["total_energy"]
    return changed(content, total_energy_cost=_cost(energy, 19), total_cost=_cost(energy + 1, 19))


def _period(start: datetime, kwh: int) -> Content:
    dimensions = [{"type": "ENERGY", "volume": kwh}, {"type": "TIME", "volume": 1}]
    return {"start_date_time": format_datetime(start), "dimensions": dimensions, "tariff_id": "T-CH"}


def _cost(excl_vat: Decimal, vat: Decimal | int) -> Content:
    incl_vat = (excl_vat * (100 + vat) / 100).quantize(CENT, ROUND_HALF_UP)
    return {"excl_vat": excl_vat.quantize(CENT), "incl_vat": incl_vat}


def _sessions(entries: list[Entry]) -> Iterator[Content]:
    told = set[str]()
    for entry in entries:
        name = entry.cdr["session_id"]
        if entry.has_session and not entry.cdr.get("credit") and name not in told:
            told.add(name)
            yield session_of(entry.cdr, **(entry.session or {}))


def _received(entry: Entry) -> Content:
    token_of = entry.cdr["cdr_token"]
    received_at = entry.received_at or _soon_after(entry.cdr["end_date_time"])
    to = entry.to or f"{token_of['country_code']}-{token_of['party_id']}"
    return {"received_at": received_at, "to": to, "cdr": entry.cdr}


def _soon_after(moment: str) -> str:
    return format_datetime(datetime.fromisoformat(moment) + timedelta(minutes=5))


def _held_by(emsp: Any, entries: list[Entry]) -> Iterator[Content]:
    for entry in entries:
        if _received(entry)["to"] == f"{emsp.country_code}-{emsp.party_id}" and entry.is_held_by_emsp:
            yield {"id": entry.cdr["id"], "total_cost": entry.cdr["total_cost"]}


def written() -> bytes:
    """The bundle as its file has it: an object on each line, so that differences can be read."""
    content = month()
    head = ",\n".join(
        f' "{name}": {_text(content[name])}' for name in ("name", "settlement_period", "parties", "tolerances")
    )
    lists = ",\n".join(f'  "{name}": {_list(items)}' for name, items in content["input"].items())
    views = ",\n".join(f'  "{name}": {{"cdrs": {_list(view["cdrs"])}}}' for name, view in content["emsp_view"].items())
    return f'{{\n{head},\n "input": {{\n{lists}\n }},\n "emsp_view": {{\n{views}\n }}\n}}\n'.encode()


def _list(items: list[Any]) -> str:
    return "[\n" + ",\n".join(f"   {_text(item)}" for item in items) + "\n  ]"


def _text(value: Any) -> str:
    return encode_json(value).decode()


def main() -> None:
    """Write the bundle."""
    BUNDLE.write_bytes(written())


if __name__ == "__main__":
    main()

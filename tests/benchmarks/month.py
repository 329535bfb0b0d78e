"""A month of charges between many parties, with all that a hub keeps beside their CDRs: Locations, Tariffs, Tokens and Sessions.

Every charge is made from its number alone. EVSEs charge one car after the other, a Token serves one EVSE, most charges have a Session;
prices are those of the Tariffs, but for a few CDRs with troubles; some CDRs are credits of earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from hub.pricing.charge import read_charge
from hub.pricing.policy import DEFAULT
from hub.pricing.pricer import Priced, price
from hub.pricing.result import Money
from hub.pricing.rounding import rounded
from hub.pricing.selection import TariffBook
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_decoded, format_datetime
from tests.benchmarks.charges import PLACES, Dice, Object, Owner, Place, owner_at, periods_from, tariffs_of, total_of

START = datetime(2026, 10, 1, tzinfo=UTC)
CPOS, EMSPS = 30, 10
SLOTS_MAX, SLOT = 120, timedelta(hours=6)  # charges of an EVSE: one in each slot, which it never fills
EVSES_OF_A_LOCATION = 3
SEED = 20261101

CREDIT_SHARE, TROUBLED_SHARE, EMBEDDED_SHARE, SESSION_SHARE, SIMPLE_SHARE = 0.01, 0.02, 0.5, 0.95, 0.7

SWEDEN = Place("SE", "SWE", "Gothenburg", "Europe/Stockholm", "SEK", "25.0")
PLACES_OF_MONTH = (*(place for place in PLACES if place.currency in {"EUR", "JPY"}), SWEDEN)
"""Three currencies, one of them without decimals."""

DELIVERY, CREDIT_AFTER = timedelta(minutes=5), timedelta(days=1)
SAID = "2026-09-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Charge:
    """A CDR with the Session behind it (None: there is none), whom it is to be paid by, and when it came."""

    cdr: Object
    session: Object | None
    debtor: Party
    received_at: datetime


class Month:
    """So many charges of October 2026, between every CPO and every eMSP."""

    def __init__(self, charges: int) -> None:
        self.charges, self.evses = charges, max(CPOS, ceil(charges / SLOTS_MAX))
        dice = Dice(SEED)
        self.cpos = [owner_at(_place(number), dice, f"C{number:02}") for number in range(CPOS)]
        self.emsps = [Party("NL", f"E{number:02}") for number in range(EMSPS)]

    def all(self) -> Iterator[Charge]:
        """The charges in the order of their slots."""
        return map(self.charge, range(self.charges))

    def charge(self, number: int) -> Charge:
        """One charge."""
        slot, dice = number // self.evses, Dice(SEED + number)
        fate = dice.chance()
        if fate < CREDIT_SHARE and slot >= EMSPS:
            return _credited(self._plain(number - EMSPS * self.evses), number)
        plain = self._plain(number)
        if fate < CREDIT_SHARE + TROUBLED_SHARE:
            return TROUBLES[number % len(TROUBLES)](plain)
        return plain

    def locations(self) -> Iterator[tuple[Owner, Object]]:
        """The Locations of all EVSEs."""
        for cpo_number, cpo in enumerate(self.cpos):
            evses = range(cpo_number, self.evses, CPOS)
            for first in range(0, len(evses), EVSES_OF_A_LOCATION):
                yield cpo, _location(cpo, evses[first : first + EVSES_OF_A_LOCATION])

    def tokens(self) -> Iterator[tuple[Party, Object]]:
        """The Tokens: one of every eMSP for each EVSE."""
        for evse in range(self.evses):
            yield from ((emsp, _token(emsp, evse)) for emsp in self.emsps)

    def pair_of(self, number: int) -> tuple[Owner, Party]:
        """Who is owed by whom for a charge, were it not a credit."""
        slot, evse = divmod(number, self.evses)
        return self.cpos[evse % CPOS], self.emsps[(evse // CPOS + slot) % EMSPS]

    def _plain(self, number: int) -> Charge:
        slot, evse = divmod(number, self.evses)
        cpo, emsp = self.pair_of(number)
        dice = Dice(SEED - number - 1)
        start = START + slot * SLOT + timedelta(seconds=dice.whole(0, 1800))
        cdr = self._priced(cpo, _cdr(cpo, _token(emsp, evse), (number, evse), start, dice))
        session = _session(cdr) if dice.chance() < SESSION_SHARE else None
        return Charge(cdr, session, emsp, _moment(cdr["end_date_time"]) + DELIVERY)

    def _priced(self, cpo: Owner, cdr: Object) -> Object:
        book, zone = self._books[cpo.name]
        found = price(read_charge(encode_decoded(cdr)), book, DEFAULT, zone)
        assert isinstance(found, Priced), found
        currency, total = cpo.place.currency, found.total_cost
        parts = {f"total_{name}_cost": money for name, money in found.parts.items()}
        is_limited = sum(money.excl_vat for money in parts.values()) != total.excl_vat
        costs = {"total_cost": total, **({} if is_limited else parts)}
        return {**cdr, **{name: _price(money, currency) for name, money in costs.items()}}

    @cached_property
    def _books(self) -> Mapping[str, tuple[TariffBook, ZoneInfo]]:
        return {
            cpo.name: (TariffBook(tuple(map(encode_decoded, cpo.tariffs))), ZoneInfo(cpo.place.zone))
            for cpo in self.cpos
        }


def _place(number: int) -> Place:
    return PLACES_OF_MONTH[number % len(PLACES_OF_MONTH)]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _price(money: Money, currency: str) -> Object:
    assert money.incl_vat is not None
    return {"excl_vat": rounded(money.excl_vat, currency), "incl_vat": rounded(money.incl_vat, currency)}


# --- objects -----------------------------------------------------------------------------------


def _cdr(cpo: Owner, token: Object, names: tuple[int, int], start: datetime, dice: Dice) -> Object:
    """A CDR without its costs; `names` are the numbers of the charge and of its EVSE."""
    number, evse = names
    tariffs = [dice.one(_simple(cpo))] if dice.chance() < SIMPLE_SHARE else tariffs_of(cpo, dice)
    periods, end = periods_from(start, [tariff["id"] for tariff in tariffs], dice)
    total = {name: total_of(periods, name) for name in ("ENERGY", "TIME", "PARKING_TIME")}
    return {
        **cpo.keys,
        "id": f"C{number:09}",
        "start_date_time": format_datetime(start),
        "end_date_time": format_datetime(end),
        "session_id": f"S{number:09}",
        "cdr_token": {name: token[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")},
        "auth_method": "WHITELIST",
        "cdr_location": _place_in_cdr(cpo, evse),
        "meter_id": f"M{evse:07}",
        "currency": cpo.place.currency,
        **({"tariffs": tariffs} if dice.chance() < EMBEDDED_SHARE else {}),
        "charging_periods": periods,
        "total_energy": total["ENERGY"],
        "total_time": total["TIME"] + total["PARKING_TIME"],
        "total_parking_time": total["PARKING_TIME"],
        "last_updated": format_datetime(end + timedelta(minutes=1)),
    }


def _simple(cpo: Owner) -> list[Object]:
    """Its Tariffs that always cost the same."""
    return [tariff for tariff in cpo.tariffs if len(tariff["elements"]) == 1]


def _session(cdr: Object) -> Object:
    """The completed Session behind a CDR."""
    copied = ("country_code", "party_id", "start_date_time", "end_date_time", "cdr_token", "auth_method", "currency")
    place = cdr["cdr_location"]
    return {
        **{name: cdr[name] for name in copied},
        "id": cdr["session_id"],
        "kwh": cdr["total_energy"],
        "location_id": place["id"],
        "evse_uid": place["evse_uid"],
        "connector_id": place["connector_id"],
        "charging_periods": cdr["charging_periods"],
        "total_cost": cdr["total_cost"],
        "status": "COMPLETED",
        "last_updated": cdr["end_date_time"],
    }


def _token(emsp: Party, evse: int) -> Object:
    return {
        "country_code": emsp.country_code,
        "party_id": emsp.party_id,
        "uid": f"04{evse:08X}{emsp.party_id}",
        "type": "RFID",
        "contract_id": f"NL-{emsp.party_id}-C{evse:08}",
        "issuer": f"Mobility {emsp.party_id}",
        "valid": True,
        "whitelist": "ALLOWED",
        "last_updated": SAID,
    }


def _site(cpo: Owner, evse: int) -> Object:
    """What a Location and a CDR say of where an EVSE stands."""
    place, first = cpo.place, evse // CPOS // EVSES_OF_A_LOCATION
    return {
        "id": f"L{first:07}",
        "name": "Charging park by the old harbour",
        "address": f"Harbour Street {first}",
        "city": place.city,
        "postal_code": "20457",
        "country": place.country,
        "coordinates": {"latitude": "53.545230", "longitude": "9.966310"},
    }


def _place_in_cdr(cpo: Owner, evse: int) -> Object:
    return {
        **_site(cpo, evse),
        "evse_uid": f"E{evse:07}",
        "evse_id": f"{cpo.place.country_code}*{cpo.party_id}*E{evse:07}",
        "connector_id": "1",
        "connector_standard": "IEC_62196_T2_COMBO",
        "connector_format": "CABLE",
        "connector_power_type": "DC",
    }


def _location(cpo: Owner, evses: range) -> Object:
    return {
        **cpo.keys,
        "publish": True,
        **_site(cpo, evses[0]),
        "evses": [_evse(cpo, evse) for evse in evses],
        "time_zone": cpo.place.zone,
        "last_updated": SAID,
    }


def _evse(cpo: Owner, evse: int) -> Object:
    place = _place_in_cdr(cpo, evse)
    connector = {
        "id": place["connector_id"],
        "standard": place["connector_standard"],
        "format": place["connector_format"],
        "power_type": place["connector_power_type"],
        "max_voltage": 920,
        "max_amperage": 200,
        "max_electric_power": 150000,
        "tariff_ids": [tariff["id"] for tariff in cpo.tariffs],
        "last_updated": SAID,
    }
    return {
        "uid": place["evse_uid"],
        "evse_id": place["evse_id"],
        "status": "AVAILABLE",
        "connectors": [connector],
        "last_updated": SAID,
    }


# --- credits and troubles ----------------------------------------------------------------------


def _credited(original: Charge, number: int) -> Charge:
    """The credit of a charge, a day after it: all of it again, its total negated."""
    credit = {
        **original.cdr,
        "id": f"C{number:09}",
        "total_cost": {name: -amount for name, amount in original.cdr["total_cost"].items()},
        "credit": True,
        "credit_reference_id": original.cdr["id"],
    }
    return Charge(credit, None, original.debtor, original.received_at + CREDIT_AFTER)


def _too_dear(charge: Charge) -> Charge:
    cost = {name: amount * 2 + 1 for name, amount in charge.cdr["total_cost"].items()}
    return _changed(charge, total_cost=cost)


def _in_watt_hours(charge: Charge) -> Charge:
    return _changed(charge, total_energy=charge.cdr["total_energy"] * 1000)


def _unknown_token(charge: Charge) -> Charge:
    return _changed(charge, cdr_token={**charge.cdr["cdr_token"], "uid": "04DEADBEEF"})


def _session_of_another(charge: Charge) -> Charge:
    """The Session of a charge that the same CPO had at another EVSE, where there is one."""
    number = int(charge.cdr["id"][1:]) - CPOS
    return _changed(charge, session_id=f"S{max(number, 0):09}")


def _parts_missing(charge: Charge) -> Charge:
    return _changed(charge, charging_periods=charge.cdr["charging_periods"][:-1])


def _other_energy(charge: Charge) -> Charge:
    if charge.session is None:
        return charge
    session = {**charge.session, "kwh": charge.session["kwh"] + Decimal("3.5")}
    return Charge(charge.cdr, session, charge.debtor, charge.received_at)


def _unknown_tariff(charge: Charge) -> Charge:
    periods = [{**period, "tariff_id": "GONE"} for period in charge.cdr["charging_periods"]]
    cdr = {name: value for name, value in charge.cdr.items() if name != "tariffs"}
    return Charge({**cdr, "charging_periods": periods}, charge.session, charge.debtor, charge.received_at)


def _changed(charge: Charge, **changes: Any) -> Charge:
    return Charge({**charge.cdr, **changes}, charge.session, charge.debtor, charge.received_at)


TROUBLES: tuple[Callable[[Charge], Charge], ...] = (
    _too_dear,
    _in_watt_hours,
    _unknown_token,
    _session_of_another,
    _parts_missing,
    _other_energy,
    _unknown_tariff,
)

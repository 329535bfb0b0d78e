"""Short ways to say what stations say about charges, and a site where they say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.chargers.billing import kept_place, kept_tariff
from hub.chargers.charging import Known, Timing, Where, begin, end, metered
from hub.chargers.events import (
    IdToken,
    Metered,
    MeterValue,
    Permit,
    PermitStatus,
    Sample,
    Spot,
    Started,
    Stopped,
    TransactionRef,
)
from hub.chargers.places import Place, Plug, Site, SiteBook
from hub.store.charges import Change, Charge, Reading
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json
from tests.pricing.build import component, element, tariff

Content = dict[str, Any]

PARTY = Party.of("NL", "LOC")
STATION = "CP-1"
START = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 18, 0, tzinfo=UTC)
SPOT = Spot(0, 1)
TOKEN = {"country_code": "NL", "party_id": "MSP", "uid": "TAG1", "type": "RFID", "contract_id": "NL-MSP-C1"}
GRANTED = Permit(status=PermitStatus.ACCEPTED, token=TOKEN, auth_method="WHITELIST", reference="REF-1")
UNKNOWN = Permit(status=PermitStatus.INVALID)
PER_KWH = tariff(element(component("ENERGY", "0.30", vat="21")), id="PLAIN", last_updated="2026-05-01T00:00:00Z")


def at(minutes: float) -> datetime:
    """So many minutes after the start."""
    return START + timedelta(minutes=minutes)


def site(*tariffs: str, zone: str = "Europe/Amsterdam") -> Site:
    """A site with a station of two connectors of 22 kW (OCPP 1.6)."""
    connectors = [
        {
            "id": str(number),
            "standard": "IEC_62196_T2",
            "format": "SOCKET",
            "power_type": "AC_3_PHASE",
            "max_voltage": 230,
            "max_amperage": 32,
            "max_electric_power": 22000,
            "tariff_ids": list(tariffs),
            "last_updated": "2026-05-01T00:00:00Z",
        }
        for number in (1, 2)
    ]
    evses = [{"uid": f"E{one['id']}", "evse_id": f"NL*LOC*E{one['id']}", "connectors": [one]} for one in connectors]
    location = {
        "id": "SITE",
        "name": "At the quay",
        "address": "Quay 1",
        "city": "Utrecht",
        "postal_code": "3511",
        "country": "NLD",
        "coordinates": {"latitude": "52.09012", "longitude": "5.12014"},
        "time_zone": zone,
        "evses": evses,
    }
    plugs = tuple(
        Plug(station=STATION, evse=0, connector=number, evse_uid=f"E{number}", connector_id=str(number))
        for number in (1, 2)
    )
    return Site(id="SITE", location=location, plugs=plugs)


def book(*tariffs: Mapping[str, Any], zone: str = "Europe/Amsterdam") -> SiteBook:
    """All sites and tariffs: the one site, whose connectors have these tariffs."""
    ids = [one["id"] for one in tariffs]
    return SiteBook(sites={"SITE": site(*ids, zone=zone)}, tariffs={one["id"]: one for one in tariffs})


def where(terms: Mapping[str, Any] | None = PER_KWH, zone: str = "Europe/Amsterdam") -> Where:
    """Connector 1 under a tariff."""
    here = site(*([terms["id"]] if terms else []), zone=zone)
    kept = [] if terms is None else [kept_tariff({**terms, "country_code": "NL", "party_id": "LOC"}, PARTY, START)]
    place = encode_json(kept_place(Place(here, here.plugs[0]))).decode()
    tariffs = encode_json(kept).decode() if kept else ""
    return Where(site="SITE", evse_uid="E1", connector_id="1", place=place, tariffs=tariffs)


def wh(minutes: float, register: float | str | None = None, **more: Any) -> MeterValue:
    """A meter value: the register in Wh, and what else (`W`, `A`, `context`)."""
    context = more.pop("context", "Sample.Periodic")
    samples = [] if register is None else [Sample(value=str(register), context=context)]
    names = {"W": "Power.Active.Import", "A": "Current.Import"}
    samples += [Sample(value=str(v), measurand=names[k], unit=k, context=context) for k, v in more.items()]
    return MeterValue(at=at(minutes), samples=tuple(samples))


def started(register: float | None = 1000, minutes: float = 0, **more: Any) -> Started:
    """StartTransaction."""
    usual: Content = {"spot": SPOT, "at": at(minutes), "id_token": IdToken("TAG1")}
    return Started(**{**usual, "meter_wh": None if register is None else Decimal(str(register)), **more})


def readings(*values: MeterValue, number: int | None = 1, **more: Any) -> Metered:
    """MeterValues."""
    return Metered(**{"spot": SPOT, "transaction": TransactionRef(number), "values": values, **more})


def stopped(register: float | None = 11000, minutes: float = 60, **more: Any) -> Stopped:
    """StopTransaction."""
    usual: Content = {"transaction": TransactionRef(1), "at": at(minutes)}
    return Stopped(**{**usual, "meter_wh": None if register is None else Decimal(str(register)), **more})


class Told:
    """One charge in memory, and what its station says: the pure half of what the store does."""

    def __init__(self, place: Where | None = None, permit: Permit = GRANTED, now: datetime = NOW) -> None:
        self.known = Known(timing=Timing(now), permit=permit, where=place or where())
        self.charge: Charge | None = None
        self.kept: dict[str, Reading] = {}
        self._proposed = 0

    def say(self, *messages: Started | Metered | Stopped) -> Told:
        """Work on messages one after the other."""
        for message in messages:
            change = self._change(message)
            if change is not None:
                self.charge = change.charge
                self.kept = {**{one.key: one for one in change.readings}, **self.kept}
        return self

    def _change(self, message: Started | Metered | Stopped) -> Change | None:
        self._proposed += 1
        known = replace(self.known, session_id=f"session-{self._proposed}")
        if isinstance(message, Started):
            return begin(self.charge, (), message, known, STATION)
        if isinstance(message, Metered):
            return metered(self.charge, message, known, STATION)
        return end(self.charge, message, known, STATION)

    @property
    def readings(self) -> list[Reading]:
        """What was read, as the store gives it."""
        return sorted(self.kept.values(), key=lambda one: (one.at, one.key))


def flags_of(charge: Charge) -> set[str]:
    """What was noted about a charge."""
    return set(charge.flags.splitlines())


def kinds(answer: Content) -> list[str]:
    """The kinds of the warnings of a price."""
    return [one["kind"] for one in answer["warnings"]]


def volumes(cdr: Mapping[str, Any], kind: str) -> list[Decimal]:
    """The volumes of a dimension, by period."""
    found: Iterable[Mapping[str, Any]] = (one for period in cdr["charging_periods"] for one in period["dimensions"])
    return [Decimal(one["volume"]) for one in found if one["type"] == kind]

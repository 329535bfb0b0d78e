"""A small consistent world to settle: one CPO, two eMSPs, a Location with an AC and a DC EVSE; as it stands nothing is wrong with it.

Every builder takes changes by field; `__` goes into an object or, by number, into a list (`cdr_token__uid="X"`,
`charging_periods__0__dimensions=[…]`), and `ABSENT` leaves a field out. Numbers may be written as floats: they pass through JSON text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hub.settlement.agreements import DEFAULT, Agreements
from hub.settlement.case import Case, CaseCheck
from hub.settlement.evidence import (
    Evidence,
    Held,
    SettlementPeriod,
    Tolerances,
    View,
    by_token,
    by_version,
    last_states,
    texts_by_owner,
)
from hub.settlement.facts import CdrFact, Cost, key_of, party_of, read_cdr, read_session, read_version
from hub.settlement.findings import Disposition, Finding
from hub.settlement.permits import permits_of
from hub.settlement.prices import price_agreed
from hub.settlement.relations import relate
from hub.settlement.run import settle
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json, encode_json, format_datetime, lenient_datetime

Content = dict[str, Any]

CPO = Party("DE", "ABC")
EMSP = Party("NL", "MSP")
OTHER_EMSP = Party("BE", "EMO")
PARTIES: Mapping[Party, frozenset[Role]] = {
    CPO: frozenset({Role.CPO}),
    EMSP: frozenset({Role.EMSP}),
    OTHER_EMSP: frozenset({Role.EMSP}),
}
PERIOD = SettlementPeriod(
    start=datetime(2026, 10, 1, tzinfo=UTC),
    end=datetime(2026, 11, 1, tzinfo=UTC),
    closes_at=datetime(2026, 11, 5, 18, tzinfo=UTC),
)
DELIVERY_TAKES = timedelta(minutes=5)
ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A CDR with when it came and to whom; of both None is what is usual: soon after the charge, to the eMSP of its token."""

    content: Content
    received_at: str | None = None
    to: Party | None = None


# --- objects -----------------------------------------------------------------------------------


def cdr(**changes: Any) -> Content:
    """Two hours at the AC EVSE by a token of EMSP: 20 kWh in one and a half, then half an hour of parking; EUR 9.00, 10.71 with VAT."""
    return _changed(_AC_CDR, changes)


def dc_cdr(**changes: Any) -> Content:
    """Half an hour at the DC EVSE by a token of OTHER_EMSP: 45 kWh and a flat price; EUR 28.00, 33.32 with VAT."""
    return _changed(_DC_CDR, changes)


def credit_of(original: Content, **changes: Any) -> Content:
    """The credit of a CDR: all of it again under another id, its total negated; written a day after the charge."""
    credit = {
        **original,
        "id": f"{original['id']}-C",
        "credit": True,
        "credit_reference_id": original["id"],
        "total_cost": {name: -amount for name, amount in original["total_cost"].items()},
    }
    return _changed(credit, changes)


def session_of(content: Content, **changes: Any) -> Content:
    """The completed session behind a CDR."""
    copied = ("country_code", "party_id", "start_date_time", "end_date_time", "cdr_token", "auth_method", "currency")
    place = content.get("cdr_location") or {}
    session = {
        **{name: content[name] for name in copied if name in content},
        "id": content.get("session_id"),
        "kwh": content.get("total_energy"),
        "location_id": place.get("id"),
        "evse_uid": place.get("evse_uid"),
        "connector_id": place.get("connector_id"),
        "charging_periods": content.get("charging_periods"),
        "total_cost": content.get("total_cost"),
        "status": "COMPLETED",
        "last_updated": content.get("end_date_time"),
    }
    return _changed(session, changes)


def token(**changes: Any) -> Content:
    """The RFID token of EMSP that `cdr` is charged with."""
    return _changed(_TOKEN, changes)


def other_token(**changes: Any) -> Content:
    """The app token of OTHER_EMSP that `dc_cdr` is charged with."""
    return _changed(_OTHER_TOKEN, changes)


def location(**changes: Any) -> Content:
    """The Location of CPO: EVSE E1 gives 22 kW of AC, EVSE E2 150 kW of DC."""
    return _changed(_LOCATION, changes)


def tariff(**changes: Any) -> Content:
    """The tariff of the AC EVSE: 0.40 a kWh, 2.00 an hour of parking, VAT 19 %."""
    return _changed(_AC_TARIFF, changes)


def dc_tariff(**changes: Any) -> Content:
    """The tariff of the DC EVSE: 0.60 a kWh and 1.00 once, VAT 19 %."""
    return _changed(_DC_TARIFF, changes)


def changed(content: Content, **changes: Any) -> Content:
    """A copy of any object with changes."""
    return _changed(content, changes)


# --- what is settled ---------------------------------------------------------------------------


def evidence_of(
    *cdrs: Content | Arrival,
    sessions: Iterable[Content] | None = None,
    tokens: Iterable[Content] | None = None,
    locations: Iterable[Content] | None = None,
    tariffs: Iterable[Content] | None = None,
    parties: Mapping[Party, frozenset[Role]] = PARTIES,
    period: SettlementPeriod = PERIOD,
    tolerances: Tolerances | None = None,
    views: Mapping[Party, Mapping[str, Cost | None]] | None = None,
) -> Evidence:
    """The evidence of a period. Sessions left out are those behind the CDRs; tokens, locations and tariffs those of the world."""
    arrivals = [one if isinstance(one, Arrival) else Arrival(one) for one in cdrs]
    said = _sessions_behind(arrivals) if sessions is None else sessions
    known_tokens = [token(), other_token()] if tokens is None else tokens
    known_locations = [location()] if locations is None else locations
    known_tariffs = [tariff(), dc_tariff()] if tariffs is None else tariffs
    by_tariff = by_version(read_version(one, key_of(one["id"])) for one in known_tariffs)
    return Evidence(
        period=period,
        tolerances=tolerances or Tolerances(),
        parties=parties,
        cdrs=tuple(fact_of(one, index) for index, one in enumerate(arrivals)),
        sessions=last_states(read_session(one) for one in said),
        tokens=by_token(read_version(one, key_of(one["uid"])) for one in known_tokens),
        tariffs=by_tariff,
        tariff_texts=texts_by_owner(by_tariff),
        locations=by_version(read_version(one, key_of(one["id"])) for one in known_locations),
        views={party: _view(held) for party, held in (views or {}).items()},
    )


def _view(held: Mapping[str, Cost | None]) -> View:
    return {(None, key_of(name)): Held(name, cost) for name, cost in held.items()}


def fact_of(arrival: Content | Arrival, index: int = 0) -> CdrFact:
    """A CDR as it was received."""
    one = arrival if isinstance(arrival, Arrival) else Arrival(arrival)
    received_at = lenient_datetime(one.received_at) if one.received_at is not None else _soon_after(one.content)
    assert received_at is not None
    token = one.content.get("cdr_token")
    to = one.to or party_of(token if isinstance(token, dict) else {})
    return read_cdr(index, received_at, to, one.content)


def case_in(evidence: Evidence, index: int = 0, agreements: Agreements | None = None) -> Case:
    """One CDR of a period as checks see it."""
    fact = next(one for one in evidence.cdrs if one.index == index)
    agreements = agreements or Agreements()
    place, agreement = evidence.place_of(fact), agreements.of(fact)
    relations = relate(evidence)
    return Case(
        cdr=fact,
        evidence=evidence,
        relations=relations,
        session=relations.session_of(fact, evidence),
        place=place,
        token=evidence.token_of(fact),
        agreement=agreement,
        pricing=price_agreed(fact, evidence, place, agreement),
        is_uncovered=agreement is DEFAULT and agreements.has_terms_for(fact),
        permits=permits_of(fact, evidence.permits),
    )


def case_of(received_at: str | None = None, **changes: Any) -> Case:
    """The CDR of `cdr`, changed, alone in its period."""
    return case_in(evidence_of(Arrival(cdr(**changes), received_at)))


def dc_case_of(received_at: str | None = None, **changes: Any) -> Case:
    """The CDR of `dc_cdr`, changed, alone in its period."""
    return case_in(evidence_of(Arrival(dc_cdr(**changes), received_at)))


def said_by(check: CaseCheck, case: Case) -> list[tuple[str, Disposition]]:
    """What one check says of one CDR, whatever others would say: kinds and dispositions."""
    return [(finding.check.kind, finding.disposition) for finding in check(case)]


def findings_of(evidence: Evidence, agreements: Agreements | None = None) -> list[tuple[str, str]]:
    """What a run finds: kinds and subjects, a subject being `C1`, `C1+C2`, a session or a party."""
    outcome = settle(evidence, agreements or Agreements())
    return [(finding.check.kind, subject_of(finding)) for finding in outcome.findings]


def verdicts_of(evidence: Evidence, agreements: Agreements | None = None) -> list[str]:
    """What becomes of the CDRs, in the order of the input."""
    outcome = settle(evidence, agreements or Agreements())
    return [outcome.verdicts[fact.index].value for fact in evidence.cdrs]


def subject_of(finding: Finding) -> str:
    """The subject of a finding in a word."""
    subject = finding.subject
    return "+".join(one.id for one in subject.cdrs) or subject.session_id or str(subject.party)


def _sessions_behind(arrivals: Sequence[Arrival]) -> list[Content]:
    contents = [one.content for one in arrivals]
    return [session_of(one) for one in contents if one.get("session_id") and not _is_credit(one)]


def _is_credit(content: Content) -> bool:
    return bool(content.get("credit") or content.get("credit_reference_id"))


def _soon_after(content: Content) -> datetime:
    end = lenient_datetime(content.get("end_date_time"))
    if end is None or not PERIOD.start <= end:
        return PERIOD.start + DELIVERY_TAKES
    return end + DELIVERY_TAKES + (timedelta(days=1) if content.get("credit") else timedelta())


def _changed(content: Content, changes: Mapping[str, Any]) -> Content:
    copy: Content = decode_json(encode_json(content))
    for path, value in changes.items():
        *steps, last = path.split("__")
        place: Any = copy
        for step in steps:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        _set(place, last, value)
    return copy


def _set(place: Any, name: str, value: Any) -> None:
    key = int(name) if isinstance(place, list) else name
    if value is ABSENT:
        del place[key]
    else:
        place[key] = decode_json(encode_json(value))


# --- the world ---------------------------------------------------------------------------------

_OWNER = {"country_code": CPO.country_code, "party_id": CPO.party_id}
_SAID = "2026-09-01T00:00:00Z"


def _cost(excl_vat: str, incl_vat: str) -> Content:
    return {"excl_vat": Decimal(excl_vat), "incl_vat": Decimal(incl_vat)}


def volumes(**by_dimension: Any) -> list[Content]:
    """Dimensions of a charging period."""
    return [{"type": name, "volume": volume} for name, volume in by_dimension.items()]


def period(start: datetime | str, tariff_id: str = "T-AC", **by_dimension: Any) -> Content:
    """A charging period."""
    moment = start if isinstance(start, str) else format_datetime(start)
    return {"start_date_time": moment, "dimensions": volumes(**by_dimension), "tariff_id": tariff_id}


_TOKEN: Content = {
    "country_code": EMSP.country_code,
    "party_id": EMSP.party_id,
    "uid": "TOKEN1",
    "type": "RFID",
    "contract_id": "NL-MSP-C00000001-1",
    "issuer": "MSP",
    "valid": True,
    "whitelist": "ALLOWED",
    "last_updated": _SAID,
}
_OTHER_TOKEN: Content = {
    "country_code": OTHER_EMSP.country_code,
    "party_id": OTHER_EMSP.party_id,
    "uid": "TOKEN2",
    "type": "APP_USER",
    "contract_id": "BE-EMO-C00000002-2",
    "issuer": "EMO",
    "valid": True,
    "whitelist": "ALLOWED",
    "last_updated": _SAID,
}


def _in_cdr(content: Content) -> Content:
    return {name: content[name] for name in ("country_code", "party_id", "uid", "type", "contract_id")}


_CONNECTORS: dict[str, Content] = {
    "E1": {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "SOCKET",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 32,
        "max_electric_power": 22000,
        "tariff_ids": ["T-AC"],
        "last_updated": _SAID,
    },
    "E2": {
        "id": "1",
        "standard": "IEC_62196_T2_COMBO",
        "format": "CABLE",
        "power_type": "DC",
        "max_voltage": 920,
        "max_amperage": 200,
        "max_electric_power": 150000,
        "tariff_ids": ["T-DC"],
        "last_updated": _SAID,
    },
}
_LOCATION: Content = {
    **_OWNER,
    "id": "LOC1",
    "publish": True,
    "name": "Alte Mühle",
    "address": "Mühlenweg 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DEU",
    "coordinates": {"latitude": "52.530644", "longitude": "13.383068"},
    "evses": [
        {
            "uid": uid,
            "evse_id": f"DE*ABC*{uid}",
            "status": "AVAILABLE",
            "connectors": [connector],
            "last_updated": _SAID,
        }
        for uid, connector in _CONNECTORS.items()
    ],
    "time_zone": "Europe/Berlin",
    "last_updated": _SAID,
}


def _place_in_cdr(uid: str) -> Content:
    copied = ("id", "name", "address", "city", "postal_code", "country", "coordinates")
    connector = _CONNECTORS[uid]
    return {
        **{name: _LOCATION[name] for name in copied},
        "evse_uid": uid,
        "evse_id": f"DE*ABC*{uid}",
        "connector_id": connector["id"],
        "connector_standard": connector["standard"],
        "connector_format": connector["format"],
        "connector_power_type": connector["power_type"],
    }


def _tariff(name: str, **prices: str) -> Content:
    components = [{"type": kind, "price": Decimal(price), "vat": 19, "step_size": 1} for kind, price in prices.items()]
    return {
        **_OWNER,
        "id": name,
        "currency": "EUR",
        "elements": [{"price_components": components}],
        "last_updated": _SAID,
    }


_AC_TARIFF = _tariff("T-AC", ENERGY="0.40", PARKING_TIME="2.00")
_DC_TARIFF = _tariff("T-DC", ENERGY="0.60", FLAT="1.00")

_AC_CDR: Content = {
    **_OWNER,
    "id": "C1",
    "start_date_time": "2026-10-10T08:00:00Z",
    "end_date_time": "2026-10-10T10:00:00Z",
    "session_id": "S1",
    "cdr_token": _in_cdr(_TOKEN),
    "auth_method": "WHITELIST",
    "cdr_location": _place_in_cdr("E1"),
    "currency": "EUR",
    "tariffs": [_AC_TARIFF],
    "charging_periods": [
        period("2026-10-10T08:00:00Z", "T-AC", ENERGY=20, TIME=Decimal("1.5")),
        period("2026-10-10T09:30:00Z", "T-AC", PARKING_TIME=Decimal("0.5")),
    ],
    "total_cost": _cost("9.00", "10.71"),
    "total_energy": 20,
    "total_energy_cost": _cost("8.00", "9.52"),
    "total_time": 2,
    "total_parking_time": Decimal("0.5"),
    "total_parking_cost": _cost("1.00", "1.19"),
    "last_updated": "2026-10-10T10:00:00Z",
}
_DC_CDR: Content = {
    **_OWNER,
    "id": "C2",
    "start_date_time": "2026-10-12T16:00:00Z",
    "end_date_time": "2026-10-12T16:30:00Z",
    "session_id": "S2",
    "cdr_token": _in_cdr(_OTHER_TOKEN),
    "auth_method": "AUTH_REQUEST",
    "authorization_reference": "A2",
    "cdr_location": _place_in_cdr("E2"),
    "currency": "EUR",
    "tariffs": [_DC_TARIFF],
    "charging_periods": [period("2026-10-12T16:00:00Z", "T-DC", ENERGY=45, TIME=Decimal("0.5"))],
    "total_cost": _cost("28.00", "33.32"),
    "total_fixed_cost": _cost("1.00", "1.19"),
    "total_energy": 45,
    "total_energy_cost": _cost("27.00", "32.13"),
    "total_time": Decimal("0.5"),
    "last_updated": "2026-10-12T16:30:00Z",
}

"""A04, A12, K01 to K03: where it was, beside what its owner had published when the session began."""

from __future__ import annotations

from collections.abc import Iterable
from math import asin, cos, radians, sin, sqrt

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    CONNECTOR_MISMATCH,
    EVSE_NOT_NAMED,
    EVSE_OPERATOR_MISMATCH,
    EVSE_OUT_OF_SERVICE,
    UNKNOWN_LOCATION,
)
from hub.settlement.facts import CdrFact, Object, cost_of, key_of, number_of, objects_in, text_of
from hub.settlement.findings import Finding, Severity, found, lowered_to_report, on
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import NOT_AVAILABLE, lenient_datetime

NEAR_METRES = 500
EARTH_RADIUS_METRES = 6_371_000
OUT_OF_SERVICE = frozenset({"INOPERATIVE", "OUTOFORDER", "PLANNED", "REMOVED"})


def a04_operator_of_the_evse(case: Case) -> Iterable[Finding]:
    """Held where the CPO named in the EVSE id publishes that very EVSE there; told where that CPO is merely another one of the period.

    Silent where the owner publishes the EVSE, or the operator is none of the parties: ids of operators and of parties are given by
    different bodies, and a CPO may run chargers under the ids of others.
    """
    operator = _other_operator(case)
    if operator is None:
        return
    evse_id = text_of(_place(case.cdr).get("evse_id"))
    sentence = f"CDR {case.cdr.id} of {case.cdr.owner} is for EVSE {evse_id} of {operator}."
    finding = found(EVSE_OPERATOR_MISMATCH, on(case.cdr), sentence, evse_id=evse_id, operator=str(operator))
    yield finding if _publishes(case, operator, evse_id) else lowered_to_report(finding)


def a12_evse_named(case: Case) -> Iterable[Finding]:
    """Held where energy was charged nowhere; told where the CDR shows no reservation, which may be written without its time (Y-11)."""
    cdr, charge = case.cdr, case.pricing.charge
    if NOT_AVAILABLE not in (cdr.plug.evse_uid, cdr.plug.connector_id) or case.is_told_elsewhere:
        return
    was_reserved = charge is not None and any(period.reservation is not None for period in charge.periods)
    if (cdr.energy or 0) > 0:
        sentence = (
            f"CDR {cdr.id} has {cdr.energy} kWh and no EVSE: {NOT_AVAILABLE} is for reservations that nobody used."
        )
        yield found(EVSE_NOT_NAMED, on(cdr), sentence, energy_kwh=cdr.energy)
    elif not was_reserved and cost_of(cdr.content.get("total_reservation_cost")) is None:
        sentence = f"CDR {cdr.id} has neither an EVSE nor a reservation."
        yield lowered_to_report(found(EVSE_NOT_NAMED, on(cdr), sentence, energy_kwh=cdr.energy))


def k01_evse_published(case: Case) -> Iterable[Finding]:
    """Legal for charging at home; only INFO where its owner has sent no Locations at all."""
    cdr = case.cdr
    if case.is_told_elsewhere or _is_home(cdr) or _other_operator(case) is not None:
        return
    if case.place.location is None:
        finding = found(UNKNOWN_LOCATION, on(cdr), f"{cdr.owner} has not published the Location of CDR {cdr.id}.")
        yield finding if _has_locations(case) else lowered_to_report(finding, Severity.INFO)
    elif case.place.evse is None and cdr.plug.evse_uid != NOT_AVAILABLE:
        sentence = f"{cdr.owner} has not published EVSE {_place(cdr).get('evse_uid')} of CDR {cdr.id} in its Location."
        yield found(UNKNOWN_LOCATION, on(cdr), sentence, evse_uid=_place(cdr).get("evse_uid"))


def k02_connector_as_published(case: Case) -> Iterable[Finding]:
    """Standard, current, country and coordinates; what one of the two does not state is no difference."""
    if case.is_told_elsewhere or case.place.location is None or case.place.evse is None:
        return
    wrong = [*_wrong_connector(case), *_wrong_place(case)]
    if wrong:
        sentence = f"CDR {case.cdr.id} and its Location differ in {', '.join(wrong)}."
        yield found(CONNECTOR_MISMATCH, on(case.cdr), sentence, differing=wrong)


def k03_evse_in_service(case: Case) -> Iterable[Finding]:
    """By the last status that was sent before the session began."""
    evse, start = case.place.evse, case.cdr.start
    if evse is None or start is None or case.is_told_elsewhere:
        return
    since, status = lenient_datetime(evse.get("last_updated")), text_of(evse.get("status"))
    if status in OUT_OF_SERVICE and since is not None and since <= start:
        sentence = f"EVSE {text_of(evse.get('uid'))} of CDR {case.cdr.id} was {status} when the session began."
        yield found(EVSE_OUT_OF_SERVICE, on(case.cdr), sentence, status=status)


# --- of which operator ---------------------------------------------------------------------------


def _other_operator(case: Case) -> Party | None:
    """Another CPO of the period that an EVSE id names, unless the owner of the CDR publishes the EVSE."""
    if case.is_told_elsewhere or case.place.evse is not None:
        return None
    operator = _operator_of(text_of(_place(case.cdr).get("evse_id")))
    if operator is None or operator == case.cdr.owner:
        return None
    return operator if Role.CPO in case.evidence.parties.get(operator, ()) else None


def _operator_of(evse_id: str) -> Party | None:
    """The operator in an EVSE id, which is written with separators or without: DE*ABC*E1, DEABCE1."""
    plain = evse_id.replace("*", "").replace("-", "").replace("+", "").replace(" ", "")
    return Party.of(plain[:2], plain[2:5]) if len(plain) > 5 else None


def _publishes(case: Case, operator: Party, evse_id: str) -> bool:
    versions = case.evidence.locations.get((operator, case.cdr.location_key), ())
    evses = (evse for version in versions for evse in objects_in(version.content.get("evses")))
    return any(key_of(evse.get("evse_id")) == key_of(evse_id) for evse in evses)


def _has_locations(case: Case) -> bool:
    return case.cdr.owner in case.relations.location_senders


def _is_home(cdr: CdrFact) -> bool:
    return cdr.content.get("home_charging_compensation") is True


# --- beside what was published -------------------------------------------------------------------


def _wrong_connector(case: Case) -> Iterable[str]:
    connector, place = case.place.connector, _place(case.cdr)
    if connector is None:
        if case.cdr.plug.connector_id != NOT_AVAILABLE:
            yield f"connector {text_of(place.get('connector_id'))}, which is not published"
        return
    for name, published in (("connector_standard", "standard"), ("connector_power_type", "power_type")):
        if _differ(place.get(name), connector.get(published)):
            yield name


def _wrong_place(case: Case) -> Iterable[str]:
    place, location = _place(case.cdr), case.place.location or {}
    if _differ(place.get("country"), location.get("country")):
        yield "country"
    published = [one.get("coordinates") for one in (location, case.place.evse or {})]
    distances = [
        distance for one in published if (distance := metres_between(place.get("coordinates"), one)) is not None
    ]
    if distances and min(distances) > NEAR_METRES:
        yield f"coordinates by {round(min(distances))} m"


def _differ(one: object, other: object) -> bool:
    return bool(key_of(one)) and bool(key_of(other)) and key_of(one) != key_of(other)


def metres_between(one: object, other: object) -> float | None:
    """The distance of two GeoLocations on a sphere; None where one of them is none."""
    start, end = _degrees(one), _degrees(other)
    if start is None or end is None:
        return None
    (latitude, longitude), (latitude_2, longitude_2) = start, end
    half = sin((latitude_2 - latitude) / 2) ** 2
    half += cos(latitude) * cos(latitude_2) * sin((longitude_2 - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_METRES * asin(sqrt(min(1.0, half)))


def _degrees(geo_location: object) -> tuple[float, float] | None:
    """Latitude and longitude in radians, of texts or numbers."""
    if not isinstance(geo_location, dict):
        return None
    latitude, longitude = _float(geo_location.get("latitude")), _float(geo_location.get("longitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return radians(latitude), radians(longitude)


def _float(value: object) -> float | None:
    number = number_of(value)
    try:
        return float(value if isinstance(value, str) else number)  # type: ignore[arg-type]  # None raises TypeError
    except (TypeError, ValueError):
        return None


def _place(cdr: CdrFact) -> Object:
    place = cdr.content.get("cdr_location")
    return place if isinstance(place, dict) else {}


CASE_CHECKS: tuple[CaseCheck, ...] = (
    a04_operator_of_the_evse,
    a12_evse_named,
    k01_evse_published,
    k02_connector_as_published,
    k03_evse_in_service,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()

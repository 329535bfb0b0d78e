"""The objects of OCPI 2.2.1 against the examples in `fixtures/objects`: checklist sections 11 to 19."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ocpi_modules.cdrs import CDR
from ocpi_modules.chargingprofiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfileResponse,
    ChargingProfileResult,
    ClearProfileResult,
    SetChargingProfile,
)
from ocpi_modules.commands import (
    CancelReservation,
    CommandResponse,
    CommandResult,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi_modules.credentials import Credentials
from ocpi_modules.hubclientinfo import ClientInfo
from ocpi_modules.locations import EVSE, Connector, Location
from ocpi_modules.sessions import ChargingPreferences, Session
from ocpi_modules.tariffs import Tariff
from ocpi_modules.tokens import AuthorizationInfo, LocationReferences, Token
from ocpi_modules.types import OcpiObject, decode_json, encode_json, validate_partial, validation_sentence
from ocpi_modules.versions import Version, VersionDetails

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "objects"

OBJECTS: dict[str, type[OcpiObject]] = {
    "active_charging_profile": ActiveChargingProfile,
    "active_charging_profile_result": ActiveChargingProfileResult,
    "authorization_info": AuthorizationInfo,
    "cancel_reservation": CancelReservation,
    "cdr": CDR,
    "charging_preferences": ChargingPreferences,
    "charging_profile_response": ChargingProfileResponse,
    "charging_profile_result": ChargingProfileResult,
    "clear_profile_result": ClearProfileResult,
    "client_info": ClientInfo,
    "command_response": CommandResponse,
    "command_result": CommandResult,
    "credentials": Credentials,
    "credit_cdr": CDR,
    "location": Location,
    "location_references": LocationReferences,
    "reserve_now": ReserveNow,
    "session": Session,
    "set_charging_profile": SetChargingProfile,
    "start_session": StartSession,
    "stop_session": StopSession,
    "tariff": Tariff,
    "token": Token,
    "unlock_connector": UnlockConnector,
    "version": Version,
    "version_details": VersionDetails,
}

MISSING = object()


def good(name: str) -> Any:
    return decode_json((FIXTURES / f"{name}.json").read_bytes())


def step(name: str) -> int | str:
    return int(name) if name.isdigit() else name


def changed(content: Any, path: str, value: Any) -> Any:
    """A copy of `content` with one value put in, or taken away."""
    content = copy.deepcopy(content)
    *parents, last = map(step, path.split("."))
    place = content
    for parent in parents:
        place = place[parent]
    if value is MISSING:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return content


def refusal(name: str, content: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        OBJECTS[name].model_validate(content)
    return validation_sentence(refused.value)


def bad_examples() -> list[Any]:
    tables = sorted((FIXTURES / "bad").glob("*.json"))
    return [
        pytest.param(table.stem, row, id=f"{table.stem}: {row['remark']}")
        for table in tables
        for row in decode_json(table.read_bytes())
    ]


def number_texts(value: Any) -> list[str]:
    """The text of every number in a JSON value, in order."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in number_texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in number_texts(item)]
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return [str(value)] if is_number else []


def in_order(value: Any) -> Any:
    """`value` with its fields sorted: their order means nothing (R-10)."""
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(item) for item in value] if isinstance(value, list) else value


# --- examples --------------------------------------------------------------------------------


def test_every_object_has_a_good_and_a_bad_example() -> None:
    assert {path.stem for path in FIXTURES.glob("*.json")} == set(OBJECTS)
    assert {path.stem for path in (FIXTURES / "bad").glob("*.json")} == set(OBJECTS)


@pytest.mark.parametrize("name", OBJECTS)
def test_a_good_example_comes_back_unchanged_to_the_last_digit(name: str) -> None:
    """R-10, Y-03, Y-07."""
    content = in_order(good(name))
    again = in_order(decode_json(encode_json(OBJECTS[name].model_validate(content))))
    assert again == content
    assert number_texts(again) == number_texts(content)


ABSENT = {
    "location": {"publish_allowed_to"},
    "cdr": {"credit_reference_id"},
    "credit_cdr": {
        "authorization_reference",
        "meter_id",
        "tariffs",
        "signed_data",
        "total_fixed_cost",
        "total_energy_cost",
        "total_time_cost",
        "total_parking_time",
        "total_parking_cost",
        "total_reservation_cost",
        "remark",
        "invoice_reference_id",
        "home_charging_compensation",
    },
}
"""Fields that contradict others of the same example, and what the short second example of a CDR leaves out."""


@pytest.mark.parametrize("name", OBJECTS)
def test_a_good_example_shows_every_field_that_its_kind_may_have(name: str) -> None:
    assert set(OBJECTS[name].model_fields) - set(good(name)) == ABSENT.get(name, set())


@pytest.mark.parametrize(("name", "row"), bad_examples())
def test_a_bad_example_is_refused_with_a_sentence_that_names_the_field(name: str, row: dict[str, Any]) -> None:
    """Y-02, Y-04 to Y-09, L-16 to L-22, SE-03, SE-09 to SE-11, CD-06 to CD-12, TF-03 to TF-05, TK-06, TK-07, TK-09,
    CM-02, CM-06, CM-13, CP-04, CP-05, CP-08, HC-02, C-22, C-23, T-06, V-03: each row says which.
    """
    change = row["change"]
    content = changed(good(name), change["path"], MISSING if change.get("remove") else change["value"])
    assert refusal(name, content).startswith(row["expect"])


# --- required fields -------------------------------------------------------------------------

REQUIRED = {
    "location": (
        "L-16",
        "country_code party_id id publish address city country coordinates time_zone last_updated",
    ),
    "location evses.0": ("L-20", "uid status connectors last_updated"),
    "location evses.0.connectors.0": (
        "L-21",
        "id standard format power_type max_voltage max_amperage last_updated",
    ),
    "location coordinates": ("L-18", "latitude longitude"),
    "location opening_times": ("L-19", "twentyfourseven"),
    "location opening_times.regular_hours.0": ("L-19", "weekday period_begin period_end"),
    "location opening_times.exceptional_openings.0": ("L-19", "period_begin period_end"),
    "location evses.0.status_schedule.0": ("L-20", "period_begin status"),
    "location images.0": ("L-22", "url category type"),
    "location operator": ("L-16", "name"),
    "location energy_mix": ("L-22", "is_green_energy"),
    "location energy_mix.energy_sources.0": ("L-22", "source percentage"),
    "location energy_mix.environ_impact.0": ("L-22", "category amount"),
    "location directions.0": ("Y-09", "language text"),
    "session": (
        "SE-09",
        "country_code party_id id start_date_time kwh cdr_token auth_method location_id evse_uid connector_id "
        "currency status last_updated",
    ),
    "session cdr_token": ("SE-11", "country_code party_id uid type contract_id"),
    "session charging_periods.0": ("SE-09", "start_date_time dimensions"),
    "session charging_periods.0.dimensions.0": ("SE-09", "type volume"),
    "cdr": (
        "CD-08",
        "country_code party_id id start_date_time end_date_time cdr_token auth_method cdr_location currency "
        "charging_periods total_cost total_energy total_time last_updated",
    ),
    "cdr cdr_location": (
        "CD-11",
        "id address city country coordinates evse_uid evse_id connector_id connector_standard connector_format "
        "connector_power_type",
    ),
    "cdr signed_data": ("CD-12", "encoding_method signed_values"),
    "cdr signed_data.signed_values.0": ("CD-12", "nature plain_data signed_data"),
    "tariff": ("TF-03", "country_code party_id id currency elements last_updated"),
    "tariff elements.0": ("TF-03", "price_components"),
    "tariff elements.0.price_components.0": ("TF-04", "type price step_size"),
    "token": ("TK-06", "country_code party_id uid type contract_id issuer valid whitelist last_updated"),
    "reserve_now": ("CM-13", "response_url token expiry_date reservation_id location_id"),
    "start_session": ("CM-13", "response_url token location_id"),
    "stop_session": ("CM-13", "response_url session_id"),
    "unlock_connector": ("CM-13", "response_url location_id evse_uid connector_id"),
    "cancel_reservation": ("CM-13", "response_url reservation_id"),
    "command_response": ("CM-02", "result timeout"),
    "command_result": ("CM-06", "result"),
    "set_charging_profile": ("CP-08", "charging_profile response_url"),
    "set_charging_profile charging_profile": ("CP-08", "charging_rate_unit"),
    "set_charging_profile charging_profile.charging_profile_period.0": ("CP-08", "start_period limit"),
    "active_charging_profile": ("CP-07", "start_date_time charging_profile"),
    "client_info": ("HC-02", "party_id country_code role status last_updated"),
    "credentials": ("C-23", "token url roles"),
    "credentials roles.0": ("C-23", "role business_details party_id country_code"),
    "version": ("V-01", "version url"),
    "version_details": ("V-03", "version endpoints"),
    "version_details endpoints.0": ("V-03", "identifier role url"),
}


def required_fields() -> list[Any]:
    rows = []
    for place, (checklist, fields) in REQUIRED.items():
        name, _, parent = place.partition(" ")
        for field in fields.split():
            path = f"{parent}.{field}" if parent else field
            rows.append(pytest.param(name, path, id=f"{checklist} {name} {path}"))
    return rows


@pytest.mark.parametrize(("name", "path"), required_fields())
def test_a_required_field_is_neither_missing_nor_null(name: str, path: str) -> None:
    """L-16, L-20, L-21, SE-09, SE-11, CD-08, CD-11, TF-03, TF-04, TK-06, CM-13, CP-08, HC-02, C-23, V-03, Y-08."""
    assert refusal(name, changed(good(name), path, MISSING)) == f"{path} is required"
    assert refusal(name, changed(good(name), path, None)).startswith(path)


def optional_fields() -> list[Any]:
    rows = []
    for name, model in OBJECTS.items():
        required = REQUIRED.get(name, ("", ""))[1].split()
        optional = [field for field in good(name) if field in model.model_fields and field not in required]
        rows += [pytest.param(name, field, id=f"{name} {field}") for field in optional if name in REQUIRED]
    return rows


@pytest.mark.parametrize(("name", "field"), optional_fields())
def test_every_other_field_may_be_missing_or_null(name: str, field: str) -> None:
    """Y-08, CD-08 (a CDR without Session)."""
    content = good(name)
    if (name, field) == ("start_session", "evse_uid"):
        del content["connector_id"]
    missing = OBJECTS[name].model_validate(changed(content, field, MISSING))
    null = OBJECTS[name].model_validate(changed(content, field, None))
    assert getattr(null, field) == getattr(missing, field)


# --- lengths ---------------------------------------------------------------------------------

ID, STRING = "x", "é"
LENGTHS = [
    ("location", "id", ID, 36),
    ("location", "name", STRING, 255),
    ("location", "address", STRING, 255),
    ("location", "city", STRING, 45),
    ("location", "postal_code", STRING, 10),
    ("location", "state", STRING, 45),
    ("location", "operator.name", STRING, 100),
    ("location", "images.0.type", ID, 4),
    ("location", "energy_mix.supplier_name", STRING, 64),
    ("location", "energy_mix.energy_product_name", STRING, 64),
    ("location", "directions.0.text", STRING, 512),
    ("location", "evses.0.uid", ID, 36),
    ("location", "evses.0.evse_id", ID, 48),
    ("location", "evses.0.floor_level", STRING, 4),
    ("location", "evses.0.physical_reference", STRING, 16),
    ("location", "evses.0.connectors.0.id", ID, 36),
    ("location", "evses.0.connectors.0.tariff_ids.0", ID, 36),
    ("location", "party_id", ID, 3),
    ("session", "id", ID, 36),
    ("session", "authorization_reference", ID, 36),
    ("session", "location_id", ID, 36),
    ("session", "evse_uid", ID, 36),
    ("session", "connector_id", ID, 36),
    ("session", "meter_id", STRING, 255),
    ("session", "cdr_token.uid", ID, 36),
    ("session", "cdr_token.contract_id", ID, 36),
    ("session", "charging_periods.0.tariff_id", ID, 36),
    ("cdr", "id", ID, 36),
    ("cdr", "session_id", ID, 36),
    ("cdr", "invoice_reference_id", ID, 39),
    ("cdr", "remark", STRING, 255),
    ("cdr", "meter_id", STRING, 255),
    ("cdr", "cdr_location.id", ID, 36),
    ("cdr", "cdr_location.name", STRING, 255),
    ("cdr", "cdr_location.address", STRING, 255),
    ("cdr", "cdr_location.state", STRING, 45),
    ("cdr", "cdr_location.city", STRING, 45),
    ("cdr", "cdr_location.postal_code", STRING, 10),
    ("cdr", "cdr_location.evse_id", ID, 48),
    ("cdr", "signed_data.encoding_method", ID, 36),
    ("cdr", "signed_data.public_key", STRING, 512),
    ("cdr", "signed_data.url", STRING, 512),
    ("cdr", "signed_data.signed_values.0.nature", ID, 32),
    ("cdr", "signed_data.signed_values.0.plain_data", STRING, 5000),
    ("cdr", "signed_data.signed_values.0.signed_data", STRING, 5000),
    ("credit_cdr", "id", ID, 39),
    ("credit_cdr", "credit_reference_id", ID, 39),
    ("tariff", "id", ID, 36),
    ("token", "uid", ID, 36),
    ("token", "contract_id", ID, 36),
    ("token", "visual_number", STRING, 64),
    ("token", "issuer", STRING, 64),
    ("token", "group_id", ID, 36),
    ("token", "energy_contract.supplier_name", STRING, 64),
    ("token", "energy_contract.contract_id", STRING, 64),
    ("location_references", "location_id", ID, 36),
    ("location_references", "evse_uids.0", ID, 36),
    ("authorization_info", "authorization_reference", ID, 36),
    ("reserve_now", "reservation_id", ID, 36),
    ("cancel_reservation", "reservation_id", ID, 36),
    ("start_session", "authorization_reference", ID, 36),
    ("stop_session", "session_id", ID, 36),
    ("credentials", "token", ID, 64),
    ("credentials", "roles.0.business_details.name", STRING, 100),
]


@pytest.mark.parametrize(("name", "path", "character", "longest"), LENGTHS, ids=[f"{n} {p}" for n, p, *_ in LENGTHS])
def test_text_of_the_longest_length_is_taken_and_one_more_is_not(
    name: str, path: str, character: str, longest: int
) -> None:
    """Y-09, X-34, CD-07, T-06, L-16, L-20, TK-06, C-23."""
    OBJECTS[name].model_validate(changed(good(name), path, character * longest))
    assert refusal(name, changed(good(name), path, character * (longest + 1))).startswith(f"{path} is ")


URLS = [
    ("location", "images.0.url"),
    ("location", "evses.0.images.0.thumbnail"),
    ("location", "operator.website"),
    ("location", "evses.0.connectors.0.terms_and_conditions"),
    ("tariff", "tariff_alt_url"),
    ("start_session", "response_url"),
    ("set_charging_profile", "response_url"),
    ("credentials", "url"),
    ("version", "url"),
    ("version_details", "endpoints.0.url"),
]


@pytest.mark.parametrize(("name", "path"), URLS)
def test_an_url_has_255_characters_at_most(name: str, path: str) -> None:
    """Y-09, V-03."""
    url = "https://a.example/".ljust(255, "x")
    OBJECTS[name].model_validate(changed(good(name), path, url))
    assert refusal(name, changed(good(name), path, url + "x")) == f"{path} is longer than 255 characters"


# --- values ----------------------------------------------------------------------------------

CLOSED = {
    ("location", "evses.0.status"): (
        "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN"
    ),
    ("session", "status"): "ACTIVE COMPLETED INVALID PENDING RESERVATION RESERVED",
    ("token", "type"): "AD_HOC_USER APP_USER OTHER RFID",
    ("token", "whitelist"): "ALWAYS ALLOWED ALLOWED_OFFLINE NEVER",
    ("authorization_info", "allowed"): "ALLOWED BLOCKED EXPIRED NO_CREDIT NOT_ALLOWED",
    ("command_response", "result"): "NOT_SUPPORTED REJECTED ACCEPTED UNKNOWN_SESSION",
    ("command_result", "result"): (
        "ACCEPTED CANCELED_RESERVATION EVSE_OCCUPIED EVSE_INOPERATIVE FAILED NOT_SUPPORTED REJECTED TIMEOUT "
        "UNKNOWN_RESERVATION"
    ),
    ("charging_profile_response", "result"): "ACCEPTED NOT_SUPPORTED REJECTED TOO_OFTEN UNKNOWN_SESSION",
    ("charging_profile_result", "result"): "ACCEPTED REJECTED UNKNOWN",
    ("clear_profile_result", "result"): "ACCEPTED REJECTED UNKNOWN",
    ("set_charging_profile", "charging_profile.charging_rate_unit"): "W A",
    ("client_info", "role"): "CPO EMSP HUB NAP NSP OTHER SCSP",
    ("client_info", "status"): "CONNECTED OFFLINE PLANNED SUSPENDED",
    ("credentials", "roles.0.role"): "CPO EMSP HUB NAP NSP OTHER SCSP",
    ("version_details", "endpoints.0.role"): "SENDER RECEIVER",
}

OPEN = {
    ("location", "evses.0.capabilities.0"): (
        "CHARGING_PROFILE_CAPABLE CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT "
        "CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER "
        "START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE"
    ),
    ("location", "evses.0.connectors.0.standard"): (
        "CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H "
        "DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC GBT_DC "
        "IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 "
        "IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C NEMA_5_20 NEMA_6_30 "
        "NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30 NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN TESLA_R "
        "TESLA_S"
    ),
    ("location", "evses.0.connectors.0.format"): "SOCKET CABLE",
    ("location", "evses.0.connectors.0.power_type"): "AC_1_PHASE AC_2_PHASE AC_2_PHASE_SPLIT AC_3_PHASE DC",
    ("location", "facilities.0"): (
        "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BIKE_SHARING BUS_STOP "
        "TAXI_STAND TRAM_STOP METRO_STATION TRAIN_STATION AIRPORT PARKING_LOT CARPOOL_PARKING FUEL_STATION WIFI"
    ),
    ("location", "parking_type"): (
        "ALONG_MOTORWAY PARKING_GARAGE PARKING_LOT ON_DRIVEWAY ON_STREET UNDERGROUND_GARAGE"
    ),
    ("location", "evses.0.parking_restrictions.0"): "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES",
    ("location", "images.0.category"): "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER",
    ("location", "energy_mix.energy_sources.0.source"): (
        "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER"
    ),
    ("location", "energy_mix.environ_impact.0.category"): "NUCLEAR_WASTE CARBON_DIOXIDE",
    ("session", "auth_method"): "AUTH_REQUEST COMMAND WHITELIST",
    ("session", "charging_periods.0.dimensions.0.type"): (
        "CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER PARKING_TIME POWER "
        "RESERVATION_TIME STATE_OF_CHARGE TIME"
    ),
    ("charging_preferences", "profile_type"): "CHEAP FAST GREEN REGULAR",
    ("tariff", "type"): "AD_HOC_PAYMENT PROFILE_CHEAP PROFILE_FAST PROFILE_GREEN REGULAR",
    ("tariff", "elements.2.price_components.0.type"): "ENERGY FLAT PARKING_TIME TIME",
    ("tariff", "elements.1.restrictions.day_of_week.0"): ("MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY"),
    ("tariff", "elements.0.restrictions.reservation"): "RESERVATION RESERVATION_EXPIRES",
    ("version_details", "endpoints.0.identifier"): (
        "cdrs chargingprofiles commands credentials hubclientinfo locations sessions tariffs tokens"
    ),
    ("version", "version"): "2.0 2.1 2.1.1 2.2 2.2.1",
}


def enum_values(table: dict[tuple[str, str], str]) -> list[Any]:
    return [
        pytest.param(name, path, value, id=f"{name} {path} {value}")
        for (name, path), values in table.items()
        for value in values.split()
    ]


@pytest.mark.parametrize(("name", "path", "value"), [*enum_values(CLOSED), *enum_values(OPEN)])
def test_every_value_of_an_enumeration_is_taken_and_its_other_case_is_not(name: str, path: str, value: str) -> None:
    """Y-06, L-20, L-21, L-22, SE-03, SE-10, TF-03, TF-04, TK-06, TK-09, CM-02, CM-06, CP-04, CP-05, HC-02, X-33."""
    model = OBJECTS[name]
    found: Any = model.model_validate(changed(good(name), path, value)).as_content()
    for part in map(step, path.split(".")):
        found = found[part]
    assert found == value
    if value.swapcase() != value:
        sentence = refusal(name, changed(good(name), path, value.swapcase()))
        assert sentence.startswith(f"{path}: '{value.swapcase()}' is not one of")


@pytest.mark.parametrize(("name", "path"), CLOSED)
def test_an_unknown_value_of_a_closed_enumeration_is_refused(name: str, path: str) -> None:
    """X-44, L-20, SE-10, TK-06, HC-02, C-23."""
    assert refusal(name, changed(good(name), path, "SOMETHING_NEW")).startswith(f"{path}: 'SOMETHING_NEW' is not")


@pytest.mark.parametrize(("name", "path"), OPEN)
def test_an_unknown_value_of_an_open_enumeration_is_kept(name: str, path: str) -> None:
    """X-44, V-07."""
    content = changed(good(name), path, "SOMETHING_NEW")
    assert b'"SOMETHING_NEW"' in encode_json(OBJECTS[name].model_validate(content))


ACCEPTED = [
    pytest.param("location", "coordinates.latitude", "-89.1234567", id="L-18 X-35 one character more than string(10)"),
    pytest.param("location", "coordinates.longitude", "-179.1234567", id="L-18 X-35 one more than string(11)"),
    pytest.param("location", "coordinates.latitude", "52.08824", id="L-18 five decimals"),
    pytest.param("location", "coordinates.latitude", "-0.00000", id="L-18 the equator"),
    pytest.param("location", "coordinates.latitude", "90.00000", id="L-18 the pole"),
    pytest.param("location", "coordinates.longitude", "180.000000", id="L-18 the date line"),
    pytest.param("location", "evses", [], id="Y-08 no EVSEs"),
    pytest.param("location", "evses.0.connectors.0.max_voltage", 0, id="L-21 no volts"),
    pytest.param("location", "country", "nld", id="L-16 three letters in either case"),
    pytest.param("location", "energy_mix.energy_sources.0.percentage", 0, id="L-22 none of it"),
    pytest.param("location", "opening_times.regular_hours.0.period_begin", "00:00", id="L-19 from midnight"),
    pytest.param("location", "x_vendor", {"a": [1, None]}, id="Y-10 an unknown field"),
    pytest.param("location", "evses.0.x_vendor", "y", id="Y-10 an unknown field inside"),
    pytest.param("session", "evse_uid", "#NA", id="Y-11 no EVSE yet"),
    pytest.param("session", "connector_id", "#NA", id="Y-11 no connector yet"),
    pytest.param("session", "kwh", 0, id="SE-09 nothing charged yet"),
    pytest.param("session", "kwh", Decimal("-1.5"), id="SE-09 fed back into the grid"),
    pytest.param("session", "charging_periods", [], id="SE-09 no periods"),
    pytest.param("cdr", "cdr_location.evse_uid", "#NA", id="CD-11 Y-11 no EVSE"),
    pytest.param("cdr", "cdr_location.evse_id", "#NA", id="CD-11 Y-11 no EVSE id"),
    pytest.param("cdr", "cdr_location.connector_id", "#NA", id="CD-11 Y-11 no connector"),
    pytest.param("cdr", "start_date_time", "1970-1-1T00:00:00Z", id="X-36 start not known"),
    pytest.param("cdr", "end_date_time", "1970-01-01T00:00:00Z", id="X-36 end not known, padded"),
    pytest.param("cdr", "credit", None, id="CD-06 no credit"),
    pytest.param("cdr", "charging_periods.0.dimensions.0.type", "RESERVATION_TIME", id="CD-09 a reservation"),
    pytest.param("tariff", "elements.1.restrictions.end_time", "07:00", id="TF-05 over midnight"),
    pytest.param("tariff", "elements.2.price_components.0.vat", Decimal("0.0"), id="TF-04 VAT of nothing"),
    pytest.param("tariff", "elements.2.price_components.0.step_size", 0, id="TF-04 no steps"),
    pytest.param("tariff", "elements.0.restrictions.reservation", "RESERVATION_EXPIRES", id="TF-05 expired"),
    pytest.param("credentials", "roles.1.party_id", "VST", id="C-22 one party in two roles"),
    pytest.param("credentials", "roles.1.role", "EMSP", id="C-22 two parties in one role"),
    pytest.param("credentials", "token", "!~", id="T-06 the ends of what a token may hold"),
    pytest.param(
        "set_charging_profile",
        "charging_profile.charging_profile_period.1.limit",
        Decimal("8.1"),
        id="CP-08 one decimal",
    ),
    pytest.param("set_charging_profile", "charging_profile.charging_profile_period", [], id="CP-08 no periods"),
]


@pytest.mark.parametrize(("name", "path", "value"), ACCEPTED)
def test_what_the_rules_allow_is_taken(name: str, path: str, value: Any) -> None:
    OBJECTS[name].model_validate(changed(good(name), path, value))


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param([{"group_id": "G"}], id="a group"),
        pytest.param([{"uid": "04A2", "type": "RFID"}], id="an uid with its type"),
        pytest.param([{"visual_number": "12-34", "issuer": "Voltstadt"}], id="a visual number with its issuer"),
        pytest.param([], id="nobody"),
    ],
)
def test_a_location_that_is_not_published_may_be_for_some(tokens: list[dict[str, str]]) -> None:
    """L-17."""
    content = {**good("location"), "publish": False, "publish_allowed_to": tokens}
    assert len(Location.model_validate(content).publish_allowed_to) == len(tokens)


def test_a_location_always_open_has_no_regular_hours() -> None:
    """L-19."""
    content = changed(good("location"), "opening_times", {"twentyfourseven": True, "regular_hours": []})
    assert Location.model_validate(content).opening_times is not None


def test_charging_when_closed_is_allowed_unless_somebody_says_otherwise() -> None:
    """L-08."""
    content = good("location")
    assert Location.model_validate(changed(content, "charging_when_closed", MISSING)).charging_when_closed
    assert not Location.model_validate(changed(content, "charging_when_closed", False)).charging_when_closed


def test_absent_vat_and_vat_of_nothing_stay_apart() -> None:
    """TF-04."""
    path = "elements.2.price_components.0.vat"
    without, nothing = (
        Tariff.model_validate(changed(good("tariff"), path, value)) for value in (MISSING, Decimal("0.0"))
    )
    assert without.elements[2].price_components[0].vat is None
    assert "vat" not in without.as_content()["elements"][2]["price_components"][0]
    assert b'"vat":0.0' in encode_json(nothing)


@pytest.mark.parametrize("dimension", ["CURRENT", "ENERGY_EXPORT", "ENERGY_IMPORT", "POWER", "STATE_OF_CHARGE"])
def test_a_dimension_for_sessions_only_is_fine_in_a_session(dimension: str) -> None:
    """CD-09."""
    Session.model_validate(changed(good("session"), "charging_periods.0.dimensions.0.type", dimension))


# --- PATCH -----------------------------------------------------------------------------------


def partial_refusal(model: type[OcpiObject], fields: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as refused:
        validate_partial(model, fields)
    return validation_sentence(refused.value)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        pytest.param(Location, {}, id="nothing"),
        pytest.param(Location, {"name": "Springweg"}, id="one field"),
        pytest.param(Location, {"name": None}, id="X-30 null takes an optional field away"),
        pytest.param(Location, {"directions": None}, id="X-30 null takes a list away"),
        pytest.param(Location, {"x_vendor": 1}, id="Y-10 an unknown field"),
        pytest.param(
            Location, {"publish": True, "publish_allowed_to": [{"group_id": "G"}]}, id="L-17 is for the whole"
        ),
        pytest.param(Location, {"evses": [{"uid": "E1", "status": "CHARGING"}]}, id="X-30 a part of a part"),
        pytest.param(
            Location,
            {"evses": [{"uid": "E1", "connectors": [{"id": "1", "max_amperage": 16}]}]},
            id="X-30 a part of a part of a part",
        ),
        pytest.param(Location, {"evses": []}, id="X-30 no parts"),
        pytest.param(EVSE, {"status": "REMOVED"}, id="L-15 an EVSE is removed"),
        pytest.param(Connector, {"tariff_ids": ["T2"]}, id="L-12 a connector"),
        pytest.param(Session, {"kwh": Decimal("3.5")}, id="SE-08 energy only"),
        pytest.param(Session, {"charging_periods": []}, id="SE-07 no periods"),
        pytest.param(Token, {"valid": False}, id="TK-04 a token"),
        pytest.param(CDR, {"credit": True}, id="CD-06 is for the whole"),
    ],
)
def test_a_patch_holds_any_of_the_fields(model: type[OcpiObject], fields: dict[str, Any]) -> None:
    """L-12, SE-08, TK-04, X-30."""
    validate_partial(model, fields)


@pytest.mark.parametrize(
    ("model", "fields", "sentence"),
    [
        pytest.param(Location, {"city": None}, "city is not a JSON string", id="X-30 null for a required field"),
        pytest.param(Location, {"city": "x" * 46}, "city is longer than 45 characters", id="Y-09 too long"),
        pytest.param(
            Location,
            {"coordinates": {"latitude": "52.08824"}},
            "coordinates.longitude is required",
            id="an object inside is whole",
        ),
        pytest.param(Location, {"evses": [{"status": "CHARGING"}]}, "evses.0.uid is required", id="X-30 which EVSE"),
        pytest.param(
            Location,
            {"evses": [{"uid": "E1", "connectors": [{"max_amperage": 16}]}]},
            "evses.0.connectors.0.id is required",
            id="X-30 which connector",
        ),
        pytest.param(
            Location,
            {"evses": [{"uid": "E1", "status": "charging"}]},
            "evses.0.status: 'charging' is not one of AVAILABLE",
            id="Y-06 inside a part",
        ),
        pytest.param(Location, {"evses": None}, "evses is not a JSON array", id="X-30 an EVSE never vanishes"),
        pytest.param(EVSE, {"connectors": []}, "connectors needs at least 1 item", id="Y-08 a list of +"),
        pytest.param(EVSE, {"connectors": None}, "connectors is not a JSON array", id="Y-08 null for a list of +"),
        pytest.param(EVSE, {"status": "available"}, "status: 'available' is not one of", id="Y-06"),
        pytest.param(Session, {"kwh": "3.5"}, "kwh is not a JSON number", id="Y-07 a number as text"),
        pytest.param(
            Session,
            {"charging_periods": [{"dimensions": []}]},
            "charging_periods.0.start_date_time is required",
            id="SE-07 a period is whole",
        ),
        pytest.param(Token, {"last_updated": "2026-01-31"}, "last_updated: '2026-01-31' is not a moment", id="Y-02"),
    ],
)
def test_a_patch_is_refused_for_each_field_by_itself(
    model: type[OcpiObject], fields: dict[str, Any], sentence: str
) -> None:
    """S-03, X-30, Y-06, Y-07, Y-08, Y-09."""
    assert partial_refusal(model, fields).startswith(sentence)


def test_a_patch_that_is_no_object_is_refused() -> None:
    """S-03."""
    not_an_object: Any = ["name"]
    assert partial_refusal(Location, not_an_object) == "the object is not a JSON object"

"""Dirty Locations are put right, and what was wrong with them is noted (pitfall N3)."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.navigation import fields
from hub.navigation.dirty import normalise, normalised
from hub.navigation.faults import RULES, Fault, FaultKind, Grade
from hub.navigation.location import (
    Hours,
    Period,
    Point,
    RegularHours,
    Text,
    decode_location,
    encode_location,
)
from ocpi_modules.locations import Location, Status
from ocpi_modules.types import encode_json, time_zones
from tests.navigation.corpus import FILE
from tests.navigation.dirt import HEARD, ORIGIN, SAID, as_ocpi, clean, kinds, read, shown
from tests.settlement.cases import ABSENT

K = FaultKind
NOTHING: list[FaultKind] = []


def test_a_clean_location_has_no_fault_and_stays_what_it_is() -> None:
    found = read(clean())
    assert found.faults == ()
    assert (found.evses, found.connectors) == (2, 2)
    assert found.location is not None
    assert (found.location.ref, found.location.country, found.location.time_zone) == (
        "DE/ABC/LOC1",
        "DEU",
        "Europe/Berlin",
    )
    assert (found.location.latitude, found.location.longitude) == (52.530644, 13.383068)
    assert [connector.max_electric_power for evse in found.location.evses for connector in evse.connectors] == [
        22_000,
        150_000,
    ]


# --- where it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coordinates", "expected", "kind"),
    [
        pytest.param(
            {"latitude": "52.5306", "longitude": "13.3830"}, (52.5306, 13.383), K.COORDINATES_FORM, id="four decimals"
        ),
        pytest.param(
            {"latitude": "52.530644001", "longitude": "13.38"},
            (52.530644, 13.38),
            K.COORDINATES_FORM,
            id="nine decimals are cut to 1 cm",
        ),
        pytest.param(
            {"latitude": "52,53064", "longitude": "13,38306"},
            (52.53064, 13.38306),
            K.COORDINATES_FORM,
            id="decimal comma",
        ),
        pytest.param(
            {"latitude": " 52.53064", "longitude": "+13.38306"},
            (52.53064, 13.38306),
            K.COORDINATES_FORM,
            id="blank and plus",
        ),
        pytest.param(
            {"latitude": 52.53064, "longitude": 13.38306},
            (52.53064, 13.38306),
            K.COORDINATES_NUMBERS,
            id="JSON numbers",
        ),
        pytest.param({"latitude": 52, "longitude": 13}, (52.0, 13.0), K.COORDINATES_NUMBERS, id="whole JSON numbers"),
        pytest.param(
            {"latitude": "52.53064", "longitude": 13.38306},
            (52.53064, 13.38306),
            K.COORDINATES_NUMBERS,
            id="one of each",
        ),
    ],
)
def test_coordinates_are_read_as_they_are_meant(
    coordinates: Any, expected: tuple[float, float], kind: FaultKind
) -> None:
    content = clean(coordinates=coordinates)
    assert kinds(content) == [kind]
    assert (shown(content).latitude, shown(content).longitude) == expected


@pytest.mark.parametrize(
    ("coordinates", "kind"),
    [
        pytest.param(ABSENT, K.COORDINATES_MISSING, id="no coordinates"),
        pytest.param(None, K.COORDINATES_MISSING, id="null"),
        pytest.param({}, K.COORDINATES_MISSING, id="an empty object"),
        pytest.param({"latitude": "", "longitude": ""}, K.COORDINATES_MISSING, id="empty text"),
        pytest.param({"latitude": "52.53064"}, K.COORDINATES_MISSING, id="half a point"),
        pytest.param(
            {"latitude": "N52°31'", "longitude": "E13°22'"}, K.COORDINATES_UNREADABLE, id="degrees and minutes"
        ),
        pytest.param({"latitude": True, "longitude": True}, K.COORDINATES_UNREADABLE, id="true is no number"),
        pytest.param("52.53064,13.38306", K.COORDINATES_UNREADABLE, id="one text"),
        pytest.param({"latitude": "0.00000", "longitude": "0.00000"}, K.COORDINATES_IMPOSSIBLE, id="0, 0 is no answer"),
        pytest.param({"latitude": "91.00000", "longitude": "13.38306"}, K.COORDINATES_IMPOSSIBLE, id="beyond the pole"),
        pytest.param(
            {"latitude": "52.53064", "longitude": "-180.00001"}, K.COORDINATES_IMPOSSIBLE, id="beyond the date line"
        ),
        pytest.param({"latitude": 10**400, "longitude": 1}, K.COORDINATES_IMPOSSIBLE, id="more than a float holds"),
        pytest.param(
            {"latitude": "13.38306", "longitude": "52.53064"},
            K.COORDINATES_SWAPPED,
            id="latitude and longitude swapped",
        ),
    ],
)
def test_a_location_that_nobody_could_drive_to_is_not_published(coordinates: Any, kind: FaultKind) -> None:
    found = read(clean(coordinates=coordinates))
    assert found.location is None
    assert [fault.kind for fault in found.faults] == [kind]


def test_a_point_outside_its_zone_is_not_taken_for_swapped_without_a_second_witness() -> None:
    assert kinds(clean(time_zone="Europe/Madrid")) == NOTHING


@pytest.mark.parametrize(
    ("country", "expected", "expected_kinds"),
    [
        pytest.param("DEU", "DEU", NOTHING, id="alpha-3"),
        pytest.param("DE", "DEU", [K.COUNTRY_FORM], id="alpha-2"),
        pytest.param("deu", "DEU", [K.COUNTRY_FORM], id="small letters"),
        pytest.param("Germany", "DEU", [K.COUNTRY_FORM], id="name in English"),
        pytest.param("Deutschland", "DEU", [K.COUNTRY_FORM], id="name in its own language"),
        pytest.param("The Netherlands", "NLD", [K.COUNTRY_FORM], id="name as people say it"),
        pytest.param("UK", "GBR", [K.COUNTRY_FORM], id="what the EU writes"),
        pytest.param("ZZZ", "DEU", [K.COUNTRY_UNKNOWN], id="no country: that of the time zone"),
        pytest.param("", "DEU", [K.COUNTRY_MISSING], id="empty"),
        pytest.param(ABSENT, "DEU", [K.COUNTRY_MISSING], id="missing"),
        pytest.param(276, "DEU", [K.TEXT_AS_NUMBER, K.COUNTRY_UNKNOWN], id="a number"),
        pytest.param("x" * 5000, "DEU", [K.TEXT_TOO_LONG, K.COUNTRY_UNKNOWN], id="a novel"),
    ],
)
def test_countries_are_written_in_three_letters(country: Any, expected: str, expected_kinds: list[FaultKind]) -> None:
    content = clean(country=country)
    assert (shown(content).country, kinds(content)) == (expected, expected_kinds)


def test_where_neither_country_nor_zone_tell_the_country_a_location_is_unfit() -> None:
    found = read(clean(country=ABSENT, time_zone="UTC"))
    assert found.location is None
    assert [fault.kind for fault in found.faults] == [K.COUNTRY_MISSING, K.COUNTRY_NOT_FOUND]


@pytest.mark.parametrize(
    ("changes", "expected", "expected_kinds"),
    [
        pytest.param(
            {"time_zone": ABSENT}, "Europe/Berlin", [K.TIME_ZONE_MISSING], id="missing: that of the coordinates"
        ),
        pytest.param(
            {"time_zone": "MEZ"}, "Europe/Berlin", [K.TIME_ZONE_UNKNOWN], id="unknown: that of the coordinates"
        ),
        pytest.param({"time_zone": " europe/berlin"}, "Europe/Berlin", [K.WORD_FORM], id="another case"),
        pytest.param(
            {"time_zone": ABSENT, "country": "NLD", "coordinates": {"latitude": "53.00000", "longitude": "4.00000"}},
            "Europe/Amsterdam",
            [K.TIME_ZONE_MISSING],
            id="at sea: the only zone of the country",
        ),
    ],
)
def test_time_zones_are_found(changes: Any, expected: str, expected_kinds: list[FaultKind]) -> None:
    content = clean(**changes)
    assert (shown(content).time_zone, kinds(content)) == (expected, expected_kinds)


def test_at_sea_off_a_country_of_many_zones_there_is_none() -> None:
    content = clean(time_zone="", country="USA", coordinates={"latitude": "35.00000", "longitude": "-40.00000"})
    assert read(content).location is None
    assert kinds(content) == [K.TIME_ZONE_MISSING, K.TIME_ZONE_NOT_FOUND]


# --- what it is called -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"id": ABSENT}, K.ID_UNFIT, id="no id"),
        pytest.param({"id": "x" * 37}, K.ID_UNFIT, id="an id of 37 characters"),
        pytest.param({"id": 7}, K.ID_UNFIT, id="a number is no id"),
        pytest.param({"id": "Mühle"}, K.ID_UNFIT, id="not ASCII"),
        pytest.param({"evses": []}, K.EVSES_MISSING, id="no EVSE"),
        pytest.param({"evses": "E1"}, K.EVSES_MISSING, id="no list of EVSEs"),
        pytest.param({"evses": [7]}, K.EVSES_MISSING, id="an EVSE that is none"),
    ],
)
def test_what_cannot_be_named_or_used_is_unfit(changes: Any, kind: FaultKind) -> None:
    assert read(clean(**changes)).location is None
    assert kind in kinds(clean(**changes))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 5000, b'{"id": 1e99999999999999999999}']
)
def test_what_is_no_json_object_is_no_location(text: bytes) -> None:
    found = normalised(text, ORIGIN)
    assert (found.location, found.faults) == (None, (Fault(K.NOT_A_LOCATION, ""),))


@pytest.mark.parametrize(
    ("changes", "field", "expected", "expected_kinds"),
    [
        pytest.param({"name": "x" * 300}, "name", "x" * 255, [K.TEXT_TOO_LONG], id="a long name is cut"),
        pytest.param({"name": "A\tB\r\nC"}, "name", "A B C", [K.TEXT_FORM], id="tabs and line breaks become a blank"),
        pytest.param({"name": "A\u00a0B"}, "name", "A\u00a0B", NOTHING, id="a no-break space is text"),
        pytest.param({"name": "  "}, "name", None, NOTHING, id="blanks are nothing"),
        pytest.param({"name": "#NA"}, "name", None, NOTHING, id="#NA is nothing (Y-11)"),
        pytest.param({"name": ["x"]}, "name", None, [K.FIELD_UNREADABLE], id="a list is no name"),
        pytest.param({"address": ABSENT}, "address", "", [K.ADDRESS_MISSING], id="no address"),
        pytest.param({"city": ""}, "city", "", [K.CITY_MISSING], id="no city"),
        pytest.param({"postal_code": 10115}, "postal_code", "10115", [K.TEXT_AS_NUMBER], id="a postal code as number"),
        pytest.param(
            {"postal_code": "x" * 11}, "postal_code", None, [K.TEXT_TOO_LONG], id="half a postal code means nothing"
        ),
        pytest.param({"party_id": "XYZ"}, "party_id", "ABC", [K.OWNER_DIFFERS], id="its sender is its owner"),
        pytest.param({"country_code": "de"}, "country_code", "DE", NOTHING, id="parties have no case (Y-04)"),
        pytest.param(
            {"parking_type": "on street"}, "parking_type", "ON_STREET", [K.WORD_FORM], id="a word in another form"
        ),
        pytest.param(
            {"parking_type": "ON_ROOF"}, "parking_type", "ON_ROOF", NOTHING, id="an unknown word is kept (X-44)"
        ),
        pytest.param({"parking_type": "<b>"}, "parking_type", None, [K.FIELD_UNREADABLE], id="no word at all"),
        pytest.param(
            {"charging_when_closed": "False"}, "charging_when_closed", False, [K.BOOLEAN_FORM], id="false as text"
        ),
        pytest.param(
            {"charging_when_closed": 0}, "charging_when_closed", False, [K.BOOLEAN_FORM], id="false as number"
        ),
        pytest.param(
            {"charging_when_closed": "maybe"},
            "charging_when_closed",
            True,
            [K.FIELD_UNREADABLE],
            id="neither: the default",
        ),
        pytest.param(
            {"facilities": ["HOTEL", "hotel", 7]},
            "facilities",
            ("HOTEL",),
            [K.WORD_FORM, K.FIELD_UNREADABLE],
            id="each once",
        ),
        pytest.param({"facilities": {"a": 1}}, "facilities", (), [K.FIELD_UNREADABLE], id="no list"),
        pytest.param({"operator": {"name": ""}}, "operator", None, [K.FIELD_UNREADABLE], id="a company without name"),
        pytest.param({"operator": "Volt"}, "operator", None, [K.FIELD_UNREADABLE], id="a name is no company"),
    ],
)
def test_texts_and_words_are_put_right(
    changes: Any, field: str, expected: Any, expected_kinds: list[FaultKind]
) -> None:
    content = clean(**changes)
    assert (getattr(shown(content), field), kinds(content)) == (expected, expected_kinds)


@pytest.mark.parametrize(
    ("said", "expected", "kind"),
    [
        pytest.param({"language": "de-DE", "text": "Links"}, Text("de", "Links"), K.TEXT_FORM, id="a region"),
        pytest.param({"language": "EN", "text": "Left"}, Text("en", "Left"), None, id="capital letters"),
        pytest.param(
            {"language": "en", "text": "<b>Left</b>"}, Text("en", "Left"), K.TEXT_FORM, id="markup is taken out"
        ),
        pytest.param(
            {"language": "en", "text": "<<b>script>x"}, Text("en", "script>x"), K.TEXT_FORM, id="and makes no new one"
        ),
        pytest.param(
            {"language": "en", "text": "x" * 600}, Text("en", "x" * 512), K.TEXT_TOO_LONG, id="at most 512 characters"
        ),
        pytest.param({"text": "Left"}, None, K.FIELD_UNREADABLE, id="no language"),
        pytest.param({"language": "en"}, None, K.FIELD_UNREADABLE, id="no text"),
        pytest.param("Left", None, K.FIELD_UNREADABLE, id="text alone"),
    ],
)
def test_texts_for_drivers_have_a_language_and_no_markup(
    said: Any, expected: Text | None, kind: FaultKind | None
) -> None:
    content = clean(directions=[said])
    assert shown(content).directions == ((expected,) if expected else ())
    assert kinds(content) == ([kind] if kind else [])


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "www.volt.example",
        "data:text/html,x",
        "https://",
        "https://a b",
        7,
        "http://" + "x" * 300,
    ],
)
def test_only_absolute_http_urls_become_links(url: Any) -> None:
    content = clean(
        operator={"name": "Volt", "website": url}, images=[{"url": url, "category": "OTHER", "type": "png"}]
    )
    found = shown(content)
    assert found.operator is not None
    assert (found.operator.website, found.images) == (None, ())
    assert set(kinds(content)) == {K.FIELD_UNREADABLE}


def test_an_energy_mix_keeps_what_can_be_read_of_it() -> None:
    mix = {
        "is_green_energy": "true",
        "energy_sources": [{"source": "wind", "percentage": 62.5}, {"source": "SOLAR", "percentage": 137}],
        "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 0.00}],
        "supplier_name": "Strom",
    }
    content = clean(energy_mix=mix)
    assert shown(content).energy_mix == {
        "is_green_energy": True,
        "energy_sources": [{"source": "WIND", "percentage": 62.5}],
        "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 0}],
        "supplier_name": "Strom",
    }
    assert kinds(content) == [K.BOOLEAN_FORM, K.WORD_FORM, K.FIELD_UNREADABLE]


# --- EVSEs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "expected", "kind"),
    [
        *(pytest.param(one.value, one, None, id=one.value) for one in Status if one is not Status.REMOVED),
        pytest.param("CHARGING ", Status.CHARGING, K.STATUS_FORM, id="trailing blank"),
        pytest.param("available", Status.AVAILABLE, K.STATUS_FORM, id="small letters"),
        pytest.param("OUT_OF_ORDER", Status.OUTOFORDER, K.STATUS_FORM, id="with dashes"),
        pytest.param("OCCUPIED", Status.UNKNOWN, K.STATUS_UNKNOWN_WORD, id="a word of OCPP"),
        pytest.param(1, Status.UNKNOWN, K.STATUS_UNKNOWN_WORD, id="a number"),
        pytest.param(ABSENT, Status.UNKNOWN, K.STATUS_MISSING, id="missing"),
        pytest.param("", Status.UNKNOWN, K.STATUS_MISSING, id="empty"),
    ],
)
def test_statuses_are_words_of_ocpi(status: Any, expected: Status, kind: FaultKind | None) -> None:
    content = clean(evses__0__status=status)
    evse = shown(content).evses[0]
    assert (evse.status, evse.said, kinds(content)) == (expected, expected, [kind] if kind else [])


def test_removed_evses_are_left_out_and_count_for_nothing() -> None:
    found = read(clean(evses__0__status=" removed", evses__0__connectors="none"))
    assert found.location is not None
    assert [evse.uid for evse in found.location.evses] == ["E2"]
    assert [fault.kind for fault in found.faults] == [K.STATUS_FORM, K.EVSE_REMOVED]
    assert (found.evses, found.connectors) == (1, 1)


def test_a_location_without_any_evse_that_is_left_is_not_shown() -> None:
    """mod_locations, "Flow and Lifecycle": it is expired."""
    found = read(clean(evses__0__status="REMOVED", evses__1__status="REMOVED"))
    assert found.location is None
    assert [fault.kind for fault in found.faults] == [K.EVSE_REMOVED, K.EVSE_REMOVED, K.EVSES_ALL_REMOVED]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"evses__0__uid": ABSENT}, K.EVSE_UID_UNFIT, id="no uid"),
        pytest.param({"evses__0__uid": "x" * 37}, K.EVSE_UID_UNFIT, id="a uid of 37 characters"),
        pytest.param({"evses__1__uid": "e1"}, K.EVSE_UID_REPEATED, id="the same uid in another case"),
        pytest.param({"evses__0__connectors": []}, K.EVSE_WITHOUT_CONNECTORS, id="no connector"),
    ],
)
def test_an_evse_that_cannot_be_told_or_used_is_left_out(changes: Any, kind: FaultKind) -> None:
    found = read(clean(**changes))
    assert found.location is not None
    assert (len(found.location.evses), found.evses) == (1, 2)
    assert [fault.kind for fault in found.faults] == [kind]
    assert kind.grade is Grade.LEFT_OUT


@pytest.mark.parametrize(
    ("evse_id", "expected", "kind"),
    [
        pytest.param("DE*ABC*E45B*78C", "DE*ABC*E45B*78C", None, id="eMI3"),
        pytest.param("DEABCE45B78C", "DEABCE45B78C", None, id="eMI3 without separators"),
        pytest.param("de*abc*e1", "de*abc*e1", None, id="eMI3 in small letters (Y-04)"),
        pytest.param("+49*839*00012*1", "+49*839*00012*1", K.EVSE_ID_FORM, id="DIN SPEC 91286"),
        pytest.param("CP 7", "CP 7", K.EVSE_ID_FORM, id="something that is printed on it"),
        pytest.param("Säule", None, K.EVSE_ID_FORM, id="not ASCII"),
        pytest.param(ABSENT, None, K.EVSE_ID_MISSING, id="missing"),
        pytest.param("", None, K.EVSE_ID_MISSING, id="empty"),
    ],
)
def test_evse_ids_are_published_as_they_are(evse_id: Any, expected: str | None, kind: FaultKind | None) -> None:
    content = clean(evses__0__evse_id=evse_id)
    assert (shown(content).evses[0].evse_id, kinds(content)) == (expected, [kind] if kind else [])


@pytest.mark.parametrize(
    ("said", "expected", "kind"),
    [
        pytest.param("2026-08-01T10:00:00Z", "2026-08-01T10:00:00+00:00", None, id="OCPI"),
        pytest.param(
            "2026-08-01T10:00:00", "2026-08-01T10:00:00+00:00", K.TIMESTAMP_WITHOUT_ZONE, id="without Z: UTC (Y-01)"
        ),
        pytest.param("2026-08-01T12:00:00+02:00", "2026-08-01T10:00:00+00:00", K.TIMESTAMP_FORM, id="an offset"),
        pytest.param("2026-08-01 10:00:00", "2026-08-01T10:00:00+00:00", K.TIMESTAMP_FORM, id="a blank for the T"),
        pytest.param(
            "2026-08-01T10:00:00.123456Z", "2026-08-01T10:00:00.123000+00:00", K.TIMESTAMP_FORM, id="microseconds"
        ),
        pytest.param(
            "yesterday", "2026-09-01T00:00:00+00:00", K.TIMESTAMP_UNREADABLE, id="unreadable: that of the Location"
        ),
        pytest.param(1754042400, "2026-09-01T00:00:00+00:00", K.TIMESTAMP_UNREADABLE, id="a number"),
        pytest.param("x" * 100_000, "2026-09-01T00:00:00+00:00", K.TIMESTAMP_UNREADABLE, id="a novel"),
        pytest.param(ABSENT, "2026-09-01T00:00:00+00:00", K.TIMESTAMP_MISSING, id="missing: that of the Location"),
        pytest.param(
            "2031-01-01T00:00:00Z", "2026-09-01T00:00:02+00:00", K.TIMESTAMP_AHEAD, id="ahead: when it was heard"
        ),
    ],
)
def test_moments_are_in_utc(said: Any, expected: str, kind: FaultKind | None) -> None:
    content = clean(evses__0__last_updated=said)
    assert (shown(content).evses[0].happened_at.isoformat(), kinds(content)) == (expected, [kind] if kind else [])


def test_while_its_source_is_silent_every_status_is_unknown_and_what_was_said_stays() -> None:
    """N2: silence is not staleness, and the last word is kept."""
    silent = ORIGIN._replace(is_reachable=False, silent_since=HEARD)
    found = normalise(clean(), silent).location
    assert found is not None
    assert [(evse.status, evse.said) for evse in found.evses] == [(Status.UNKNOWN, Status.AVAILABLE)] * 2
    assert (found.is_reachable, found.silent_since, found.evses[0].happened_at) == (False, HEARD, SAID)


def test_the_point_of_an_evse_is_left_out_where_it_is_none() -> None:
    content = clean(
        evses__0__coordinates={"latitude": "", "longitude": ""},
        evses__1__coordinates={"latitude": 52.53, "longitude": 13.38},
    )
    assert [evse.coordinates for evse in shown(content).evses] == [None, Point(52.53, 13.38)]
    assert kinds(content) == [K.FIELD_UNREADABLE, K.COORDINATES_NUMBERS]


# --- connectors ------------------------------------------------------------------------------


AC, DC = "evses__0__connectors__0__", "evses__1__connectors__0__"


@pytest.mark.parametrize(
    ("changes", "watts", "is_computed", "expected_kinds"),
    [
        pytest.param({}, 22_000, False, NOTHING, id="as stated"),
        pytest.param({"max_electric_power": ABSENT}, 22_080, True, [K.POWER_COMPUTED], id="three phases of 230 V"),
        pytest.param({"max_electric_power": 0}, 22_080, True, [K.POWER_COMPUTED], id="no power is no answer"),
        pytest.param(
            {"max_electric_power": ABSENT, "max_voltage": 400},
            22_080,
            True,
            [K.VOLTAGE_LINE_TO_LINE, K.POWER_COMPUTED],
            id="400 V is between lines",
        ),
        pytest.param(
            {"max_electric_power": ABSENT, "power_type": "AC_1_PHASE"}, 7_360, True, [K.POWER_COMPUTED], id="one phase"
        ),
        pytest.param(
            {"max_electric_power": ABSENT, "power_type": "AC_2_PHASE"},
            14_720,
            True,
            [K.POWER_COMPUTED],
            id="two phases",
        ),
        pytest.param(
            {"max_electric_power": ABSENT, "power_type": "AC"},
            None,
            False,
            [K.POWER_MISSING],
            id="nobody knows how many phases",
        ),
        pytest.param(
            {"max_electric_power": ABSENT, "max_amperage": 0},
            None,
            False,
            [K.AMPERAGE_MISSING, K.POWER_MISSING],
            id="no amperes",
        ),
        pytest.param(
            {"max_electric_power": ABSENT, "max_voltage": ABSENT},
            None,
            False,
            [K.VOLTAGE_MISSING, K.POWER_MISSING],
            id="no volts",
        ),
        pytest.param({"max_electric_power": 22}, 22_000, False, [K.POWER_IN_KILOWATTS], id="kW for W"),
        pytest.param(
            {"max_electric_power": 500, "max_amperage": 2}, 500, False, NOTHING, id="a socket for bicycles is in W"
        ),
        pytest.param({"max_electric_power": "22000"}, 22_000, False, [K.NUMBER_AS_TEXT], id="text"),
        pytest.param({"max_electric_power": 22000.0}, 22_000, False, [K.NUMBER_NOT_WHOLE], id="decimals of nothing"),
        pytest.param({"max_electric_power": 22000.5}, 22_001, False, [K.NUMBER_NOT_WHOLE], id="half up"),
        pytest.param(
            {"max_electric_power": "22 kW"}, 22_080, True, [K.FIELD_UNREADABLE, K.POWER_COMPUTED], id="with a unit"
        ),
        pytest.param({"max_electric_power": -1}, 22_080, True, [K.FIELD_UNREADABLE, K.POWER_COMPUTED], id="negative"),
        pytest.param(
            {"max_electric_power": True}, 22_080, True, [K.FIELD_UNREADABLE, K.POWER_COMPUTED], id="true is no number"
        ),
        pytest.param(
            {"max_electric_power": 10**30}, 22_080, True, [K.FIELD_UNREADABLE, K.POWER_COMPUTED], id="a whole country's"
        ),
    ],
)
def test_the_power_of_a_connector(
    changes: Any, watts: int | None, is_computed: bool, expected_kinds: list[FaultKind]
) -> None:
    """mod_locations, "Connector": max_voltage of three phases is from a line to neutral (L-21)."""
    content = clean(**{AC + name: value for name, value in changes.items()})
    connector = shown(content).evses[0].connectors[0]
    assert (connector.max_electric_power, connector.is_power_computed) == (watts, is_computed)
    assert kinds(content) == expected_kinds


@pytest.mark.parametrize(
    ("changes", "expected", "expected_kinds"),
    [
        pytest.param(
            {"standard": "iec-62196-t2-combo"}, "IEC_62196_T2_COMBO", [K.WORD_FORM], id="dashes and small letters"
        ),
        pytest.param({"standard": "MCS"}, "MCS", NOTHING, id="a newer plug (X-44)"),
        pytest.param(
            {"format": ABSENT}, "IEC_62196_T2_COMBO", [K.CONNECTOR_KIND_DERIVED], id="CCS is always on a cable"
        ),
        pytest.param({"power_type": ""}, "IEC_62196_T2_COMBO", [K.CONNECTOR_KIND_DERIVED], id="CCS is always DC"),
    ],
)
def test_what_a_plug_is_can_be_told(changes: Any, expected: str, expected_kinds: list[FaultKind]) -> None:
    content = clean(**{DC + name: value for name, value in changes.items()})
    connector = shown(content).evses[1].connectors[0]
    assert (connector.standard, connector.format, connector.power_type) == (expected, "CABLE", "DC")
    assert kinds(content) == expected_kinds


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"standard": ABSENT}, K.CONNECTOR_STANDARD_MISSING, id="nobody knows the plug"),
        pytest.param({"format": ABSENT}, K.CONNECTOR_KIND_MISSING, id="Type 2 may be socket or cable"),
        pytest.param({"power_type": ABSENT}, K.CONNECTOR_KIND_MISSING, id="Type 2 may have one phase or three"),
        pytest.param({"id": ABSENT}, K.CONNECTOR_ID_UNFIT, id="no id"),
        pytest.param({"id": "x" * 37}, K.CONNECTOR_ID_UNFIT, id="an id of 37 characters"),
    ],
)
def test_a_connector_that_nobody_can_tell_is_left_out(changes: Any, kind: FaultKind) -> None:
    content = clean(**{AC + name: value for name, value in changes.items()})
    assert [evse.uid for evse in shown(content).evses] == ["E2"]
    assert kinds(content) == [kind, K.EVSE_WITHOUT_CONNECTORS]


def test_of_two_connectors_with_one_id_the_first_counts() -> None:
    content = clean()
    content["evses"][0]["connectors"] *= 2
    assert len(shown(content).evses[0].connectors) == 1
    assert [fault.path for fault in read(content).faults] == ["evses[E1].connectors[1].id"]


# --- opening times ---------------------------------------------------------------------------


def by_day(*spans: tuple[Any, Any, Any], **more: Any) -> dict[str, Any]:
    days = [{"weekday": day, "period_begin": begin, "period_end": end} for day, begin, end in spans]
    return {"twentyfourseven": False, "regular_hours": days, **more}


@pytest.mark.parametrize(
    ("said", "expected", "expected_kinds"),
    [
        pytest.param(ABSENT, None, [K.OPENING_TIMES_MISSING], id="missing"),
        pytest.param({}, None, [K.OPENING_TIMES_MISSING], id="an empty object says nothing"),
        pytest.param("24/7", None, [K.OPENING_TIMES_UNREADABLE], id="text"),
        pytest.param({"twentyfourseven": False}, None, [K.OPENING_TIMES_UNREADABLE], id="not always, but when?"),
        pytest.param(by_day((1, "07:00", "22:00")), (RegularHours(1, "07:00", "22:00"),), NOTHING, id="OCPI"),
        pytest.param(
            by_day((1, "7:00", "22:00:00")), (RegularHours(1, "07:00", "22:00"),), [K.OPENING_TIMES_FORM], id="7:00"
        ),
        pytest.param(
            by_day((1, "07:00", "24:00")),
            (RegularHours(1, "07:00", "23:59"),),
            [K.OPENING_TIMES_FORM],
            id="until 24:00",
        ),
        pytest.param(
            by_day((1, "00:00", "00:00")),
            (RegularHours(1, "00:00", "23:59"),),
            [K.OPENING_TIMES_FORM],
            id="a whole day",
        ),
        pytest.param(
            by_day((7, "22:00", "06:00")),
            (RegularHours(7, "22:00", "23:59"), RegularHours(1, "00:00", "06:00")),
            [K.OPENING_TIMES_FORM],
            id="past midnight, into Monday",
        ),
        pytest.param(
            by_day((1, "07:00", "22:00"), (2, "x", "22:00")),
            None,
            [K.OPENING_TIMES_UNREADABLE],
            id="half a week is wrong",
        ),
        pytest.param(by_day((0, "07:00", "22:00")), None, [K.OPENING_TIMES_UNREADABLE], id="there is no day 0"),
        pytest.param(by_day((1, "07:00", "25:00")), None, [K.OPENING_TIMES_UNREADABLE], id="there is no 25:00"),
        pytest.param(
            {**by_day((1, "07:00", "22:00")), "twentyfourseven": None},
            (RegularHours(1, "07:00", "22:00"),),
            [K.OPENING_TIMES_FORM],
            id="days without twentyfourseven",
        ),
        pytest.param(
            {**by_day((1, "07:00", "22:00")), "twentyfourseven": True},
            (),
            [K.OPENING_TIMES_FORM],
            id="always, and by day",
        ),
    ],
)
def test_opening_times_are_put_right_or_unknown(said: Any, expected: Any, expected_kinds: list[FaultKind]) -> None:
    content = clean(opening_times=said)
    hours = shown(content).opening_times
    assert (None if hours is None else hours.regular_hours, kinds(content)) == (expected, expected_kinds)


def test_exceptions_from_opening_times_that_end_before_they_begin_are_left_out() -> None:
    good = {"period_begin": "2026-12-24T00:00:00Z", "period_end": "2026-12-25T00:00:00Z"}
    bad = {"period_begin": "2026-12-26T00:00:00Z", "period_end": "2026-12-25T00:00:00Z"}
    content = clean(opening_times={"twentyfourseven": True, "exceptional_closings": [good, bad]})
    day = datetime(2026, 12, 24, tzinfo=UTC)
    assert shown(content).opening_times == Hours(True, exceptional_closings=(Period(day, day + timedelta(days=1)),))
    assert [fault.path for fault in read(content).faults] == ["opening_times.exceptional_closings.1.period_begin"]


# --- how faults are told ---------------------------------------------------------------------


def test_every_kind_of_fault_has_a_rule() -> None:
    assert set(RULES) == set(FaultKind)


def test_a_fault_names_where_it_is() -> None:
    found = read(clean(evses__1__connectors__0__max_voltage="920", evses__0__uid=7))
    assert [fault.path for fault in found.faults] == ["evses[#0].uid", "evses[E2].connectors[1].max_voltage"]


def test_however_many_faults_there_are_the_gravest_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "FAULTS_MAX", 1)
    found = read(clean(country="DE", facilities=[7] * 50, evses__0__uid="", evses__1__uid=""))
    assert found.location is None
    assert [fault.kind for fault in found.faults] == [
        *(K.COUNTRY_FORM, K.EVSE_UID_UNFIT, K.EVSE_UID_UNFIT, K.EVSES_MISSING),
    ]


# --- whatever it is --------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text()
)
WORDS = st.sampled_from(
    [
        *(
            "CHARGING ",
            "AVAILABLE",
            "REMOVED",
            "52.53064",
            "13,3",
            "0.00000",
            "2026-08-01T10:00:00",
            "2026-08-01T12:00:00+02:00",
            "DE",
        ),
        *(
            "IEC_62196_T2",
            "iec 62196 t2 combo",
            "CABLE",
            "DC",
            "AC_3_PHASE",
            "22:00",
            "6:00",
            "24:00",
            "true",
            "Europe/Berlin",
            "E1",
        ),
        *("https://volt.example/x", "javascript:x", "<b>x</b>", "#NA", "", "\u2028x\x00", "en", "de-DE"),
    ]
)
NAMES = st.sampled_from(
    [
        *(
            "uid",
            "id",
            "status",
            "evses",
            "connectors",
            "coordinates",
            "latitude",
            "longitude",
            "standard",
            "format",
            "power_type",
        ),
        *(
            "max_voltage",
            "max_amperage",
            "max_electric_power",
            "last_updated",
            "country",
            "time_zone",
            "opening_times",
            "name",
        ),
        *(
            "twentyfourseven",
            "regular_hours",
            "weekday",
            "period_begin",
            "period_end",
            "directions",
            "language",
            "text",
            "images",
        ),
        *(
            "url",
            "category",
            "type",
            "operator",
            "website",
            "facilities",
            "capabilities",
            "energy_mix",
            "is_green_energy",
            "evse_id",
        ),
        *(
            "energy_sources",
            "source",
            "percentage",
            "related_locations",
            "parking_restrictions",
            "tariff_ids",
            "postal_code",
        ),
    ]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS | WORDS | st.integers(0, 50_000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=8),
    max_leaves=25,
)

some = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def paths(content: Any, at: str = "") -> list[str]:
    """Every place in a Location that can be changed."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    here = [at] if at else []
    return here + [path for name, value in inner for path in paths(value, f"{at}__{name}" if at else str(name))]


RICH = clean(
    name="Alte Mühle",
    directions=[{"language": "de", "text": "Links"}],
    operator={"name": "Volt", "website": "https://volt.example"},
    images=[{"url": "https://volt.example/i.png", "category": "OTHER", "type": "png", "width": 9}],
    facilities=["HOTEL"],
    energy_mix={"is_green_energy": True, "energy_sources": [{"source": "WIND", "percentage": 100}]},
    related_locations=[{"latitude": "52.53000", "longitude": "13.38000", "name": {"language": "de", "text": "Tor"}}],
    opening_times=by_day(
        (1, "07:00", "22:00"),
        exceptional_closings=[{"period_begin": "2026-12-24T00:00:00Z", "period_end": "2026-12-25T00:00:00Z"}],
    ),
    evses__0__coordinates={"latitude": "52.53000", "longitude": "13.38000"},
    evses__0__capabilities=["RFID_READER"],
    evses__0__parking_restrictions=["EV_ONLY"],
)
PATHS = sorted(paths(RICH))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A good Location with some of its places taken by anything."""
    content = deepcopy(RICH)
    for path in draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=4, unique=True)):
        put(content, path.split("__"), draw(JSON))
    return content


def put(content: Any, steps: list[str], value: Any) -> None:
    """Put a value in a place, where that is still there."""
    for step in steps[:-1]:
        content = (
            content.get(step) if isinstance(content, dict) else content[int(step)] if step == "0" and content else None
        )
        if not isinstance(content, dict | list):
            return
    if isinstance(content, dict):
        content[steps[-1]] = value
    elif steps[-1].isdecimal() and int(steps[-1]) < len(content):
        content[int(steps[-1])] = value


@some
@given(JSON)
def test_no_json_value_makes_it_fall(content: Any) -> None:
    assert read(content).location is None or isinstance(content, dict)


@some
@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall(text: bytes) -> None:
    assert normalised(text, ORIGIN).location is None


@some
@given(spoilt())
def test_what_is_published_of_a_spoilt_location_is_what_ocpi_allows(content: Any) -> None:
    """Whatever was sent: it is stored and read without loss, OCPI accepts it, and putting it right again changes nothing."""
    found = normalised(encode_json(content), ORIGIN)
    if found.location is None:
        assert any(fault.grade is Grade.UNFIT for fault in found.faults)
        return
    assert decode_location(encode_location(found.location)) == found.location
    Location.model_validate(as_ocpi(found.location))
    again = read(as_ocpi(found.location))
    assert again.location == found.location
    assert found.location.time_zone in time_zones()


@pytest.mark.parametrize("line", FILE.read_bytes().splitlines()[::7])
def test_the_dirty_corpus_put_right_is_right(line: bytes) -> None:
    found = normalised(line, ORIGIN).location
    if found is not None:
        content = as_ocpi(found)
        Location.model_validate(content)
        assert normalised(encode_json({**content, "party_id": "ABC", "country_code": "DE"}), ORIGIN).location == found

"""What is said of a Location in DATEX II, before it is written."""

from __future__ import annotations

from datetime import timedelta
from typing import get_args

import pytest

from hub.navigation.formats.energy import (
    CONNECTOR_WORDS,
    SOURCE_WORDS,
    STATUS_WORDS,
    point_id,
    printable,
    published_evses,
    site_id,
    site_of,
    standard_offset,
    station_id,
    status_at,
    week_of,
)
from hub.navigation.location import Connector, Evse, Hours, RegularHours
from ocpi_modules.locations import ConnectorType, Status
from tests.navigation.formats.samples import NOTHING_KNOWN, PRICES
from tests.navigation.places import NOON, connector, evse, odd_place, place, socket


def plug_of(one: Connector) -> tuple[str, str | None, str]:
    site = site_of(place(evses=(evse(connectors=(one,)),)), {})
    assert site is not None
    plug = site.stations[0].plugs[0]
    return plug.type, plug.other, plug.format


def test_every_status_has_its_word() -> None:
    assert {word.lower() for word in STATUS_WORDS.values()} == {status.lower() for status in Status}


def test_every_connector_word_is_for_a_standard_of_ocpi() -> None:
    standards = set(get_args(ConnectorType)[1].known)
    later = {"MCS", "SAE_J3400"}  # words of later versions, which partners use already
    assert set(CONNECTOR_WORDS) - later < standards
    assert set(SOURCE_WORDS.values()) == {
        "nuclear",
        "generalFossil",
        "coal",
        "gas",
        "generalGreen",
        "solar",
        "wind",
        "water",
    }


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(connector(), ("iec62196T2COMBO", None, "otherCable"), id="a DC cable is of no mode 3"),
        pytest.param(socket(), ("iec62196T2", None, "socket"), id="a socket"),
        pytest.param(socket(format="CABLE"), ("iec62196T2", None, "cableMode3"), id="an AC cable of type 2"),
        pytest.param(connector(standard="GBT_DC"), ("other", "GBT_DC", "otherCable"), id="no word: other, and which"),
        pytest.param(socket(standard="DOMESTIC_F"), ("domesticF", None, "socket"), id="a domestic socket"),
    ],
)
def test_a_connector_has_the_word_for_its_standard_and_format(
    one: Connector, expected: tuple[str, str | None, str]
) -> None:
    assert plug_of(one) == expected


def test_a_connector_without_power_is_left_out_and_an_evse_without_any_other_too() -> None:
    unknown = connector(id="2", max_electric_power=None)
    location = place(
        evses=(evse(connectors=(connector(), unknown)), evse("U2", connectors=(unknown,)), evse("U3", connectors=()))
    )
    site = site_of(location, {})
    assert site is not None
    assert [(station.evse.uid, len(station.plugs)) for station in site.stations] == [("U1", 1)]
    assert [one.uid for one in published_evses(location)] == ["U1"]


def test_a_location_without_any_power_has_no_site() -> None:
    assert site_of(NOTHING_KNOWN, PRICES) is None


@pytest.mark.parametrize(
    ("connectors", "expected"),
    [
        pytest.param((connector(),), ("dc", "mode4DC", 150_000), id="direct current"),
        pytest.param((socket(),), ("ac", "mode3AC3p", 22_080), id="three phases at type 2"),
        pytest.param((socket(power_type="AC_1_PHASE"),), ("ac", None, 22_080), id="one phase has no word"),
        pytest.param((socket(), connector(id="2")), ("dc", None, 150_000), id="both: the stronger one"),
    ],
)
def test_a_point_has_one_current_and_its_station_the_power_of_the_strongest(
    connectors: tuple[Connector, ...], expected: tuple[str, str | None, int]
) -> None:
    site = site_of(place(evses=(evse(connectors=connectors),)), {})
    assert site is not None
    station = site.stations[0]
    assert (station.current, station.mode, station.watts) == expected


@pytest.mark.parametrize(
    ("location_id", "uid", "expected"),
    [
        pytest.param("L1", "U1", "DE/ABC/L1/U1", id="usual ids are as they are"),
        pytest.param("A/B", "C", "DE/ABC/A%2FB/C", id="a slash in the Location's id"),
        pytest.param("A", "B/C", "DE/ABC/A/B%2FC", id="the same slash in the EVSE's"),
        pytest.param("A", "B#point", "DE/ABC/A/B%23point", id="what looks like a point"),
        pytest.param("A%2FB", "C", "DE/ABC/A%252FB/C", id="what looks like it was escaped"),
    ],
)
def test_no_two_objects_share_an_id(location_id: str, uid: str, expected: str) -> None:
    """N8."""
    location = place(id=location_id, evses=(evse(uid),))
    assert station_id(location, location.evses[0]) == expected
    assert point_id(location, location.evses[0]) == f"{expected}#point"
    assert expected.startswith(f"{site_id(location)}/")


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("one", "silent_for", "expected"),
    [
        pytest.param(evse(), None, NOON, id="what its owner said"),
        pytest.param(
            evse("U", Status.UNKNOWN, said=Status.AVAILABLE), HOUR, NOON + HOUR, id="unknown since it fell silent"
        ),
        pytest.param(evse("U", Status.UNKNOWN, said=Status.AVAILABLE), -HOUR, NOON, id="spoke after that"),
        pytest.param(evse("U", Status.UNKNOWN), HOUR, NOON, id="unknown to its owner already"),
    ],
)
def test_a_status_holds_since_it_came_to_that(one: Evse, silent_for: timedelta | None, expected: object) -> None:
    """N2."""
    silent_since = None if silent_for is None else NOON + silent_for
    assert status_at(place(is_reachable=silent_for is None, silent_since=silent_since), one) == expected


@pytest.mark.parametrize(
    ("time_zone", "expected"),
    [
        pytest.param("Europe/Berlin", "+01:00", id="summer time in the north"),
        pytest.param("Australia/Adelaide", "+09:30", id="summer time in the south"),
        pytest.param("Europe/Dublin", "+00:00", id="where winter is the exception by law"),
        pytest.param("America/St_Johns", "-03:30", id="behind UTC by half an hour"),
        pytest.param("Etc/UTC", "+00:00", id="UTC"),
    ],
)
def test_the_offset_of_a_zone_is_the_one_outside_summer_time(time_zone: str, expected: str) -> None:
    assert standard_offset(time_zone) == expected


def test_days_with_the_same_hours_stand_together() -> None:
    days = (RegularHours(1, "7:30", "12:00"), RegularHours(1, "13:00", "24:00"), RegularHours(7, "7:30", "12:00"))
    assert [
        (week.days, week.begin, week.end) for week in week_of(Hours(twentyfourseven=False, regular_hours=days))
    ] == [
        (("monday", "sunday"), "07:30:00", "12:00:00"),
        (("monday",), "13:00:00", "23:59:00"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Café — 東京 🚗", "Café — 東京 🚗", id="letters of all kinds"),
        pytest.param("a\x00b\x0bc\ud800d\ufffee", "abcde", id="what XML may not hold"),
        pytest.param("one\ntwo\tthree", "one two three", id="one line"),
        pytest.param("x" * 2000, "x" * 1024, id="as long as may be"),
    ],
)
def test_texts_are_such_as_can_be_written(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_what_is_said_of_an_odd_place() -> None:
    site = site_of(odd_place(), PRICES)
    assert site is not None
    assert [station.evse.uid for station in site.stations] == ["A/1", "C"]
    first = site.stations[0]
    assert (first.accessibility, first.usage, first.is_reservable) == (
        ("disabilityAccessible",),
        "electricMotorcycle",
        True,
    )
    assert first.methods == ("debitCard",)
    assert [(rate.id, rate.words) for rate in first.rates] == [
        (f"{first.point_id}/T1", "0.395 EUR/kWh + 1 EUR/session incl. VAT")
    ]
    assert site.mix is not None
    assert [source for source, _ in site.mix.shares] == ["solar", "coal"]
    assert site.is_for_customers is False

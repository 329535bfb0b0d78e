"""The open OCPI feed: every object is what OCPI 2.2.1 asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.navigation.formats.openocpi import location_json, location_object, locations_json
from hub.navigation.location import Hours, PublicLocation
from ocpi_modules.locations import Location, Status
from ocpi_modules.types import decode_json
from tests.navigation.formats.samples import PLACES
from tests.navigation.places import NOON, connector, evse, odd_place, place, socket


def read(location: PublicLocation) -> Location:
    return Location.model_validate(decode_json(location_json(location)))


@pytest.mark.parametrize("location", PLACES, ids=lambda location: location.id)
def test_every_location_is_valid_and_published(location: PublicLocation) -> None:
    """L-16 to L-22."""
    assert read(location).publish is True


def test_everything_that_a_location_holds_is_said() -> None:
    said = read(odd_place())
    assert (said.name, said.city, said.state, said.suboperator and said.suboperator.name) == (
        'Café "<Zur Post>" & Söhne',
        "Nürnberg, Mitte",
        "Bayern",
        "Dom Parken",
    )
    assert [text.text for text in said.directions] == ["Links halten", "Keep left"]
    assert said.related_locations[0].name is not None
    assert said.energy_mix is not None
    assert said.charging_when_closed is False
    first = said.evses[0]
    assert (first.floor_level, first.physical_reference) == ("-2", "B 3")
    assert first.parking_restrictions == ("DISABLED", "CUSTOMERS", "MOTORCYCLES")
    assert first.connectors[1].terms_and_conditions == "https://example.org/t"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, ("50.7795900", "6.1045000"), id="seven decimals"),
        pytest.param({"latitude": 7, "longitude": -0.1}, ("7.0000000", "-0.1000000"), id="a whole number"),
        pytest.param({"latitude": -1e-9, "longitude": 180.0}, ("0.0000000", "180.0000000"), id="minus nothing"),
        pytest.param({"latitude": 1e-5, "longitude": -180.0}, ("0.0000100", "-180.0000000"), id="no exponent"),
    ],
)
def test_coordinates_are_text_with_five_to_seven_decimals(changes: dict[str, float], expected: tuple[str, str]) -> None:
    """L-18."""
    coordinates = read(place(**changes)).coordinates
    assert (coordinates.latitude, coordinates.longitude) == expected


def test_a_silent_source_shows_as_unknown_and_not_as_what_it_said_last() -> None:
    """N2."""
    silent = evse("C", Status.UNKNOWN, said=Status.AVAILABLE)
    assert read(place(evses=(silent,))).evses[0].status is Status.UNKNOWN


def test_an_evse_without_connector_is_left_out() -> None:
    """L-20: one connector at least."""
    assert [one.uid for one in read(odd_place()).evses] == ["A/1", "B", "C"]


def test_a_power_that_the_hub_computed_is_not_said_for_the_owner() -> None:
    said = read(place(evses=(evse(connectors=(connector(), socket(id="2"))),))).evses[0].connectors
    assert [one.max_electric_power for one in said] == [150_000, None]


@pytest.mark.parametrize(
    ("hours", "is_said"),
    [
        pytest.param(Hours(twentyfourseven=True), True, id="always"),
        pytest.param(Hours(twentyfourseven=False), False, id="not always, and nobody says when"),
        pytest.param(None, False, id="unknown"),
    ],
)
def test_opening_times_that_name_no_hours_are_left_out(hours: Hours | None, is_said: bool) -> None:
    """L-19."""
    assert (read(place(opening_times=hours)).opening_times is not None) is is_said


def test_nothing_is_older_than_its_parts() -> None:
    """L-10."""
    later = NOON + timedelta(hours=1)
    said = location_object(place(evses=(evse(connectors=(connector(last_updated=later),)),)))
    assert said["last_updated"] == said["evses"][0]["last_updated"] == "2026-06-01T13:00:00Z"


@pytest.mark.parametrize("number", [0, 1, 3], ids=lambda number: f"{number} locations")
def test_a_list_is_a_response_of_ocpi(number: int) -> None:
    answer = decode_json(b"".join(locations_json(PLACES[:number], NOON)))
    assert answer["status_code"] == 1000
    assert answer["timestamp"] == "2026-06-01T12:00:00Z"
    assert [one["id"] for one in answer["data"]] == [location.id for location in PLACES[:number]]

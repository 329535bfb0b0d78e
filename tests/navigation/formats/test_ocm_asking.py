"""What a client of Open Charge Map asks for, and which Locations that lets through."""

from __future__ import annotations

from typing import Any

import pytest

from hub.navigation.formats.ocm_asking import RESULTS_MAX, read_asked
from hub.navigation.formats.ocm_sieve import Sieve
from hub.navigation.geometry import Box
from hub.navigation.problems import ReadingFault
from ocpi_modules.locations import Status
from tests.navigation.places import connector, evse, place, socket

FAST_AND_SOCKET = place()
"""A CCS2 cable of 150 kW that is free, and a Type 2 socket of 22 kW that is taken, in Germany."""
TETHERED = place(evses=(evse(connectors=(socket(format="CABLE", max_electric_power=11_000),)),))
BOTH_KINDS = place(
    evses=(evse(connectors=(socket(), socket(id="2", format="CABLE", max_electric_power=43_000))),),
)


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        pytest.param({}, 16_093.44, id="miles where nobody says a unit"),
        pytest.param({"distanceunit": "Miles"}, 16_093.44, id="miles"),
        pytest.param({"DistanceUnit": "KM"}, 10_000, id="km"),
    ],
)
def test_distances_are_in_miles_unless_km_are_said(unit: dict[str, str], metres: float) -> None:
    asked = read_asked({"latitude": "51", "longitude": "9", "distance": "10", **unit})
    assert asked.question.near == (51.0, 9.0)
    assert asked.question.radius_m == pytest.approx(metres)
    assert asked.unit == unit.get("DistanceUnit", "miles").lower()


def test_what_is_said_without_a_value_is_not_said() -> None:
    names = [
        "latitude",
        "longitude",
        "distance",
        "operatorid",
        "connectiontypeid",
        "chargepointid",
        "maxresults",
        "compact",
        "countrycode",
    ]
    assert read_asked(dict.fromkeys(names, "")) == read_asked({})


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        pytest.param("(52.6,13.3),(52.4,13.5)", Box(13.3, 52.4, 13.5, 52.6), id="top left, bottom right"),
        pytest.param("(52.4,13.3),(52.6,13.5)", Box(13.3, 52.4, 13.5, 52.6), id="bottom left, top right"),
        pytest.param("(52.6,13.5),(52.4,13.3)", Box(13.3, 52.4, 13.5, 52.6), id="top right, bottom left"),
        pytest.param("(-16,179),(-18,-179)", Box(179, -18, -179, -16), id="over the 180th meridian"),
        pytest.param("(90,-180),(-90,180)", Box(-180, -90, 180, 90), id="everywhere"),
    ],
)
def test_two_corners_are_a_box(corners: str, box: Box) -> None:
    assert read_asked({"boundingbox": corners}).question.box == box


def test_ids_are_asked_for_once_each_and_in_their_order() -> None:
    assert read_asked({"chargepointid": "9, 7,9"}).ids == (9, 7)
    assert read_asked({"id": "3"}).ids == (3,)
    assert read_asked({}).ids is None


def test_more_results_than_there_can_be_are_as_many_as_there_can_be() -> None:
    assert read_asked({"maxresults": "100000"}).most == RESULTS_MAX


@pytest.mark.parametrize("name", ["countryid", "statustypeid", "usagetypeid", "levelid", "greaterthanid"])
def test_an_id_that_is_no_number_is_refused(name: str) -> None:
    with pytest.raises(ReadingFault) as fault:
        read_asked({name: "ten"})
    assert fault.value.parameter == name


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        pytest.param({"connectiontypeid": "25"}, (True, False, True), id="a Type 2 socket is no cable"),
        pytest.param({"connectiontypeid": "1036"}, (False, True, True), id="a Type 2 cable is no socket"),
        pytest.param({"connectiontypeid": "25,1036"}, (True, True, True), id="either"),
        pytest.param({"connectiontypeid": "33"}, (True, False, False), id="CCS 2"),
        pytest.param(
            {"connectiontypeid": "25", "minpowerkw": "40"}, (False, False, False), id="of the same connection"
        ),
        pytest.param({"connectiontypeid": "1036", "minpowerkw": "40"}, (False, False, True), id="a strong cable"),
        pytest.param(
            {"connectiontypeid": "25", "maxpowerkw": "23"}, (True, False, True), id="a socket that is not strong"
        ),
        pytest.param({"levelid": "3"}, (True, False, True), id="from 40 kW on"),
        pytest.param({"levelid": "3", "connectiontypeid": "25"}, (False, False, False), id="no socket is that strong"),
        pytest.param({"countrycode": "de"}, (True, True, True), id="a country by its code"),
        pytest.param({"countryid": "87"}, (True, True, True), id="a country by its id"),
        pytest.param({"countryid": "1,80"}, (False, False, False), id="other countries"),
        pytest.param({"statustypeid": "10"}, (True, True, True), id="one is free"),
        pytest.param({"statustypeid": "100,0"}, (False, False, False), id="broken or unknown"),
        pytest.param({"usagetypeid": "5"}, (True, True, True), id="one can pay there"),
        pytest.param({"usagetypeid": "4"}, (False, False, False), id="with a card of a provider only"),
    ],
)
def test_a_sieve_lets_through_what_has_one_of_the_ids(said: dict[str, str], passes: tuple[bool, ...]) -> None:
    sieve = read_asked(said).sieve
    assert tuple(sieve.passes(one) for one in (FAST_AND_SOCKET, TETHERED, BOTH_KINDS)) == passes


def test_a_power_that_nobody_knows_is_in_no_range() -> None:
    unknown = place(evses=(evse(connectors=(socket(max_electric_power=None),)),))
    assert read_asked({"connectiontypeid": "25"}).sieve.passes(unknown)
    assert not read_asked({"connectiontypeid": "25", "maxpowerkw": "500"}).sieve.passes(unknown)


def test_a_place_is_as_its_best_evse() -> None:
    broken = place(evses=(evse(status=Status.OUTOFORDER), evse("U2", Status.CHARGING)))
    assert read_asked({"statustypeid": "20"}).sieve.passes(broken)


@pytest.mark.parametrize(
    ("sieve", "is_needed"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"connection_type_ids": frozenset({33})}, False, id="a standard that is one kind of plug"),
        pytest.param({"connection_type_ids": frozenset({25, 1036, 2})}, False, id="both kinds of a standard"),
        pytest.param({"connection_type_ids": frozenset({25, 2})}, True, id="one kind of a standard"),
        pytest.param({"connection_type_ids": frozenset({1039})}, True, id="GB/T is two kinds, too"),
        pytest.param({"level_ids": frozenset({1})}, True, id="a class of power"),
        pytest.param({"power_min_kw": 50.0}, False, id="a power, which memory tells"),
    ],
)
def test_texts_are_looked_at_only_where_memory_does_not_tell(sieve: dict[str, Any], is_needed: bool) -> None:
    assert Sieve(**sieve).is_needed is is_needed


def test_gbt_of_alternating_current_is_a_socket_or_a_cable() -> None:
    cable = place(evses=(evse(connectors=(connector(standard="GBT_AC", format="CABLE", power_type="AC_3_PHASE"),)),))
    assert read_asked({"connectiontypeid": "1039"}).sieve.passes(cable)
    assert not read_asked({"connectiontypeid": "1038"}).sieve.passes(cable)

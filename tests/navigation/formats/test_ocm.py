"""POIs of Open Charge Map, as its clients read them: PyPI ocmpy is one, EVMap's fields are listed."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any, get_args

import pytest

from hub.navigation.formats import ocm_reference as words
from hub.navigation.formats.ocm import View, poi, pois_json
from hub.navigation.formats.ocm_reference import (
    connection_type_of,
    level_of,
    operator_id_of,
    party_of_operator,
    reference_data,
    standards_of,
)
from hub.navigation.location import Connector, Image, PublicLocation
from ocpi_modules.locations import ConnectorType, Status
from tests.navigation.formats.samples import PLACES, PRICES, PUBLISHER
from tests.navigation.places import connector, evse, odd_place, place, socket

with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)  # ocmpy compares numbers by `is`
    from ocmpy import Ocmpy, OcmpyStation

FULL = View(PUBLISHER, PRICES)
COMPACT = View(PUBLISHER, PRICES, is_compact=True, is_verbose=False)
OPERATORS = [("DE", "ABC", "Stadtstrom")]

# What EVMap's model cannot do without: it is read by a strict parser.
EVMAP_POI = {"ID", "IsRecentlyVerified", "AddressInfo", "Connections"}
EVMAP_ADDRESS = {"Title", "CountryID", "Latitude", "Longitude"}
EVMAP_MEDIA = {"ID", "ItemURL", "ItemThumbnailURL", "IsVideo", "IsExternalResource"}


def client() -> Any:
    """ocmpy as it is after `open()` read our reference data."""
    ocm = Ocmpy()
    ocm._parsereferencedata(json.loads(json.dumps(reference_data(PUBLISHER, OPERATORS))))
    ocm._connectionOpen = True
    return ocm


def read(location: PublicLocation, view: View = FULL, distance: float | None = None) -> Any:
    (found,) = json.loads(b"".join(pois_json([(location, distance)], view)))
    return found


# --- real clients ------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [pytest.param(FULL, id="in full"), pytest.param(COMPACT, id="ids only, nothing null")])
def test_ocmpy_reads_a_poi_and_looks_its_ids_up(view: View) -> None:
    """N-T4."""
    station = OcmpyStation(read(place(), view), client())
    assert (station.ID, station.Title, station.Town, station.Postcode) == (7, "Parkhaus am Dom", "Aachen", "52062")
    assert station.Coordinates == {"lat": 50.77959, "lon": 6.1045}
    assert station.Country["ISOCode"] == "DE"
    assert station.Operator["Title"] == "Stadtstrom"
    assert station.DataProvider["License"] == "CC BY 4.0"
    assert station.UsageType["IsPayAtLocation"] is True
    assert station.Status["ID"] == 10
    assert station.SubmissionStatus["IsLive"] is True
    assert station.LastStatusUpdateDate.isoformat() == "2026-06-01T12:00:00"
    assert station.DateLastVerified.isoformat() == "2026-06-01T12:00:02"
    assert station.UUID.version == 5


def test_ocmpy_reads_connections() -> None:
    """N-T4: the one with 150 kW is among them."""
    fast, slow = OcmpyStation(read(place()), client()).Connections
    assert (fast.ConnectionType["ID"], fast.PowerKW, fast.CurrentType["Title"], fast.Level["ID"]) == (
        33,
        150.0,
        "DC",
        3,
    )
    assert (slow.ConnectionType["ID"], slow.PowerKW, slow.CurrentTypeID, slow.Level["ID"]) == (25, 22.08, 20, 2)
    assert (fast.Status["ID"], slow.Status["ID"]) == (10, 20)


@pytest.mark.parametrize("view", [pytest.param(FULL, id="in full"), pytest.param(COMPACT, id="ids only, nothing null")])
@pytest.mark.parametrize("location", PLACES, ids=lambda location: location.id)
def test_a_poi_has_what_evmap_cannot_do_without(location: PublicLocation, view: View) -> None:
    found = read(location, view)
    assert {name for name, value in found.items() if value is not None} >= EVMAP_POI
    assert {name for name, value in found["AddressInfo"].items() if value is not None} >= EVMAP_ADDRESS
    assert all(isinstance(one["ConnectionTypeID"], int) for one in found["Connections"])
    assert all(set(one) >= EVMAP_MEDIA for one in found.get("MediaItems") or ())


@pytest.mark.parametrize("location", PLACES, ids=lambda location: location.id)
def test_every_id_of_a_poi_is_in_the_reference_data(location: PublicLocation) -> None:
    known = {
        name: {item["ID"] for item in items} for name, items in reference_data(PUBLISHER, OPERATORS).items() if items
    }
    found = read(location)
    assert found["StatusTypeID"] in known["StatusTypes"]
    assert found["UsageTypeID"] in known["UsageTypes"]
    assert found["OperatorID"] in known["Operators"]
    assert found["AddressInfo"]["CountryID"] in known["Countries"]
    assert {one["ConnectionTypeID"] for one in found["Connections"]} <= known["ConnectionTypes"]
    assert {one["CurrentTypeID"] for one in found["Connections"]} <= known["CurrentTypes"]
    assert {one["StatusTypeID"] for one in found["Connections"]} <= known["StatusTypes"]
    assert {one["LevelID"] for one in found["Connections"]} <= {*known["ChargerTypes"], None}


# --- views -------------------------------------------------------------------------------------


def test_ids_only_names_nothing() -> None:
    found = read(place(), replace(COMPACT, is_verbose=True))
    assert [found[name] for name in ("DataProvider", "OperatorInfo", "UsageType", "StatusType")] == [None] * 4
    assert {one["ConnectionType"] for one in found["Connections"]} == {None}


def nulls(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(nulls(item) for item in items)


def test_what_is_not_verbose_says_nothing_that_is_null() -> None:
    assert nulls(read(place(), FULL))
    assert not nulls(read(place(), COMPACT))


@pytest.mark.parametrize(
    ("view", "distance", "expected"),
    [
        pytest.param(FULL, 1.25, (1.25, 2), id="in miles"),
        pytest.param(replace(FULL, distance_unit="km"), 1.25, (1.25, 1), id="in km"),
        pytest.param(FULL, None, (None, 0), id="nobody asked from where"),
    ],
)
def test_a_distance_has_a_unit(view: View, distance: float | None, expected: tuple[float | None, int]) -> None:
    address = read(place(), view, distance)["AddressInfo"]
    assert (address["Distance"], address["DistanceUnit"]) == expected


def test_a_list_of_none_is_a_list() -> None:
    assert json.loads(b"".join(pois_json([], FULL))) == []


# --- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(connector(), 33, id="CCS 2"),
        pytest.param(connector(standard="IEC_62196_T1_COMBO"), 32, id="CCS 1"),
        pytest.param(socket(), 25, id="a Type 2 socket"),
        pytest.param(socket(format="CABLE"), 1036, id="a Type 2 cable"),
        pytest.param(socket(standard="GBT_AC"), 1038, id="a GB/T socket of alternating current"),
        pytest.param(socket(standard="GBT_AC", format="CABLE"), 1039, id="a GB/T cable of alternating current"),
        pytest.param(socket(standard="IEC_62196_T1", format="CABLE"), 1, id="J1772"),
        pytest.param(connector(standard="CHADEMO"), 2, id="CHAdeMO"),
        pytest.param(connector(standard="TESLA_S"), 30, id="Tesla Model S"),
        pytest.param(connector(standard="SAE_J3400"), 27, id="NACS"),
        pytest.param(connector(standard="PANTOGRAPH_TOP_DOWN"), 0, id="no word for it"),
    ],
)
def test_a_connector_has_the_id_of_its_kind(one: Connector, expected: int) -> None:
    assert connection_type_of(one) == expected
    assert not expected or one.standard in standards_of(expected)


def test_what_has_no_word_is_named_in_the_comments() -> None:
    location = place(evses=(evse(connectors=(connector(standard="PANTOGRAPH_TOP_DOWN"), connector(id="2"))),))
    assert [one["Comments"] for one in read(location)["Connections"]] == ["PANTOGRAPH_TOP_DOWN", None]


def test_every_standard_of_ocpi_is_found_by_the_id_that_it_has() -> None:
    standards = get_args(ConnectorType)[1].known
    ids = {standard: connection_type_of(connector(standard=standard)) for standard in standards}
    assert [standard for standard, found in ids.items() if found and standard not in standards_of(found)] == []
    assert standards_of(0) == () == standards_of(999)


@pytest.mark.parametrize(
    ("kilowatts", "level"),
    [
        pytest.param(None, None, id="unknown"),
        pytest.param(1.9, 1, id="below 2"),
        pytest.param(2.0, 2, id="2"),
        pytest.param(39.9, 2, id="below 40"),
        pytest.param(40.0, 3, id="40"),
    ],
)
def test_a_level_is_a_class_of_power(kilowatts: float | None, level: int | None) -> None:
    assert level_of(kilowatts) == level


A, C, O, U = Status.AVAILABLE, Status.CHARGING, Status.OUTOFORDER, Status.UNKNOWN  # noqa: E741


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param((C, A, O), 10, id="one is free"),
        pytest.param((O, C), 20, id="one is in use"),
        pytest.param((O, O), 100, id="all are broken"),
        pytest.param((O, U), 0, id="nobody knows of one"),
        pytest.param((), 0, id="none at all"),
    ],
)
def test_the_state_of_a_poi_is_that_of_its_best_evse(states: tuple[Status, ...], expected: int) -> None:
    evses = tuple(evse(f"U{number}", state) for number, state in enumerate(states))
    assert read(place(evses=evses))["StatusTypeID"] == expected


def test_connectors_that_are_alike_and_in_one_state_are_counted() -> None:
    evses = (evse("U1"), evse("U2"), evse("U3", Status.CHARGING))
    found = read(place(evses=evses))["Connections"]
    assert [(one["Quantity"], one["StatusTypeID"]) for one in found] == [(2, 10), (1, 20)]
    assert len({one["ID"] for one in found}) == 2


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        pytest.param(("RFID_READER", "PED_TERMINAL"), 5, id="one can pay there"),
        pytest.param(("RFID_READER",), 4, id="with a card of a provider"),
        pytest.param((), 1, id="public, and no more is known"),
    ],
)
def test_usage_is_what_its_evses_can(capabilities: tuple[str, ...], expected: int) -> None:
    assert read(place(evses=(evse(capabilities=capabilities),)))["UsageTypeID"] == expected


def test_the_cost_is_the_adhoc_price_or_unknown() -> None:
    """N7."""
    assert read(place())["UsageCost"] == "0.395 EUR/kWh + 1 EUR/session incl. VAT"
    assert read(place(), replace(FULL, prices={}))["UsageCost"] is None


def test_an_operators_id_is_its_partys_and_no_other_partys() -> None:
    parties = [(f"{one}{other}", party) for one in "AZ" for other in "AZ" for party in ("000", "ABC", "ZZZ", "09Z")]
    ids = [operator_id_of(*party) for party in parties]
    assert len(set(ids)) == len(parties)
    assert [party_of_operator(found) for found in ids] == [f"{code}/{party}" for code, party in parties]
    assert operator_id_of("de", "abc") == operator_id_of("DE", "ABC")
    assert max(ids) < 2**31


@pytest.mark.parametrize("operator_id", [0, 23, words.FIRST_OPERATOR_ID - 1, words.FIRST_OPERATOR_ID + 36**5])
def test_an_id_that_no_party_has_names_none(operator_id: int) -> None:
    assert party_of_operator(operator_id) is None


def test_countries_have_the_ids_of_open_charge_map() -> None:
    countries = {one["ISOCode"]: one for one in reference_data(PUBLISHER, [])["Countries"]}
    assert len(countries) == len({one["ID"] for one in countries.values()}) == 248
    assert {code: countries[code]["ID"] for code in ("GB", "US", "DE", "FR")} == {"GB": 1, "US": 2, "DE": 87, "FR": 80}
    assert countries["CH"]["Title"] == "Switzerland"
    assert all(one["Title"] for one in countries.values())


def test_an_odd_place_in_a_country_that_is_none() -> None:
    found = poi(odd_place(country="XYZ", images=(Image("https://example.org/1.jpg", "LOCATION", "jpeg"),)), None, FULL)
    assert (found["AddressInfo"]["CountryID"], found["AddressInfo"]["Country"]) == (0, None)
    assert found["MediaItems"][0]["ItemThumbnailURL"] == "https://example.org/1.jpg"
    assert found["IsRecentlyVerified"] is False

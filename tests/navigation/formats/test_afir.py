"""The German AFIR profile. Its schemas have no licence and are not here: what they ask for is said once more in `MANDATORY`.

`test_profile.py` validates the same publications by the schemas themselves, where they are at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hub.navigation.formats.afir import dynamic_json, static_json
from hub.navigation.formats.energy import NothingToPublish
from tests.navigation.formats.samples import EDITION, EVERY_STATUS, NOTHING_KNOWN, PLACES, PRICES
from tests.navigation.places import connector, evse, odd_place, place

MANDATORY = {
    "aegiEnergyInfrastructureTablePublication": {
        *("lang", "publicationTime", "publicationCreator", "energyInfrastructureTable"),
    },
    "aegiEnergyInfrastructureStatusPublication": {"lang", "publicationTime", "publicationCreator"},
    "publicationCreator": {"country", "nationalIdentifier"},
    "headerInformation": {"informationStatus"},
    "energyInfrastructureTable": {"idG", "versionG", "energyInfrastructureSite"},
    "energyInfrastructureSite": {"idG", "versionG"},
    "energyInfrastructureStation": {"idG", "versionG", "totalMaximumPower", "numberOfRefillPoints", "serviceType"},
    "aegiElectricChargingPoint": {"idG", "versionG", "deliveryUnit", "currentType"},
    "connector": {"connectorType", "maxPowerAtSocket"},
    "energyRate": {"idG", "ratePolicy", "lastUpdated", "applicableCurrency"},
    "energyPrice": {"priceType", "value"},
    "externalIdentifier": {"identifier"},
    "addressLine": {"order", "type", "text"},
    "pointCoordinates": {"latitude", "longitude"},
    "afacAnOrganisation": {"name"},
    "afacOperatingHoursSpecification": {"idG", "versionG", "overallPeriod"},
    "overallPeriod": {"overallStartTime"},
    "recurringTimePeriodOfDay": {"startTimeOfPeriod", "endTimeOfPeriod"},
    "photoUrl": {"urlLinkAddress"},
    "reference": {"targetClass", "idG", "versionG"},
    "tableReference": {"targetClass", "idG", "versionG"},
    "aegiElectricChargingPointStatus": {"reference", "lastUpdated", "status"},
    "messageContainer": {"payload", "exchangeInformation"},
    "exchangeInformation": {"exchangeContext", "dynamicInformation"},
    "exchangeContext": {"codedExchangeProtocol", "exchangeSpecificationVersion", "supplierOrCisRequester"},
    "dynamicInformation": {"exchangeStatus", "messageGenerationTimestamp"},
}
WORDS = {
    *(
        "confidentiality",
        "informationStatus",
        "typeOfSite",
        "currentType",
        "deliveryUnit",
        "connectorType",
        "connectorFormat",
    ),
    *("chargingMode", "reservation", "priceType", "ratePolicy", "status", "exchangeStatus", "codedExchangeProtocol"),
    *("usageType", "authenticationAndIdentificationMethods", "accessibility", "exclusiveUsers", "paymentMeans"),
    *("applicableDay", "smartRechargingServices", "typeOfIdentifier", "urlLinkType"),
}
NUMBERS = {
    *(
        "totalMaximumPower",
        "numberOfRefillPoints",
        "maxPowerAtSocket",
        "voltage",
        "maximumCurrent",
        "numberOfConnectors",
    ),
    *("latitude", "longitude", "order", "carbonDioxideImpact"),
}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TIME = re.compile(r"\d\d:\d\d:\d\d[+-]\d\d:\d\d")


def read(pieces: Iterator[bytes]) -> Any:
    return json.loads(b"".join(pieces))


def static(*locations: Any) -> Any:
    return read(static_json(locations, EDITION, PRICES))


def dynamic(*locations: Any, is_delta: bool = False) -> Any:
    return read(dynamic_json(locations, EDITION, PRICES, is_delta=is_delta))


def members(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every member of an object in the document, and every element of a list under the list's name."""
    if isinstance(value, list):
        for item in value:
            yield from members(item, name)
        return
    yield name, value
    for key, item in value.items() if isinstance(value, dict) else ():
        yield from members(item, key)


def all_of(document: Any, name: str) -> list[Any]:
    return [value for found, value in members(document) if found == name]


DOCUMENTS = [
    pytest.param(lambda: static(*PLACES), id="static data"),
    pytest.param(lambda: dynamic(*PLACES), id="dynamic data"),
    pytest.param(lambda: dynamic(place(), is_delta=True), id="a delta"),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_object_has_its_mandatory_members(document: Any) -> None:
    lacking = [
        (name, MANDATORY[name] - set(value))
        for name, value in members(document())
        if name in MANDATORY and isinstance(value, dict) and not MANDATORY[name] <= set(value)
    ]
    assert lacking == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_words_numbers_and_times_have_their_form(document: Any) -> None:
    found = list(members(document()))
    assert [pair for pair in found if pair[0] in WORDS and not isinstance(pair[1].get("value"), str)] == []
    assert [pair for pair in found if pair[0] in NUMBERS and not isinstance(pair[1], (int, float))] == []
    moments = {"publicationTime", "lastUpdated", "overallStartTime", "startOfPeriod", "messageGenerationTimestamp"}
    assert [pair for pair in found if pair[0] in moments and not DATE_TIME.fullmatch(pair[1])] == []
    times = {"startTimeOfPeriod", "endTimeOfPeriod"}
    assert [pair for pair in found if pair[0] in times and not TIME.fullmatch(pair[1])] == []
    assert [pair for pair in found if pair[1] in (None, {}, []) and not pair[0].startswith("afac")] == []


def test_each_kind_of_object_is_looked_at() -> None:
    seen = {name for document in (static(*PLACES), dynamic(*PLACES)) for name, _ in members(document)}
    assert set(MANDATORY) - seen == set()


def test_the_profile_is_named_and_the_payload_stands_where_it_should() -> None:
    payload = static(place())["payload"]
    assert (payload["modelBaseVersionG"], payload["profileVersionG"]) == ("3", "01-00-00")
    inside = dynamic(place())["messageContainer"]["payload"]
    assert [set(one) - set(payload) for one in inside] == [{"aegiEnergyInfrastructureStatusPublication"}]


def test_what_has_several_types_stands_under_a_name_with_a_prefix() -> None:
    site = all_of(static(odd_place()), "energyInfrastructureSite")[0]
    assert set(site["operator"]) == {"afacAnOrganisation"}
    assert set(site["operatingHours"]) == {"afacOperatingHoursSpecification"}
    assert set(site["locationReference"]) == {"locPointLocation"}
    assert set(site["energyInfrastructureStation"][0]["refillPoint"][0]) == {"aegiElectricChargingPoint"}


def test_evse_ids_and_operators_are_named_as_the_profile_does() -> None:
    found = {
        (one["identifier"], one["typeOfIdentifier"]["extendedValueG"])
        for one in all_of(static(place()), "externalIdentifier")
    }
    assert found == {("DE*ABC", "operatorId"), ("DE*ABC*EU1", "evseId"), ("DE*ABC*EU2", "evseId")}


def test_a_domestic_socket_has_the_word_of_the_profile() -> None:
    location = place(evses=(evse(connectors=(connector(standard="DOMESTIC_F"),)),))
    assert all_of(static(location), "connectorType")[0] == {"value": "domesticF"}


def test_a_price_is_a_number_with_all_its_digits() -> None:
    assert b'"value":0.395,"taxIncluded":true' in b"".join(static_json([place()], EDITION, PRICES))


def ids(document: Any, *names: str) -> set[tuple[str, str]]:
    return {(one["idG"], one["versionG"]) for name in names for one in all_of(document, name)}


def test_dynamic_data_refers_to_static_data_by_id_and_version() -> None:
    """N8."""
    published = ids(
        static(*PLACES), "energyInfrastructureSite", "energyInfrastructureStation", "aegiElectricChargingPoint"
    )
    assert ids(dynamic(*PLACES), "reference") == published
    assert ids(dynamic(place()), "tableReference") == ids(static(place()), "energyInfrastructureTable")


def test_every_status_is_said_in_its_word() -> None:
    words = [one["value"] for one in all_of(dynamic(EVERY_STATUS), "status")]
    assert [word.upper() for word in words] == [one.status.value for one in EVERY_STATUS.evses]


@pytest.mark.parametrize(
    ("is_delta", "protocol"),
    [pytest.param(False, "snapshotPush", id="everything"), pytest.param(True, "deltaPush", id="what changed")],
)
def test_a_delta_says_that_it_is_one(is_delta: bool, protocol: str) -> None:
    assert all_of(dynamic(place(), is_delta=is_delta), "codedExchangeProtocol") == [{"value": protocol}]


def test_static_data_of_nothing_is_not_begun() -> None:
    with pytest.raises(NothingToPublish):
        next(static_json([NOTHING_KNOWN], EDITION, PRICES))


def test_dynamic_data_of_nothing_is_an_empty_list() -> None:
    assert all_of(dynamic(), "aegiEnergyInfrastructureStatusPublication")[0]["energyInfrastructureSiteStatus"] == []


def test_a_name_cannot_break_the_frame() -> None:
    """The frame is cut where its sites go: a name that looks like that place is a name."""
    edition = replace(EDITION, publisher=replace(EDITION.publisher, name='["hole"]'))
    document = read(static_json([place(name='["hole"]')], edition, PRICES))
    assert all_of(document, "tableName") == ['["hole"]']
    assert all_of(document, "energyInfrastructureSite")[0]["name"]["values"][0]["value"] == '["hole"]'

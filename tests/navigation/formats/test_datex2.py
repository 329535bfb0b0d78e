"""DATEX II v3.7: what is written is valid by the official schema, and says what it should."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from hub.navigation.formats.datex2 import site_status_xml, status_xml, table_xml
from hub.navigation.formats.energy import NothingToPublish
from hub.navigation.formats.publishing import AdHocPrice
from hub.navigation.location import PublicLocation, Text
from ocpi_modules.locations import Status
from tests.navigation.formats.samples import EDITION, EVERY_STATUS, NOTHING_KNOWN, PLACES, PRICES
from tests.navigation.places import NOON, connector, evse, odd_place, place

SCHEMAS = Path(__file__).resolve().parents[3] / "fixtures" / "schemas" / "datex2-3.7"
NAMES = {
    "aegi": "http://datex2.eu/schema/3/afirEnergyInfrastructure",
    "afac": "http://datex2.eu/schema/3/afirFacilities",
    "com": "http://datex2.eu/schema/3/common",
    "loc": "http://datex2.eu/schema/3/locationReferencing",
}
MANY = 500


@pytest.fixture(scope="module")
def schema() -> Any:
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "DATEXII_3_D2Payload.xsd")))


def read(pieces: Iterator[bytes]) -> Any:
    return etree.fromstring(b"".join(pieces))


def table(*locations: PublicLocation) -> Any:
    return read(table_xml(locations, EDITION, PRICES))


def status(*locations: PublicLocation) -> Any:
    return read(status_xml(locations, EDITION, PRICES))


def errors(schema: Any, document: Any) -> list[str]:
    schema.validate(document)
    return [str(error.message) for error in schema.error_log]


def found(document: Any, path: str) -> list[str]:
    return [str(one.text if hasattr(one, "text") else one) for one in document.xpath(path, namespaces=NAMES)]


# --- the schemas -------------------------------------------------------------------------------


def test_the_schemas_are_the_official_ones_unchanged() -> None:
    listed = dict(
        re.findall(r"^\| `(\S+\.xsd)` \| `([0-9a-f]{64})` \|$", (SCHEMAS / "README.md").read_text(), re.MULTILINE)
    )
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SCHEMAS.glob("*.xsd")} == listed
    assert len(listed) == 19


def test_a_word_that_is_none_is_refused_by_the_schema(schema: Any) -> None:
    document = status(place())
    document.find(".//aegi:status", NAMES).text = "CHARGING "
    assert any("CHARGING " in error for error in errors(schema, document))


# --- the table ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location", [one for one in PLACES if one is not NOTHING_KNOWN], ids=lambda location: location.id
)
def test_the_table_of_a_location_is_valid(schema: Any, location: PublicLocation) -> None:
    """N-T6."""
    assert errors(schema, table(location)) == []


def test_the_table_of_all_is_valid_and_leaves_out_what_has_no_power(schema: Any) -> None:
    document = table(*PLACES)
    assert errors(schema, document) == []
    assert len(found(document, "//aegi:energyInfrastructureSite/@id")) == len(PLACES) - 1


def test_a_table_of_nothing_is_not_begun() -> None:
    with pytest.raises(NothingToPublish):
        next(table_xml([NOTHING_KNOWN], EDITION, PRICES))


def test_the_table_says_where_who_when_and_what() -> None:
    document = table(place())
    assert found(document, "//afac:operator/afac:name//com:value") == ["Stadtstrom"]
    assert found(document, "//afac:operator//afac:eMail") == ["help@stadtstrom.example"]
    assert found(document, "//loc:pointCoordinates/loc:latitude") == ["50.77959"]
    assert found(document, "//com:startTimeOfPeriod") == ["07:00:00"]
    assert len(found(document, "//com:applicableDay")) == 5
    assert found(document, "//aegi:connectorType") == ["iec62196T2COMBO", "iec62196T2"]
    assert found(document, "//aegi:maxPowerAtSocket") == ["150000", "22080"]
    assert found(document, "//aegi:refillPoint/afac:externalIdentifier/afac:identifier") == ["DE*ABC*EU1", "DE*ABC*EU2"]


def test_an_operator_without_contact_has_none_rather_than_the_hubs() -> None:
    assert found(table(place(party_id="XYZ")), "//afac:eMail") == []


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        pytest.param({"per_kwh": "0.395"}, [("pricePerKWh", "0.40")], id="two decimals, rounded half up"),
        pytest.param({"per_minute": "0.1"}, [("pricePerMinute", "0.10")], id="by the minute"),
        pytest.param({"per_session": "5"}, [("flatRate", "5.00")], id="a session's price alone is a flat rate"),
        pytest.param(
            {"per_session": "1", "per_kwh": "0.5"},
            [("pricePerKWh", "0.50"), ("basePrice", "1.00")],
            id="with more: a base",
        ),
        pytest.param({"per_kwh": "0"}, [("free", "0.00")], id="free"),
        pytest.param({}, [], id="a price that says nothing"),
    ],
)
def test_an_adhoc_price_is_said_with_tax(schema: Any, price: dict[str, str], expected: list[tuple[str, str]]) -> None:
    """N7."""
    amounts = {part: Decimal(amount) for part, amount in price.items()}
    prices = {("DE/ABC", "T1"): AdHocPrice("EUR", NOON, **amounts)}
    document = read(table_xml([place()], EDITION, prices))
    assert errors(schema, document) == []
    types, values = found(document, "//aegi:priceType"), found(document, "//aegi:energyPrice/aegi:value")
    assert list(zip(types, values, strict=True)) == expected
    assert set(found(document, "//aegi:taxIncluded")) <= {"true"}


def test_what_two_decimals_cannot_say_stands_in_words() -> None:
    assert "0.395 EUR/kWh + 1 EUR/session incl. VAT" in found(table(place()), "//aegi:energyRate//com:value")


def test_an_unknown_price_is_no_price() -> None:
    assert found(read(table_xml([place()], EDITION, {})), "//aegi:energyRate/@id") == []


HOSTILE = "]]><!-- & \"'<evil a='1'/>\x00\x0b\ud800\uffff\r\n&amp;"


def test_a_text_cannot_become_markup(schema: Any) -> None:
    location = odd_place(
        id=HOSTILE.replace("\ud800", ""),
        name=HOSTILE,
        address=HOSTILE,
        postal_code=HOSTILE,
        directions=(Text("'><x", HOSTILE),),
        evses=(evse(HOSTILE.replace("\ud800", ""), evse_id=HOSTILE, connectors=(connector(standard=HOSTILE),)),),
    )
    document = table(location)
    assert errors(schema, document) == []
    assert found(document, "//aegi:otherConnector") == ["]]><!-- & \"'<evil a='1'/>  &amp;"]
    assert errors(schema, status(location)) == []


TEXTS = st.text(min_size=1, max_size=40)  # no surrogates: text that was read from JSON has none


@settings(max_examples=50, deadline=None)
@given(name=TEXTS, uid=TEXTS, level=TEXTS)
def test_whatever_the_texts_the_publications_are_valid(schema: Any, name: str, uid: str, level: str) -> None:
    location = place(id=uid, name=name, state=level, evses=(evse(uid, evse_id=name, floor_level=level),))
    assert errors(schema, table(location)) == []
    assert errors(schema, status(location)) == []


# --- the status --------------------------------------------------------------------------------


def test_the_status_of_all_is_valid(schema: Any) -> None:
    """N-T6."""
    assert errors(schema, status(*PLACES)) == []


def test_the_status_of_nothing_is_valid(schema: Any) -> None:
    assert errors(schema, status(NOTHING_KNOWN)) == []


def test_every_status_is_said_in_its_word() -> None:
    words = found(status(EVERY_STATUS), "//aegi:refillPointStatus/aegi:status")
    assert [word.upper() for word in words] == [one.status.value for one in EVERY_STATUS.evses]


def references(document: Any) -> set[tuple[str, str]]:
    return {(one.get("id"), one.get("version")) for one in document.iterfind(".//afac:reference", NAMES)}


def objects(document: Any) -> set[tuple[str, str]]:
    names = ("energyInfrastructureSite", "energyInfrastructureStation", "refillPoint")
    return {
        (one.get("id"), one.get("version")) for name in names for one in document.iterfind(f".//aegi:{name}", NAMES)
    }


def test_a_status_refers_to_what_the_table_holds_by_id_and_version() -> None:
    """N8."""
    assert references(status(*PLACES)) == objects(table(*PLACES))
    assert objects(table(place(static_version=4))) & references(status(place(static_version=3))) == set()
    table_of_status = status(place()).find("aegi:tableReference", NAMES)
    assert (table_of_status.get("id"), table_of_status.get("version")) == ("locations", "5")
    assert found(table(place()), "//aegi:energyInfrastructureTable/@version") == ["5"]


def test_a_status_that_changes_changes_no_version_and_no_table() -> None:
    """N8: the version is one of what stays."""
    before = place(evses=(evse(),))
    after = place(evses=(evse(status=Status.CHARGING),), status_version=13)
    assert etree.tostring(table(before)) == etree.tostring(table(after))
    assert references(status(before)) == references(status(after))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"per_kwh": Decimal("0.45")}, id="another price"),
        pytest.param({"updated_at": NOON + timedelta(days=1)}, id="the same price, said anew"),
        pytest.param(None, id="no price any more"),
    ],
)
def test_a_price_that_changes_changes_the_versions_in_table_and_status_alike(changes: dict[str, Any] | None) -> None:
    """N8: it stands in the table, and changes without its Location."""
    free, price = ("DE/ABC", "FREE"), PRICES["DE/ABC", "T1"]
    prices = {free: PRICES[free], **({("DE/ABC", "T1"): replace(price, **changes)} if changes else {})}
    elsewhere = place(id="ELSEWHERE", evses=(evse(connectors=(connector(tariff_ids=("FREE",)),)),))
    now = read(table_xml([place(), elsewhere], EDITION, prices))
    assert objects(now) & objects(table(place())) == set()
    assert objects(now) >= objects(table(elsewhere)), "which has another price"
    assert references(read(status_xml([place(), elsewhere], EDITION, prices))) == objects(now)


def test_a_silent_station_is_unknown_since_it_fell_silent_and_not_said_to_be_taken() -> None:
    """N2."""
    document = read(
        iter([b"<r xmlns:aegi='a' xmlns:afac='b' xmlns:xsi='c'>", site_status_xml(odd_place(), PRICES), b"</r>"])
    )
    silent = document.xpath("//*[local-name()='energyInfrastructureStationStatus']")[1]
    assert silent.xpath(".//*[local-name()='status']/text()") == ["unknown"]
    assert set(silent.xpath(".//*[local-name()='lastUpdated']/text()")) == {"2026-06-01T13:00:00Z"}
    assert silent.xpath(".//*[local-name()='isAvailable']") == []


# --- many --------------------------------------------------------------------------------------


def test_many_locations_are_taken_one_at_a_time() -> None:
    taken = 0

    def locations() -> Iterator[PublicLocation]:
        nonlocal taken
        for number in range(MANY):
            taken += 1
            yield place(id=f"L{number}")

    pieces = table_xml(locations(), EDITION, PRICES)
    first = next(pieces)
    assert taken < MANY / 10
    document = etree.fromstring(first + b"".join(pieces))
    assert len(found(document, "//aegi:energyInfrastructureSite/@id")) == MANY

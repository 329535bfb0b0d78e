"""What is left of feeds as dirty as real ones (pitfall N3) is valid in every format (N-T6)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from lxml import etree

from hub.navigation.formats.afir import dynamic_json, static_json
from hub.navigation.formats.datex2 import status_xml, table_xml
from hub.navigation.formats.energy import published_evses
from hub.navigation.formats.irve import dynamic_lines, gaps, static_lines
from hub.navigation.formats.ocm import pois_json
from hub.navigation.formats.openocpi import locations_json
from hub.navigation.location import PublicLocation
from hub.navigation.public import KeptText, read_public
from hub.store.publicplaces import Standing
from ocpi_modules.locations import Location
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json
from tests.navigation.corpus import FILE
from tests.navigation.formats.samples import EDITION, PRICES, PUBLISHER
from tests.navigation.formats.test_afir import MANDATORY, all_of
from tests.navigation.formats.test_datex2 import SCHEMAS, errors, objects, references
from tests.navigation.formats.test_irve import DYNAMIC_FORMS, STATIC_FORMS, french, wrong
from tests.navigation.formats.test_ocm import COMPACT

HEARD = datetime(2026, 6, 1, tzinfo=UTC)
OWNER = Party("DE", "DRT")


@cache
def published() -> tuple[PublicLocation, ...]:
    copies = [
        KeptText(audience="", owner=OWNER, text=line, last_updated=HEARD, heard_at=HEARD)
        for line in FILE.read_bytes().splitlines()
    ]
    readings = [read_public(copy, Standing(is_member=True)) for copy in copies]
    return tuple(reading.location for reading in readings if reading.location is not None)


def whole(pieces: Iterable[bytes]) -> bytes:
    return b"".join(pieces)


def test_the_open_ocpi_feed_is_valid() -> None:
    answer = decode_json(whole(locations_json(published(), HEARD)))
    assert len([Location.model_validate(one) for one in answer["data"]]) == len(published()) > 300


def test_the_datex_publications_are_valid_and_agree() -> None:
    schema = etree.XMLSchema(etree.parse(str(SCHEMAS / "DATEXII_3_D2Payload.xsd")))
    table = etree.fromstring(whole(table_xml(published(), EDITION, PRICES)))
    status = etree.fromstring(whole(status_xml(published(), EDITION, PRICES)))
    assert errors(schema, table) == errors(schema, status) == []
    assert references(status) == objects(table)
    said = sum(1 for location in published() for _ in published_evses(location))
    assert len(table.xpath("//*[local-name()='refillPoint']")) == said > 600


def test_the_german_publications_have_what_is_mandatory() -> None:
    documents: list[Any] = [
        json.loads(whole(static_json(published(), EDITION, PRICES))),
        json.loads(whole(dynamic_json(published(), EDITION, PRICES))),
    ]
    found = [(name, one) for document in documents for name in MANDATORY for one in all_of(document, name)]
    assert [(name, one) for name, one in found if isinstance(one, dict) and not MANDATORY[name] <= set(one)] == []


def test_the_pois_are_a_list_of_all() -> None:
    pois = json.loads(whole(pois_json(((location, None) for location in published()), COMPACT)))
    assert [one["ID"] for one in pois] == [location.number for location in published()]


def test_the_french_files_hold_what_can_be_said_and_name_the_gaps_of_the_rest() -> None:
    # the feeds say nowhere what kind of place it is, without which no line can be written
    locations = [french(location, parking_type="ON_STREET") for location in published()]
    static = list(csv.DictReader(static_lines(locations, PUBLISHER, PRICES)))
    dynamic = list(csv.DictReader(dynamic_lines(locations)))
    assert wrong(static, STATIC_FORMS) == wrong(dynamic, DYNAMIC_FORMS) == []
    lacking = [gaps(location, evse, PUBLISHER) for location in locations for evse in location.evses]
    assert len(static) == sum(not one for one in lacking)
    assert static
    assert dynamic

"""The dirty corpus: what is in it, and what becomes of it (pitfall N3)."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from hub.navigation.faults import FaultKind
from hub.navigation.public import Hidden, KeptText, Reading, read_public
from hub.navigation.quality import score_of, summary_of
from hub.store.publicplaces import Standing
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json
from tests.navigation.corpus import EVSES, FILE, LOCATIONS, corpus

HEARD = datetime(2026, 6, 1, tzinfo=UTC)
OWNER = Party("DE", "DRT")

COORDINATE = re.compile(r"-?[0-9]{1,3}\.[0-9]{5,7}")
EMI3 = re.compile(r"[A-Z]{2}\*[A-Z0-9]{3}\*E[A-Z0-9*]{1,31}")
MOMENT = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"')


@cache
def lines() -> list[bytes]:
    return FILE.read_bytes().splitlines()


@cache
def contents() -> list[dict[str, Any]]:
    return [decode_json(line) for line in lines()]


def evses() -> list[dict[str, Any]]:
    return [evse for one in contents() for evse in one["evses"]]


@cache
def readings() -> list[Reading]:
    copies = [KeptText(audience="", owner=OWNER, text=one, last_updated=HEARD, heard_at=HEARD) for one in lines()]
    return [read_public(copy, Standing(is_member=True)) for copy in copies]


@cache
def counted() -> Counter[FaultKind]:
    """How many Locations, EVSEs and connectors have each fault; of time stamps and coordinates: Locations."""
    found = {(index, fault.kind, fault.part) for index, one in enumerate(readings()) for fault in one.faults}
    whole = {FaultKind.TIMESTAMP_WITHOUT_ZONE}
    return Counter(kind for _, kind, _ in {(at, kind, () if kind in whole else part) for at, kind, part in found})


def test_the_file_is_what_the_script_makes() -> None:
    assert FILE.read_bytes() == corpus(), "run: python -m tests.navigation.corpus"


def test_it_has_a_tenth_of_what_real_feeds_have() -> None:
    points = [one["coordinates"] for one in contents()]
    texts = [point for point in points if isinstance(point["latitude"], str)]
    outside = [point for point in texts if point["latitude"] and not all(map(COORDINATE.fullmatch, point.values()))]
    ids = [evse.get("evse_id") for evse in evses()]
    found = {
        "locations": (len(lines()), LOCATIONS),
        "evses": (len(evses()), EVSES),
        "coordinates outside the format": (len(outside), 132),
        "coordinates as numbers": (len(points) - len(texts), 66),
        "empty coordinates": (sum(point["latitude"] == "" for point in points), 3),
        "countries": (sum(not re.fullmatch("[A-Z]{3}", one["country"]) for one in contents()), 119),
        "without Z": (sum(bool(MOMENT.search(line.decode())) for line in lines()), 57),
        "without evse_id": (ids.count(None), 186),
        "not of eMI3": (sum(one is not None and not EMI3.fullmatch(one) for one in ids), 405),
        "trailing blank": (sum(evse["status"] == "CHARGING " for evse in evses()), 10),
        "removed": (sum(evse["status"] == "REMOVED" for evse in evses()), 12),
        "voltage as text": (sum(isinstance(evse["connectors"][0]["max_voltage"], str) for evse in evses()), 40),
    }
    assert {name: have for name, (have, _) in found.items()} == {name: wanted for name, (_, wanted) in found.items()}


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param(FaultKind.COORDINATES_FORM, 132, id="coordinates outside the format are read"),
        pytest.param(FaultKind.COORDINATES_NUMBERS, 66, id="coordinates as numbers are read"),
        pytest.param(FaultKind.COORDINATES_MISSING, 3, id="empty coordinates are no coordinates"),
        pytest.param(FaultKind.COUNTRY_FORM, 119, id="countries are put into three letters"),
        pytest.param(FaultKind.TIMESTAMP_WITHOUT_ZONE, 57, id="time stamps without Z are in UTC"),
        pytest.param(FaultKind.STATUS_FORM, 10, id="a trailing blank is no other status"),
        pytest.param(FaultKind.EVSE_REMOVED, 12, id="removed EVSEs are seen"),
        pytest.param(FaultKind.POWER_MISSING, 18, id="connectors without any power are told"),
        pytest.param(FaultKind.NUMBER_AS_TEXT, 39, id="voltages as text, but for that of a removed EVSE"),
        pytest.param(FaultKind.OPENING_TIMES_MISSING, LOCATIONS - 115, id="three of ten have opening times"),
    ],
)
def test_each_fault_is_noted_as_often_as_it_is_there(kind: FaultKind, count: int) -> None:
    assert counted()[kind] == count


def test_evse_ids_are_judged_on_every_evse_that_is_left() -> None:
    ids = [evse.get("evse_id") for evse in evses() if evse["status"] != "REMOVED"]
    assert counted()[FaultKind.EVSE_ID_MISSING] == ids.count(None)
    assert counted()[FaultKind.EVSE_ID_FORM] == sum(one is not None and not EMI3.fullmatch(one) for one in ids)


def test_all_but_what_has_no_coordinates_is_published() -> None:
    hidden = [one.hidden for one in readings() if one.location is None]
    assert hidden == [Hidden.UNFIT] * 3


def test_what_is_published_lies_where_its_town_is() -> None:
    towns = {
        "Utrecht": 52.09,
        "Kassel": 51.31,
        "Dijon": 47.32,
        "Gent": 51.05,
        "Graz": 47.07,
        "Tampere": 61.5,
        "Bristol": 51.45,
    }
    shown = [one.location for one in readings() if one.location]
    assert max(abs(one.latitude - towns[one.city]) for one in shown) < 0.05
    assert {one.country for one in shown} == {"NLD", "DEU", "FRA", "BEL", "AUT", "FIN", "GBR"}


def test_its_score_says_what_is_wrong_with_it() -> None:
    score = score_of(summary for one in readings() if (summary := summary_of(one)))
    assert score is not None
    checks = {share.name: (share.good, share.of) for share in score.checks}
    items = {share.name: share.good for share in score.items}
    assert (score.published.good, score.published.of) == (381, 384)
    assert (checks["COORDINATES"], checks["COUNTRY"]) == ((384 - 132 - 66 - 3, 384), (384 - 119, 384))
    assert (checks["STATUS"], checks["POWER"]) == ((748 - 10, 748), (748 - 18, 748))
    assert checks["MOMENTS"] == (384, 384)  # OCPI allows time stamps without Z
    assert (items["OPENING_TIMES"], items["ENERGY_MIX"]) == (115, 11)
    assert 50 < score.score < 75

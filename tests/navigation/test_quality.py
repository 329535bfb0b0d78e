"""How good what a CPO says is: what is counted, and that it can be kept and added up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.navigation.faults import RULES, FaultKind, Grade
from hub.navigation.quality import (
    CHECKS,
    Check,
    Item,
    Score,
    Summary,
    decode_summary,
    encode_summary,
    score_of,
    summary_of,
)
from tests.navigation.dirt import clean, gate
from tests.navigation.test_dirty import some, spoilt
from tests.settlement.cases import ABSENT

FULL = {
    "operator": {"name": "Volt"},
    "energy_mix": {"is_green_energy": True},
    **{
        f"evses__{index}__{name}": value
        for index in (0, 1)
        for name, value in {"capabilities": ["RFID_READER"], "parking_restrictions": ["EV_ONLY"]}.items()
    },
}


def summary(**changes: Any) -> Summary:
    found = summary_of(gate(clean(**changes)))
    assert found is not None
    return found


def score(*summaries: Summary) -> Score:
    found = score_of(summaries)
    assert found is not None
    return found


def shares(of: Score) -> dict[str, tuple[int, int]]:
    return {share.name: (share.good, share.of) for share in of.checks}


def test_a_location_that_says_everything_rightly_has_the_full_score() -> None:
    whole = score(summary(**FULL))
    assert (whole.score, whole.correctness, whole.completeness, whole.faults) == (100.0, 1.0, 1.0, {})


@pytest.mark.parametrize(
    ("changes", "check", "good", "of"),
    [
        pytest.param({"coordinates__latitude": 52.5}, Check.COORDINATES, 0, 1, id="a coordinate as number"),
        pytest.param({"country": "DE"}, Check.COUNTRY, 0, 1, id="a country in two letters"),
        pytest.param({"time_zone": ABSENT}, Check.TIME_ZONE, 0, 1, id="no time zone"),
        pytest.param({"city": ""}, Check.ADDRESS, 0, 1, id="no city"),
        pytest.param({"party_id": "X"}, Check.IDENTITY, 0, 1, id="another owner"),
        pytest.param({"opening_times": "always"}, Check.OPENING_TIMES, 0, 1, id="opening times that nobody can read"),
        pytest.param({"opening_times": ABSENT}, Check.OPENING_TIMES, 1, 1, id="no opening times: they are optional"),
        pytest.param({"evses__0__status": "CHARGING "}, Check.STATUS, 1, 2, id="a trailing blank"),
        pytest.param({"evses__0__evse_id": "CP7"}, Check.EVSE_IDS, 1, 2, id="an id that is not of eMI3"),
        pytest.param({"evses__0__evse_id": ABSENT}, Check.EVSE_IDS, 2, 2, id="no id: it is optional"),
        pytest.param({"evses__0__status": "REMOVED"}, Check.STATUS, 1, 1, id="a removed EVSE counts for nothing"),
        pytest.param({"evses__0__uid": ""}, Check.PARTS, 1, 2, id="an EVSE without uid"),
        pytest.param({"evses__0__connectors__0__standard": ""}, Check.CONNECTORS, 1, 2, id="a connector of no kind"),
        pytest.param({"evses__0__connectors__0__max_electric_power": 22}, Check.POWER, 1, 2, id="kW for W"),
        pytest.param(
            {"evses__0__connectors__0__max_electric_power": ABSENT}, Check.POWER, 2, 2, id="a computed power is allowed"
        ),
        pytest.param({"evses__0__last_updated": "today"}, Check.MOMENTS, 0, 1, id="a time stamp of a part"),
        pytest.param({"last_updated": "2026-08-01T00:00:00"}, Check.MOMENTS, 1, 1, id="OCPI allows no Z (Y-01)"),
        pytest.param({"name": "a\nb"}, Check.FORM, 0, 1, id="a line break"),
    ],
)
def test_what_is_wrong_lowers_its_check_by_the_parts_that_have_it(
    changes: Any, check: Check, good: int, of: int
) -> None:
    whole = shares(score(summary(**changes)))
    assert whole[check.value] == (good, of)


@pytest.mark.parametrize(
    ("changes", "item", "good"),
    [
        pytest.param({"operator": None}, Item.OPERATOR, 0, id="nobody says who runs it"),
        pytest.param({"postal_code": ABSENT}, Item.POSTAL_CODE, 0, id="no postal code"),
        pytest.param({"opening_times": ABSENT}, Item.OPENING_TIMES, 0, id="no opening times"),
        pytest.param({"energy_mix": None}, Item.ENERGY_MIX, 0, id="no energy mix"),
        pytest.param({"evses__0__evse_id": ABSENT}, Item.EVSE_ID, 1, id="no id on one of two"),
        pytest.param({"evses__0__status": "UNKNOWN"}, Item.STATUS, 1, id="one of two is unknown"),
        pytest.param(
            {"evses__0__capabilities": None}, Item.PAYMENT_AND_IDENTIFICATION, 1, id="how to pay at one of two"
        ),
        pytest.param(
            {"evses__0__parking_restrictions": []}, Item.PARKING_RESTRICTIONS, 1, id="who may park at one of two"
        ),
        pytest.param(
            {"evses__0__connectors__0__max_electric_power": ABSENT}, Item.POWER, 1, id="a computed power is not stated"
        ),
        pytest.param({"evses__0__connectors__0__tariff_ids": ABSENT}, Item.TARIFF, 1, id="no tariff at one of two"),
    ],
)
def test_what_is_missing_lowers_its_item(changes: Any, item: Item, good: int) -> None:
    whole = score(summary(**{**FULL, **changes}))
    assert {share.name: share.good for share in whole.items if share.share < 1} == {item.value: good}
    assert whole.completeness < 1.0


def test_what_cannot_be_published_lowers_all() -> None:
    whole = score(summary(**FULL), summary(**{**FULL, "coordinates": ABSENT}))
    assert (whole.published.good, whole.published.of) == (1, 2)
    assert whole.completeness == 1.0
    assert whole.score == round(100 * 0.5 * (whole.correctness + 1.0) / 2, 1)


def test_faults_are_counted_once_for_each_part() -> None:
    one = summary(evses__0__connectors__0__max_voltage="230", evses__0__connectors__0__max_amperage="32")
    assert (one.faults, one.failed) == ({"NUMBER_AS_TEXT": 1}, {"FORM": 1})


def test_nothing_has_no_score() -> None:
    assert score_of([]) is None


def test_every_fault_that_lowers_a_score_belongs_to_a_check() -> None:
    checked = {kind for _, kinds in CHECKS.values() for kind in kinds}
    missing = {kind for kind, rule in RULES.items() if not rule.is_allowed and kind not in checked}
    # what it stands for is told by the faults of the parts
    assert missing == {FaultKind.EVSES_MISSING}
    assert FaultKind.EVSES_MISSING.grade is Grade.UNFIT


def test_a_fault_of_a_later_version_is_counted_by_its_name() -> None:
    odd = Summary(True, (1, 1, 1), (1, 1, 1), {"SOMETHING_NEW": 1}, {"SOMETHING_ELSE": 1}, {})
    assert score(odd).faults == {"SOMETHING_NEW": 1}


@some
@given(st.lists(spoilt(), min_size=1, max_size=3))
def test_whatever_is_sent_the_parts_add_up(contents: list[Any]) -> None:
    found = [one for content in contents if (one := summary_of(gate(content))) is not None]
    assert [decode_summary(encode_summary(one)) for one in found] == found
    whole = score_of(found)
    if whole is not None:
        assert 0 <= whole.score <= 100
        assert all(0 <= share.good <= share.of for share in (*whole.checks, *whole.items, whole.published))

"""What PUT and PATCH do to an object: L-08 to L-14, SE-06, SE-07, X-30, X-31, X-54."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_modules.catalog import MODULES
from ocpi_modules.patch import find_part, is_older, merge_patch, put_part

Object = dict[str, Any]

LOCATIONS, SESSIONS = MODULES["locations"], MODULES["sessions"]
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"


def location() -> Object:
    """Two EVSEs, the first with two connectors, everything of the early date."""
    return {
        "id": "L1",
        "name": "Springweg",
        "facilities": ["MUSEUM", "HOTEL"],
        "evses": [
            {
                "uid": "E1",
                "status": "AVAILABLE",
                "physical_reference": "7",
                "connectors": [
                    {"id": "1", "max_amperage": 16, "last_updated": EARLY},
                    {"id": "2", "max_amperage": 32, "last_updated": EARLY},
                ],
                "last_updated": EARLY,
            },
            {
                "uid": "E2",
                "status": "CHARGING",
                "connectors": [{"id": "1", "last_updated": EARLY}],
                "last_updated": EARLY,
            },
        ],
        "last_updated": EARLY,
    }


def part(whole: Object, *ids: str) -> Object:
    found = find_part(LOCATIONS, whole, ids)
    assert found is not None
    return found


# --- finding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "found"),
    [
        pytest.param((), "L1", id="the object itself"),
        pytest.param(("E2",), "E2", id="an EVSE"),
        pytest.param(("e1", "2"), "2", id="Y-04 in whatever case"),
    ],
)
def test_a_part_is_found_by_its_ids(ids: tuple[str, ...], found: str) -> None:
    stood = part(location(), *ids)
    assert stood.get("uid", stood.get("id")) == found


@pytest.mark.parametrize("ids", [("E9",), ("E1", "9"), ("E9", "1")])
def test_a_part_that_is_not_there_is_not_found(ids: tuple[str, ...]) -> None:
    """L-13."""
    assert find_part(LOCATIONS, location(), ids) is None


# --- PUT of a part ----------------------------------------------------------------------------------


def test_putting_an_evse_replaces_that_one_alone_and_wholly() -> None:
    """L-08, L-09."""
    before = location()
    after = put_part(LOCATIONS, before, ("E1",), {"uid": "E1", "status": "BLOCKED", "last_updated": LATE})
    assert part(after, "E1") == {"uid": "E1", "status": "BLOCKED", "last_updated": LATE}
    assert part(after, "E2") == part(before, "E2")
    assert [evse["uid"] for evse in after["evses"]] == ["E1", "E2"]


def test_putting_a_new_connector_adds_it() -> None:
    """L-09."""
    after = put_part(LOCATIONS, location(), ("E1", "3"), {"id": "3", "last_updated": LATE})
    assert [connector["id"] for connector in part(after, "E1")["connectors"]] == ["1", "2", "3"]


def test_putting_the_first_evse_of_a_location_that_has_none() -> None:
    """X-53."""
    bare = {"id": "L1", "last_updated": EARLY}
    after = put_part(LOCATIONS, bare, ("E1",), {"uid": "E1", "last_updated": LATE})
    assert after == {"id": "L1", "evses": [{"uid": "E1", "last_updated": LATE}], "last_updated": LATE}


# --- parents follow their children ------------------------------------------------------------------


@pytest.mark.parametrize("change", [put_part, merge_patch], ids=["PUT", "PATCH"])
def test_a_newer_connector_dates_its_evse_and_location_and_nobody_else(change: Callable[..., Object]) -> None:
    """L-10."""
    after = change(LOCATIONS, location(), ("E1", "1"), {"id": "1", "last_updated": LATE})
    dates = [after, part(after, "E1"), part(after, "E1", "1")]
    assert [stood["last_updated"] for stood in dates] == [LATE, LATE, LATE]
    assert part(after, "E1", "2")["last_updated"] == EARLY
    assert part(after, "E2")["last_updated"] == EARLY


def test_an_older_child_never_moves_its_parents_backwards() -> None:
    """X-54."""
    whole = {**location(), "last_updated": LATE}
    after = put_part(LOCATIONS, whole, ("E1",), {"uid": "E1", "last_updated": EARLY})
    assert (after["last_updated"], part(after, "E1")["last_updated"]) == (LATE, EARLY)


def test_a_parent_takes_the_very_text_of_the_owner() -> None:
    """R-11, X-54: the same moment in other digits stays as it was sent."""
    after = put_part(LOCATIONS, location(), ("E1",), {"uid": "E1", "last_updated": "2026-06-01T00:00:00.50"})
    assert after["last_updated"] == "2026-06-01T00:00:00.50"


# --- PATCH ------------------------------------------------------------------------------------------


def test_a_patch_changes_only_the_fields_it_names() -> None:
    """L-12."""
    after = merge_patch(LOCATIONS, location(), (), {"name": "Station", "last_updated": LATE})
    assert after == {**location(), "name": "Station", "last_updated": LATE}


def test_a_patch_of_an_evse_leaves_its_other_fields() -> None:
    """L-12, L-15: a removed EVSE stays where it was."""
    after = merge_patch(LOCATIONS, location(), ("E1",), {"status": "REMOVED", "last_updated": LATE})
    assert part(after, "E1") == {**part(location(), "E1"), "status": "REMOVED", "last_updated": LATE}


def test_a_list_of_plain_values_is_replaced_whole() -> None:
    """X-30."""
    after = merge_patch(LOCATIONS, location(), (), {"facilities": ["CAFE"], "last_updated": LATE})
    assert after["facilities"] == ["CAFE"]


def test_null_takes_an_optional_field_away() -> None:
    """X-30."""
    after = merge_patch(LOCATIONS, location(), (), {"name": None, "last_updated": LATE})
    assert "name" not in after


def test_evses_in_a_patch_of_the_location_are_merged_by_uid() -> None:
    """X-30."""
    fields = {"evses": [{"uid": "e1", "status": "BLOCKED"}, {"uid": "E3", "last_updated": LATE}], "last_updated": LATE}
    after = merge_patch(LOCATIONS, location(), (), fields)
    assert part(after, "E1")["status"] == "BLOCKED"
    assert part(after, "E1")["connectors"] == part(location(), "E1")["connectors"]
    assert part(after, "E2") == part(location(), "E2")
    assert part(after, "E3") == {"uid": "E3", "last_updated": LATE}


@pytest.mark.parametrize("none", [None, []], ids=["null", "empty"])
def test_no_evses_in_a_patch_means_no_change_to_them(none: Any) -> None:
    """X-30, Y-08: an EVSE never vanishes."""
    after = merge_patch(LOCATIONS, location(), (), {"evses": none, "last_updated": LATE})
    assert after["evses"] == location()["evses"]


@pytest.mark.parametrize(
    ("pushed", "left"),
    [
        pytest.param({"charging_periods": [{"n": 3}]}, [{"n": 1}, {"n": 2}, {"n": 3}], id="appended"),
        pytest.param({"charging_periods": []}, [{"n": 1}, {"n": 2}], id="an empty list leaves them"),
        pytest.param({"charging_periods": None}, [{"n": 1}, {"n": 2}], id="Y-08 null is an empty list"),
        pytest.param({}, [{"n": 1}, {"n": 2}], id="not named"),
    ],
)
def test_charging_periods_of_a_session_are_appended(pushed: Object, left: list[Object]) -> None:
    """SE-07."""
    session = {"id": "1", "kwh": 1, "charging_periods": [{"n": 1}, {"n": 2}], "last_updated": EARLY}
    after = merge_patch(SESSIONS, session, (), {**pushed, "last_updated": LATE})
    assert after == {**session, "charging_periods": left, "last_updated": LATE}


def test_the_first_charging_period_of_a_session() -> None:
    after = merge_patch(SESSIONS, {"id": "1", "last_updated": EARLY}, (), {"charging_periods": [{"n": 1}]})
    assert after["charging_periods"] == [{"n": 1}]


def test_only_the_session_itself_appends() -> None:
    """X-30: a list of the same name elsewhere is an ordinary list."""
    after = merge_patch(LOCATIONS, {"charging_periods": [1], "last_updated": EARLY}, (), {"charging_periods": [2]})
    assert after["charging_periods"] == [2]


# --- older and newer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pushed", "is_it_older"),
    [
        pytest.param("2025-12-31T23:59:59Z", True, id="a second before"),
        pytest.param("2025-12-31T23:59:59.999Z", True, id="a millisecond before"),
        pytest.param("2026-01-01T00:00:00Z", False, id="X-31 equal is not older"),
        pytest.param("2026-01-01T00:00:00.000", False, id="Y-01 equal in another form"),
        pytest.param("2026-01-01T00:00:01Z", False, id="newer"),
    ],
)
def test_age_is_judged_by_the_owner_s_last_updated(pushed: str, is_it_older: bool) -> None:
    assert is_older({"last_updated": pushed}, {"last_updated": EARLY}) is is_it_older


# --- properties -------------------------------------------------------------------------------------


def name_of(child: Any) -> str:
    """The id of an EVSE or connector."""
    return str(child.get("uid") or child["id"])


DATES = st.integers(1, 28).map(lambda day: f"2026-02-{day:02}T00:00:00Z")
CONNECTORS: st.SearchStrategy[Object] = st.fixed_dictionaries({"id": st.sampled_from("123"), "last_updated": DATES})
EVSES: st.SearchStrategy[Object] = st.fixed_dictionaries(
    {
        "uid": st.sampled_from(["E1", "e2", "E3", "E4"]),
        "connectors": st.lists(CONNECTORS, min_size=1, max_size=3, unique_by=name_of),
        "last_updated": DATES,
    }
)
LOCATION_OBJECTS = st.fixed_dictionaries(
    {"id": st.just("L1"), "evses": st.lists(EVSES, max_size=4, unique_by=name_of), "last_updated": DATES}
)
PATCHED_CONNECTORS = st.lists(CONNECTORS, max_size=3, unique_by=name_of)
EVSE_PATCHES: st.SearchStrategy[Object] = st.fixed_dictionaries(
    {"uid": st.sampled_from(["E1", "E2", "e3", "E5"])},
    optional={"status": st.just("REMOVED"), "connectors": PATCHED_CONNECTORS, "last_updated": DATES},
)
LOCATION_PATCHES = st.fixed_dictionaries(
    {"last_updated": DATES},
    optional={
        "evses": st.none() | st.lists(EVSE_PATCHES, max_size=4, unique_by=name_of),
        "name": st.none() | st.text(max_size=3),
    },
)


def ids_of(whole: Object) -> set[str]:
    """Every EVSE and connector, by folded ids."""
    evses = {evse["uid"].upper(): evse for evse in whole.get("evses") or []}
    connectors = {f"{uid}/{c['id']}" for uid, evse in evses.items() for c in evse.get("connectors") or []}
    return set(evses) | connectors


@given(LOCATION_OBJECTS, LOCATION_PATCHES)
def test_no_patch_ever_loses_an_evse_or_a_connector(whole: Object, fields: Object) -> None:
    """X-30, L-12."""
    untouched = deepcopy((whole, fields))
    after = merge_patch(LOCATIONS, whole, (), fields)
    assert ids_of(after) >= ids_of(whole)
    assert len(after["evses"]) == len({evse["uid"].upper() for evse in after["evses"]})
    assert after["last_updated"] == max(whole["last_updated"], fields["last_updated"])
    assert (whole, fields) == untouched, "nothing is written into the arguments"


@given(
    LOCATION_OBJECTS.filter(lambda whole: whole["evses"]), DATES, st.data(), st.sampled_from([put_part, merge_patch])
)
def test_the_parents_of_a_changed_connector_have_the_newest_date_on_its_way(
    whole: Object, date: str, data: st.DataObject, change: Callable[..., Object]
) -> None:
    """L-10, X-54."""
    evse = data.draw(st.sampled_from(whole["evses"]))
    connector = data.draw(st.sampled_from(evse["connectors"]))
    ids = (evse["uid"], connector["id"])
    after = change(LOCATIONS, whole, ids, {"id": connector["id"], "last_updated": date})
    newest = date if change is put_part else max(date, connector["last_updated"])
    assert part(after, *ids)["last_updated"] == newest
    assert part(after, ids[0])["last_updated"] == max(evse["last_updated"], newest)
    assert after["last_updated"] == max(whole["last_updated"], newest)
    others = [e for e in after["evses"] if e["uid"] != evse["uid"]]
    assert others == [e for e in whole["evses"] if e["uid"] != evse["uid"]]


@given(LOCATION_OBJECTS, LOCATION_PATCHES)
def test_the_same_patch_twice_changes_nothing_more(whole: Object, fields: Object) -> None:
    """X-31: equal is accepted, so it has to be harmless."""
    once = merge_patch(LOCATIONS, whole, (), fields)
    assert merge_patch(LOCATIONS, once, (), fields) == once

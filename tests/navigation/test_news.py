"""What changed between two states of a Location, its versions (N8), and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.navigation.location import PublicLocation, Source
from hub.navigation.news import (
    NO_DIFFERENCE,
    Difference,
    EventKind,
    Numbers,
    Step,
    decode_event,
    encode_event,
    event_of,
    numbers_of,
    step,
    what_changed,
)
from hub.store.publicplaces import Standing
from ocpi_modules.locations import Status
from tests.navigation.dirt import HEARD, SAID, clean, gate, shown
from tests.navigation.test_dirty import some

LATER = HEARD + timedelta(hours=1)
FIRST = Numbers(7)


def before() -> PublicLocation:
    """The first public state of the usual Location, number 7."""
    location = step(FIRST, None, shown(clean())).location
    assert location is not None
    return location


def heard_again(location: PublicLocation) -> PublicLocation:
    evses = tuple(replace(evse, heard_at=LATER) for evse in location.evses)
    return replace(location, heard_at=LATER, evses=evses)


def silent(location: PublicLocation) -> PublicLocation:
    found = gate(clean(), Standing(True, SAID)).location
    assert found is not None
    return found


def kinds_of(difference: Difference) -> set[str]:
    names = ("is_new", "is_gone", "is_static", "is_status", "is_provenance")
    return {name for name in names if getattr(difference, name)}


@pytest.mark.parametrize(
    ("changes", "kinds", "evses"),
    [
        pytest.param({}, set(), [], id="nothing"),
        pytest.param({"name": "Neue Mühle"}, {"is_static"}, [], id="a name"),
        pytest.param({"evses__0__connectors__0__max_amperage": 16}, {"is_static"}, [], id="something of a connector"),
        pytest.param({"evses__0__status": "CHARGING"}, {"is_status"}, ["E1"], id="a status"),
        pytest.param(
            {"evses__0__status": "CHARGING", "name": "N"}, {"is_static", "is_status"}, ["E1"], id="a status and a name"
        ),
        pytest.param(
            {"evses__0__last_updated": "2026-08-01T00:00:00Z"}, {"is_provenance"}, [], id="only when it was said"
        ),
        pytest.param(
            {"last_updated": "2026-08-01T00:00:00Z"}, {"is_provenance"}, [], id="only the Location's time stamp"
        ),
        pytest.param({"evses__1__status": "REMOVED"}, {"is_static", "is_status"}, [], id="an EVSE is gone"),
        pytest.param({"evses__1__uid": "E3"}, {"is_static", "is_status"}, ["E3"], id="an EVSE is gone and one is new"),
    ],
)
def test_what_changed(changes: Any, kinds: set[str], evses: list[str]) -> None:
    difference = what_changed(shown(clean()), shown(clean(**changes)))
    assert (kinds_of(difference), [evse.uid for evse in difference.evses]) == (kinds, evses)
    assert difference.is_any == bool(kinds)
    assert difference.is_news == bool(kinds - {"is_provenance"})


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        pytest.param(heard_again, set(), id="the same, heard again"),
        pytest.param(
            lambda one: replace(one, source=Source.PULL), {"is_provenance"}, id="the same from another source"
        ),
        pytest.param(silent, {"is_status"}, id="its source falls silent"),
        pytest.param(lambda one: None, {"is_gone"}, id="not public any more"),
    ],
)
def test_what_changed_by_itself(change: Callable[[PublicLocation], PublicLocation | None], kinds: set[str]) -> None:
    assert kinds_of(what_changed(before(), change(before()))) == kinds


def test_silence_is_told_also_where_every_status_was_unknown_before() -> None:
    content = clean(evses__0__status="UNKNOWN", evses__1__status="UNKNOWN")
    now = gate(content, Standing(True, SAID)).location
    difference = what_changed(shown(content), now)
    assert (kinds_of(difference), difference.evses) == ({"is_status"}, ())


def test_what_was_never_public_is_no_change() -> None:
    assert what_changed(None, None) == NO_DIFFERENCE
    assert step(FIRST, None, None) == Step(None, NO_DIFFERENCE)


def test_versions_grow_with_what_changes_and_with_nothing_else() -> None:
    state, versions = before(), []
    for changes in ({}, {"name": "N"}, {"evses__0__status": "CHARGING"}, {"last_updated": "2026-08-01T00:00:00Z"}, {}):
        following = step(numbers_of(state), state, shown(clean(**changes))).location
        assert following is not None
        state = following
        versions.append((state.static_version, state.status_version))
    assert versions == [(1, 1), (2, 1), (3, 2), (3, 3), (3, 3)]
    assert state.number == 7


def test_what_comes_back_goes_on_counting() -> None:
    """N8: a version is never used twice."""
    gone = step(numbers_of(before()), before(), None)
    assert gone.location is None
    back = step(Numbers(7, 1, 1), None, shown(clean(name="N"))).location
    assert back is not None
    assert numbers_of(back) == Numbers(7, 2, 2)


def test_what_says_the_same_stays_the_state_it_is() -> None:
    state = before()
    assert step(numbers_of(state), state, heard_again(state)) == Step(state, NO_DIFFERENCE)


def test_it_stays_when_an_evse_was_heard_to_say_what_it_still_says() -> None:
    now = heard_again(shown(clean(evses__0__status="CHARGING")))
    following = step(numbers_of(before()), before(), now).location
    assert following is not None
    assert [evse.heard_at for evse in following.evses] == [LATER, HEARD]


def test_an_event_tells_what_changed_and_where() -> None:
    state = before()
    after = step(numbers_of(state), state, shown(clean(evses__0__status="CHARGING")))
    event = event_of(state, after)
    assert event is not None
    assert (event.kind, event.location, event.number) == (EventKind.UPSERT, "DE/ABC/LOC1", 7)
    assert (event.coordinates, event.available, event.total) == ((13.383068, 52.530644), 1, 2)
    assert [(one.uid, one.status, one.said, one.evse_id) for one in event.evses] == [
        ("E1", Status.CHARGING, Status.CHARGING, "DE*ABC*E1")
    ]
    assert (event.is_static, event.status_version, event.is_reachable) == (False, 2, True)
    assert decode_event(encode_event(event)) == event


def test_of_what_is_gone_only_its_name_is_told() -> None:
    state = before()
    event = event_of(state, step(numbers_of(state), state, None))
    assert encode_event(event) == b'{"kind":"gone","location":"DE/ABC/LOC1","number":7}'


def test_of_a_time_stamp_alone_nothing_is_told() -> None:
    state = before()
    after = step(numbers_of(state), state, shown(clean(last_updated="2026-08-01T00:00:00Z")))
    assert after.difference.is_any
    assert event_of(state, after) is None


STATES = st.lists(
    st.none()
    | st.builds(
        lambda name, status, other: shown(clean(name=name, evses__0__status=status, evses__1__status=other)),
        st.sampled_from(["A", "B"]),
        st.sampled_from(["AVAILABLE", "CHARGING"]),
        st.sampled_from(["AVAILABLE", "REMOVED"]),
    ),
    max_size=6,
)


@some
@given(STATES)
def test_whoever_follows_the_events_knows_every_status(states: list[PublicLocation | None]) -> None:
    """N-T3 for one Location: the events folded are the state, and no version stands for two contents."""
    numbers, state, known = FIRST, None, dict[str, Status]()
    seen = dict[int, Any]()
    for now in states:
        after = step(numbers, state, now)
        event = event_of(state, after)
        state = after.location
        if event is not None:
            known = {} if event.kind is EventKind.GONE or after.difference.is_new else known
            known = {uid: status for uid, status in known.items() if uid not in event.removed}
            known |= {one.uid: one.status for one in event.evses}
        assert known == ({evse.uid: evse.status for evse in state.evses} if state else {})
        if state is not None:
            numbers = numbers_of(state)
            content = (state.name, [evse.uid for evse in state.evses])
            assert seen.setdefault(state.static_version, content) == content

"""The gate: what is for everybody, and that nothing else leaves a trace (L-24, X-49; mod_locations, "Location Object")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.navigation.location import Source
from hub.navigation.public import Hidden, Reading, read_public
from hub.navigation.quality import summary_of
from hub.store.publicplaces import Standing
from ocpi_modules.locations import Status
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json
from tests.navigation.dirt import HEARD, MEMBER, SAID, clean, gate, kept
from tests.navigation.test_dirty import JSON, some
from tests.settlement.cases import ABSENT

TOKEN = {"uid": "1", "type": "RFID"}


def test_what_its_owner_publishes_is_public() -> None:
    reading = gate(clean())
    assert reading.location is not None
    assert (reading.hidden, reading.is_private, reading.location.ref) == (None, False, "DE/ABC/LOC1")
    assert (reading.evses, reading.connectors) == (2, 2)


@pytest.mark.parametrize(
    "publish",
    [
        pytest.param(False, id="false"),
        pytest.param(ABSENT, id="missing: silence is no permission"),
        pytest.param(None, id="null"),
        pytest.param("true", id="the text true is not true"),
        pytest.param(1, id="1 is not true"),
        pytest.param([True], id="a list is not true"),
    ],
)
def test_only_true_publishes(publish: Any) -> None:
    assert gate(clean(publish=publish)) == Reading(None, Hidden.NOT_PUBLISHED)


@pytest.mark.parametrize(
    ("allowed", "hidden"),
    [
        pytest.param([TOKEN], Hidden.FOR_SOME, id="a token"),
        pytest.param({}, Hidden.FOR_SOME, id="an object instead of a list"),
        pytest.param("nobody", Hidden.FOR_SOME, id="text"),
        pytest.param(False, Hidden.FOR_SOME, id="false"),
        pytest.param([], None, id="an empty list is no list (Y-08)"),
        pytest.param(None, None, id="null is no list (Y-08)"),
    ],
)
def test_whoever_names_readers_wants_no_others(allowed: Any, hidden: Hidden | None) -> None:
    """L-17: with publish it makes no sense; the narrower word counts."""
    reading = gate(clean(publish_allowed_to=allowed))
    assert (reading.hidden, reading.location is None) == (hidden, hidden is not None)


@pytest.mark.parametrize(
    ("content", "changes", "hidden"),
    [
        pytest.param(clean(), {"audience": "NL/MSP"}, Hidden.FOR_ONE, id="sent to one party"),
        pytest.param(clean(publish=False), {}, Hidden.NOT_PUBLISHED, id="not published"),
        pytest.param(clean(publish_allowed_to=[TOKEN]), {}, Hidden.FOR_SOME, id="for some tokens"),
        pytest.param(b"\xff{", {}, Hidden.NOT_PUBLISHED, id="what cannot be read does not say that it is public"),
        pytest.param([], {}, Hidden.NOT_PUBLISHED, id="nor does what is no object"),
    ],
)
@pytest.mark.parametrize("standing", [MEMBER, Standing(False), Standing(True, SAID)])
def test_what_is_private_leaves_no_trace(content: Any, changes: Any, hidden: Hidden, standing: Standing) -> None:
    reading = gate(content, standing, **changes)
    assert reading == Reading(None, hidden)
    assert reading.is_private
    assert summary_of(reading) is None


def test_two_private_locations_look_the_same_whatever_is_in_them() -> None:
    assert gate(clean(publish=False)) == gate(clean(publish=False, name="Geheim", evses=[], coordinates=7))


@pytest.mark.parametrize(
    ("standing", "changes", "hidden"),
    [
        pytest.param(Standing(False), {}, Hidden.NOT_A_MEMBER, id="its owner is suspended, or never joined"),
        pytest.param(MEMBER, {"stale_at": HEARD}, Hidden.LEFT_OUT, id="its owner's list does not hold it any more"),
    ],
)
def test_what_nobody_stands_for_is_hidden_but_not_private(standing: Standing, changes: Any, hidden: Hidden) -> None:
    reading = gate(clean(), standing, **changes)
    assert reading == Reading(None, hidden)
    assert not reading.is_private
    assert summary_of(reading) is None


def test_what_is_unfit_is_hidden_and_says_why() -> None:
    reading = gate(clean(coordinates=ABSENT))
    assert (reading.location, reading.hidden, reading.is_private) == (None, Hidden.UNFIT, False)
    assert [fault.path for fault in reading.faults] == ["coordinates"]


def test_what_is_removed_as_a_whole_has_expired_and_counts_for_no_score() -> None:
    reading = gate(clean(evses__0__status="REMOVED", evses__1__status="REMOVED"))
    assert (reading.location, reading.hidden, reading.is_private) == (None, Hidden.EXPIRED, False)
    assert summary_of(reading) is None


@pytest.mark.parametrize(
    ("pushed_at", "source"),
    [pytest.param(HEARD, Source.PUSH, id="pushed"), pytest.param(None, Source.PULL, id="only pulled")],
)
def test_it_says_who_said_it_and_when(pushed_at: Any, source: Source) -> None:
    found = gate(clean(), pushed_at=pushed_at).location
    assert found is not None
    assert (found.source, found.heard_at, found.last_updated) == (source, HEARD, SAID)
    assert {(evse.heard_at, evse.happened_at) for evse in found.evses} == {(HEARD, SAID)}


def test_of_a_silent_source_every_status_is_unknown_and_the_last_word_is_kept() -> None:
    """N2: silence is not staleness."""
    found = gate(clean(evses__0__status="CHARGING"), Standing(True, SAID)).location
    assert found is not None
    assert [evse.status for evse in found.evses] == [Status.UNKNOWN, Status.UNKNOWN]
    assert [evse.said for evse in found.evses] == [Status.CHARGING, Status.AVAILABLE]
    assert (found.is_reachable, found.silent_since) == (False, SAID)


def test_a_source_that_can_be_reached_is_not_silent() -> None:
    found = gate(clean(), Standing(True)).location
    assert found is not None
    assert (found.is_reachable, found.silent_since) == (True, None)


def test_the_owner_is_who_sent_it_whoever_it_names() -> None:
    copy = replace(kept(clean(country_code="NL", party_id="XYZ")), owner=Party("AT", "VSA"))
    found = read_public(copy, MEMBER).location
    assert found is not None
    assert found.ref == "AT/VSA/LOC1"


@some
@given(JSON, st.sampled_from(["", "NL/MSP"]))
def test_nothing_passes_that_is_not_published(publish: Any, audience: str) -> None:
    content = {**clean(), "publish": publish}
    reading = read_public(kept(encode_json(content), audience=audience), MEMBER)
    assert (reading.location is not None) == (publish is True and not audience)


@some
@given(JSON)
def test_no_object_passes_without_the_word_of_its_owner(content: Any) -> None:
    reading = read_public(kept(encode_json(content)), MEMBER)
    assert reading == Reading(None, Hidden.NOT_PUBLISHED)


@some
@given(st.binary(max_size=100), st.sampled_from(["", "NL/MSP"]))
def test_no_bytes_make_the_gate_fall(text: bytes, audience: str) -> None:
    assert read_public(kept(text, audience=audience), MEMBER).location is None

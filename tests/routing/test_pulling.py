"""From when on a partner is asked for what it changed, and what its answer becomes: pure (T-23, X-29, X-55)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.partners.directory import Directory, Presence
from hub.routing.pulling import PULLED, first_page, gap_start, is_there, pulled_message, sync_point, waits_seconds
from hub.store.pulls import PullMode, PullState
from ocpi_modules.catalog import MODULES
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Role
from ocpi_modules.types import encode_json
from tests.routing import CP1, CP2, HUB, MS1, MS2, SINCE, bench, member_of, partner_of

Object = dict[str, Any]

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_what_the_hub_keeps_is_what_it_pulls() -> None:
    assert [module.id for module in PULLED] == ["locations", "sessions", "cdrs", "tariffs", "tokens"]


def test_a_pull_that_fails_is_tried_again_later_and_later_and_not_for_ever() -> None:
    assert waits_seconds() == [0, 60, 120, 240, 480]


# --- from when on -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "pushed_at", "since"),
    [
        pytest.param(PullState(), None, None, id="nothing was ever pulled"),
        pytest.param(PullState(), NOW, None, id="nor does a push say that everything is there"),
        pytest.param(PullState(synced_at=NOW), None, NOW - HOUR, id="X-55 an hour before the last pull"),
        pytest.param(PullState(synced_at=NOW), NOW + HOUR, NOW, id="an hour before the last push"),
        pytest.param(PullState(synced_at=NOW), NOW - 9 * HOUR, NOW - HOUR, id="the later of the two"),
        pytest.param(PullState(synced_at=NOW, is_behind=True), NOW + 9 * HOUR, NOW - HOUR, id="the last pull failed"),
        pytest.param(
            PullState(PullMode.SCHEDULE, synced_at=NOW), NOW + 9 * HOUR, NOW - HOUR, id="its pushes are not relied on"
        ),
    ],
)
def test_it_is_asked_from_the_last_sync_on(
    state: PullState, pushed_at: datetime | None, since: datetime | None
) -> None:
    assert sync_point(state, pushed_at) == since


def offline_since(moment: datetime) -> Directory:
    """The bench while the platform of BE/CP2 and BE/MS2 is away, one of them for longer than the other."""
    away = (
        replace(member_of(CP2, Role.CPO, 2, Presence.OFFLINE), last_updated=moment + HOUR),
        replace(member_of(MS2, Role.EMSP, 2, Presence.OFFLINE), last_updated=moment),
    )
    return replace(bench(), members=(*away, member_of(CP1, Role.CPO, 1)))


@pytest.mark.parametrize(
    ("before", "began_at"),
    [
        pytest.param(offline_since(NOW - 9 * HOUR), NOW - 9 * HOUR, id="it was OFFLINE"),
        pytest.param(Directory(HUB), NOW, id="the hub itself was away, or the partner is new"),
        pytest.param(bench(), NOW, id="it was there all the time"),
    ],
)
def test_a_gap_begins_when_a_partner_is_offline(before: Directory, began_at: datetime) -> None:
    assert gap_start(partner_of(2), before, NOW) == began_at


def test_who_is_connected_is_there() -> None:
    directory = offline_since(SINCE)
    assert is_there(partner_of(1), directory)
    assert not is_there(partner_of(2), directory)
    assert not is_there(replace(partner_of(1), is_joined=False), directory)
    assert not is_there(None, directory)


@pytest.mark.parametrize(
    ("endpoint", "since", "url"),
    [
        pytest.param("https://p/l", None, "https://p/l?limit=100", id="all of it"),
        pytest.param("https://p/l/", NOW, "https://p/l/?date_from=2026-06-01T12:00:00Z&limit=100", id="since then"),
        pytest.param("https://p/l?k=1", None, "https://p/l?k=1&limit=100", id="T-21 a query of its own"),
    ],
)
def test_the_first_page(endpoint: str, since: datetime | None, url: str) -> None:
    assert first_page(endpoint, since) == url


# --- what an object becomes -----------------------------------------------------------------------------------


def of(party: str, **fields: Any) -> bytes:
    country_code, party_id = party.split("/")
    return encode_json({"country_code": country_code, "party_id": party_id, **fields})


def test_an_object_of_a_list_is_the_push_that_its_owner_could_have_sent() -> None:
    text = b'{"country_code":"de", "party_id":"cp1","id" : "A/B 1", "x":1.10}'
    message = pulled_message(MODULES["locations"], text, HUB, "r")
    assert (message.purpose, message.interface) == (Purpose.REPLACE, Interface.RECEIVER)
    assert (message.sender, message.owner, message.receiver, message.object_keys) == (CP1, CP1, HUB, ("A/B 1",))
    assert (message.suffix, message.raw_query, message.body) == ("DE/CP1/A%2FB%201", "", text)


def test_a_cdr_becomes_a_post_and_a_token_names_its_type() -> None:
    cdr = pulled_message(MODULES["cdrs"], of("DE/CP1", id="C1"), HUB, "r")
    assert (cdr.purpose, cdr.owner, cdr.suffix, cdr.object_keys) == (Purpose.ADD, CP1, "", ("C1",))
    token = pulled_message(MODULES["tokens"], of("NL/MS1", uid="U1", type="APP_USER"), HUB, "r")
    assert (token.owner, token.variant, token.raw_query) == (MS1, "APP_USER", "type=APP_USER")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"null", id="null"),
        pytest.param(of("DE/CP1"), id="no id"),
        pytest.param(of("DE/CP1", id=".."), id="a step up"),
        pytest.param(encode_json({"id": "L1", "country_code": "DE"}), id="no owner"),
    ],
)
def test_what_names_no_owner_or_id_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidParameters):
        pulled_message(MODULES["locations"], text, HUB, "r")

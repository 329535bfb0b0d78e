"""Results of commands: the response URL swapped and nothing else (CM-03 to CM-14, CP-02, X-24, X-25)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from hub.routing.callbacks import (
    LIFE_HOURS,
    bare_result,
    expiry,
    require_own_token,
    response_url,
    was_accepted,
    with_response_url,
)
from ocpi_modules.envelope import write_envelope
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.message import Message, Reply
from ocpi_modules.types import decode_json, encode_json
from tests.routing import CP1, MS1, MS2, SC1, message_of

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
OURS = "https://hub.example/ocpi/2.2.1/sender/commands/abc"
THEIRS = "https://m.example/results?request_id=5&y=%2F"
ESCAPED = "https%3A%2F%2Fm.example%2Fresults%3Frequest_id%3D5%26y%3D%252F"


def start(**content: Any) -> Message:
    endpoint = "receiver/commands/START_SESSION"
    return message_of("POST", endpoint, sender=MS1, receiver=CP1, content={"response_url": THEIRS, **content})


def profile(method: str, query: str) -> Message:
    return message_of(method, "receiver/chargingprofiles/1", sender=SC1, receiver=CP1, query=query)


# --- finding and swapping the URL -------------------------------------------------------------------


def test_a_command_says_in_its_body_where_its_result_goes() -> None:
    """CM-03."""
    assert response_url(start()) == THEIRS


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_profile_request_says_so_in_its_query(method: str) -> None:
    """CP-02."""
    assert response_url(profile(method, f"duration=60&response_url={ESCAPED}")) == THEIRS


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(start(response_url=None), id="CM-13 none"),
        pytest.param(start(response_url=7), id="a number"),
        pytest.param(start(response_url=""), id="empty"),
        pytest.param(start(response_url="/results"), id="relative"),
        pytest.param(start(response_url="ftp://m.example/r"), id="another scheme"),
        pytest.param(start(response_url="https://m.example/" + "r" * 255), id="Y-09 too long"),
        pytest.param(profile("GET", "duration=60"), id="CP-08 none in the query"),
        pytest.param(profile("DELETE", "response_url="), id="CP-08 empty in the query"),
    ],
)
def test_without_a_usable_response_url_nothing_is_sent(message: Message) -> None:
    with pytest.raises(InvalidParameters, match="response_url"):
        response_url(message)


def test_in_a_body_only_the_response_url_changes() -> None:
    """CM-03, R-10, Y-07, Y-10."""
    before = start(location_id="L1", x_vendor={"a": 1.25}, token={"uid": "U1"})
    after = with_response_url(before, OURS)
    assert decode_json(after.body) == {**before.content, "response_url": OURS} == after.content
    assert (after.raw_query, after.suffix, after.correlation_id) == ("", "START_SESSION", "c1")


def test_in_a_query_only_the_response_url_changes() -> None:
    """CP-02: percent-encoded, so that it arrives as one value."""
    ours = f"{OURS}?a=1&b=%2F"
    after = with_response_url(profile("GET", f"duration=60&response_url={ESCAPED}&empty=&x=a%20b"), ours)
    assert parse_qsl(after.raw_query, keep_blank_values=True) == [
        ("duration", "60"),
        ("response_url", ours),
        ("empty", ""),
        ("x", "a b"),
    ]
    assert response_url(after) == ours
    assert after.body == b""


def test_in_a_put_the_query_is_left_alone() -> None:
    """CP-02: the body carries it."""
    message = message_of(
        "PUT", "receiver/chargingprofiles/1", sender=SC1, receiver=CP1, content={"response_url": THEIRS}, query="x=1"
    )
    after = with_response_url(message, OURS)
    assert (after.content["response_url"], after.raw_query) == (OURS, "x=1")


# --- the result on its way back ---------------------------------------------------------------------


def result(content: Any) -> Message:
    return message_of("POST", "sender/commands/c-1", sender=CP1, receiver=None, content=content)


def test_a_bare_result_is_passed_on_byte_for_byte() -> None:
    """CM-05."""
    message = result({"result": "ACCEPTED", "message": [{"language": "en", "text": "ok"}], "x": 1.50})
    assert bare_result(message) == message.body


def test_a_result_in_an_envelope_is_taken_out_of_it() -> None:
    """X-25."""
    message = result({"status_code": 1000, "data": {"result": "FAILED", "x": 1}, "timestamp": "2026-01-15T12:00:00Z"})
    assert decode_json(bare_result(message)) == {"result": "FAILED", "x": 1}


@pytest.mark.parametrize("data", [None, [], "ACCEPTED"], ids=["null", "list", "text"])
def test_an_envelope_without_an_object_stays_as_it_is(data: Any) -> None:
    message = result({"status_code": 1000, "data": data, "result": "ACCEPTED"})
    assert bare_result(message) == message.body


@pytest.mark.parametrize(
    ("data", "accepted"),
    [
        pytest.param({"result": "ACCEPTED", "timeout": 30}, True, id="CM-07 accepted"),
        pytest.param([{"result": "ACCEPTED", "timeout": 30}], True, id="in a list, as some write it"),
        pytest.param({"result": "REJECTED", "timeout": 0}, False, id="CM-07 rejected: no result will come"),
        pytest.param({"result": "UNKNOWN_SESSION"}, False, id="CM-17 unknown session"),
        pytest.param({"result": "accepted"}, False, id="Y-06 case counts"),
        pytest.param([], False, id="an empty list"),
        pytest.param("ACCEPTED", False, id="no object"),
        pytest.param(None, False, id="null"),
    ],
)
def test_whether_a_result_may_still_come(data: Any, accepted: bool) -> None:
    assert was_accepted(Reply(raw=write_envelope(NOW, data=encode_json(data)))) is accepted


def test_an_answer_without_a_body_promises_nothing() -> None:
    """X-23."""
    assert not was_accepted(Reply())
    assert not was_accepted(Reply(raw=write_envelope(NOW)))


# --- whose token ------------------------------------------------------------------------------------


def test_a_caller_uses_its_own_tokens() -> None:
    """CM-14."""
    require_own_token(start(token={"country_code": "nl", "party_id": "ms1", "uid": "U1"}))
    with pytest.raises(InvalidParameters, match="BE/MS2"):
        require_own_token(start(token={"country_code": MS2.country_code, "party_id": MS2.party_id}))


@pytest.mark.parametrize("token", [{}, {"country_code": None, "party_id": 7}], ids=["no party", "no texts"])
def test_a_token_of_nobody_is_not_the_caller_s(token: Any) -> None:
    with pytest.raises(InvalidParameters):
        require_own_token(start(token=token))


def test_a_command_without_a_token_needs_none() -> None:
    """CM-13: STOP_SESSION, UNLOCK_CONNECTOR and the profiles."""
    require_own_token(message_of("POST", "receiver/commands/STOP_SESSION", sender=MS1, content={"session_id": "1"}))
    require_own_token(profile("GET", "duration=60"))


# --- how long a callback is good --------------------------------------------------------------------

A_DAY = timedelta(hours=LIFE_HOURS)


@pytest.mark.parametrize(
    ("content", "until"),
    [
        pytest.param({}, NOW + A_DAY, id="a day"),
        pytest.param(None, NOW + A_DAY, id="no body"),
        pytest.param(
            {"expiry_date": "2026-01-20T00:00:00Z"}, datetime(2026, 1, 21, tzinfo=UTC), id="CM-08 a day beyond"
        ),
        pytest.param({"expiry_date": "2020-01-01T00:00:00Z"}, NOW + A_DAY, id="an end in the past"),
        pytest.param({"expiry_date": "tomorrow"}, NOW + A_DAY, id="no date"),
        pytest.param({"expiry_date": 7}, NOW + A_DAY, id="a number"),
        pytest.param({"expiry_date": "9999-12-31T23:59:59Z"}, NOW + A_DAY, id="the end of all days"),
    ],
)
def test_a_callback_lives_a_day_beyond_the_reservation(content: Any, until: datetime) -> None:
    """CM-08, X-24."""
    assert expiry(content, NOW) == until

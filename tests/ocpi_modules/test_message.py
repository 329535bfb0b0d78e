"""What a message says of itself, and what is wrong with it before anybody is asked: L-05, L-07, L-11, L-14, SE-05, TK-03, S-03."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ocpi_modules.errors import InvalidParameters, NotJson, OcpiError, UnknownPath, UnknownToken
from ocpi_modules.message import Message, Reply, decode_body, judge_identity, judge_object, refusal
from ocpi_modules.module import LookFor
from ocpi_modules.parties import Party
from tests.routing import CP1, HUB, MS1, message_of

Object = dict[str, Any]
Example = Callable[..., Object]

AT = "DE/CP1"
WHOLE = f"receiver/locations/{AT}/L1"


def refused(message: Message) -> OcpiError:
    with pytest.raises(OcpiError) as caught:
        judge(message)
    return caught.value


def judge(message: Message) -> None:
    judge_identity(message)
    judge_object(message)


# --- what it says of itself -------------------------------------------------------------------------


def test_an_owned_url_names_the_owner_in_any_case_and_the_object_below() -> None:
    """L-04, Y-04."""
    message = message_of("PUT", "receiver/locations/de/cp1/l1/E1", content={})
    assert (message.owner, message.object_keys, message.depth) == (CP1, ("l1", "E1"), 1)


def test_a_cdr_names_its_owner_in_its_body() -> None:
    """CD-02."""
    content = {"country_code": "de", "party_id": "cp1", "id": "C-1"}
    message = message_of("POST", "receiver/cdrs", content=content)
    assert (message.owner, message.object_keys, message.depth) == (CP1, ("C-1",), 0)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"id": "C-1"}, id="no owner"),
        pytest.param({"id": "C-1", "country_code": "DE", "party_id": 7}, id="a party id that is a number"),
        pytest.param({"id": "C-1", "country_code": "DEU", "party_id": "CP1"}, id="a country of three letters"),
        pytest.param(["DE", "CP1"], id="no object"),
    ],
)
def test_a_body_that_names_no_party_has_no_owner(content: Any) -> None:
    assert message_of("POST", "receiver/cdrs", content=content).owner is None


def test_a_sender_url_names_no_owner() -> None:
    """L-02."""
    message = message_of("GET", "sender/locations/L1/E1", sender=MS1, receiver=CP1)
    assert (message.owner, message.object_keys, message.depth) == (None, ("L1", "E1"), 1)


@pytest.mark.parametrize(
    ("token", "party"),
    [
        pytest.param({"country_code": "nl", "party_id": "ms1"}, MS1, id="X-46 by the token alone"),
        pytest.param({"contract_id": "NL-MS1-1"}, None, id="X-46 never by the contract"),
        pytest.param("NL/MS1", None, id="no object"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_the_emsp_of_a_session_is_the_party_in_its_token(token: Any, party: Party | None) -> None:
    message = message_of("PUT", f"receiver/sessions/{AT}/1", content={"cdr_token": token})
    assert message.token_party == party


@pytest.mark.parametrize(
    ("message", "look"),
    [
        pytest.param(message_of("GET", "sender/locations/L1"), LookFor("locations", "L1"), id="one location"),
        pytest.param(
            message_of("POST", "receiver/commands/START_SESSION", content={"location_id": "L1"}),
            LookFor("locations", "L1"),
            id="a command at a location",
        ),
        pytest.param(
            message_of("POST", "receiver/commands/STOP_SESSION", content={"session_id": "7"}),
            LookFor("sessions", "7"),
            id="a command to a session",
        ),
        pytest.param(
            message_of("POST", "receiver/commands/STOP_SESSION", content={"session_id": 7}), None, id="a number"
        ),
        pytest.param(message_of("POST", "receiver/commands/START_SESSION", content=[]), None, id="no object"),
        pytest.param(
            message_of("PUT", "sender/sessions/7/charging_preferences", content={}),
            LookFor("sessions", "7"),
            id="preferences",
        ),
        pytest.param(
            message_of("DELETE", "receiver/chargingprofiles/7"), LookFor("sessions", "7"), id="a charging profile"
        ),
        pytest.param(
            message_of("POST", "sender/tokens/U1/authorize"), LookFor("tokens", "U1", "RFID"), id="TK-11 RFID"
        ),
        pytest.param(
            message_of("POST", "sender/tokens/U1/authorize", query="type=app_user"),
            LookFor("tokens", "U1", "APP_USER"),
            id="TK-11 another type",
        ),
        pytest.param(message_of("GET", "sender/locations"), None, id="O-02 a list looks for nothing"),
        pytest.param(message_of("PUT", WHOLE, content={}), None, id="a push of shareable data looks for nothing"),
    ],
)
def test_what_tells_where_a_message_without_receiver_goes(message: Message, look: LookFor | None) -> None:
    """O-03."""
    assert message.looks_for == look


def test_the_next_hop_differs_in_parties_and_request_id_alone() -> None:
    """R-02, T-17, T-18."""
    message = message_of("PUT", WHOLE, content={"last_updated": "2026-01-01T00:00:00Z"}, query="x=%20")
    onward = message.readdressed(HUB, MS1, "r2")
    assert (onward.sender, onward.receiver, onward.request_id, onward.correlation_id) == (HUB, MS1, "r2", "c1")
    assert (onward.body, onward.suffix, onward.raw_query) == (message.body, message.suffix, message.raw_query)


# --- ids and owner ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "content"),
    [
        pytest.param(WHOLE, {"country_code": "DE", "party_id": "CP9"}, id="L-05 another party"),
        pytest.param(WHOLE, {"country_code": "NL", "party_id": "CP1"}, id="L-05 another country"),
        pytest.param(WHOLE, {"id": "L2"}, id="L-07 another location"),
        pytest.param(WHOLE, {"id": None}, id="L-07 null is another id"),
        pytest.param(WHOLE, {"id": 1}, id="L-07 a number is another id"),
        pytest.param(f"{WHOLE}/E1", {"uid": "E2"}, id="L-07 another EVSE"),
        pytest.param(f"{WHOLE}/E1/1", {"id": "2"}, id="L-07 another connector"),
        pytest.param(f"receiver/sessions/{AT}/1", {"party_id": "CP2"}, id="SE-05 another party"),
        pytest.param(f"receiver/sessions/{AT}/1", {"id": "2"}, id="SE-05 another session"),
        pytest.param(f"receiver/tariffs/{AT}/T1", {"id": "T2"}, id="TF-01 another tariff"),
        pytest.param("receiver/tokens/NL/MS1/U1", {"uid": "U2"}, id="TK-03 another token"),
        pytest.param("receiver/tokens/NL/MS1/U1", {"party_id": "MS2"}, id="TK-03 another eMSP"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_body_and_url_have_to_agree(method: str, endpoint: str, content: Object) -> None:
    """L-14 for PATCH: ids and owner never change."""
    if method == "PATCH" and "tariffs" in endpoint:
        method = "PUT"
    error = refused(message_of(method, endpoint, content=content))
    assert (type(error), error.http_status, error.status_code) == (InvalidParameters, 200, 2001)


def test_a_type_in_the_query_has_to_be_the_one_in_the_body() -> None:
    """TK-03, X-48."""
    content = {"uid": "U1", "type": "RFID"}
    assert (
        refused(message_of("PUT", "receiver/tokens/NL/MS1/U1", content=content, query="type=APP_USER")).status_code
        == 2001
    )
    judge_identity(message_of("PUT", "receiver/tokens/NL/MS1/U1", content=content, query="type=rfid"))
    judge_identity(message_of("PUT", "receiver/tokens/NL/MS1/U1", content=content))


def test_case_makes_no_difference_between_body_and_url() -> None:
    """Y-04."""
    content = {"country_code": "de", "party_id": "Cp1", "id": "l1"}
    judge_identity(message_of("PUT", WHOLE, content=content))


def test_a_patch_needs_no_ids() -> None:
    judge_identity(message_of("PATCH", WHOLE, content={"name": "x"}))


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("", id="empty"),
        pytest.param("é", id="Y-04 not ASCII"),
        pytest.param("a\x00b", id="a control character"),
        pytest.param("x" * 256, id="too long"),
    ],
)
def test_an_id_in_the_url_is_a_cistring(key: str) -> None:
    """Y-04."""
    assert refused(message_of("GET", f"receiver/locations/{AT}/{key}")).status_code == 2001


@pytest.mark.parametrize("content", [[], "text", 7, None], ids=["array", "text", "number", "null"])
def test_a_body_that_is_no_object_is_the_client_s_fault(content: Any) -> None:
    """T-14."""
    assert refused(message_of("PUT", WHOLE, content=content)).status_code == 2001


def test_an_unknown_command_is_not_found() -> None:
    """CM-01."""
    error = refused(message_of("POST", "receiver/commands/DANCE", content={}))
    assert (type(error), error.http_status) == (UnknownPath, 404)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"country_code": None}, id="no country"),
        pytest.param({"party_id": "CP12"}, id="no party"),
        pytest.param({"id": ""}, id="an empty id"),
        pytest.param({"id": None}, id="no id"),
        pytest.param({"id": 7}, id="an id that is a number"),
        pytest.param({"id": "C\x00"}, id="an id with a control character"),
        pytest.param({"id": "x" * 256}, id="an endless id"),
    ],
)
def test_a_cdr_has_an_owner_and_an_id_wherever_it_goes(changes: Object, example: Example) -> None:
    """CD-08: forwarded ones are kept under these."""
    message = message_of("POST", "receiver/cdrs", receiver=MS1, content=example("cdr", **changes))
    with pytest.raises(InvalidParameters):
        judge_identity(message)


# --- the whole object -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module_id", "id_field"),
    [
        pytest.param("location", "locations", "id", id="location"),
        pytest.param("session", "sessions", "id", id="session"),
        pytest.param("tariff", "tariffs", "id", id="tariff"),
        pytest.param("token", "tokens", "uid", id="token"),
    ],
)
def test_a_good_object_under_its_own_url_is_accepted(
    name: str, module_id: str, id_field: str, example: Example
) -> None:
    content = example(name)
    path = "/".join(content[field] for field in ("country_code", "party_id", id_field))
    message = message_of("PUT", f"receiver/{module_id}/{path}", content=content)
    judge(message)


def test_a_missing_field_is_named(example: Example) -> None:
    """T-14, L-16."""
    content = example("location", country_code="DE", party_id="CP1", id="L1")
    del content["city"]
    error = refused(message_of("PUT", WHOLE, content=content))
    assert (error.http_status, error.status_code) == (200, 2001)
    assert "city" in error.message


@pytest.mark.parametrize(
    "endpoint", [WHOLE, f"{WHOLE}/E1", f"{WHOLE}/E1/1", f"receiver/sessions/{AT}/1", "receiver/tokens/NL/MS1/U1"]
)
@pytest.mark.parametrize("fields", [{}, {"last_updated": None}], ids=["missing", "null"])
def test_a_patch_without_last_updated_is_refused_at_every_depth(endpoint: str, fields: Object) -> None:
    """L-11, SE-08, TK-04, S-03."""
    error = refused(message_of("PATCH", endpoint, content=fields))
    assert error.status_code == 2001
    assert "last_updated" in error.message


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        pytest.param(WHOLE, {"city": None}, id="X-30 null for a required field"),
        pytest.param(WHOLE, {"evses": [{"status": "REMOVED"}]}, id="an EVSE without its uid"),
        pytest.param(f"{WHOLE}/E1", {"status": "available"}, id="Y-06 a value in lower case"),
        pytest.param(f"{WHOLE}/E1", {"connectors": []}, id="Y-08 a required list without items"),
        pytest.param(f"receiver/sessions/{AT}/1", {"kwh": "1.5"}, id="Y-07 a number in quotes"),
    ],
)
def test_the_fields_of_a_patch_are_judged_each_by_itself(endpoint: str, fields: Object) -> None:
    message = message_of("PATCH", endpoint, content={**fields, "last_updated": "2026-01-01T00:00:00Z"})
    assert refused(message).status_code == 2001


def test_a_patch_of_two_fields_is_accepted() -> None:
    """L-12."""
    judge_object(
        message_of("PATCH", f"{WHOLE}/E1", content={"status": "REMOVED", "last_updated": "2026-01-01T00:00:00Z"})
    )


def test_a_nul_character_cannot_be_kept(example: Example) -> None:
    content = example("location", country_code="DE", party_id="CP1", id="L1", x_note="a\x00b")
    assert refused(message_of("PUT", WHOLE, content=content)).status_code == 2001


def test_authorize_may_go_without_a_body() -> None:
    """TK-07."""
    judge_identity(message_of("POST", "sender/tokens/U1/authorize"))
    judge_object(message_of("POST", "sender/tokens/U1/authorize"))


# --- bodies and refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b'{"id":', b"\xff", b"{}x"], ids=["empty", "broken off", "not UTF-8", "trailing text"]
)
def test_a_body_that_is_not_json_is_a_bad_request(body: bytes) -> None:
    """T-13."""
    with pytest.raises(NotJson) as caught:
        decode_body(message_of("PUT", WHOLE).operation, body)
    assert caught.value.http_status == 400


def test_only_an_operation_with_a_body_reads_it() -> None:
    assert decode_body(message_of("GET", WHOLE).operation, b"not read") is None
    assert decode_body(message_of("POST", "sender/tokens/U1/authorize").operation, b" ") is None
    assert decode_body(message_of("PUT", WHOLE).operation, b'{"a":1}') == {"a": 1}


def test_a_refusal_becomes_the_answer_with_both_layers() -> None:
    """TK-10."""
    reply = refusal(UnknownToken("no such token", http_status=404))
    assert (reply.http_status, reply.status_code, reply.message, reply.data) == (404, 2004, "no such token", None)
    assert not reply.is_success


def test_a_reply_is_a_success_by_its_code() -> None:
    """S-07."""
    assert Reply().is_success
    assert Reply(1999).is_success
    assert not Reply(2001).is_success

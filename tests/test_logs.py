"""Logs: one line an event with both message ids, and no token in any of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from hub.logs import HIDDEN, REQUEST, configure_logs, log_answer, mask_secrets

SECRET = "c2VjcmV0LXRva2Vu"


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """What is set up for a test is undone after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_where_no_terminal_is_a_line_is_json_with_time_level_and_both_ids(capsys: pytest.CaptureFixture[str]) -> None:
    """T-17, T-20: both ids follow a message through the log."""
    configure_logs("auto")
    token = REQUEST.set(("R1", "C1"))
    structlog.get_logger().info("answered", status_code=1000)
    log_answer({"status_code": 1000})
    REQUEST.reset(token)
    expected = {"event": "answered", "level": "info", "status_code": 1000, "request_id": "R1", "correlation_id": "C1"}
    one, other = lines(capsys.readouterr().err)
    for line in (one, other):
        assert line.pop("timestamp").endswith("Z")
        assert line == expected


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text")
    structlog.get_logger().info("answered", receiver="NL/GRP")
    said = capsys.readouterr().err
    assert "answered" in said
    assert "receiver=NL/GRP" in said
    assert not said.startswith("{")


def test_the_standard_librarys_warnings_come_out_the_same_way_and_its_chatter_does_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("json")
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("Invalid request, authorization: Token %s", SECRET)
    (line,) = lines(capsys.readouterr().err)
    assert (line["level"], line["event"]) == ("warning", f"Invalid request, authorization: Token {HIDDEN}")


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize("kind", ["structlog", "logging"])
def test_no_token_gets_out_by_way_of_a_trace(capsys: pytest.CaptureFixture[str], log_format: str, kind: str) -> None:
    """C-04: neither in the message of an exception nor in the variables of its frames."""
    configure_logs(log_format)
    local = f"Token {SECRET}"
    try:
        raise RuntimeError(f"refused: Token {SECRET} is unknown to {len(local)}")
    except RuntimeError:
        (structlog.get_logger() if kind == "structlog" else logging.getLogger("asyncio")).exception("failed")
    said = capsys.readouterr().err
    assert "RuntimeError: refused" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("event", "masked"),
    [
        pytest.param({"token": SECRET}, {"token": HIDDEN}, id="named a token"),
        pytest.param({"Authorization": SECRET}, {"Authorization": HIDDEN}, id="a header's name in its own case"),
        pytest.param({"admin_token": b"x"}, {"admin_token": HIDDEN}, id="named so in part, and bytes"),
        pytest.param({"secret_key": "x"}, {"secret_key": HIDDEN}, id="a key"),
        pytest.param({"got": f"Token {SECRET}"}, {"got": HIDDEN}, id="the value of the header"),
        pytest.param({"got": f"token {SECRET}"}, {"got": HIDDEN}, id="its scheme in small letters"),
        pytest.param({"got": f"Bearer {SECRET}"}, {"got": HIDDEN}, id="an operator's"),
        pytest.param({"got": f"Basic {SECRET}"}, {"got": HIDDEN}, id="another scheme"),
        pytest.param({"got": b"Token abc"}, {"got": HIDDEN}, id="bytes"),
        pytest.param({"got": "a 'Token abc' b"}, {"got": f"a 'Token {HIDDEN}' b"}, id="inside a sentence"),
        pytest.param({"h": {"authorization": "x"}}, {"h": {"authorization": HIDDEN}}, id="headers as a dictionary"),
        pytest.param(
            {"h": [(b"authorization", b"x")]}, {"h": [[b"authorization", HIDDEN]]}, id="headers as ASGI has them"
        ),
        pytest.param(
            {"u": "postgresql://hub:pw@h/d"}, {"u": f"postgresql://hub:{HIDDEN}@h/d"}, id="a password in an URL"
        ),
        pytest.param({"error": ValueError("Token abc")}, {"error": f"ValueError('Token {HIDDEN}')"}, id="an exception"),
    ],
)
def test_what_is_named_like_a_secret_or_looks_like_one_is_hidden(event: dict[str, Any], masked: dict[str, Any]) -> None:
    assert mask_secrets(None, "info", event) == masked


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"module": "tokens", "status_code": 2004, "seconds": 0.5}, id="the module of that name"),
        pytest.param({"reason": "the admin token is missing or wrong"}, id="a sentence about tokens"),
        pytest.param({"url": "https://hub.example.com:8000/ocpi/2.2.1"}, id="an URL with a port"),
        pytest.param({"receiver": None, "well": True}, id="neither text nor list"),
    ],
)
def test_everything_else_stays_as_it_is(event: dict[str, Any]) -> None:
    assert mask_secrets(None, "info", dict(event)) == event


def test_what_is_nested_beyond_all_reason_is_hidden_and_ends() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert HIDDEN in str(mask_secrets(None, "info", {"loop": endless}))

"""The envelope around every answer, both ways."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from ocpi_modules.envelope import read_envelope, write_envelope

NOW = datetime(2026, 3, 29, 1, 2, 3, 456789, tzinfo=UTC)


def test_an_answer_has_a_code_and_the_time_and_no_data_unless_there_is_some() -> None:
    """T-11, T-15."""
    assert json.loads(write_envelope(NOW)) == {"status_code": 1000, "timestamp": "2026-03-29T01:02:03.456Z"}


def test_the_timestamp_is_an_ocpi_datetime() -> None:
    """Y-03."""
    written = json.loads(write_envelope(NOW))["timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", written)


def test_data_goes_in_as_the_text_it_is() -> None:
    """R-10, Y-07: digits and spaces survive."""
    written = write_envelope(NOW, data=b'{"kwh": 1.1000,"a":[ ]}')
    assert b'"data":{"kwh": 1.1000,"a":[ ]}' in written
    assert json.loads(written)["status_code"] == 1000


def test_a_message_is_written_as_text_whatever_it_holds() -> None:
    written = write_envelope(NOW, 2001, 'a "quoted" \n sentence')
    assert json.loads(written) == {
        "status_code": 2001,
        "status_message": 'a "quoted" \n sentence',
        "timestamp": "2026-03-29T01:02:03.456Z",
    }


def test_what_is_written_is_read_again() -> None:
    envelope = read_envelope(write_envelope(NOW, 2003, "unknown", b"[1]"))
    assert envelope is not None
    assert (envelope.status_code, envelope.status_message, envelope.data) == (2003, "unknown", [1])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="X-23 empty"),
        pytest.param(b"<html>502</html>", id="R-18 a web page"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'"1000"', id="a text"),
        pytest.param(b'{"data":[]}', id="X-23 data only"),
        pytest.param(b'{"status_code":"1000"}', id="T-11 a code in quotes"),
        pytest.param(b'{"status_code":true}', id="a truth is no code"),
        pytest.param(b'{"status_code":1000.5}', id="no whole number"),
        pytest.param(b'{"status_code":null}', id="null"),
        pytest.param(b'{"status_code":1000', id="broken off"),
    ],
)
def test_anything_else_is_no_envelope(body: bytes) -> None:
    assert read_envelope(body) is None


@pytest.mark.parametrize(
    ("code", "is_success"),
    [
        pytest.param(1000, True, id="success"),
        pytest.param(1999, True, id="S-01 a custom success"),
        pytest.param(2000, False, id="a client fault"),
        pytest.param(3001, False, id="a server fault"),
        pytest.param(4003, False, id="a hub fault"),
        pytest.param(999, False, id="below"),
    ],
)
def test_success_is_judged_by_the_code_alone(code: int, is_success: bool) -> None:
    """S-07."""
    envelope = read_envelope(b'{"status_code":%d}' % code)
    assert envelope is not None
    assert envelope.is_success is is_success


def test_a_message_that_is_no_text_is_left_out() -> None:
    envelope = read_envelope(b'{"status_code":2000,"status_message":7,"data":null}')
    assert envelope is not None
    assert (envelope.status_message, envelope.data) == (None, None)

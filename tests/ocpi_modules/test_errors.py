"""What can go wrong, with its code and its HTTP status (S-01, X-01)."""

from __future__ import annotations

import pytest

from ocpi_modules import errors
from ocpi_modules.errors import MESSAGE_LENGTH_MAX_CHARACTERS, MethodNotAllowed, OcpiError, unknown_object


@pytest.mark.parametrize(
    ("name", "http_status", "status_code"),
    [
        pytest.param("NotJson", 400, 2000, id="T-13 not JSON"),
        pytest.param("Unauthenticated", 401, 2000, id="T-01, T-02 unknown token"),
        pytest.param("UnknownPath", 404, 2000, id="S-06 nothing here"),
        pytest.param("BodyTooLarge", 413, 2000, id="too large"),
        pytest.param("ClientFault", 200, 2000, id="T-14 a client fault is HTTP 200"),
        pytest.param("InvalidParameters", 200, 2001, id="S-03"),
        pytest.param("NotEnoughInformation", 200, 2002, id="S-04"),
        pytest.param("UnknownLocation", 200, 2003, id="S-04 unknown location"),
        pytest.param("UnknownToken", 200, 2004, id="S-04 unknown token of a driver"),
        pytest.param("ServerFault", 200, 3000, id="S-05"),
        pytest.param("UnusableApi", 200, 3001, id="C-08"),
        pytest.param("UnsupportedVersion", 200, 3002, id="C-09"),
        pytest.param("NoMatchingEndpoints", 200, 3003, id="C-10"),
        pytest.param("RoutingFault", 200, 4000, id="R-18, R-19"),
        pytest.param("UnknownReceiver", 200, 4001, id="R-15"),
        pytest.param("ReceiverTimeout", 200, 4002, id="R-17"),
        pytest.param("ReceiverNotConnected", 200, 4003, id="R-16"),
    ],
)
def test_an_error_has_its_code_its_status_and_a_sentence(name: str, http_status: int, status_code: int) -> None:
    error: OcpiError = getattr(errors, name)()
    assert (error.http_status, error.status_code) == (http_status, status_code)
    assert error.message
    assert str(error) == error.message


def test_every_error_is_in_the_table_above_and_no_code_of_custom_modules_is_used() -> None:
    """S-01."""
    found, open_ends = set[int](), [OcpiError]
    while open_ends:
        kind = open_ends.pop()
        found.add(kind.status_code)
        open_ends += kind.__subclasses__()
    own = {code for code in found if code in range(2000, 4100)}
    assert own == {2000, 2001, 2002, 2003, 2004, 3000, 3001, 3002, 3003, 4000, 4001, 4002, 4003}
    assert found == own


def test_a_method_that_is_not_allowed_tells_which_are() -> None:
    error = MethodNotAllowed(("GET", "PUT"))
    assert (error.http_status, error.allowed) == (405, ("GET", "PUT"))


def test_a_sentence_is_cut_to_what_a_status_message_may_hold() -> None:
    assert len(OcpiError("x" * 1000).message) == MESSAGE_LENGTH_MAX_CHARACTERS


def test_an_http_status_of_its_own_does_not_stick_to_the_class() -> None:
    assert errors.UnknownToken(http_status=404).http_status == 404
    assert errors.UnknownToken().http_status == 200


@pytest.mark.parametrize("code", [2000, 2001, 2003, 2004])
def test_an_object_that_is_not_there_is_a_404_with_the_code_of_its_module(code: int) -> None:
    """X-32, TK-10."""
    error = unknown_object(code, "not there")
    assert (error.http_status, error.status_code, error.message) == (404, code, "not there")

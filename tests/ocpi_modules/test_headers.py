"""The HTTP headers of OCPI: read tolerantly, written strictly."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_modules.errors import InvalidParameters
from ocpi_modules.headers import (
    authorization,
    id_headers,
    message_id,
    next_link,
    read_authorization,
    read_count,
    read_next_link,
    read_party,
    routing_headers,
)
from ocpi_modules.parties import Party

CP1, MS1 = Party("DE", "CP1"), Party("NL", "MS1")
ASKED = "https://cp1.example/ocpi/locations?limit=2"


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


# --- the credentials token ------------------------------------------------------------------------


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=64))
def test_a_token_comes_out_as_it_went_in(token: str) -> None:
    """T-03, T-04."""
    written = authorization(token)
    assert base64.b64decode(written.removeprefix("Token "), validate=True) == token.encode()
    assert read_authorization(written) == token


@pytest.mark.parametrize(
    ("value", "token"),
    [
        pytest.param(f"Token {encoded(b'abc')}", "abc", id="T-03 word, blank, Base64"),
        pytest.param(f"token {encoded(b'abc')}", "abc", id="the scheme in another case"),
        pytest.param(f"  Token   {encoded(b'abc')} ", "abc", id="blanks to spare"),
        pytest.param(f"Token {encoded(b'abc' + bytes([10]))}", "abc", id="X-03 the line feed of the samples"),
        pytest.param(f"Token {encoded('é'.encode())}", "é", id="T-03 Base64 of UTF-8"),
        pytest.param(None, None, id="T-01 no header"),
        pytest.param("", None, id="an empty header"),
        pytest.param("Token", None, id="a scheme alone"),
        pytest.param(f"Bearer {encoded(b'abc')}", None, id="T-02 another scheme"),
        pytest.param(encoded(b"abc"), None, id="no scheme"),
        pytest.param("Token not-base-64", None, id="T-05 raw text that is no Base64"),
        pytest.param("Token YWJjZA", None, id="T-03 without its padding"),
        pytest.param("Token " + encoded(b"\xff\xfe"), None, id="bytes that are no UTF-8"),
    ],
)
def test_reading_a_token(value: str | None, token: str | None) -> None:
    assert read_authorization(value) == token


def test_only_one_line_feed_is_forgiven() -> None:
    """X-03: anything more is part of the token and matches nobody."""
    assert read_authorization(f"Token {encoded(b'abc' + bytes([10, 10]))}") == "abc\n"


# --- routing ----------------------------------------------------------------------------------------


def pair(country_code: str | None, party_id: str | None) -> dict[str, str]:
    values = {"ocpi-to-country-code": country_code, "ocpi-to-party-id": party_id}
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("headers", "party"),
    [
        pytest.param(pair("NL", "MS1"), MS1, id="as it should be"),
        pytest.param(pair("nl", "ms1"), MS1, id="R-06 in whatever case"),
        pytest.param(pair(" NL ", " MS1"), MS1, id="blanks around"),
        pytest.param(pair("NL", "A"), Party("NL", "A"), id="a short party id"),
        pytest.param({}, None, id="absent"),
        pytest.param(pair("", ""), None, id="X-20 empty is absent"),
        pytest.param(pair("", None), None, id="X-20 one empty, one absent"),
    ],
)
def test_reading_a_party(headers: dict[str, str], party: Party | None) -> None:
    assert read_party(headers, "to") == party


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(pair("NL", None), id="R-20 only the country"),
        pytest.param(pair(None, "MS1"), id="R-20 only the party"),
        pytest.param(pair("NL", ""), id="X-20 an empty half"),
        pytest.param(pair("NL", "MS12"), id="R-06 a party id of four"),
        pytest.param(pair("NLD", "MS1"), id="R-06 a country of three"),
        pytest.param(pair("N", "MS1"), id="R-06 a country of one"),
    ],
)
def test_half_a_pair_or_a_long_one_is_the_client_s_fault(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidParameters) as refused:
        read_party(headers, "to")
    assert (refused.value.http_status, refused.value.status_code) == (200, 2001)


def test_from_and_to_are_read_apart() -> None:
    headers = {"ocpi-from-country-code": "DE", "ocpi-from-party-id": "CP1", **pair("NL", "MS1")}
    assert (read_party(headers, "from"), read_party(headers, "to")) == (CP1, MS1)


def test_routing_headers_name_both_parties_and_leave_out_a_missing_one() -> None:
    """R-02, R-03, R-05."""
    assert routing_headers(CP1, MS1) == {
        "OCPI-to-country-code": "NL",
        "OCPI-to-party-id": "MS1",
        "OCPI-from-country-code": "DE",
        "OCPI-from-party-id": "CP1",
    }
    assert set(routing_headers(None, MS1)) == {"OCPI-to-country-code", "OCPI-to-party-id"}
    assert routing_headers(None, None) == {}


# --- message ids ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        pytest.param("0198-r1", "0198-r1", id="any text is an id"),
        pytest.param(" r1 ", "r1", id="blanks around"),
        pytest.param("r" * 255, "r" * 255, id="as long as it may be"),
        pytest.param("r" * 256, None, id="too long to be passed on"),
        pytest.param(None, None, id="X-41 missing"),
        pytest.param("  ", None, id="empty"),
        pytest.param("r\x00", None, id="a control character"),
        pytest.param("é", None, id="not ASCII"),
    ],
)
def test_message_ids_are_taken_when_they_can_be_passed_on(value: str | None, usable: str | None) -> None:
    assert message_id(value) == usable


def test_both_message_ids_are_written() -> None:
    """T-16."""
    assert id_headers("r1", "c1") == {"X-Request-ID": "r1", "X-Correlation-ID": "c1"}


# --- paging -----------------------------------------------------------------------------------------


def test_the_link_that_we_write_is_one_that_we_read() -> None:
    """P-09."""
    url = "https://hub.example/ocpi/2.2.1/sender/locations?date_from=2026-01-01T00:00:00Z&offset=10&limit=10"
    assert next_link(url) == f'<{url}>; rel="next"'
    assert read_next_link(next_link(url), ASKED) == url


@pytest.mark.parametrize(
    ("value", "url"),
    [
        pytest.param('<https://a.example/x?o=2>; rel="next"', "https://a.example/x?o=2", id="the strict form"),
        pytest.param("<https://a.example/x>; rel=next", "https://a.example/x", id="no quotes"),
        pytest.param('https://a.example/x; rel="next"', "https://a.example/x", id="X-26 no brackets"),
        pytest.param('</l?o=2>; rel="next"', "https://cp1.example/l?o=2", id="X-26 relative to the host"),
        pytest.param('<?o=2>; rel="next"', "https://cp1.example/ocpi/locations?o=2", id="X-26 relative to the page"),
        pytest.param('<https://a/1>; rel="first", <https://a/2>; rel="next"', "https://a/2", id="X-26 two links"),
        pytest.param('<https://a/2>; rel="next", <https://a/9>; rel="last"', "https://a/2", id="X-26 next first"),
        pytest.param('<https://a/2>; title="x"; REL="prev next"', "https://a/2", id="X-26 several relations"),
        pytest.param('<https://a/2?ids=1,2;3>; rel="next"', "https://a/2?ids=1,2;3", id="P-14 commas in the URL"),
        pytest.param('<https://a/2?c=a%2Cb%3D>; rel="next"', "https://a/2?c=a%2Cb%3D", id="P-14 an encoded cursor"),
        pytest.param('<https://a/2>; rel="prev"', None, id="another relation"),
        pytest.param("<https://a/2>", None, id="no relation"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="P-08 absent on the last page"),
    ],
)
def test_reading_the_next_link_of_a_partner(value: str | None, url: str | None) -> None:
    assert read_next_link(value, ASKED) == url


@pytest.mark.parametrize(
    ("value", "count"),
    [
        pytest.param("57", 57, id="P-15 a count"),
        pytest.param(" 0 ", 0, id="nothing at all"),
        pytest.param("-1", None, id="negative"),
        pytest.param("1.5", None, id="no whole number"),
        pytest.param("²", None, id="a digit only to the eye"),
        pytest.param("9" * 16, None, id="beyond all reason"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_reading_a_count(value: str | None, count: int | None) -> None:
    assert read_count(value) == count

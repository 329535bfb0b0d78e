"""The HTTP headers of OCPI: token, message ids, routing, paging; read tolerantly, written strictly.

Source: transport_and_format ("Authorization header", "Message Routing Headers", "Unique message IDs", "Pagination").
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import PARTIES_KEPT_MAX, Party

TOKEN_LENGTH_MAX_CHARACTERS = 64
ID_LENGTH_MAX_CHARACTERS = 255

_LINK = re.compile(
    r"(?:<\s*([^<>\s]+)\s*>|([^<>;,\s]+))\s*((?:;(?:\"[^\"]*\"|[^,\"])*)*)"
)  # inside brackets, commas belong to the URL
_NEXT = re.compile(r";\s*rel\s*=\s*\"?[^\";]*\bnext\b", re.IGNORECASE)


def authorization(token: str, *, is_raw: bool = False) -> str:
    """The value of the Authorization header for a credentials token (T-03, T-04); raw for old partners only (T-05)."""
    return f"Token {token if is_raw else base64.b64encode(token.encode()).decode('ascii')}"


def read_authorization(value: str | None) -> str | None:
    """The credentials token in an Authorization header, or None when it is no such header.

    One trailing line feed is forgiven: the samples of the specification carry it (X-03).
    """
    scheme, _, encoded = (value or "").strip().partition(" ")
    if scheme.lower() != "token" or not encoded:
        return None
    try:
        token = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:  # not ASCII, not Base64, not UTF-8
        return None
    return token.removesuffix("\n")


def read_raw_authorization(value: str | None) -> str | None:
    """What stands behind the word Token, taken as the token itself (T-05), or None when it is no such header."""
    scheme, _, token = (value or "").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "token" and token and len(token) <= TOKEN_LENGTH_MAX_CHARACTERS else None


def read_party(headers: Mapping[str, str], side: str) -> Party | None:
    """The party of the `from` or `to` pair, or None when the pair is absent (empty counts as absent, X-20).

    Raises InvalidParameters for half a pair (R-20) and for values longer than OCPI allows (R-06).
    """
    country_code = headers.get(f"ocpi-{side}-country-code", "").strip()
    party_id = headers.get(f"ocpi-{side}-party-id", "").strip()
    if not country_code and not party_id:
        return None
    if not country_code or not party_id:
        raise InvalidParameters(f"only one half of the OCPI-{side} headers is present")
    party = _named(country_code, party_id)
    if party is None:
        raise InvalidParameters(f"the OCPI-{side} headers do not name a party")
    return party


@lru_cache(maxsize=PARTIES_KEPT_MAX)
def _named(country_code: str, party_id: str) -> Party | None:
    party = Party.of(country_code, party_id)
    return party if party.is_well_formed else None


def routing_headers(sender: Party | None, receiver: Party | None) -> dict[str, str]:
    """The routing headers of a message from `sender` to `receiver`; a missing party leaves its pair out."""
    headers: dict[str, str] = {}
    for side, party in (("to", receiver), ("from", sender)):
        if party is not None:
            headers[f"OCPI-{side}-country-code"] = party.country_code
            headers[f"OCPI-{side}-party-id"] = party.party_id
    return headers


def message_id(value: str | None) -> str | None:
    """A usable X-Request-ID or X-Correlation-ID, or None when the caller sent none."""
    text = (value or "").strip()
    return text if 0 < len(text) <= ID_LENGTH_MAX_CHARACTERS and text.isprintable() and text.isascii() else None


def id_headers(request_id: str, correlation_id: str) -> dict[str, str]:
    """Both message ids as headers (T-16)."""
    return {"X-Request-ID": request_id, "X-Correlation-ID": correlation_id}


def next_link(url: str) -> str:
    """The Link header of a page that has a next one (P-09)."""
    return f'<{url}>; rel="next"'


def read_next_link(value: str | None, requested: str) -> str | None:
    """The absolute URL of the next page in a partner's Link header, or None (X-26).

    Without angle brackets, relative, or with several relations: read all the same, against the URL that was requested.
    """
    for bracketed, bare, parameters in _LINK.findall(value or ""):
        if _NEXT.search(parameters):
            return join_reference(requested, bracketed or bare)
    return None


def join_reference(requested: str, reference: str) -> str | None:
    """A partner's URL, absolute or relative to what was requested; None when it is no http address."""
    try:
        url = urljoin(requested, reference)
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


def read_count(value: str | None) -> int | None:
    """X-Total-Count or X-Limit as a number, or None when absent or not a count."""
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None

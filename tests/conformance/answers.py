"""How the conformance tests read what came back, and what a platform recorded."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import httpx

from hub.demo.faults import Seen
from ocpi_modules.parties import Party


def result_of(answer: httpx.Response) -> tuple[int, int]:
    """HTTP status and OCPI code."""
    return answer.status_code, answer.json()["status_code"]


def ways(headers: Mapping[str, str]) -> tuple[str, str]:
    """Who speaks and who is spoken to, as the routing headers say it."""
    named = [f"{headers[f'ocpi-{side}-country-code']}/{headers[f'ocpi-{side}-party-id']}" for side in ("from", "to")]
    return named[0], named[1]


def from_to(sender: Party, receiver: Party) -> tuple[str, str]:
    """The same of two parties, to compare with."""
    return str(sender), str(receiver)


def token_in(seen: Seen) -> str:
    """The credentials token that a request came with, in strict Base64."""
    scheme, _, encoded = seen.headers["authorization"].partition(" ")
    assert scheme == "Token"
    return base64.b64decode(encoded, validate=True).decode()

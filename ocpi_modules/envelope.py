"""The envelope around every OCPI answer, both ways (transport_and_format, "Response format")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ocpi_modules.types import NotJsonText, decode_json, encode_json, format_datetime, lenient_datetime

SUCCESS = 1000


@dataclass(frozen=True, slots=True)
class Envelope:
    """An answer as a partner wrote it: `data` is decoded JSON, or None when absent; `is_dated`: it has a timestamp that can be read."""

    status_code: int
    status_message: str | None
    data: Any
    is_dated: bool = True

    @property
    def is_success(self) -> bool:
        """Success is judged by the OCPI code alone (S-07): 1xxx."""
        return 1000 <= self.status_code < 2000


def write_envelope(
    now: datetime, status_code: int = SUCCESS, message: str | None = None, data: bytes | None = None
) -> bytes:
    """The JSON of an answer; `data` is JSON text and goes in as it is, None leaves it out (T-15)."""
    return b"".join(envelope_pieces(now, status_code, message, data))


def envelope_pieces(
    now: datetime, status_code: int = SUCCESS, message: str | None = None, data: bytes | None = None
) -> tuple[bytes, ...]:
    """The same in pieces, of which `data` is one: a page is long, and need not be copied to be sent."""
    told = b"" if not message else b',"status_message":' + encode_json(message)
    end = b'"status_code":%d%b,"timestamp":"%b"}' % (status_code, told, format_datetime(now).encode())
    return (b"{", end) if data is None else (b'{"data":', data, b",", end)


class _Page(msgspec.Struct):
    status_code: int
    data: list[msgspec.Raw] | None = None


class _Head(msgspec.Struct):
    status_code: int


_HEADS = msgspec.json.Decoder(_Head)


def is_plain_success(body: bytes) -> bool:
    """Whether a body surely is an envelope that tells success, at a twentieth of the cost of `read_envelope`: its data is skipped.

    False says nothing: ask `read_envelope`.
    """
    try:
        return 1000 <= _HEADS.decode(body).status_code < 2000
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def read_items(body: bytes) -> tuple[bytes, ...] | None:
    """The text of each object in a successful list answer, byte for byte; None when it is no such answer."""
    try:
        page = msgspec.json.decode(body, type=_Page)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return tuple(bytes(item) for item in page.data or ()) if 1000 <= page.status_code < 2000 else None


def read_envelope(body: bytes) -> Envelope | None:
    """The envelope in a partner's answer, or None when there is none: not JSON, no object, no numeric code (X-23)."""
    try:
        content = decode_json(body)
    except NotJsonText:
        return None
    code = content.get("status_code") if isinstance(content, dict) else None
    if not isinstance(code, int) or isinstance(code, bool):
        return None
    message = content.get("status_message")
    is_dated = lenient_datetime(content.get("timestamp")) is not None
    told = message.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(message, str) else None
    return Envelope(code, told, content.get("data"), is_dated)

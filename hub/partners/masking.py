"""What must not be written down of an exchange: tokens, wherever they stand. Pure.

The token of the exchange itself is looked for in every form; credentials are read as JSON, and not kept where that cannot be done;
elsewhere whatever is called a token, and parameters of URLs that are called like a secret, are hidden.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from ocpi_modules.headers import read_authorization
from ocpi_modules.types import NotJsonText, decode_json, encode_decoded

HIDDEN = "…"
HEADERS_KEPT_MAX = 4096
SECRET_MIN_CHARACTERS = 6  # what is shorter stands in many texts
DEPTH_MAX = 32
SCHEMES = frozenset({"token", "bearer", "basic"})

_CREDENTIALS = "credentials"
_PARAMETER = r"([?&][\w.%-]*(?:token|secret|password|passwd|signature|auth|key|sig)=)[^&#\"\s\\<>]+"
_IN_URL = re.compile(_PARAMETER, re.IGNORECASE)
_USER = re.compile(r"(://)[^/?#@\s]+@")
_SEALED_PAGE = re.compile(r"(/pages/[a-z]+/)[^/?#]+")
_NAMED_TOKEN = re.compile(r'("token"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secrets:
    """A token in all forms in which somebody may repeat it, the longest first; `in_bytes` are these as bytes, read as Latin-1."""

    texts: tuple[str, ...] = field(default=(), repr=False)
    in_bytes: tuple[str, ...] = field(default=(), repr=False)


NO_SECRETS = Secrets()


@lru_cache(maxsize=HEADERS_KEPT_MAX)
def secrets_in(header: str | None) -> Secrets:
    """The token of an Authorization header."""
    scheme, _, behind = (header or "").strip().partition(" ")
    given = behind.strip() or ("" if scheme.lower() in SCHEMES else scheme)  # some leave the scheme away
    if len(given) < SECRET_MIN_CHARACTERS:
        return NO_SECRETS
    decoded = read_authorization(header) or base64.b64encode(given.encode()).decode()
    found = {given, given.rstrip("="), decoded, quote(decoded, safe="")}
    texts = sorted((text for text in found if len(text) >= SECRET_MIN_CHARACTERS), key=len, reverse=True)
    return Secrets(tuple(texts), tuple(map(_as_bytes, texts)))


def may_hold_secrets(module_id: str, text: str, secrets: Secrets) -> bool:
    """Whether there is anything to be looked for in a text (bytes read as Latin-1): most messages have none of it."""
    for secret in secrets.in_bytes:
        if secret in text:
            return True
    if "?" in text or "&" in text or "@" in text or "/pages/" in text:
        return True
    return "oken" in text or "OKEN" in text or module_id == _CREDENTIALS


def masked_url(url: str, secrets: Secrets) -> str:
    """A URL or path without what must not be written down."""
    for secret in secrets.texts:
        if secret in url:
            url = url.replace(secret, HIDDEN)
    if "=" in url:
        url = _IN_URL.sub(rf"\1{HIDDEN}", url)
    if "@" in url:
        url = _USER.sub(rf"\1{HIDDEN}@", url)
    return _SEALED_PAGE.sub(rf"\1{HIDDEN}", url) if "/pages/" in url else url


def masked_body(module_id: str, body: bytes, secrets: Secrets) -> bytes | None:
    """A body without what must not be written down; None where it cannot be told what that is."""
    text = given = body.decode("latin-1")  # to look for a text in a text costs a fifth of looking for bytes in bytes
    for secret in secrets.in_bytes:
        if secret in text:
            text = text.replace(secret, _HIDDEN)
    if module_id == _CREDENTIALS:
        return _masked_credentials(text.encode("latin-1"))
    if 'oken"' in text or 'OKEN"' in text:
        text = _NAMED_TOKEN.sub(rf"\1{_HIDDEN}", text)
    if "?" in text:
        text = _IN_URL.sub(rf"\1{_HIDDEN}", text)
    return body if text is given else text.encode("latin-1")


def _as_bytes(text: str) -> str:
    return text.encode().decode("latin-1")


_HIDDEN = _as_bytes(HIDDEN)


def _masked_credentials(body: bytes) -> bytes | None:
    if not body.strip():
        return body
    try:
        return encode_decoded(_without_tokens(decode_json(body), DEPTH_MAX))
    except (NotJsonText, ValueError):
        return None


def _without_tokens(value: Any, depth: int) -> Any:
    if depth == 0:
        return HIDDEN
    if isinstance(value, dict):
        return {
            name: HIDDEN if "token" in name.casefold() else _without_tokens(item, depth - 1)
            for name, item in value.items()
        }
    if isinstance(value, str):
        return masked_url(value, NO_SECRETS)
    return [_without_tokens(item, depth - 1) for item in value] if isinstance(value, list) else value

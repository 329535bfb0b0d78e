"""Public keys of meters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.metering.ocmf import NotAKey, der_of

KEY_MAX_CHARACTERS = 2_000

_PEM_EDGE = "-----"


@dataclass(frozen=True, slots=True)
class MeterKey:
    """A registered key: base64 of its DER form, good for charges that begin at `valid_from` (UTC) or later."""

    public_key: str
    valid_from: datetime


def read_key(text: str) -> str:
    """A public key as it is kept: base64 of DER. Takes PEM, and DER as base64 or hex.

    Raises NotAKey for anything else, and for a key of no elliptic curve that OCMF signs with.
    """
    if len(text) > KEY_MAX_CHARACTERS:
        raise NotAKey(f"is longer than {KEY_MAX_CHARACTERS} characters")
    lines = (line.strip() for line in text.splitlines())
    return der_of("".join(line for line in lines if not line.startswith(_PEM_EDGE)))


__all__ = ["KEY_MAX_CHARACTERS", "MeterKey", "NotAKey", "read_key"]

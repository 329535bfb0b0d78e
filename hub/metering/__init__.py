"""Signed meter data of CDRs: what a meter really counted, verified with the key that is registered for it. Pure."""

from __future__ import annotations

from hub.metering.keys import KEY_MAX_CHARACTERS, MeterKey, NotAKey, read_key
from hub.metering.signed import (
    Glance,
    Identification,
    MeterValue,
    Refusal,
    Refused,
    SignedReading,
    Span,
    glance,
    read_signed,
)

__all__ = [
    "KEY_MAX_CHARACTERS",
    "Glance",
    "Identification",
    "MeterKey",
    "MeterValue",
    "NotAKey",
    "Refusal",
    "Refused",
    "SignedReading",
    "Span",
    "glance",
    "read_key",
    "read_signed",
]

"""Parts of objects that many of them say alike: of equal ones a single copy is kept, while a large month is read.

A tariff stands in every CDR that was priced by it, a session and its CDR tell the same periods. What was read is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from hub.settlement.facts import Object
from ocpi_modules.types import encode_decoded

PARTS_KEPT_MAX = 1_000_000
DIGEST_BYTES = 16

_PARTS = frozenset({"cdr_location", "cdr_token", "charging_periods", "signed_data"})
_LISTS = frozenset({"tariffs"})
"""Lists of which every item may stand elsewhere."""


class Sharing:
    """The parts that were read so far."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Any] = {}

    def shared(self, content: Object) -> Object:
        """The same object, with parts that were there before in the place of equal ones."""
        return {name: self._member(name, value) for name, value in content.items()}

    def _member(self, name: str, value: Any) -> Any:
        if name in _LISTS and isinstance(value, list):
            return [self._one(item) for item in value]
        return self._one(value) if name in _PARTS else value

    def _one(self, value: Any) -> Any:
        if not isinstance(value, Mapping | list):
            return value
        digest = blake2b(encode_decoded(value), digest_size=DIGEST_BYTES).digest()
        if len(self._kept) >= PARTS_KEPT_MAX:
            return self._kept.get(digest, value)
        return self._kept.setdefault(digest, value)

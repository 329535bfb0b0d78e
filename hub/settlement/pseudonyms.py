"""What stands under a seal in the place of personal data: a salted hash of the uid of a token or of a contract id.

The salt is random, and kept beside the clear value in a table that can be erased (`hub.store.pseudonyms`). When a driver is forgotten,
the name under which the hash is kept changes with the objects, and the hash stays: everything that was sealed can still be computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PERSONAL_FIELDS = frozenset({"uid", "contract_id", "token_uid"})
"""The fields of CDRs, Sessions, Tokens and sealed records that name a driver (not those of Locations, whose EVSEs have a `uid` too)."""


def personal_values(content: Any) -> frozenset[str]:
    """The values in some content that need a digest before it is sealed."""
    return frozenset(value for _, value in _personal(content))


def sealed_form(content: Any, digests: Mapping[str, str]) -> Any:
    """The same content with `{"salted": digest}` in the place of personal values. Raises KeyError for one without digest."""
    if isinstance(content, Mapping):
        return {name: _sealed_member(name, value, digests) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [sealed_form(item, digests) for item in content]
    return content


def _sealed_member(name: str, value: Any, digests: Mapping[str, str]) -> Any:
    if name in PERSONAL_FIELDS and isinstance(value, str):
        return {"salted": digests[value]}
    return sealed_form(value, digests)


def _personal(content: Any) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name in PERSONAL_FIELDS and isinstance(value, str):
                yield name, value
            else:
                yield from _personal(value)
    elif isinstance(content, list | tuple):
        for item in content:
            yield from _personal(item)

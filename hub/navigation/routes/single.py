"""One Location at an address of its own: its tag holds enough to see in memory alone that a reader has it as it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

from starlette.requests import Request

from hub.navigation.index import NUMBER_MAX, Index
from hub.navigation.routes.answers import Edition, tags_in

TAGS_MAX = 20
NUMBER_MAX_DIGITS = 10


class Single(NamedTuple):
    """A state of a Location: its number, and its last change."""

    number: int
    seq: int


def edition_of(request: Request, single: Single, more: str, changed_at: datetime | None = None) -> Edition:
    """What tells an answer apart; `more` stands for what it shows besides, `changed_at` is when anything public changed (UTC)."""
    return Edition(f"{single.number}.{single.seq}.{_digest(request)}.{more}", changed_at)


def is_current(request: Request, index: Index, more: Callable[[int], str]) -> str | None:
    """The tag of what a reader has, where that is how the Location is now; `more` is what its answer shows besides, by its number."""
    said = request.headers.get("if-none-match", "") if request.method == "GET" else ""
    return next((tag for tag in tags_in(said)[:TAGS_MAX] if _is_current(request, index, more, tag)), None)


def _is_current(request: Request, index: Index, more: Callable[[int], str], tag: str) -> bool:
    number_text = tag.removeprefix("W/").strip('"').partition(".")[0]
    if not (number_text.isascii() and number_text.isdigit() and len(number_text) <= NUMBER_MAX_DIGITS):
        return False
    number = int(number_text)
    seq = index.seq_of(number) if number <= NUMBER_MAX else None
    if seq is None:
        return False
    return tag.removeprefix("W/") == f'"{edition_of(request, Single(number, seq), more(number)).stamp}"'


def _digest(request: Request) -> str:
    """Of the address: the tag of one Location says nothing about another."""
    return blake2b(request.url.path.encode(), digest_size=6).hexdigest()

"""Answers that caches understand: what tells them apart is known before anything is read of the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

CACHE_SECONDS = 5
SETTLING = timedelta(seconds=2)
"""What changed so short a while ago may change again within the same second, which Last-Modified cannot tell (RFC 9110, 8.8.2.2)."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What tells everything apart that would be answered otherwise at the same address, and when any of it changed last.

    None where nobody knows when, or it was too short a while ago to tell it from the next change by a time in seconds.
    """

    stamp: str
    changed_at: datetime | None = None

    @property
    def tag(self) -> str:
        """As an entity tag: a weak one, for the same answer may be pressed in several ways."""
        return f'W/"{self.stamp}"'


@dataclass(frozen=True, slots=True)
class Common:
    """The head of an answer, and whether its reader has it already."""

    headers: dict[str, str]
    is_known: bool


def settled(changed_at: datetime | None, now: datetime) -> datetime | None:
    """When something changed last, where that can be told in seconds."""
    return changed_at if changed_at is not None and now - changed_at >= SETTLING else None


def known_already(request: Request, edition: Edition, headers: Mapping[str, str] | None = None) -> Common:
    """What is known before anything is read."""
    common = {
        **_lasting(edition.tag),
        **({"Last-Modified": format_datetime(edition.changed_at, usegmt=True)} if edition.changed_at else {}),
        **(headers or {}),
    }
    return Common(common, has_already(request, edition))


def unchanged(tag: str) -> Response:
    """304 for a reader that has what this tag names."""
    return Response(None, 304, _lasting(tag))


def _lasting(tag: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": f"public, max-age={CACHE_SECONDS}", "Vary": "Accept-Encoding"}


async def cached(
    request: Request,
    edition: Edition,
    make: Callable[[], Awaitable[bytes]],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """304 where the reader has it already, else what `make` makes."""
    common = known_already(request, edition, headers)
    if common.is_known:
        return Response(None, 304, common.headers)
    return Response(await make(), 200, common.headers, media_type)


def is_known(said: str | None, tag: str) -> bool:
    """Whether a reader that said If-None-Match has what this tag names (RFC 9110, 13.1.2: compared weakly)."""
    if said is None:
        return False
    if said.strip() == "*":
        return True
    return tag.removeprefix("W/") in {one.removeprefix("W/") for one in tags_in(said)}


def tags_in(said: str) -> list[str]:
    """The entity tags of If-None-Match."""
    return [one.strip() for one in said.split(",")]


def has_already(request: Request, edition: Edition) -> bool:
    """Whether a reader has what it asks for."""
    return request.method == "GET" and _has(request.headers, edition)


def _has(said: Mapping[str, str], edition: Edition) -> bool:
    """By its tag where the reader says one; the time is looked at where it says nothing else (RFC 9110, 13.1.3)."""
    if "if-none-match" in said:
        return is_known(said["if-none-match"], edition.tag)
    return edition.changed_at is not None and _is_unchanged(said.get("if-modified-since"), edition.changed_at)


def _is_unchanged(said: str | None, changed_at: datetime) -> bool:
    if said is None:
        return False
    try:
        since = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return False
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return changed_at.replace(microsecond=0) <= since

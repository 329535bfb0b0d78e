"""Answers that caches understand: an ETag that is known before anything is read, and when it was changed last."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response

CACHE_SECONDS = 5

Made = tuple[bytes, datetime | None]
"""A body, and when what it says changed last (UTC), as far as that is known."""


@dataclass(frozen=True, slots=True)
class Common:
    """The head of an answer, and whether its reader has it already."""

    headers: dict[str, str]
    is_known: bool


def known_already(request: Request, stamp: str, headers: Mapping[str, str] | None = None) -> Common:
    """What is known before anything is read. A stamp tells everything apart that would be answered otherwise at the same address."""
    tag = f'W/"{stamp}"'
    common = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={CACHE_SECONDS}",
        "Vary": "Accept-Encoding",
        **(headers or {}),
    }
    return Common(common, is_known(request.headers.get("if-none-match"), tag))


async def cached(
    request: Request,
    stamp: str,
    make: Callable[[], Awaitable[Made]],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """304 where the reader has it already, else what `make` makes."""
    common = known_already(request, stamp, headers)
    if common.is_known:
        return Response(None, 304, common.headers)
    body, changed_at = await make()
    if changed_at is not None:
        common.headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
        if "if-none-match" not in request.headers and _is_unchanged(
            request.headers.get("if-modified-since"), changed_at
        ):
            return Response(None, 304, common.headers)
    return Response(body, 200, common.headers, media_type)


def is_known(said: str | None, tag: str) -> bool:
    """Whether a reader that said If-None-Match has what this tag names (RFC 9110, 13.1.2: compared weakly)."""
    if said is None:
        return False
    if said.strip() == "*":
        return True
    return tag.removeprefix("W/") in {one.strip().removeprefix("W/") for one in said.split(",")}


def _is_unchanged(said: str | None, changed_at: datetime) -> bool:
    if said is None:
        return False
    try:
        since = parsedate_to_datetime(said)
    except ValueError:
        return False
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    return changed_at.replace(microsecond=0) <= since

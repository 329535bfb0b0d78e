"""Which page a list GET asks for, and the headers of the page it gets: one reading for every list of the hub (checklist section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from ocpi_modules.errors import InvalidParameters
from ocpi_modules.headers import next_link, read_count
from ocpi_modules.types import parse_datetime

OFFSET_MAX = 2**53

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked for: objects changed in [date_from, date_to), UTC, from `offset` on, `limit` at most (P-02, P-03, P-05).

    `cursor` is where the page before ended, in a Link of ours: then nothing is counted off, and no page is slower than the first.
    """

    date_from: datetime | None
    date_to: datetime | None
    offset: int
    limit: int
    cursor: int = 0

    @property
    def skipped(self) -> int:
        """How many objects are passed over from where the page begins to be read."""
        return 0 if self.cursor else self.offset


@dataclass(frozen=True, slots=True)
class Paging:
    """The page sizes of this hub, in objects."""

    default_limit: int
    max_limit: int

    def read(self, query: Query) -> Window:
        """The window of a query. Raises InvalidParameters (P-13)."""
        wanted = read_number(query.get("limit"), "limit", 1, default=self.default_limit)
        return Window(
            date_from=read_date(query.get("date_from"), "date_from"),
            date_to=read_date(query.get("date_to"), "date_to"),
            offset=read_number(query.get("offset"), "offset", 0, default=0),
            limit=min(wanted, self.max_limit),
            cursor=read_number(query.get("cursor"), "cursor", 0, default=0),
        )


def page_headers(base: str, query: Query, window: Window, total: int) -> dict[str, str]:
    """The headers of a page of the list at `base`; a Link only where there is a next one (P-06 to P-10)."""
    link = next_page_url(base, query, window) if window.offset + window.limit < total else None
    return _headers(window, total, link)


def cursor_headers(base: str, query: Query, window: Window, ended: tuple[int, int]) -> dict[str, str]:
    """The same for a list that is read by cursor; `ended` is the total, and where this page ended (0 for the last one)."""
    total, last = ended
    return _headers(window, total, next_page_url(base, query, window, cursor=last) if last else None)


def _headers(window: Window, total: int, next_page: str | None) -> dict[str, str]:
    headers = {"X-Total-Count": str(total), "X-Limit": str(window.limit)}
    return headers | ({"Link": next_link(next_page)} if next_page else {})


def next_page_url(base: str, query: Query, window: Window, cursor: int = 0) -> str:
    """The URL of the next page, with the filters of this one (P-09)."""
    kept = {name: query[name] for name in ("date_from", "date_to") if query.get(name)}
    following = {**kept, "offset": window.offset + window.limit, "limit": window.limit}
    if cursor:
        following["cursor"] = cursor
    return f"{base}?{urlencode(following, safe=':')}"


def read_date(value: str | None, name: str) -> datetime | None:
    """A date filter in UTC, or None when it is not given. Raises InvalidParameters (P-13)."""
    if not value:
        return None
    try:
        return parse_datetime(value)
    except ValueError as exc:
        raise InvalidParameters(f"{name} is not a DateTime in UTC") from exc


def read_number(value: str | None, name: str, lowest: int, *, default: int) -> int:
    """A paging parameter, or its default when it is not given. Raises InvalidParameters (P-13)."""
    if not value:
        return default
    number = read_count(value)
    if number is None or not lowest <= number <= OFFSET_MAX:
        raise InvalidParameters(f"{name} is not a number of at least {lowest}")
    return number

"""Tables: columns and filters said once, for the page, for the next page, and for a file of all rows.

A table is read from the same desk as the admin API, a page at a time from a cursor on; what is filtered and how it is sorted stands in the
address, so that an address is a saved view.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError

from hub.console.accounts import Permission
from hub.console.exports import CSV, XLSX, file_answer
from hub.console.rendering import to_query
from hub.console.routes import Console, look_again
from hub.store.books import PAGE_MAX_ROWS
from hub.web.listing import Filters, Page, read_cursor, read_parts, write_cursor
from ocpi_modules.errors import InvalidParameters

PAGE_ROWS = 50
PAGE_CHOICES = (50, 100, 250)

Row = TypeVar("Row")
Asked = TypeVar("Asked", bound=Filters)
Wanted = TypeVar("Wanted", bound=BaseModel)

Kind = Literal["text", "code", "money", "number", "moment", "instant", "outcome", "tag", "flag"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[Row]):
    """A column: `value` of a row, the `link` behind it, the `unit` of money; `sort` is the name of an order that the list offers."""

    key: str
    label: str
    value: Callable[[Row], Any]
    kind: Kind = "text"
    link: Callable[[Row], str | None] = lambda _: None
    unit: Callable[[Row], str] = lambda _: ""
    sort: str | None = None
    is_minor: bool = False
    """Left out on narrow screens."""
    is_rare: bool = False
    """Left out on all but wide screens (from 1600 pixels on)."""
    is_wide: bool = False
    """Holds sentences."""

    @property
    def is_numeric(self) -> bool:
        """Whether it stands on the right."""
        return self.kind in {"money", "number"}

    @property
    def shown_from(self) -> str:
        """The classes that leave it out on screens that are too narrow for it."""
        if self.is_rare:
            return "from-wide"
        return "d-none d-lg-table-cell" if self.is_minor else ""

    @property
    def orders(self) -> tuple[tuple[str, str], ...]:
        """The orders by this column, with words for them; none where it cannot be sorted by."""
        downwards, upwards = ("latest", "earliest") if self.kind == "moment" else ("largest", "smallest")
        words = (
            (f"-{self.sort}", f"{self.label}, {downwards} first"),
            (f"{self.sort}", f"{self.label}, {upwards} first"),
        )
        return words if self.sort else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterField:
    """Something to filter by: a text, or one of `choices` (value and label), which may be asked for when the page is made."""

    name: str
    label: str
    choices: Sequence[tuple[str, str]] | Callable[[], Sequence[tuple[str, str]]] = ()
    placeholder: str = ""

    @property
    def options(self) -> Sequence[tuple[str, str]]:
        """The choices as they are now."""
        return self.choices() if callable(self.choices) else self.choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Generic[Row, Asked]):
    """A table: where it is, what it shows, and how a page of it is read.

    `empty` says what to do where there is nothing, `unlike` where nothing is as it was chosen.
    """

    title: str
    path: str
    columns: Sequence[Column[Row]]
    filters: Sequence[FilterField]
    asked: type[Asked]
    read: Callable[[Asked], Awaitable[Page[Row]]]
    empty: str
    unlike: str = "No row is like that. Take a filter away."
    intro: str = ""
    needs: Permission = Permission.READ
    template: str = "list.html"
    between: str = ""
    """A template that is shown between the filters and the rows."""
    extra: Callable[[Asked], Awaitable[Mapping[str, Any]]] | None = None
    is_summed: bool = False
    """Its rows are added up out of all there are: where that takes long, they are shown as they were a moment ago."""
    unread: Mapping[str, Any] = field(default_factory=dict)
    """What stands for `extra` until that was read for the first time."""

    @property
    def orders(self) -> list[tuple[str, str]]:
        """All orders that can be chosen, also by columns that a narrow screen leaves out."""
        return [order for column in self.columns for order in column.orders]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A table as it is asked for: the filters of the address, without those of paging."""

    path: str
    chosen: Mapping[str, str]
    limit: int
    next: str | None
    is_first: bool
    extra: Mapping[str, Any] = field(default_factory=dict)

    def link(self, **changes: Any) -> str:
        """The address of the same view with something changed; None leaves a filter away. It begins at the first page."""
        query = to_query({**self.chosen, **changes})
        return f"{self.path}?{query}" if query else self.path

    def without(self, name: str) -> str:
        """The address of the same view with one filter less."""
        return self.link(**{name: None})

    @property
    def next_link(self) -> str | None:
        """The address of the page behind this one."""
        return None if self.next is None else self.link(after=self.next, limit=self.limit)

    def beside(self, listing: Listing[Any, Any]) -> list[tuple[str, str]]:
        """What is chosen that the form of the table has no field for, by name."""
        shown = {one.name for one in listing.filters} | ({"sort"} if listing.orders else set())
        return [(name, value) for name, value in self.chosen.items() if name not in shown]

    def sort_link(self, name: str) -> str:
        """The address with another order: descending first, then ascending."""
        return self.link(sort=name if self.chosen.get("sort") == f"-{name}" else f"-{name}")

    def direction(self, name: str) -> str:
        """How a column is sorted, in the words of ARIA."""
        return {name: "ascending", f"-{name}": "descending"}.get(self.chosen.get("sort", ""), "none")


Read = tuple[Page[Any], Mapping[str, Any]]
"""A page of rows, and what else is shown with them."""

NOTHING: Page[Any] = Page.model_construct(items=[], next=None)


def add_listing(router: APIRouter, console: Console, listing: Listing[Any, Any]) -> None:
    """The page of a table, and the files of all its rows (``?format=csv``, ``?format=xlsx``)."""

    async def read(asked: Any) -> Read:
        return await listing.read(asked), await listing.extra(asked) if listing.extra else {}

    kept = console.keep(read) if listing.is_summed else None

    async def show(request: Request) -> Response:
        console.person(request, listing.needs)
        query = {name: value for name, value in request.query_params.items() if value != ""}
        format_asked = query.pop("format", "")
        if format_asked in {CSV, XLSX}:
            asked = read_asked(listing, {**query, "limit": str(PAGE_MAX_ROWS)})
            return await file_answer(format_asked, listing.title, listing.columns, all_rows(listing, asked))
        asked = read_asked(listing, {"limit": str(PAGE_ROWS), **query})
        counted = None if kept is None else await kept.of(asked)
        is_waited_for = kept is not None and counted is None
        unread = NOTHING, listing.unread
        page, extra = unread if is_waited_for else counted.value if counted is not None else await read(asked)
        values = {"listing": listing, "rows": page.items, "view": view_of(listing, query, asked, page), **extra}
        values |= {"counted": counted, "is_waited_for": is_waited_for}
        answer = await console.page(request, listing.template, values)
        return look_again(answer) if is_waited_for else answer

    router.add_api_route(listing.path.removeprefix("/console"), show, methods=["GET"])


def sliced(rows: Sequence[Row], asked: Filters) -> Page[Row]:
    """A page of rows that are all in hand: there are some hundreds of them at most."""
    start = read_parts(read_cursor(asked.after, 1), lambda parts: int(parts[0])) or 0
    end = max(0, start) + asked.limit
    return Page.model_construct(
        items=[*rows[max(0, start) : end]], next=write_cursor((str(end),)) if len(rows) > end else None
    )


def read_asked(listing: Listing[Row, Asked], query: Mapping[str, str]) -> Asked:
    """What the address asks for. Raises InvalidParameters, naming the filter."""
    return validated(listing.asked, query)


def validated(wanted: type[Wanted], query: Mapping[str, str]) -> Wanted:
    """What a query string, or a form, asks for. Raises InvalidParameters, naming the one that is wrong."""
    try:
        return wanted.model_validate(query)
    except ValidationError as exc:
        fault = exc.errors()[0]
        raise InvalidParameters(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", http_status=400) from exc


def view_of(listing: Listing[Row, Asked], query: Mapping[str, str], asked: Asked, page: Page[Row]) -> View:
    """The table as it is shown now."""
    chosen = {name: value for name, value in query.items() if name not in {"after", "limit"}}
    return View(path=listing.path, chosen=chosen, limit=asked.limit, next=page.next, is_first="after" not in query)


async def all_rows(listing: Listing[Row, Asked], asked: Asked) -> AsyncIterator[Sequence[Row]]:
    """All rows of a table, a page at a time."""
    while True:
        page = await listing.read(asked)
        yield page.items
        if page.next is None:
            return
        asked = asked.model_copy(update={"after": page.next})

"""Lists of the settlement desk: a page at a time, from a cursor on, with filters that are plain texts."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import InvalidOperation
from typing import Annotated, Generic, Protocol, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict

from hub.settlement.people import NAME_MAX_CHARACTERS
from hub.store.books import PAGE_MAX_ROWS
from hub.store.ordering import Order, Parts, Placed, order_of
from hub.store.ordering import Place as PlaceInOrder
from hub.web.admin import guarded_route
from ocpi_modules.errors import InvalidParameters
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, String, decode_json, encode_json

PAGE_ROWS = 100
FILTER_MAX_CHARACTERS = 255
CURSOR_MAX_CHARACTERS = 2000

Item = TypeVar("Item")
Shown = TypeVar("Shown")
Place = TypeVar("Place")


class Page(BaseModel, Generic[Shown]):
    """A page of a list; `next` is what to hand in as `after` for the page behind it, null on the last one."""

    items: list[Shown]
    next: str | None


def _party(text: str) -> str:
    return str(Party.parse(text))


def _named(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty: people are named")
    return text.strip()


Text = Annotated[str, String(FILTER_MAX_CHARACTERS)]
PartyText = Annotated[str, String(FILTER_MAX_CHARACTERS), AfterValidator(_party)]
"""A party like ``DE/ABC``, in whatever case."""

Actor = Annotated[str, String(NAME_MAX_CHARACTERS), AfterValidator(_named)]
"""The name of the person who decides."""

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX_ROWS, description="Most items on the page.")]
After = Annotated[
    str | None,
    Query(max_length=CURSOR_MAX_CHARACTERS, description="`next` of the page before; without it the first page."),
]


class Filters(BaseModel):
    """What every list takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: After = None
    limit: Limit = PAGE_ROWS


class Sorted(Protocol):
    """What is asked of a list that can be sorted."""

    @property
    def sort(self) -> str | None: ...
    @property
    def after(self) -> str | None: ...


def settlement_routes(admin_token: str | None) -> APIRouter:
    """An empty router under `/settlement`, open to the admin token only; closed (403) when none is configured."""
    return APIRouter(
        prefix="/settlement",
        tags=["settlement"],
        route_class=guarded_route(admin_token),
        dependencies=[Depends(HTTPBearer(auto_error=False))],
    )


def page_of(
    items: Sequence[Item], limit: int, show: Callable[[Item], Shown], cursor: Callable[[Item], tuple[str, ...]]
) -> Page[Shown]:
    """The first `limit` of some items, one more of which was read if there is one."""
    shown = items[:limit]
    is_last = len(items) <= limit
    return Page(items=[show(item) for item in shown], next=None if is_last else write_cursor(cursor(shown[-1])))


def placed_page(items: Sequence[Placed[Item]], limit: int, show: Callable[[Item], Shown], order: Order) -> Page[Shown]:
    """The same of rows that know their places in an order."""
    return page_of(items, limit, lambda one: show(one.row), lambda one: (*_mark(order), *one.place))


def asked_order(sorts: Mapping[str, Parts], filters: Sorted, otherwise: Order) -> tuple[Order, PlaceInOrder | None]:
    """The order that is asked for, and the place in it behind which the page begins.

    Raises InvalidParameters for a cursor of another order.
    """
    order = order_of(sorts, filters.sort, otherwise)
    mark = _mark(order)
    parts = read_cursor(filters.after, len(mark) + len(order.parts))
    if parts is not None and parts[: len(mark)] != mark:
        raise InvalidParameters("after: is the `next` of a page in another order")
    return order, read_parts(parts, lambda found: order.read(found[len(mark) :]))


def _mark(order: Order) -> tuple[str, ...]:
    """What a cursor says of its order; nothing where none was asked for."""
    return (order.name,) if order.name else ()


def write_cursor(parts: tuple[str, ...]) -> str:
    """What stands for the place behind an item."""
    return urlsafe_b64encode(encode_json(parts)).decode().rstrip("=")


def read_cursor(text: str | None, parts: int) -> tuple[str, ...] | None:
    """The place that a cursor stands for. Raises InvalidParameters for a text that is none of this list."""
    if text is None:
        return None
    try:
        found = decode_json(urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
    except (binascii.Error, NotJsonText, ValueError) as exc:
        raise InvalidParameters("after: is not the `next` of a page") from exc
    is_one = isinstance(found, list) and len(found) == parts and all(_is_plain(part) for part in found)
    if not is_one:
        raise InvalidParameters("after: is not the `next` of a page of this list")
    return tuple(found)


def read_parts(parts: tuple[str, ...] | None, read: Callable[[tuple[str, ...]], Place]) -> Place | None:
    """What the parts of a cursor stand for; None of None. Raises InvalidParameters where they cannot be read."""
    try:
        return None if parts is None else read(parts)
    except (ValueError, InvalidOperation) as exc:
        raise InvalidParameters("after: is not the `next` of a page of this list") from exc


def read_moment(text: str) -> datetime:
    """A moment out of a cursor. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment


def _is_plain(part: object) -> bool:
    return isinstance(part, str) and "\x00" not in part

"""The journal of messages: the list, one message with its bodies, and all hops of one correlation id on a line of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from hub.console.accounts import Permission
from hub.console.listing import Column, FilterField, Listing, add_listing
from hub.console.routes import Console
from hub.store.exchanges import LOOKED_AT_MAX_MESSAGES
from hub.web.listing import Page
from hub.web.messages import TENTH, Message, MessageFilters, MessagesDesk, Outcome, Way
from ocpi_modules.catalog import MODULES

MESSAGES_PATH = "/console/messages"
TRACE_PATH = "/console/trace"
BAR_MIN_PERCENT = 0.6  # what is shorter cannot be seen

WAYS = ((Way.IN.value, "to the hub"), (Way.OUT.value, "from the hub"))
OUTCOME_LABELS: dict[Outcome, str] = {
    Outcome.FAILED: "only failures",
    Outcome.WELL: "only successes",
    Outcome.UNANSWERED: "no answer",
    Outcome.CODE_2XXX: "code 2xxx: the client's fault",
    Outcome.CODE_3XXX: "code 3xxx: the server's fault",
    Outcome.CODE_4XXX: "code 4xxx: the hub could not",
    Outcome.HTTP_4XX: "HTTP 4xx",
    Outcome.HTTP_5XX: "HTTP 5xx",
}
METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE")


def message_path(name: str) -> str:
    """The page of a message."""
    return f"{MESSAGES_PATH}/{name}"


def trace_path(correlation_id: str) -> str:
    """The page of all hops of a correlation id."""
    return f"{TRACE_PATH}/{quote(correlation_id, safe='')}"


def messages_router(console: Console, desk: MessagesDesk) -> APIRouter:
    """The pages of the journal of messages. They show what drivers' tokens are in, so that they are for operators."""
    router = console.router()
    add_listing(router, console, _journal(desk))

    @router.get("/messages/{name}")
    async def show_one(request: Request, name: str) -> Response:
        console.person(request, Permission.OPERATE)
        whole = await desk.whole(name)
        line = whole.message.line
        hops = hops_of(await desk.trace(line.correlation_id)) if line.correlation_id else []
        values = {"whole": whole, "message": whole.message, "line": line, "hops": hops, "keeping": desk.keeping}
        return await console.page(request, "message.html", values)

    @router.get("/trace/{correlation_id:path}")
    async def trace(request: Request, correlation_id: str) -> Response:
        console.person(request, Permission.OPERATE)
        hops = hops_of(await desk.trace(correlation_id))
        return await console.page(request, "trace.html", {"correlation_id": correlation_id, "hops": hops})

    return router


@dataclass(frozen=True, slots=True)
class Hop:
    """A message on the line of time of its correlation id: when it begins after the first one, and where its bar stands, in percent."""

    message: Message
    after_milliseconds: Decimal
    left_percent: float
    width_percent: float

    @property
    def tone(self) -> str:
        """How its bar looks."""
        if self.message.line.is_failed:
            return "failed"
        return "in" if self.message.line.is_inbound else "out"


def hops_of(messages: Sequence[Message]) -> list[Hop]:
    """Messages in the order in which they began, on the line of time that they span."""
    if not messages:
        return []
    start = min(message.line.at for message in messages)
    span = max((message.ended_at - start).total_seconds() for message in messages) or 1.0
    return [_hop(message, (message.line.at - start).total_seconds(), span) for message in messages]


def _hop(message: Message, after: float, span: float) -> Hop:
    width = max(BAR_MIN_PERCENT, 100 * message.line.microseconds / 1e6 / span)
    left = min(100 * after / span, 100 - BAR_MIN_PERCENT)
    return Hop(message, Decimal(after * 1000).quantize(TENTH), round(left, 2), round(min(width, 100 - left), 2))


def _journal(desk: MessagesDesk) -> Listing[Message, MessageFilters]:
    async def read(asked: MessageFilters) -> Page[Message]:
        return await desk.page(asked)

    async def extra(_: MessageFilters) -> Mapping[str, Any]:
        return {"lost": await desk.lost(), "keeping": desk.keeping, "looked_at": LOOKED_AT_MAX_MESSAGES}

    return Listing(
        title="Messages",
        intro="Every exchange with a partner, whichever way it went, the newest first.",
        path=MESSAGES_PATH,
        template="messages.html",
        needs=Permission.OPERATE,
        columns=_columns(),
        filters=(
            FilterField(name="party", label="Party", placeholder="DE/ABC"),
            FilterField(name="partner", label="Partner", choices=desk.partners),
            FilterField(name="module", label="Module", choices=[(one, one) for one in ("versions", *MODULES)]),
            FilterField(name="method", label="Method", choices=[(one, one) for one in METHODS]),
            FilterField(name="direction", label="Direction", choices=WAYS),
            FilterField(
                name="outcome", label="Outcome", choices=[(one.value, label) for one, label in OUTCOME_LABELS.items()]
            ),
            FilterField(name="code", label="OCPI code", placeholder="2001"),
            FilterField(name="correlation_id", label="Correlation id"),
            FilterField(name="path", label="Path has", placeholder="SESSION-17"),
            FilterField(name="date_from", label="From (UTC)", placeholder="2026-10-12T10:00"),
            FilterField(name="date_to", label="Before (UTC)", placeholder="2026-10-12T11:00"),
        ),
        asked=MessageFilters,
        read=read,
        extra=extra,
        empty="No message has passed yet. “Invite a partner” on the page of partners: a handshake is the first thing that stands here.",
    )


def _columns() -> tuple[Column[Message], ...]:
    return (
        Column(key="at", label="Began", value=lambda row: row.line.at, kind="instant", link=_own_path),
        Column(key="outcome", label="HTTP · code", value=lambda row: row.outcome, kind="outcome", link=_own_path),
        Column(key="direction", label="Way", value=lambda row: "in" if row.line.is_inbound else "out"),
        Column(
            key="partner",
            label="Partner",
            value=lambda row: row.partner_name,
            link=lambda row: f"{MESSAGES_PATH}?partner={row.line.partner}" if row.line.partner else None,
        ),
        Column(key="method", label="Method", value=lambda row: row.line.method, kind="code", link=_own_path),
        Column(
            key="module",
            label="Module",
            value=lambda row: row.line.module,
            link=lambda row: f"{MESSAGES_PATH}?module={row.line.module}" if row.line.module else None,
        ),
        Column(key="sender", label="From", value=lambda row: row.line.sender, link=_of_party("sender"), is_minor=True),
        Column(
            key="receiver", label="To", value=lambda row: row.line.receiver, link=_of_party("receiver"), is_minor=True
        ),
        Column(key="milliseconds", label="ms", value=lambda row: row.milliseconds, kind="number", is_minor=True),
        Column(key="path", label="Path", value=lambda row: row.line.path, kind="code", is_minor=True, is_wide=True),
        Column(
            key="correlation_id",
            label="Correlation id",
            value=lambda row: row.line.correlation_id,
            kind="code",
            link=lambda row: trace_path(row.line.correlation_id),
            is_minor=True,
            is_wide=True,
        ),
    )


def _own_path(row: Message) -> str:
    return message_path(row.name)


def _of_party(side: str) -> Any:
    def link(row: Message) -> str | None:
        party = getattr(row.line, side)
        return f"{MESSAGES_PATH}?party={party}" if party else None

    return link

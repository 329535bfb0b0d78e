"""The journal of messages as the operator reads it: lists, one message with its bodies, all hops of one correlation id."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from hub.partners.recorder import Keeping
from hub.partners.roster import Roster
from hub.store.exchanges import BATCH_MAX_MESSAGES, Exchanges, Kept, Line, Place, Wanted, Whole
from hub.web.listing import Filters, Page, PartyText, Text, read_cursor, read_parts, write_cursor
from ocpi_modules.errors import UnknownPath
from ocpi_modules.types import INT_MAX, lenient_datetime

BATCH_MAX = 2**63 - 1
TENTH = Decimal("0.1")


class Way(StrEnum):
    """Which way a message went: to the hub, or from it."""

    IN = "in"
    OUT = "out"


class Outcome(StrEnum):
    """What became of messages: by the class of the OCPI code or of the HTTP status; `failed` is everything that is no success."""

    FAILED = "failed"
    WELL = "well"
    UNANSWERED = "unanswered"
    CODE_2XXX = "2xxx"
    CODE_3XXX = "3xxx"
    CODE_4XXX = "4xxx"
    HTTP_4XX = "http 4xx"
    HTTP_5XX = "http 5xx"


OUTCOMES: dict[Outcome | None, Wanted] = {
    None: Wanted(),
    Outcome.FAILED: Wanted(is_failed=True),
    Outcome.WELL: Wanted(is_failed=False),
    Outcome.UNANSWERED: Wanted(is_failed=True, http_from=0),
    Outcome.CODE_2XXX: Wanted(is_failed=True, status_from=2000),
    Outcome.CODE_3XXX: Wanted(is_failed=True, status_from=3000),
    Outcome.CODE_4XXX: Wanted(is_failed=True, status_from=4000),
    Outcome.HTTP_4XX: Wanted(is_failed=True, http_from=400),
    Outcome.HTTP_5XX: Wanted(is_failed=True, http_from=500),
}


def _moment(value: object) -> object:
    """A moment as somebody writes it; without a zone it is UTC."""
    if not isinstance(value, str):
        return value
    at = lenient_datetime(value) or datetime.fromisoformat(value.strip())
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _trimmed(text: str) -> str:
    return text.strip()


Moment = Annotated[datetime, BeforeValidator(_moment)]
Id = Annotated[Text, AfterValidator(_trimmed)]


class MessageFilters(Filters):
    """What the journal can be searched by."""

    party: PartyText | None = None
    partner: Annotated[int, Field(ge=1, le=INT_MAX)] | None = None
    module: Id | None = None
    method: Id | None = None
    direction: Way | None = None
    outcome: Outcome | None = None
    code: Annotated[int, Field(ge=1, le=INT_MAX)] | None = None
    correlation_id: Id | None = None
    path: Id | None = None
    date_from: Moment | None = None
    date_to: Moment | None = None

    def wanted(self) -> Wanted:
        """The same for the store."""
        return replace(
            OUTCOMES[self.outcome],
            party=self.party,
            partner=self.partner,
            module=self.module,
            method=self.method,
            is_inbound=None if self.direction is None else self.direction is Way.IN,
            status_code=self.code,
            correlation_id=self.correlation_id,
            path_has=self.path,
            date_from=self.date_from,
            date_to=self.date_to,
            before=read_parts(read_cursor(self.after, 2), lambda parts: read_place("-".join(parts))),
        )


class Message(BaseModel):
    """A message of the journal as it is shown; `partner_name` is empty where nobody is known by the token."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str
    line: Line
    partner_name: str

    @property
    def outcome(self) -> str:
        """Its answer in two words."""
        if not self.line.http_status:
            return "no answer"
        return f"{self.line.http_status} · {self.line.status_code or '–'}"

    @property
    def milliseconds(self) -> Decimal:
        """How long the answer took, to a tenth."""
        return Decimal(self.line.microseconds).scaleb(-3).quantize(TENTH)

    @property
    def ended_at(self) -> datetime:
        """When it was over."""
        return self.line.at + timedelta(microseconds=self.line.microseconds)


@dataclass(frozen=True, slots=True)
class MessageWhole:
    """A message with what is kept of its bodies: texts, None where nothing is kept. `are_kept` is false when their time is over."""

    message: Message
    request: str | None
    answer: str | None
    are_kept: bool


@dataclass(frozen=True, slots=True)
class MessagesDesk:
    """What the journal is read with; `lost` says how many messages it did not keep since the start, at all processes."""

    exchanges: Exchanges
    roster: Roster
    keeping: Keeping
    lost: Callable[[], Awaitable[int]]

    def partners(self) -> list[tuple[str, str]]:
        """Whom one can ask for: ids and names of the partners that are there."""
        found = self.roster.directory.partners.values()
        return [(str(partner.id), partner.name) for partner in sorted(found, key=lambda one: one.name)]

    async def page(self, asked: MessageFilters) -> Page[Message]:
        """A page of the journal, the newest first."""
        found = await self.exchanges.listed(asked.wanted(), asked.limit)
        behind = None if found.next is None else write_cursor((str(found.next[0]), str(found.next[1])))
        return Page(items=[self.shown(kept) for kept in found.messages], next=behind)

    async def trace(self, correlation_id: str) -> list[Message]:
        """All hops of one correlation id, the first first. Raises UnknownPath (404) where there are none."""
        found = await self.exchanges.trace(correlation_id)
        if not found:
            raise UnknownPath("The journal has no message under this correlation id, or has it no more.")
        return [self.shown(kept) for kept in found]

    async def whole(self, name: str) -> MessageWhole:
        """One message. Raises UnknownPath (404)."""
        found = await self._found(name)
        if found is None:
            raise UnknownPath("The journal has no such message, or has it no more.")
        request, answer = found.bodies
        return MessageWhole(self.shown(found.kept), _text(request), _text(answer), found.are_kept)

    async def _found(self, name: str) -> Whole | None:
        try:
            return await self.exchanges.whole(read_place(name))
        except ValueError:
            return None

    def shown(self, kept: Kept) -> Message:
        """A message as it is shown."""
        partner = self.roster.directory.partners.get(kept.line.partner or 0)
        unknown = "" if kept.line.partner is None else f"partner {kept.line.partner}"
        return Message(name=message_name(kept.place), line=kept.line, partner_name=partner.name if partner else unknown)


def message_name(place: Place) -> str:
    """What names a message in an address."""
    return f"{place[0]}-{place[1]}"


def read_place(name: str) -> Place:
    """The place that a name stands for. Raises ValueError."""
    batch, _, place = name.partition("-")
    if not (batch.isascii() and batch.isdecimal() and place.isascii() and place.isdecimal()):
        raise ValueError("is no name of a message")
    if int(batch) > BATCH_MAX or int(place) >= BATCH_MAX_MESSAGES:
        raise ValueError("is no name of a message")
    return int(batch), int(place)


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "replace")

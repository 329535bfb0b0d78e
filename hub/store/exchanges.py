"""The journal of messages: a row for each batch of exchanges that were written at once, heads pressed as one text and bodies as another.

A row for each message would cost the process that carries the messages more than it may (decision 41). What the messages of a batch
have in common (when, whose, under which correlation ids, to whom they failed) stands in plain columns, so that a search opens few batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import msgspec

from hub.store.direct import Direct
from hub.store.pack import pack, unpack
from hub.store.where import where
from ocpi_modules.envelope import SUCCESS

BATCH_MAX_MESSAGES = 250
DROPPED_MAX_BATCHES = 50
TRACE_MAX_MESSAGES = 500
OPENED_AT_ONCE_BATCHES = 100
LOOKED_AT_MAX_MESSAGES = 50_000
FAILED_FROM = 400
SUCCESS_END = SUCCESS + 1000
MARK_SHIFT = 2**31

Bodies = tuple[bytes | None, bytes | None]
"""Of the request and of the answer; None where there is none, or none is kept."""

Place = tuple[int, int]
"""What names a message: its batch, and its place in it."""


class Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message as it was noted and is written, without its bodies. `started` and `seconds` by the counter of its process; `place` is a
    path of the hub or a whole URL, without `query`; 0 for an HTTP status or OCPI code that there is not; `partner` is an id, None where
    nobody is known by the token; `sender` and `receiver` as in ``DE/ABC``, or empty; `ids` are the request and the correlation id;
    `fault` says why nothing was answered.
    """

    started: float
    seconds: float
    is_inbound: bool
    module: str
    method: str
    place: str
    query: str
    partner: int | None
    sender: str
    receiver: str
    http_status: int
    status_code: int
    ids: tuple[str, str]
    request_bytes: int
    answer_bytes: int
    fault: str = ""

    @property
    def path(self) -> str:
        """The path, or the whole URL."""
        return f"{self.place}?{self.query}" if self.query else self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A message as it is read; `at` (UTC) is when it began."""

    at: datetime
    is_inbound: bool
    is_failed: bool
    partner: int | None
    sender: str
    receiver: str
    module: str
    method: str
    path: str
    http_status: int
    status_code: int
    microseconds: int
    request_id: str
    correlation_id: str
    request_bytes: int
    answer_bytes: int
    fault: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that are written at once, with the bodies of each; BATCH_MAX_MESSAGES at most. `zero` is when the counter was 0."""

    zero: float
    heads: Sequence[Head]
    bodies: Sequence[Bodies]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message of the journal."""

    place: Place
    line: Line


@dataclass(frozen=True, slots=True)
class Whole:
    """A message of the journal with its bodies; `are_kept` is false when their time is over."""

    kept: Kept
    bodies: Bodies
    are_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages to list: those that are like everything that is not None; `before` is a place, `status_code` an OCPI code,
    `status_from` the first of a thousand; `path_has` is looked for as it is written, in small or large letters."""

    party: str | None = None
    partner: int | None = None
    module: str | None = None
    method: str | None = None
    is_inbound: bool | None = None
    is_failed: bool | None = None
    status_code: int | None = None
    status_from: int | None = None
    http_from: int | None = None
    correlation_id: str | None = None
    path_has: str | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None
    before: Place | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Messages, the newest first, and the place behind which to go on looking; None when everything was looked at."""

    messages: list[Kept]
    next: Place | None


class Exchanges:
    """Writes and reads the journal of messages."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def write(self, batch: Batch) -> None:
        """Write a batch, all or nothing."""
        await self._direct.execute(_WRITE, *_in_common(batch))

    async def listed(self, wanted: Wanted, most: int) -> Found:
        """Messages that are like that, `most` at most; it gives up, for now, when it has looked at LOOKED_AT_MAX_MESSAGES."""
        found: list[Kept] = []
        is_wanted, place, looked_at = _condition(wanted), wanted.before, 0
        while True:
            rows = await self._direct.fetch(*_batches_like(wanted, place))
            for row in rows:
                for kept in reversed(_kept(row["id"], row["heads"])):
                    if (place is None or kept.place < place) and is_wanted(kept.line):
                        if len(found) == most:
                            return Found(found, found[-1].place)
                        found.append(kept)
                looked_at += row["messages"]
            if len(rows) < OPENED_AT_ONCE_BATCHES:
                return Found(found, None)
            place = (rows[-1]["id"], 0)
            if looked_at >= LOOKED_AT_MAX_MESSAGES:
                return Found(found, place)

    async def trace(self, correlation_id: str) -> list[Kept]:
        """All messages under one correlation id, in the order in which they began; TRACE_MAX_MESSAGES at most."""
        found = (await self.listed(Wanted(correlation_id=correlation_id), TRACE_MAX_MESSAGES)).messages
        return sorted(found, key=lambda kept: (kept.line.at, kept.place))

    async def whole(self, place: Place) -> Whole | None:
        """One message with its bodies; None where there is none."""
        rows = await self._direct.fetch("select heads, bodies from exchange_batch where id = $1", place[0])
        kept = _kept(place[0], rows[0]["heads"]) if rows else []
        if place[1] >= len(kept):
            return None
        packed = rows[0]["bodies"]
        bodies = (None, None) if packed is None else unpacked_bodies(packed)[place[1]]
        return Whole(kept[place[1]], bodies, packed is not None)

    async def last_failures(self) -> dict[int, Kept]:
        """The last message to each partner that failed, by the partner's id."""
        rows = await self._direct.fetch(_LAST_FAILURES)
        return {row["partner"]: _last_failure(row["partner"], _kept(row["id"], row["heads"])) for row in rows}

    async def drop_bodies(self, before: datetime) -> int:
        """Drop the bodies of messages that began before a moment; returns of how many batches, DROPPED_MAX_BATCHES at most."""
        async with self._direct.transaction() as connection:
            return len(await connection.fetch(_DROP_BODIES, before, DROPPED_MAX_BATCHES))

    async def drop_old(self, before: datetime, messages_max: int) -> int:
        """Drop messages that began before a moment, and the oldest of too many; returns how many batches, DROPPED_MAX_BATCHES at most."""
        async with self._direct.transaction() as connection:
            old = await connection.fetch(_DROP_OLD, before, DROPPED_MAX_BATCHES)
            if old:
                return len(old)
            return len(await connection.fetch(_DROP_MANY, messages_max, DROPPED_MAX_BATCHES))


# --- as it is packed ---


def packed_heads(zero: float, heads: Sequence[Head]) -> bytes:
    """The heads of a batch as they stand in its row."""
    return pack(_encoder.encode((zero, heads)))


def unpacked_heads(packed: bytes) -> tuple[float, list[Head]]:
    """What `packed_heads` packed."""
    return _heads.decode(unpack(packed))


def packed_bodies(bodies: Sequence[Bodies]) -> bytes:
    """The bodies of a batch as they stand in its row."""
    return pack(_encoder.encode(bodies))


def unpacked_bodies(packed: bytes) -> list[Bodies]:
    """What `packed_bodies` packed."""
    return _bodies.decode(unpack(packed))


_encoder = msgspec.msgpack.Encoder()
_heads, _bodies = msgspec.msgpack.Decoder(tuple[float, list[Head]]), msgspec.msgpack.Decoder(list[Bodies])


def is_failure(head: Head) -> bool:
    """Whether a message was no success: by HTTP status and OCPI code; an answer without a body to a push counts as one (X-23)."""
    if 0 < head.http_status < FAILED_FROM:
        return not SUCCESS <= head.status_code < SUCCESS_END and (head.is_inbound or head.answer_bytes > 0)
    return True


def line_of(zero: float, head: Head) -> Line:
    """A message as it is read."""
    return Line(
        at=datetime.fromtimestamp(zero + head.started, UTC),
        is_inbound=head.is_inbound,
        is_failed=is_failure(head),
        partner=head.partner,
        sender=head.sender,
        receiver=head.receiver,
        module=head.module,
        method=head.method,
        path=head.path,
        http_status=head.http_status,
        status_code=head.status_code,
        microseconds=int(head.seconds * 1e6),
        request_id=head.ids[0],
        correlation_id=head.ids[1],
        request_bytes=head.request_bytes,
        answer_bytes=head.answer_bytes,
        fault=head.fault,
    )


def _kept(batch: int, packed: bytes) -> list[Kept]:
    zero, heads = unpacked_heads(packed)
    return [Kept((batch, place), line_of(zero, head)) for place, head in enumerate(heads)]


def _in_common(batch: Batch) -> tuple[Any, ...]:
    """The columns of a batch."""
    heads, failed = batch.heads, [head for head in batch.heads if is_failure(head)]
    starts = [head.started for head in heads]
    return (
        datetime.fromtimestamp(batch.zero + min(starts), UTC),
        datetime.fromtimestamp(batch.zero + max(starts), UTC),
        len(heads),
        sorted(({head.sender for head in heads} | {head.receiver for head in heads}) - {""}),
        [correlation_mark(one) for one in {head.ids[1] for head in heads}],
        sorted({head.partner for head in heads if head.partner is not None}),
        sorted({head.partner for head in failed if not head.is_inbound and head.partner is not None}),
        bool(failed),
        packed_heads(batch.zero, heads),
        packed_bodies(batch.bodies) if any(asked or said for asked, said in batch.bodies) else None,
    )


def correlation_mark(correlation_id: str) -> int:
    """A number of 32 bits (signed) that is equal for equal ids."""
    return crc32(correlation_id.encode()) - MARK_SHIFT


# --- as it is searched ---


def _batches_like(wanted: Wanted, before: Place | None) -> tuple[Any, ...]:
    """The statement that finds batches which may have what is wanted, with its values."""
    mark = None if wanted.correlation_id is None else correlation_mark(wanted.correlation_id)
    condition, values = where(
        [
            ("parties @> array[?::text]", wanted.party),
            ("correlations @> array[?::int]", mark),
            ("partners @> array[?::int]", wanted.partner),
            ("has_failures = ?", wanted.is_failed or None),
            ("last_at >= ?", wanted.date_from),
            ("first_at < ?", wanted.date_to),
            # a batch is opened again for what stands in it before the place
            ("id < ?", None if before is None else before[0] + (before[1] > 0)),
        ]
    )
    return (f"{_LISTED} {condition} order by id desc limit {OPENED_AT_ONCE_BATCHES}", *values)


def _condition(wanted: Wanted) -> Callable[[Line], bool]:
    """Whether a message is like everything that is asked for."""
    tests = list(_tests(wanted))
    return lambda line: all(test(line) for test in tests)


def _tests(wanted: Wanted) -> Iterator[Callable[[Line], bool]]:
    for name in ("partner", "module", "method", "is_inbound", "is_failed", "status_code", "correlation_id"):
        if (value := getattr(wanted, name)) is not None:
            yield _equals(name, value)
    if (party := wanted.party) is not None:
        yield lambda line: party in {line.sender, line.receiver}
    if (part := wanted.path_has) is not None:
        folded = part.casefold()
        yield lambda line: folded in line.path.casefold()
    if (code := wanted.status_from) is not None:
        yield lambda line: code <= line.status_code < code + 1000
    if (status := wanted.http_from) is not None:
        yield lambda line: status <= line.http_status < status + 100
    if (start := wanted.date_from) is not None:
        yield lambda line: start <= line.at
    if (end := wanted.date_to) is not None:
        yield lambda line: line.at < end


def _equals(name: str, value: object) -> Callable[[Line], bool]:
    return lambda line: getattr(line, name) == value


def _last_failure(partner: int, kept: Sequence[Kept]) -> Kept:
    return next(
        one for one in reversed(kept) if one.line.partner == partner and one.line.is_failed and not one.line.is_inbound
    )


_LISTED = "select id, messages, heads from exchange_batch"
_WRITE = (
    "insert into exchange_batch (first_at, last_at, messages, parties, correlations, partners, failed, has_failures, heads, bodies) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
)
_LAST_FAILURES = (
    "select l.partner, b.id, b.heads from (select p.partner, max(id) as id from exchange_batch, unnest(failed) as p(partner) "
    "where failed <> '{}' group by 1) l join exchange_batch b on b.id = l.id"
)
_DROP_BODIES = (
    "update exchange_batch set bodies = null where id in (select id from (select id, last_at from exchange_batch "
    "where bodies is not null order by id limit $2) as oldest where last_at < $1) returning 1"
)
_DROP_OLD = (
    "delete from exchange_batch where id in (select id from (select id, last_at from exchange_batch order by id limit $2) as oldest "
    "where last_at < $1) returning 1"
)
_DROP_MANY = (
    "delete from exchange_batch where id in (select id from (select id, sum(messages) over (order by id desc) as newer "
    "from exchange_batch) as b where newer > $1 order by id limit $2) returning 1"
)

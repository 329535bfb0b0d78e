"""What let somebody charge, as the hub passed it on: authorisations, commands, and the results of commands.

Facts are written after the answer is on its way, in groups; one that cannot be written is lost and costs nobody an answer. They are kept
for KEPT_MAX_MONTHS, or for as long as drivers are (`hub.store.forgetting`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from hub.store.direct import Direct, Record
from hub.store.group import GroupWriter
from hub.store.pack import pack, unpack
from ocpi_modules.types import encode_decoded

KEPT_MAX_MONTHS = 24
BEFORE_START_MAX_HOURS = 24  # a reservation may be that old
AFTER_START_MAX_MINUTES = 5
OF_CHARGE_MAX_PERMITS = 100

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPermit:
    """An authorisation or command with its answer; the fields are those of `PermitRow`, `content` is its JSON."""

    module: str
    cpo: str
    emsp: str
    token: str
    reference: str
    callback: str
    asked_at: datetime
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptResult:
    """What a charge point made of the command with this callback."""

    callback: str
    result: str
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Sought:
    """What permits of a charge are found by: CPO, token and authorization_reference (folded; empty for none), and its start (UTC)."""

    cpo: str
    token: str
    reference: str
    start: datetime


@dataclass(frozen=True, slots=True)
class FoundPermit:
    """A permit as it was kept: its JSON text, and the last result that came for it, empty for none."""

    text: bytes
    result: str


class PermitNotes:
    """Takes notes of permits while messages pass. What it is given it writes soon; nobody waits for that."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._writer: GroupWriter[KeptPermit | KeptResult, None] = GroupWriter(self._commit)
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, fact: KeptPermit | KeptResult) -> None:
        """Keep a fact, soon. Never raises for want of the database."""
        task = asyncio.create_task(self._keep(fact), context=Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Write what was taken."""
        await asyncio.gather(*self._under_way)

    async def _keep(self, fact: KeptPermit | KeptResult) -> None:
        try:
            await self._writer.submit(fact)
        except Exception as exc:  # the message has gone its way
            _log.warning("permit_not_kept", error=type(exc).__name__)

    async def _commit(self, facts: Sequence[KeptPermit | KeptResult]) -> list[Exception | None]:
        permits = [_permit_row(fact) for fact in facts if isinstance(fact, KeptPermit)]
        results = [(fact.callback, fact.result, fact.known_at) for fact in facts if isinstance(fact, KeptResult)]
        async with self._direct.transaction() as connection:
            if permits:
                await connection.execute(_PERMIT, *_columns(permits))
            if results:
                await connection.execute(_RESULT, *_columns(results))
        return [None] * len(facts)


class PermitBook:
    """Reads permits."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def first_asked(self, cpos: Collection[str]) -> dict[tuple[str, str], datetime]:
        """Since when authorisations (tokens) and commands of CPOs are known here, by CPO and module; those that have none are left out."""
        rows = await self._direct.fetch(_FIRST, sorted(cpos)) if cpos else ()
        return {(row["cpo"], row["module"]): row["asked_at"] for row in rows}

    async def about(self, sought: Sequence[Sought]) -> list[FoundPermit]:
        """What may have permitted charges, the oldest first; for one of them OF_CHARGE_MAX_PERMITS of a module at most, the last ones."""
        columns = _columns([(one.cpo, one.token, one.reference, one.start) for one in sought])
        rows = await self._direct.fetch(_ABOUT, *columns) if sought else ()
        return [_found(row) for row in rows]


def _permit_row(one: KeptPermit) -> tuple[Any, ...]:
    text = pack(encode_decoded(one.content))
    return (one.module, one.cpo, one.emsp, one.token, one.reference, one.callback, one.asked_at, text)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _found(row: Record) -> FoundPermit:
    return FoundPermit(unpack(row["packed"]), row["result"] or "")


_PERMIT = (
    "insert into permit (module, cpo, emsp, token, reference, callback, asked_at, packed) select * from unnest("
    "$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bytea[])"
)

_RESULT = "insert into permit_result (callback, result, known_at) select * from unnest($1::text[], $2::text[], $3::timestamptz[])"

_FIRST = (
    "select k.cpo, m.module, p.asked_at from unnest($1::text[]) k(cpo) cross join (values ('tokens'), ('commands')) m(module) "
    "cross join lateral (select asked_at from permit where permit.cpo = k.cpo and permit.module = m.module "
    "order by asked_at limit 1) p"
)

_OF_TOKEN = (
    "select p.* from permit p where p.token = k.token and k.token <> '' and p.cpo = k.cpo "
    f"and p.asked_at <= k.start + interval '{AFTER_START_MAX_MINUTES} minutes'"
)

_ABOUT = (
    "with k as (select distinct * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) k(cpo, token, reference, start)), "
    "found as ("
    f"select l.* from k cross join lateral ({_OF_TOKEN} and p.module = 'tokens' and p.asked_at >= k.start - interval '1 hour' "
    f"order by p.asked_at desc limit {OF_CHARGE_MAX_PERMITS}) l "
    f"union all select l.* from k cross join lateral ({_OF_TOKEN} and p.module = 'commands' "
    f"and p.asked_at >= k.start - interval '{BEFORE_START_MAX_HOURS} hours' order by p.asked_at desc limit {OF_CHARGE_MAX_PERMITS}) l "
    "union all select l.* from k cross join lateral (select p.* from permit p where p.reference = k.reference "
    f"and p.reference <> '' and p.cpo = k.cpo order by p.asked_at desc limit {OF_CHARGE_MAX_PERMITS}) l) "
    "select distinct on (f.asked_at, f.id) f.packed, r.result from found f left join lateral (select result from permit_result r "
    "where r.callback = f.callback and f.callback <> '' order by r.id desc limit 1) r on true order by f.asked_at, f.id"
)

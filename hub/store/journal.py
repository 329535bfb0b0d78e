"""The journal as rows. The database holds its rules: entries add up to zero, only ever grow, and closed periods take nothing.

That is so whoever writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from hub.store.direct import Connection, Direct, Record


@dataclass(frozen=True, slots=True)
class PostingLine:
    """One posting as it is kept: account kind, party, counterparty (``DE/ABC``), period, currency, exact amounts."""

    kind: str
    party: str
    counterparty: str
    period: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLines:
    """One entry as it is kept; `key` names it for good."""

    key: str
    event: str
    reference: str
    actor: str = ""
    reason: str = ""
    postings: tuple[PostingLine, ...]


class JournalBook:
    """Writes and reads the journal."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def write(self, entries: Sequence[EntryLines], now: datetime) -> int:
        """Write entries that are not there yet, all or none; returns how many those were. Raises CheckViolation of the driver."""
        async with self._direct.transaction() as connection:
            return await write_entries(connection, entries, now)

    async def balances(self, period: str | None = None) -> list[PostingLine]:
        """What every account holds, in the order of accounts; of one period or of all."""
        rows = await self._direct.fetch(_BALANCES, period)
        return [PostingLine(*row.values()) for row in rows]

    async def of(self, reference: str) -> list[EntryLines]:
        """The entries about one thing, the oldest first."""
        return _entries(await self._direct.fetch(_OF, reference))

    async def named(self, keys: Collection[str]) -> dict[str, EntryLines]:
        """Entries by key; those that are not there are left out."""
        rows = await self._direct.fetch(_NAMED, sorted(keys)) if keys else ()
        return {entry.key: entry for entry in _entries(rows)}


def _entries(rows: Iterable[Record]) -> list[EntryLines]:
    found: dict[str, list[PostingLine]] = {}
    heads = {}
    for row in rows:
        found.setdefault(row["key"], []).append(PostingLine(*(row[name] for name in _POSTING)))
        heads[row["key"]] = {name: row[name] for name in ("event", "reference", "actor", "reason")}
    return [EntryLines(key=key, postings=tuple(postings), **heads[key]) for key, postings in found.items()]


async def write_entries(connection: Connection, entries: Sequence[EntryLines], now: datetime) -> int:
    """Write entries on a connection that has a transaction; those whose key is there are left as they are."""
    if not entries:
        return 0
    heads = [[getattr(entry, name) for entry in entries] for name in ("key", "event", "reference", "actor", "reason")]
    rows = await connection.fetch(_ENTRIES, *heads, now)
    numbers = {row["key"]: row["id"] for row in rows}
    lines = [
        (numbers[entry.key], *_posting_values(posting))
        for entry in entries
        if entry.key in numbers
        for posting in entry.postings
    ]
    if lines:  # copied: of each element of an array the driver asks whether it is one itself
        await connection.copy_records_to_table("posting", records=lines, columns=("entry", *_POSTING))
    return len(numbers)


_POSTING = ("kind", "party", "counterparty", "period", "currency", "excl_vat", "incl_vat")
_posting_values = attrgetter(*_POSTING)

_ENTRIES = (
    "insert into journal_entry (key, event, reference, actor, reason, known_at) "
    "select *, $6::timestamptz from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) "
    "on conflict (key) do nothing returning id, key"
)

_BALANCES = (
    "select kind, party, counterparty, period, currency, excl_vat, incl_vat from account_balance "
    "where ($1::text is null or period = $1) and (excl_vat <> 0 or incl_vat <> 0) order by 1, 2, 3, 4, 5"
)

_ENTRY = (
    "select e.key, e.event, e.reference, e.actor, e.reason, p.kind, p.party, p.counterparty, p.period, p.currency, "
    "p.excl_vat, p.incl_vat from {entries} cross join lateral (select * from posting where entry = e.id offset 0) p order by e.id, p.id"
)
_OF = _ENTRY.format(entries="(select * from journal_entry where reference = $1) e")
_NAMED = _ENTRY.format(entries="(select j.* from unnest($1::text[]) k(key) join journal_entry j using (key)) e")

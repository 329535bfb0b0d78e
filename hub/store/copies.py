"""The copies: what every owner said last, kept as the text that came in, for exactly the audience that it was meant for.

Writes go through one `GroupWriter`: pushes that wait at the same time share a transaction, and each is answered after its commit.
Reads serve stored text; no object is built on the way out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlmodel.ext.asyncio.session import AsyncSession

from hub.store.changes import Change, Decision, Result, claim_of, decide
from hub.store.database import Database, execute
from hub.store.group import GroupWriter
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import LookFor, Module
from ocpi_modules.parties import Party
from ocpi_modules.types import fold

OWNERS_MAX = 10
OWNERS_COUNTED_MAX = 1000

RowKey = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one push that was kept: its result, the eMSP it belongs to (None for objects that are for everybody), and whether
    the object had been finished before.
    """

    result: Result
    addressee: Party | None
    was_finished: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """A stored object: its text as JSON bytes, the eMSP it belongs to, and where that eMSP keeps it (or None)."""

    text: bytes
    addressee: Party | None
    remote_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which page of which module for which reader. `sees_shared`: the reader's roles may see what is meant for everybody.

    `date_from` is inclusive, `date_to` exclusive, both in UTC (P-02, P-03). `closed` owners are not shown to the reader.
    """

    module: Module
    reader: Party
    sees_shared: bool
    date_from: datetime | None = None
    date_to: datetime | None = None
    offset: int = 0
    limit: int = 100
    closed: frozenset[Party] = frozenset()


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the texts of its objects, and how many objects the filters match in all."""

    texts: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Visible:
    """How many objects a reader may see in all, and of whom: at most OWNERS_COUNTED_MAX owners, those with the most first."""

    total: int
    by_owner: dict[Party, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """A complete list of one owner's objects: folded ids and variants, when it was read, and when the one before it began (UTC)."""

    module: Module
    owner: Party
    seen: Collection[tuple[str, str]]
    at: datetime
    crawled_before: datetime | None


class Copies:
    """The copies of every module."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer: GroupWriter[Change, Kept] = GroupWriter(self._commit)

    async def keep(self, change: Change) -> Kept:
        """Keep one push; returns after it is committed. Raises OcpiError when the push is refused; then nothing changed."""
        return await self._writer.submit(change)

    async def close(self) -> None:
        """Write what was submitted, then stop."""
        await self._writer.close()

    async def owned(self, module: Module, owner: Party, object_id: str, variant: str) -> Copy | None:
        """The owner's object as the hub keeps it for everybody (or for its addressee); None when there is none."""
        values = {"module": module.id, "key": fold(object_id), "variant": variant, **_owner(owner)}
        rows = await self._rows(_OWNED, values)
        return _copy(rows[0]) if rows else None

    async def visible(self, query: PageQuery, look: LookFor) -> dict[Party, Copy]:
        """The objects with this id that a reader may see, by owner; more than one means that the id alone is ambiguous (G-06)."""
        condition = f"{_scope(query)} and c.key = :key and c.variant = :variant"
        values = {**_scope_values(query), "key": fold(look.key), "variant": look.variant, "most": OWNERS_MAX}
        rows = await self._rows(
            text(f"select {_COLUMNS} from copy c where {condition} order by c.seq limit :most"), values
        )
        return {Party(row.country_code, row.party_id): _copy(row) for row in rows}

    async def owners(self, look: LookFor) -> frozenset[Party]:
        """Every owner of an object with this id, whoever may see it: for finding where a message belongs (O-03)."""
        values = {
            "module": look.module_id,
            "key": fold(look.key),
            "variant": look.variant,
            "most": OWNERS_MAX,
        }
        return frozenset(Party(row.country_code, row.party_id) for row in await self._rows(_OWNERS, values))

    async def page(self, query: PageQuery) -> Page:
        """One page in the order in which objects were first seen (P-11), and the total (P-07)."""
        scope, values = _scope(query), _scope_values(query)
        async with self._database.transaction() as session:
            total = (await execute(session, text(f"select count(*) as total from copy c where {scope}"), values))[
                0
            ].total
            page = text(f"select c.text from copy c where {scope} order by c.seq limit :limit offset :offset")
            rows = await execute(session, page, {**values, "limit": query.limit, "offset": query.offset})
        return Page(tuple(row.text for row in rows), total)

    async def count_visible(self, query: PageQuery) -> Visible:
        """How many objects the pages of a query hold in all, split by owner."""
        counted = text(
            "select c.country_code, c.party_id, count(*) as seen, sum(count(*)) over () as total from copy c "
            f"where {_scope(query)} group by c.country_code, c.party_id "
            "order by seen desc, c.country_code, c.party_id limit :most"
        )
        rows = await self._rows(counted, {**_scope_values(query), "most": OWNERS_COUNTED_MAX})
        return Visible(
            int(rows[0].total) if rows else 0, {Party(row.country_code, row.party_id): row.seen for row in rows}
        )

    async def is_private(self, module: Module, owner: Party, object_id: str, variant: str) -> bool:
        """Whether the owner sent an object to single parties only: then it is nobody else's, even where its own list shows it."""
        values = {"module": module.id, "key": fold(object_id), "variant": variant, **_owner(owner)}
        return {row.is_private for row in await self._rows(_PRIVATE, values)} == {True}

    async def last_push(self, module: Module, owners: Collection[Party], before: datetime) -> datetime | None:
        """When, before a moment (UTC), one of these owners pushed an object of a module last; None when none of them did."""
        values = {"module": module.id, "owners": [str(owner) for owner in owners], "before": before}
        rows = await self._rows(_LAST_PUSH, values)
        last: datetime | None = rows[0].last
        return last

    async def mark_missing(self, crawled: Crawled) -> int:
        """Mark what a complete crawl of an owner did not contain as stale, and what it contained as good again (X-29).

        What was pushed since the crawl before this one is left alone. Returns how many objects are newly stale.
        """
        values: dict[str, Any] = {
            "module": crawled.module.id,
            **_owner(crawled.owner),
            "keys": [key for key, _ in crawled.seen],
            "variants": [variant for _, variant in crawled.seen],
            "since": crawled.crawled_before,
            "now": crawled.at,
        }
        async with self._database.transaction() as session:
            await execute(session, _FOUND_AGAIN, values)
            return len(await execute(session, _MISSING, values))

    async def count(self) -> dict[str, int]:
        """How many objects the hub keeps, by module id."""
        rows = await self._rows(text("select module, count(*) as kept from copy group by module order by module"), {})
        return {row.module: row.kept for row in rows}

    async def _rows(self, statement: TextClause, values: dict[str, Any]) -> Sequence[Row[Any]]:
        async with self._database.transaction() as session:
            return await execute(session, statement, values)

    async def _commit(self, changes: Sequence[Change]) -> list[Kept | Exception]:
        async with self._database.transaction() as session:
            batch = _Batch(await _load_for_update(session, {change.row_key for change in changes}))
            outcomes = [batch.apply(change) for change in changes]
            await _save(session, batch)
        return outcomes


@dataclass(slots=True)
class _State:
    """The copy under one key while a batch works on it."""

    text: str | None = None
    addressee: str = ""
    remote_url: str | None = None
    last_updated: datetime | None = None
    pushed_at: datetime | None = None


@dataclass(slots=True)
class _Batch:
    """The copies that a batch touches, and which of its changes left something to write."""

    states: dict[RowKey, _State]
    touched: set[RowKey] = field(default_factory=set)
    accepted: list[Change] = field(default_factory=list)
    created: list[Change] = field(default_factory=list)

    def apply(self, change: Change) -> Kept | Exception:
        """Decide one change on the state that its forerunners in the batch left."""
        state = self.states.setdefault(change.row_key, _State())
        try:
            decision = decide(change, state.text, state.addressee)
        except OcpiError as refused:
            return refused
        self._take(change, decision, state)
        addressee = Party.parse(decision.addressee) if decision.addressee else None
        return Kept(decision.result, addressee, decision.was_finished)

    def _take(self, change: Change, decision: Decision, state: _State) -> None:
        if decision.result is Result.STALE:
            return
        self.accepted.append(change)
        if decision.result is Result.CREATED:
            self.created.append(change)
        is_kept_there = change.addressee is not None and str(change.addressee) == decision.addressee
        remote_url = change.remote_url if is_kept_there else None
        if decision.result is Result.UNCHANGED and remote_url in {None, state.remote_url}:
            return
        self.touched.add(change.row_key)
        state.text, state.addressee, state.last_updated = (
            decision.text,
            decision.addressee,
            decision.last_updated,
        )
        state.remote_url = remote_url or state.remote_url
        state.pushed_at = state.pushed_at if change.is_pulled else change.at


_COLUMNS = "c.country_code, c.party_id, c.text, c.addressee, c.remote_url"

_OWNED = text(
    f"select {_COLUMNS} from copy c where c.module = :module and c.country_code = :country_code and c.party_id = :party_id "
    "and c.key = :key and c.variant = :variant and c.audience = ''"
)

_PRIVATE = text(
    "select audience <> '' as is_private from copy where module = :module and country_code = :country_code "
    "and party_id = :party_id and key = :key and variant = :variant"
)

_OWNERS = text(
    "select distinct country_code, party_id from copy where module = :module and key = :key and variant = :variant limit :most"
)

_KEYS = (
    "unnest(cast(:modules as text[]), cast(:countries as text[]), cast(:parties as text[]), "
    "cast(:keys as text[]), cast(:variants as text[]), cast(:audiences as text[]))"
)

_LOAD = text(
    f"select c.* from copy c join {_KEYS} k(module, country_code, party_id, key, variant, audience) "
    "using (module, country_code, party_id, key, variant, audience) order by c.seq for update of c"
)

_UPSERT = text(
    "insert into copy "
    "(module, country_code, party_id, key, variant, audience, addressee, last_updated, text, remote_url, pushed_at) "
    f"select k.* from rows from ({_KEYS}, unnest(cast(:addressees as text[]), cast(:dates as timestamptz[]), "
    "cast(:texts as text[]), cast(:remote_urls as text[]), cast(:pushes as timestamptz[]))) k "
    "on conflict (module, country_code, party_id, key, variant, audience) do update set addressee = excluded.addressee, "
    "last_updated = excluded.last_updated, text = excluded.text, remote_url = excluded.remote_url, "
    "pushed_at = coalesce(excluded.pushed_at, copy.pushed_at), stale_at = null"
)

_DELETE = text(
    f"delete from copy c using {_KEYS} k(module, country_code, party_id, key, variant, audience) "
    "where (c.module, c.country_code, c.party_id, c.key, c.variant, c.audience) "
    "= (k.module, k.country_code, k.party_id, k.key, k.variant, k.audience)"
)

_LAST_PUSH = text(
    "select max(pushed_at) as last from copy where module = :module and pushed_at < :before "
    "and country_code || '/' || party_id = any(:owners)"
)

_SEEN = (
    "exists (select 1 from unnest(cast(:keys as text[]), cast(:variants as text[])) s(key, variant) "
    "where s.key = copy.key and s.variant = copy.variant)"
)

_OF_OWNER = "module = :module and country_code = :country_code and party_id = :party_id and audience = ''"

_FOUND_AGAIN = text(f"update copy set stale_at = null where {_OF_OWNER} and stale_at is not null and {_SEEN}")

_MISSING = text(
    f"update copy set stale_at = :now where {_OF_OWNER} and stale_at is null and not {_SEEN} "
    "and (pushed_at is null or pushed_at < :since) returning seq"
)

_CLAIM = text(
    "insert into claim (creditor, cdr_key, cdr_id, debtor, currency, excl_vat, incl_vat, is_credit, end_date_time, accepted_at) "
    "values (:creditor, :cdr_key, :cdr_id, :debtor, :currency, :excl_vat, :incl_vat, :is_credit, :end_date_time, :accepted_at) "
    "on conflict do nothing"
)

_DUE = text(
    "insert into due (creditor, cdr_key, payer, created_at, attempts, last_answer) "
    "values (:creditor, :cdr_key, :payer, :created_at, 0, '') on conflict do nothing"
)

_CLAIMED_MODULES = {"cdrs": claim_of}


def _scope(query: PageQuery) -> str:
    """The SQL condition for what a reader may see (G-03, G-04): the one place where an audience is decided.

    Objects with an addressee: the owner's own and those addressed to the reader. Others: what is meant for everybody, with what was sent
    to the reader alone in its place where there is both (X-13). What a full crawl of its owner no longer contained is not shown (X-29).
    """
    if query.module.is_addressed:
        who = "((c.country_code = :country_code and c.party_id = :party_id) or c.addressee = :reader)"
    elif query.sees_shared:
        mine = (
            "select 1 from copy p where p.module = c.module and p.country_code = c.country_code and p.party_id = c.party_id "
            "and p.key = c.key and p.variant = c.variant and p.audience = :reader"
        )
        who = f"(c.audience = :reader or (c.audience = '' and not exists ({mine})))"
    else:
        who = (
            "((c.audience = '' and c.country_code = :country_code and c.party_id = :party_id) or c.audience = :reader)"
        )
    dates = [
        f" and c.last_updated {sign} :{name}"
        for name, sign, value in (("date_from", ">=", query.date_from), ("date_to", "<", query.date_to))
        if value is not None
    ]
    closed = " and not c.country_code || '/' || c.party_id = any(:closed)" if query.closed else ""
    return f"c.module = :module and c.stale_at is null and {who}{closed}{''.join(dates)}"


def _scope_values(query: PageQuery) -> dict[str, Any]:
    values = {"module": query.module.id, "reader": str(query.reader), **_owner(query.reader)}
    dates = {"date_from": query.date_from, "date_to": query.date_to}
    return values | dates | {"closed": [str(party) for party in query.closed]}


def _owner(party: Party) -> dict[str, str]:
    return {"country_code": party.country_code, "party_id": party.party_id}


def _copy(row: Row[Any]) -> Copy:
    return Copy(row.text.encode(), Party.parse(row.addressee) if row.addressee else None, row.remote_url)


def _key_arrays(keys: Iterable[RowKey]) -> dict[str, list[str]]:
    names = ("modules", "countries", "parties", "keys", "variants", "audiences")
    columns = list(zip(*keys, strict=True)) or [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


async def _load_for_update(session: AsyncSession, keys: set[RowKey]) -> dict[RowKey, _State]:
    rows = await execute(session, _LOAD, _key_arrays(keys))
    return {
        (row.module, row.country_code, row.party_id, row.key, row.variant, row.audience): _State(
            row.text, row.addressee, row.remote_url, row.last_updated
        )
        for row in rows
    }


async def _save(session: AsyncSession, batch: _Batch) -> None:
    written = [(key, state) for key, state in batch.states.items() if key in batch.touched]
    gone = [key for key, state in written if state.text is None]
    if gone:
        await execute(session, _DELETE, _key_arrays(gone))
    kept = [(key, state) for key, state in written if state.text is not None]
    if kept:
        columns = {
            "addressees": [state.addressee for _, state in kept],
            "dates": [state.last_updated for _, state in kept],
            "texts": [state.text for _, state in kept],
            "remote_urls": [state.remote_url for _, state in kept],
            "pushes": [state.pushed_at for _, state in kept],
        }
        await execute(session, _UPSERT, _key_arrays(key for key, _ in kept) | columns)
    await _save_money(session, batch)


async def _save_money(session: AsyncSession, batch: _Batch) -> None:
    claims = [row for change in batch.accepted if (row := _claim_row(change))]
    if claims:
        await execute(session, _CLAIM, claims)
    dues = [
        {
            "creditor": str(change.owner),
            "cdr_key": fold(change.ids[0]),
            "payer": str(change.payer),
            "created_at": change.at,
        }
        for change in batch.created
        if change.payer
    ]
    if dues:
        await execute(session, _DUE, dues)


def _claim_row(change: Change) -> dict[str, Any] | None:
    claim = _CLAIMED_MODULES[change.module.id](change.content) if change.module.id in _CLAIMED_MODULES else None
    if claim is None or change.debtor is None:
        return None
    return {
        "creditor": str(change.owner),
        "cdr_key": fold(change.ids[0]),
        "cdr_id": claim.cdr_id,
        "debtor": str(change.debtor),
        "currency": claim.currency,
        "excl_vat": claim.excl_vat,
        "incl_vat": claim.incl_vat,
        "is_credit": claim.is_credit,
        "end_date_time": claim.end_date_time,
        "accepted_at": change.at,
    }

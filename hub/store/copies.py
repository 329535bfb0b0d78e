"""The copies: what every owner said last, kept as the text that came in, for exactly the audience that it was meant for.

Writes go through one `GroupWriter`: pushes that wait at the same time share a transaction, and each is answered after its commit.
Reads serve stored text; no object is built on the way out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import randrange
from typing import Any

from hub.store.changes import Change, Decision, Result, claim_of, decide
from hub.store.direct import Connection, Direct, Record
from hub.store.group import GroupWriter
from hub.store.pack import pack, unpack
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import LookFor, Module
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json, fold

OWNERS_MAX = 10
OWNERS_COUNTED_MAX = 1000

COUNT_SLOTS = 64

RowKey = tuple[str, str, str, str, str, str]
"""Module, country code, party id, folded id, variant, audience."""

CountKey = tuple[str, str, str, str, str]
"""Module, country code, party id, audience, addressee."""


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

    `date_from` is inclusive, `date_to` exclusive, both in UTC (P-02, P-03). `closed` owners are not shown to the reader. `after` is where
    the page before this one ended (its `last`); `offset` counts from there.
    """

    module: Module
    reader: Party
    sees_shared: bool
    date_from: datetime | None = None
    date_to: datetime | None = None
    offset: int = 0
    limit: int = 100
    after: int = 0
    closed: frozenset[Party] = frozenset()


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the texts of its objects, how many objects the filters match in all, and where the next page goes on (0 for none)."""

    texts: tuple[bytes, ...]
    total: int
    last: int = 0


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

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._writer: GroupWriter[Change, Kept] = GroupWriter(self._commit)
        self._slot = randrange(COUNT_SLOTS)

    async def keep(self, change: Change) -> Kept:
        """Keep one push; returns after it is committed. Raises OcpiError when the push is refused; then nothing changed."""
        return await self._writer.submit(change)

    async def close(self) -> None:
        """Write what was submitted, then stop."""
        await self._writer.close()

    async def owned(self, module: Module, owner: Party, object_id: str, variant: str) -> Copy | None:
        """The owner's object as the hub keeps it for everybody (or for its addressee); None when there is none."""
        rows = await self._direct.fetch(_OWNED, module.id, owner.country_code, owner.party_id, fold(object_id), variant)
        return _copy(rows[0]) if rows else None

    async def visible(self, query: PageQuery, look: LookFor) -> dict[Party, Copy]:
        """The objects with this id that a reader may see, by owner; more than one means that the id alone is ambiguous (G-06)."""
        values = Values()
        here = f"c.key = {values(fold(look.key))} and c.variant = {values(look.variant)}"
        arms = " union all ".join(
            f"(select {_COLUMNS}, c.seq from copy c where {arm} and {here})" for arm in scope(query, values)
        )
        rows = await self._direct.fetch(
            f"select * from ({arms}) u order by seq limit {values(OWNERS_MAX)}", *values.all
        )
        return {_party(row): _copy(row) for row in rows}

    async def owners(self, look: LookFor) -> frozenset[Party]:
        """Every owner of an object with this id, whoever may see it: for finding where a message belongs (O-03)."""
        rows = await self._direct.fetch(_OWNERS, look.module_id, fold(look.key), look.variant, OWNERS_MAX)
        return frozenset(map(_party, rows))

    async def page(self, query: PageQuery) -> Page:
        """One page in the order in which objects were first seen (P-11), and the total (P-07)."""
        values = Values()
        statement = page_statement(query, values)
        (row,) = await self._direct.fetch(statement, *values.all)
        texts = tuple(map(unpack, row["packed"] or ()))
        return Page(texts[: query.limit], row["total"], row["last"] if len(texts) > query.limit else 0)

    async def count_visible(self, query: PageQuery) -> Visible:
        """How many objects the pages of a query hold in all, split by owner."""
        values = Values()
        arms = " union all ".join(
            f"(select c.country_code, c.party_id from copy c where {arm})" for arm in scope(query, values)
        )
        counted = (
            f"select country_code, party_id, count(*) as seen, sum(count(*)) over () as total from ({arms}) u "
            f"group by country_code, party_id order by seen desc, country_code, party_id limit {values(OWNERS_COUNTED_MAX)}"
        )
        rows = await self._direct.fetch(counted, *values.all)
        return Visible(int(rows[0]["total"]) if rows else 0, {_party(row): row["seen"] for row in rows})

    async def is_private(self, module: Module, owner: Party, object_id: str, variant: str) -> bool:
        """Whether the owner sent an object to single parties only: then it is nobody else's, even where its own list shows it."""
        rows = await self._direct.fetch(
            _PRIVATE, module.id, owner.country_code, owner.party_id, fold(object_id), variant
        )
        return {row["is_private"] for row in rows} == {True}

    async def last_push(self, module: Module, owners: Collection[Party], before: datetime) -> datetime | None:
        """When, before a moment (UTC), one of these owners pushed an object of a module last; None when none of them did."""
        rows = await self._direct.fetch(_LAST_PUSH, module.id, before, [str(owner) for owner in owners])
        last: datetime | None = rows[0]["last"]
        return last

    async def mark_missing(self, crawled: Crawled) -> int:
        """Mark what a complete crawl of an owner did not contain as stale, and what it contained as good again (X-29).

        What was pushed since the crawl before this one is left alone. Returns how many objects are newly stale.
        """
        owner = crawled.owner
        of_owner = (crawled.module.id, owner.country_code, owner.party_id)
        seen = ([key for key, _ in crawled.seen], [variant for _, variant in crawled.seen])
        async with self._direct.transaction() as connection:
            found = await connection.fetch(_FOUND_AGAIN, *of_owner, *seen)
            missing = await connection.fetch(_MISSING, *of_owner, *seen, crawled.at, crawled.crawled_before)
            counts: Counter[CountKey] = Counter((*of_owner, "", row["addressee"]) for row in found)
            counts.subtract((*of_owner, "", row["addressee"]) for row in missing)
            await _count(connection, counts, self._slot)
            return len(missing)

    async def count(self) -> dict[str, int]:
        """How many objects the hub keeps, by module id."""
        rows = await self._direct.fetch("select module, count(*) as kept from copy group by module order by module")
        return {row["module"]: row["kept"] for row in rows}

    async def _commit(self, changes: Sequence[Change]) -> list[Kept | Exception]:
        async with self._direct.transaction() as connection:
            batch = _Batch(await _load_for_update(connection, list({change.row_key for change in changes})))
            outcomes = [batch.apply(change) for change in changes]
            await _save(connection, batch, self._slot)
        return outcomes


@dataclass(slots=True)
class _State:
    """The copy under one key while a batch works on it."""

    text: bytes | None = None
    addressee: str = ""
    remote_url: str | None = None
    last_updated: datetime | None = None
    pushed_at: datetime | None = None
    counted_as: str | None = None
    """The addressee under which the row is counted so far; None while it is not counted (not there, or stale)."""


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

    def counts(self) -> Counter[CountKey]:
        """How many more rows there are to count, by what they are counted under."""
        counts: Counter[CountKey] = Counter()
        for key in self.touched:
            state = self.states[key]
            now = None if state.text is None else state.addressee
            if now != state.counted_as:
                _add(counts, key, now, 1)
                _add(counts, key, state.counted_as, -1)
        return counts


def _add(counts: Counter[CountKey], key: RowKey, addressee: str | None, change: int) -> None:
    if addressee is not None:
        module, country_code, party_id, _, _, audience = key
        counts[module, country_code, party_id, audience, addressee] += change


_COLUMNS = "c.country_code, c.party_id, c.packed, c.addressee, c.remote_url"

_OWNED = (
    f"select {_COLUMNS} from copy c where c.module = $1 and c.country_code = $2 and c.party_id = $3 "
    "and c.key = $4 and c.variant = $5 and c.audience = ''"
)

_PRIVATE = (
    "select audience <> '' as is_private from copy where module = $1 and country_code = $2 "
    "and party_id = $3 and key = $4 and variant = $5"
)

_OWNERS = "select distinct country_code, party_id from copy where module = $1 and key = $2 and variant = $3 limit $4"

_KEYS = "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])"

# in one order, so that two processes never wait for each other; objects that are not there yet have no row to lock
_LOCK = (
    "select pg_advisory_xact_lock(hash) from (select distinct hashtextextended(value::text, 0) as hash "
    "from json_array_elements($1::json) order by 1) h"
)

_LOAD = (
    "select k.n, c.packed, c.addressee, c.remote_url, c.last_updated, c.stale_at is not null as is_stale "
    "from copy c join (select value->>0 as module, value->>1 as country_code, value->>2 as party_id, value->>3 as key, "
    "value->>4 as variant, value->>5 as audience, n from json_array_elements($1::json) with ordinality e(value, n)) k "
    "using (module, country_code, party_id, key, variant, audience) order by c.seq for update of c"
)

_UPSERT = (
    "insert into copy "
    "(module, country_code, party_id, key, variant, audience, addressee, last_updated, packed, remote_url, pushed_at) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
    "on conflict (module, country_code, party_id, key, variant, audience) do update set addressee = excluded.addressee, "
    "last_updated = excluded.last_updated, packed = excluded.packed, remote_url = excluded.remote_url, "
    "pushed_at = coalesce(excluded.pushed_at, copy.pushed_at), stale_at = null"
)

_DELETE = (
    f"delete from copy c using {_KEYS} k(module, country_code, party_id, key, variant, audience) "
    "where (c.module, c.country_code, c.party_id, c.key, c.variant, c.audience) "
    "= (k.module, k.country_code, k.party_id, k.key, k.variant, k.audience)"
)

_COUNT = (
    "insert into copy_count (module, country_code, party_id, audience, addressee, slot, n) "
    "select k.module, k.country_code, k.party_id, k.audience, k.addressee, $6::int, k.n "
    "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $7::bigint[]) "
    "k(module, country_code, party_id, audience, addressee, n) "
    "on conflict (module, country_code, party_id, audience, addressee, slot) do update set n = copy_count.n + excluded.n"
)

_LAST_PUSH = (
    "select max(pushed_at) as last from copy where module = $1 and pushed_at < $2 "
    "and country_code || '/' || party_id = any($3::text[])"
)

_SEEN = (
    "exists (select 1 from unnest($4::text[], $5::text[]) s(key, variant) "
    "where s.key = copy.key and s.variant = copy.variant)"
)

_OF_OWNER = "module = $1 and country_code = $2 and party_id = $3 and audience = ''"


def _marking(what: str, condition: str) -> str:
    """Rows are locked in the order of the pages, as pushes lock theirs, so that neither waits for the other for ever."""
    chosen = f"select seq from copy where {_OF_OWNER} and {condition} order by seq for update"
    return (
        f"update copy set stale_at = {what} from ({chosen}) chosen where copy.seq = chosen.seq returning copy.addressee"
    )


_FOUND_AGAIN = _marking("null", f"stale_at is not null and {_SEEN}")

_MISSING = _marking("$6", f"stale_at is null and not {_SEEN} and (pushed_at is null or pushed_at < $7::timestamptz)")

_CLAIM = (
    "insert into claim (creditor, cdr_key, cdr_id, debtor, currency, excl_vat, incl_vat, is_credit, end_date_time, accepted_at) "
    "select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], $7::numeric[], "
    "$8::bool[], $9::timestamptz[], $10::timestamptz[]) on conflict do nothing"
)

_DUE = (
    "insert into due (creditor, cdr_key, payer, created_at, attempts, last_answer) "
    "select k.*, 0, '' from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) k on conflict do nothing"
)

_CLAIMED_MODULES = {"cdrs": claim_of}


class Values:
    """The values of a statement, in the order in which it names them."""

    def __init__(self) -> None:
        self.all: list[Any] = []

    def __call__(self, value: Any) -> str:
        """The name that a value has in the statement."""
        self.all.append(value)
        return f"${len(self.all)}"


def scope(query: PageQuery, values: Values) -> list[str]:
    """The SQL conditions for what a reader may see (G-03, G-04): the one place where an audience is decided. No row fits two of them.

    Objects with an addressee: the owner's own and those addressed to the reader. Others: what is meant for everybody, with what was sent
    to the reader alone in its place where there is both (X-13). What a full crawl of its owner no longer contained is not shown (X-29).
    """
    shared, *others = _arms(query, values)
    if query.sees_shared and not query.module.is_addressed:
        mine = (
            "select 1 from copy p where p.module = c.module and p.country_code = c.country_code and p.party_id = c.party_id "
            f"and p.key = c.key and p.variant = c.variant and p.audience = {values(str(query.reader))}"
        )
        shared = f"{shared} and not exists ({mine})"
    dates = "".join(
        f" and c.last_updated {sign} {values(value)}"
        for sign, value in ((">=", query.date_from), ("<", query.date_to))
        if value is not None
    )
    return [f"{arm} and c.stale_at is null{dates}" for arm in (shared, *others)]


def page_statement(query: PageQuery, values: Values) -> str:
    """One row: the packed texts of a page and of one object more, where the page ends, and the total.

    Each condition reads its rows in the order of the pages and stops as soon as there are enough.
    """
    until = values(query.offset + query.limit + 1)
    arms = " union all ".join(
        f"(select c.seq, c.packed from copy c where {arm} and c.seq > {values(query.after)} order by c.seq limit {until})"
        for arm in scope(query, values)
    )
    shown = f"select seq, packed, row_number() over (order by seq) as place from ({arms}) u order by seq limit {until}"
    end = values(query.offset + query.limit)
    return (
        f"select array_agg(p.packed order by p.seq) as packed, max(p.seq) filter (where p.place <= {end}) "
        f"as last, ({_total(query, values)})::bigint as total from ({shown}) p where p.place > {values(query.offset)}"
    )


def _total(query: PageQuery, values: Values) -> str:
    """How many objects all pages hold: from the counts that are kept, so that it costs the same however many there are."""
    if query.date_from is not None or query.date_to is not None:
        return " + ".join(f"(select count(*) from copy c where {arm})" for arm in scope(query, values))
    arms = " + ".join(f"(select coalesce(sum(c.n), 0) from copy_count c where {arm})" for arm in _arms(query, values))
    if query.module.is_addressed or not query.sees_shared:
        return arms
    shared, mine = _arms(query, values)
    twin = (
        "select 1 from copy c where c.module = p.module and c.country_code = p.country_code and c.party_id = p.party_id "
        f"and c.key = p.key and c.variant = p.variant and c.stale_at is null and {shared}"
    )
    return f"{arms} - (select count(*) from copy p where {mine.replace('c.', 'p.')} and exists ({twin}))"


def _arms(query: PageQuery, values: Values) -> list[str]:
    """Who sees what, in columns that copies and their counts have in common."""
    module, reader = f"c.module = {values(query.module.id)}", values(str(query.reader))
    if query.module.is_addressed:
        own = _own(query, values)
        # said so that the indexes of such rows alone can be used; each of them has one
        arms = [f"c.addressee <> '' and {own}", f"c.addressee <> '' and c.addressee = {reader} and not ({own})"]
    elif query.sees_shared:
        arms = ["c.audience = ''", f"c.audience = {reader}"]
    else:
        arms = [f"c.audience = '' and {_own(query, values)}", f"c.audience = {reader}"]
    closed = ""
    if query.closed:
        parties = values([str(party) for party in query.closed])
        closed = f" and not c.country_code || '/' || c.party_id = any({parties}::text[])"
    return [f"{module} and {arm}{closed}" for arm in arms]


def _own(query: PageQuery, values: Values) -> str:
    return f"c.country_code = {values(query.reader.country_code)} and c.party_id = {values(query.reader.party_id)}"


def _party(row: Record) -> Party:
    return Party(row["country_code"], row["party_id"])


def _copy(row: Record) -> Copy:
    addressee = Party.parse(row["addressee"]) if row["addressee"] else None
    return Copy(unpack(row["packed"]), addressee, row["remote_url"])


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """The same values column by column."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]


async def _load_for_update(connection: Connection, keys: Sequence[RowKey]) -> dict[RowKey, _State]:
    wanted = encode_json(keys).decode()
    await connection.execute(_LOCK, wanted)
    return {keys[row["n"] - 1]: _loaded(row) for row in await connection.fetch(_LOAD, wanted)}


def _loaded(row: Record) -> _State:
    return _State(
        text=unpack(row["packed"]),
        addressee=row["addressee"],
        remote_url=row["remote_url"],
        last_updated=row["last_updated"],
        counted_as=None if row["is_stale"] else row["addressee"],
    )


async def _save(connection: Connection, batch: _Batch, slot: int) -> None:
    written = [(key, state) for key, state in batch.states.items() if key in batch.touched]
    gone = [key for key, state in written if state.text is None]
    if gone:
        await connection.execute(_DELETE, *_columns(gone, 6))
    kept = [_row(key, state, state.text) for key, state in written if state.text is not None]
    if kept:
        await connection.executemany(_UPSERT, kept)
    await _count(connection, batch.counts(), slot)
    await _save_money(connection, batch)


def _row(key: RowKey, state: _State, text: bytes) -> tuple[Any, ...]:
    return (*key, state.addressee, state.last_updated, pack(text), state.remote_url, state.pushed_at)


async def _count(connection: Connection, counts: Mapping[CountKey, int], slot: int) -> None:
    """Add to the counts of one slot; two processes seldom share one, so that they seldom wait for each other's commit."""
    rows = sorted((*key, n) for key, n in counts.items() if n)
    if rows:
        *key_columns, ns = _columns(rows, 6)
        await connection.execute(_COUNT, *key_columns, slot, ns)


async def _save_money(connection: Connection, batch: _Batch) -> None:
    claims = [row for change in batch.accepted if (row := _claim_row(change))]
    if claims:
        await connection.execute(_CLAIM, *_columns(claims, 10))
    dues = [
        (str(change.owner), fold(change.ids[0]), str(change.payer), change.at)
        for change in batch.created
        if change.payer
    ]
    if dues:
        await connection.execute(_DUE, *_columns(dues, 4))


def _claim_row(change: Change) -> tuple[Any, ...] | None:
    claim = _CLAIMED_MODULES[change.module.id](change.content) if change.module.id in _CLAIMED_MODULES else None
    if claim is None or change.debtor is None:
        return None
    return (
        str(change.owner),
        fold(change.ids[0]),
        claim.cdr_id,
        str(change.debtor),
        claim.currency,
        claim.excl_vat,
        claim.incl_vat,
        claim.is_credit,
        claim.end_date_time,
        change.at,
    )

"""The copies: what every owner said last, kept as the text that came in, for exactly the audience that it was meant for.

Writes go through one `GroupWriter`: pushes that wait at the same time share a transaction, and each is answered after its commit.
Reads serve stored text; no object is built on the way out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from random import randrange
from typing import Any, NamedTuple

from hub.store.changes import Change, Decision, Result, claim_of, decide
from hub.store.direct import Connection, Direct, Record
from hub.store.group import GroupWriter
from hub.store.pack import pack, unpack
from hub.store.places import MARK_STALE, place_values, upsert_with
from hub.store.traces import trace_of
from ocpi_modules.errors import OcpiError
from ocpi_modules.module import LookFor, Module
from ocpi_modules.parties import Party
from ocpi_modules.splice import head_of
from ocpi_modules.types import encode_decoded, fold

OWNERS_MAX = 10
OWNERS_COUNTED_MAX = 1000

COUNT_SLOTS = 64
COPIES_LOCK = 2_210_004  # shared by all who hold objects; the same number stands in migration 4

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


News = Callable[[], Sequence[Any]]
"""Makes what others are to be told of a push."""

Tell = Callable[[Sequence[Any]], Awaitable[None]]
"""Takes what others are to be told, in order. It must not raise, and not take long: writers wait for it."""


class Copies:
    """The copies of every module.

    `tell` is called with the news of all pushes that were committed together, in the order in which they count. No process can change an
    object before its news have been told, so they never overtake each other.
    """

    def __init__(self, direct: Direct, tell: Tell | None = None) -> None:
        self._direct, self._tell = direct, tell
        self._writer: GroupWriter[_Push, Kept] = GroupWriter(self._commit)
        self._slot = randrange(COUNT_SLOTS)

    async def keep(self, change: Change, news: News | None = None) -> Kept:
        """Keep one push; returns after it is committed, and after its `news` have been told where it is any.

        Raises OcpiError when the push is refused; then nothing changed.
        """
        return await self._writer.submit(_Push(change, news))

    async def close(self) -> None:
        """Write what was submitted, then stop."""
        await self._writer.close()

    async def owned(self, module: Module, owner: Party, object_id: str, variant: str) -> Copy | None:
        """The owner's object as the hub keeps it for everybody (or for its addressee); None when there is none."""
        rows = await self._direct.fetch(_OWNED, module.id, owner.country_code, owner.party_id, fold(object_id), variant)
        return _copy(rows[0]) if rows else None

    async def visible(self, query: PageQuery, look: LookFor) -> dict[Party, Copy]:
        """The objects with this id that a reader may see, by owner; more than one means that the id alone is ambiguous (G-06)."""
        statement, names = visible_statement(shape_of(query))
        values = {**values_of(query), "key": fold(look.key), "variant": look.variant, "most": OWNERS_MAX}
        rows = await self._direct.fetch(statement, *map(values.__getitem__, names))
        return {_party(row): _copy(row) for row in rows}

    async def owners(self, look: LookFor) -> frozenset[Party]:
        """Every owner of an object with this id, whoever may see it: for finding where a message belongs (O-03)."""
        rows = await self._direct.fetch(_OWNERS, look.module_id, fold(look.key), look.variant, OWNERS_MAX)
        return frozenset(map(_party, rows))

    async def page(self, query: PageQuery) -> Page:
        """One page in the order in which objects were first seen (P-11), and the total (P-07)."""
        statement, names = page_statement(shape_of(query))
        values = values_of(query)
        (row,) = await self._direct.fetch(statement, *map(values.__getitem__, names))
        texts = tuple(map(unpack, row["packed"] or ()))
        return Page(texts[: query.limit], row["total"], row["last"] if len(texts) > query.limit else 0)

    async def count_visible(self, query: PageQuery) -> Visible:
        """How many objects the pages of a query hold in all, split by owner."""
        statement, names = split_statement(shape_of(query))
        values = {**values_of(query), "most": OWNERS_COUNTED_MAX}
        rows = await self._direct.fetch(statement, *map(values.__getitem__, names))
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
            await connection.execute(_LOCK_ALL)
            found = await connection.fetch(_FOUND_AGAIN, *of_owner, *seen)
            missing = await connection.fetch(_MISSING, *of_owner, *seen, crawled.at, crawled.crawled_before)
            if crawled.module.id == PLACED_MODULE:
                await connection.execute(MARK_STALE, owner.country_code, owner.party_id)
            counts: Counter[CountKey] = Counter((*of_owner, "", row["addressee"]) for row in found)
            counts.subtract((*of_owner, "", row["addressee"]) for row in missing)
            await _count(connection, counts, self._slot)
            return len(missing)

    async def count(self) -> dict[str, int]:
        """How many objects the hub keeps, by module id; those that are stale too."""
        rows = await self._direct.fetch(_KEPT)
        return {row["module"]: row["kept"] for row in rows if row["kept"]}

    async def _commit(self, pushes: Sequence[_Push]) -> list[Kept | Exception]:
        changes = [push.change for push in pushes]
        keys = list({key for change in changes for key in change.keys})
        wanted = encode_decoded(keys).decode()
        async with self._direct.connection(_TAKE, wanted, afterwards=_GIVE_BACK) as (connection, rows):
            batch = _Batch({keys[row["n"] - 1]: _loaded(row) for row in rows})
            outcomes = [batch.apply(change) for change in changes]
            await _save(connection, batch, self._slot)
            await self._tell_all(pushes, outcomes)
        return outcomes

    async def _tell_all(self, pushes: Sequence[_Push], outcomes: Sequence[Kept | Exception]) -> None:
        if self._tell is None:
            return
        told: list[Any] = []
        for push, outcome in zip(pushes, outcomes, strict=True):
            if push.news is not None and isinstance(outcome, Kept) and outcome.result.is_news:
                told += push.news()
        if told:
            await self._tell(told)


@dataclass(frozen=True, slots=True)
class _Push:
    """A change, and what makes the news of it."""

    change: Change
    news: News | None


@dataclass(slots=True)
class _State:
    """The copy under one key while a batch works on it."""

    text: bytes | None = None
    addressee: str = ""
    remote_url: str | None = None
    last_updated: datetime | None = None
    pushed_at: datetime | None = None
    at: datetime | None = None
    """When the last change came."""
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
            decision = decide(change, self._ground(change, state), state.addressee)
        except OcpiError as refused:
            return refused
        self._take(change, decision, state)
        addressee = Party.parse(decision.addressee) if decision.addressee else None
        return Kept(decision.result, addressee, decision.was_finished)

    def _ground(self, change: Change, state: _State) -> bytes | None:
        """What a change works on: what one party was told last, or what everybody was, where that party was told nothing else (X-13)."""
        if state.text is not None or not change.is_partial:
            return state.text
        shared = self.states.get(change.shared_key)
        return shared.text if shared is not None else None

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
        state.remote_url, state.at = remote_url or state.remote_url, change.at
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
        return Counter({key: n for key, n in counts.items() if n})

    def claims(self) -> list[tuple[Any, ...]]:
        """What the CDRs claim that were accepted."""
        return [row for change in self.accepted if (row := _claim_row(change))]

    def dues(self) -> list[tuple[Any, ...]]:
        """The CDRs that the hub has to take to their payers."""
        return [
            (str(change.owner), fold(change.ids[0]), str(change.payer), change.at)
            for change in self.created
            if change.payer
        ]


def _add(counts: Counter[CountKey], key: RowKey, addressee: str | None, change: int) -> None:
    if addressee is not None:
        module, country_code, party_id, _, _, audience = key
        counts[module, country_code, party_id, audience, addressee] += change


def _module(table: str) -> str:
    """The module of a row, hidden from the planner: objects are looked for by the primary key and nothing else (migration 4)."""
    return f"{table}.module || ''"


def _audience(table: str) -> str:
    """The audience of a row, hidden likewise."""
    return f"{table}.audience || ''"


_COLUMNS = "c.country_code, c.party_id, c.packed, c.addressee, c.remote_url"

_OWNED = (
    f"select {_COLUMNS} from copy c where {_module('c')} = $1 and c.country_code = $2 and c.party_id = $3 "
    f"and c.key = $4 and c.variant = $5 and {_audience('c')} = ''"
)

_PRIVATE = (
    f"select audience <> '' as is_private from copy where {_module('copy')} = $1 and country_code = $2 "
    "and party_id = $3 and key = $4 and variant = $5"
)

_OWNERS = f"select distinct country_code, party_id from copy where {_module('copy')} = $1 and key = $2 and variant = $3 limit $4"

_KEYS = "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])"

# locks objects, whether they are there or not, and reads them (a function, see migration 4): one way to the server and back
_TAKE = "select n, packed, addressee, remote_url, last_updated, is_stale from take_copies($1::json)"

# the locks of `take_copies` outlive a transaction, so that news can be told under them
_GIVE_BACK = "select pg_advisory_unlock_all()"

_UPSERT = (
    "insert into copy "
    "(module, country_code, party_id, key, variant, audience, addressee, last_updated, packed, remote_url, pushed_at) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) "
    "on conflict (module, country_code, party_id, key, variant, audience) do update set addressee = excluded.addressee, "
    "last_updated = excluded.last_updated, packed = excluded.packed, remote_url = excluded.remote_url, "
    "pushed_at = coalesce(excluded.pushed_at, copy.pushed_at), stale_at = null"
)

_UPSERT_PLACED = upsert_with(_UPSERT, 11)

PLACED_MODULE = "locations"
"""Beside its copies stands where they are on a map."""

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

_KEPT = (
    "select module, sum(n)::bigint as kept from (select module, n from copy_count union all "
    "select module, 1 from copy where stale_at is not null) counted group by module order by module"
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


# waits for all who hold objects, and keeps them waiting: what they have read must not change under them
_LOCK_ALL = f"select pg_advisory_xact_lock({COPIES_LOCK})"


def _marking(what: str, condition: str) -> str:
    return f"update copy set stale_at = {what} where {_OF_OWNER} and {condition} returning addressee"


_FOUND_AGAIN = _marking("null", f"stale_at is not null and {_SEEN}")

_MISSING = _marking("$6", f"stale_at is null and not {_SEEN} and (pushed_at is null or pushed_at < $7::timestamptz)")

_CLAIM = (
    "insert into claim (creditor, cdr_key, cdr_id, debtor, currency, excl_vat, incl_vat, is_credit, end_date_time, accepted_at, "
    "is_judged, failures) select *, 0 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::numeric[], "
    "$7::numeric[], $8::bool[], $9::timestamptz[], $10::timestamptz[], $11::bool[]) on conflict do nothing"
)

_DUE = (
    "insert into due (creditor, cdr_key, payer, created_at, attempts, last_answer) "
    "select k.*, 0, '' from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) k on conflict do nothing"
)

_CLAIMED_MODULES = {"cdrs": claim_of}

VERSIONED_MODULES = frozenset({"tokens", "tariffs"})
"""Of what prices and permits a charge every version is kept: what counts is what was true when a session began."""

_COMPLETED = (
    "insert into completed_session (creditor, session_key, debtor, completed_at, token, evse, reference, starts_at) "
    "select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], "
    "$8::timestamptz[]) on conflict (creditor, session_key) do update set token = excluded.token, evse = excluded.evse, "
    "reference = excluded.reference, starts_at = excluded.starts_at where (completed_session.token, completed_session.evse, "
    "completed_session.reference, completed_session.starts_at) "
    "is distinct from (excluded.token, excluded.evse, excluded.reference, excluded.starts_at)"
)

_VERSION = (
    "insert into version (module, country_code, party_id, key, variant, audience, since, known_at, packed) "
    "select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], "
    "$8::timestamptz[], $9::bytea[])"
)


class Shape(NamedTuple):
    """What the text of a statement depends on; everything else is a value of it."""

    is_addressed: bool
    sees_shared: bool
    has_start: bool
    has_end: bool
    has_closed: bool


class Names:
    """The names of the values of a statement, in the order in which it numbers them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """The number of a value, as it stands in the statement."""
        return f"${self._numbers.setdefault(name, len(self._numbers) + 1)}"

    def all(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(self._numbers)


Statement = tuple[str, tuple[str, ...]]
"""A statement, and the names of its values."""


def shape_of(query: PageQuery) -> Shape:
    """The shape of the statements of a query."""
    has_start, has_end = query.date_from is not None, query.date_to is not None
    return Shape(query.module.is_addressed, query.sees_shared, has_start, has_end, bool(query.closed))


def values_of(query: PageQuery) -> dict[str, Any]:
    """The values of the statements of a query, by name."""
    return {
        "module": query.module.id,
        "reader": str(query.reader),
        "country_code": query.reader.country_code,
        "party_id": query.reader.party_id,
        "start": query.date_from,
        "end": query.date_to,
        "closed": [str(party) for party in query.closed],
        "after": query.after,
        "offset": query.offset,
        "last": query.offset + query.limit,
        "beyond": query.offset + query.limit + 1,
    }


def scope(shape: Shape, names: Names) -> list[str]:
    """The SQL conditions for what a reader may see (G-03, G-04): the one place where an audience is decided. No row fits two of them.

    Objects with an addressee: the owner's own and those addressed to the reader. Others: what is meant for everybody, with what was sent
    to the reader alone in its place where there is both (X-13). What a full crawl of its owner no longer contained is not shown (X-29).
    """
    shared, *others = _arms(shape, names)
    if shape.sees_shared and not shape.is_addressed:
        mine = (
            f"select 1 from copy p where {_module('p')} = c.module and p.country_code = c.country_code "
            f"and p.party_id = c.party_id and p.key = c.key and p.variant = c.variant and {_audience('p')} = {names('reader')}"
        )
        shared = f"{shared} and not exists ({mine})"
    start = f" and c.last_updated >= {names('start')}" if shape.has_start else ""
    end = f" and c.last_updated < {names('end')}" if shape.has_end else ""
    return [f"{arm} and c.stale_at is null{start}{end}" for arm in (shared, *others)]


@cache
def page_statement(shape: Shape) -> Statement:
    """One row: the packed texts of a page and of one object more, where the page ends, and the total.

    Each condition reads its rows in the order of the pages and stops as soon as there are enough.
    """
    names = Names()
    beyond, after, offset, last = (names(name) for name in ("beyond", "after", "offset", "last"))
    arms = " union all ".join(
        f"(select c.seq, c.packed from copy c where {arm} and c.seq > {after} order by c.seq limit {beyond})"
        for arm in scope(shape, names)
    )
    shown = f"select seq, packed, row_number() over (order by seq) as place from ({arms}) u order by seq limit {beyond}"
    statement = (
        f"select array_agg(p.packed order by p.seq) as packed, max(p.seq) filter (where p.place <= {last}) as last, "
        f"({_total(shape, names)})::bigint as total from ({shown}) p where p.place > {offset}"
    )
    return statement, names.all()


@cache
def visible_statement(shape: Shape) -> Statement:
    """The objects under one id that a reader may see."""
    names = Names()
    here = f"c.key = {names('key')} and c.variant = {names('variant')}"
    arms = " union all ".join(
        f"(select {_COLUMNS}, c.seq from copy c where {_hidden(arm)} and {here})" for arm in scope(shape, names)
    )
    return f"select * from ({arms}) u order by seq limit {names('most')}", names.all()


@cache
def split_statement(shape: Shape) -> Statement:
    """How many objects a reader may see, by owner, and in all."""
    names = Names()
    arms = " union all ".join(
        f"(select c.country_code, c.party_id from copy c where {arm})" for arm in scope(shape, names)
    )
    statement = (
        f"select country_code, party_id, count(*) as seen, sum(count(*)) over () as total from ({arms}) u "
        f"group by country_code, party_id order by seen desc, country_code, party_id limit {names('most')}"
    )
    return statement, names.all()


def _total(shape: Shape, names: Names) -> str:
    """How many objects all pages hold: from the counts that are kept, so that it costs the same however many there are.

    Between two dates they are counted.
    """
    if shape.has_start or shape.has_end:
        return " + ".join(f"(select count(*) from copy c where {arm})" for arm in scope(shape, names))
    arms = _arms(shape, names)
    sums = " + ".join(f"(select coalesce(sum(c.n), 0) from copy_count c where {arm})" for arm in arms)
    if shape.is_addressed or not shape.sees_shared:
        return sums
    shared, mine = arms
    twin = (
        "select 1 from copy c where c.country_code = p.country_code and c.party_id = p.party_id and c.key = p.key "
        f"and c.variant = p.variant and c.stale_at is null and {_hidden(shared)}"
    )
    return f"{sums} - (select count(*) from copy p where {mine.replace('c.', 'p.')} and exists ({twin}))"


def _arms(shape: Shape, names: Names) -> list[str]:
    """Who sees what, in columns that copies and their counts have in common."""
    module, reader = f"c.module = {names('module')}", names("reader")
    if shape.is_addressed:
        own = _own(names)
        # said so that the indexes of such rows alone can be used; each of them has one
        arms = [f"c.addressee <> '' and {own}", f"c.addressee <> '' and c.addressee = {reader} and not ({own})"]
    elif shape.sees_shared:
        arms = ["c.audience = ''", f"c.audience = {reader}"]
    else:
        arms = [f"c.audience = '' and {_own(names)}", f"c.audience = {reader}"]
    closed = (
        f" and not c.country_code || '/' || c.party_id = any({names('closed')}::text[])" if shape.has_closed else ""
    )
    return [f"{module} and {arm}{closed}" for arm in arms]


def _hidden(arm: str) -> str:
    return arm.replace("c.module =", f"{_module('c')} =").replace("c.audience =", f"{_audience('c')} =")


def _own(names: Names) -> str:
    return f"c.country_code = {names('country_code')} and c.party_id = {names('party_id')}"


def _party(row: Record) -> Party:
    return Party(row["country_code"], row["party_id"])


def _copy(row: Record) -> Copy:
    addressee = Party.parse(row["addressee"]) if row["addressee"] else None
    return Copy(unpack(row["packed"]), addressee, row["remote_url"])


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """The same values column by column; there has to be a row."""
    return [list(column) for column in zip(*rows, strict=True)]


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
    kept = [_write(key, state, state.text) for key, state in written if state.text is not None]
    gone = [key for key, state in written if state.text is None]
    counts, claims, dues = batch.counts(), batch.claims(), batch.dues()
    versions = [_version_row(key, state) for key, state in written if key[0] in VERSIONED_MODULES]
    completed = [_completed_row(key, state) for key, state in written if _is_completed(key, state)]
    upserts = _by_statement(kept)
    if len(upserts) <= 1 and not (gone or counts or claims or dues or versions or completed):
        for statement, rows in upserts.items():
            await connection.executemany(statement, rows)  # all of it or nothing, by itself
        return
    await connection.execute("begin")
    if gone:
        await connection.execute(_DELETE, *_columns(gone))
    for statement, rows in upserts.items():
        await connection.executemany(statement, rows)
    await _count(connection, counts, slot)
    if claims:
        await connection.execute(_CLAIM, *_columns(claims))
    if dues:
        await connection.execute(_DUE, *_columns(dues))
    if versions:
        await connection.execute(_VERSION, *_columns(versions))
    if completed:
        await connection.execute(_COMPLETED, *_columns(completed))
    await connection.execute("commit")


def _is_completed(key: RowKey, state: _State) -> bool:
    """Whether this is a session for which a CDR is to follow (SE-10)."""
    return key[0] == "sessions" and state.text is not None and head_of(state.text).status == "COMPLETED"


def _completed_row(key: RowKey, state: _State) -> tuple[Any, ...]:
    _, country_code, party_id, session_key, _, _ = key
    return (f"{country_code}/{party_id}", session_key, state.addressee, state.at, *trace_of(state.text or b"{}"))


def _version_row(key: RowKey, state: _State) -> tuple[Any, ...]:
    return (*key, state.last_updated, state.at, None if state.text is None else pack(state.text))


def _row(key: RowKey, state: _State, text: bytes) -> tuple[Any, ...]:
    return (*key, state.addressee, state.last_updated, pack(text), state.remote_url, state.pushed_at)


def _write(key: RowKey, state: _State, text: bytes) -> tuple[str, tuple[Any, ...]]:
    """The statement that keeps a copy, and its values."""
    row = _row(key, state, text)
    return (_UPSERT_PLACED, (*row, *place_values(key[3], text))) if key[0] == PLACED_MODULE else (_UPSERT, row)


def _by_statement(writes: Iterable[tuple[str, tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for statement, values in writes:
        found.setdefault(statement, []).append(values)
    return found


async def _count(connection: Connection, counts: Mapping[CountKey, int], slot: int) -> None:
    """Add to the counts of one slot; two processes seldom share one, so that they seldom wait for each other's commit."""
    rows = sorted((*key, n) for key, n in counts.items())
    if rows:
        *key_columns, ns = _columns(rows)
        await connection.execute(_COUNT, *key_columns, slot, ns)


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
        change.is_judged,
    )

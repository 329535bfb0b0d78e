"""Forgets drivers in everything that the database keeps of them: copies, versions of tokens, refused CDRs, permits, verdicts, findings,
messages, and what local chargers keep (`hub.store.forgetcharges`).

Money, digests, ids of CDRs and sessions, statements and the journal are not touched: they name no driver.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.store.aliases import (
    Forgotten,
    Names,
    TokenName,
    Wanted,
    forgotten,
    is_erased,
    new_alias,
    personal_in,
    renamed,
    renamed_text,
    token_in,
)
from hub.store.copies import COPIES_LOCK
from hub.store.direct import Connection, Direct, Record
from hub.store.erasing import find_in_messages, forget_in_messages
from hub.store.forgetcharges import Place, find_at_chargers, forget_at_chargers, forget_old_charges
from hub.store.pack import pack, unpack
from hub.store.pseudonyms import drop_salts, rename_everywhere, scoped_aliases
from hub.store.traces import token_text
from hub.store.verdicts import Name
from ocpi_modules.types import NotJsonText, decode_json, encode_decoded, fold

SCAN_BATCH_MAX_ROWS = 500
OLD_BATCH_MAX_CDRS = 200
PERMITS_MAX_ROWS = 10_000

CopyKey = tuple[str, str, str, str, str, str]
"""Module, country code, party id, folded id, variant, audience."""

RefusedKey = tuple[str, bytes]


@dataclass(slots=True)
class Traces:
    """Where some drivers are named: keys of rows, and the tokens that are theirs. `others` are ids (folded) that others have too.

    `values` are ids of theirs as they are spelled, `messages` how many of the journal name them.
    """

    tokens: set[TokenName] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    messages: int = 0
    copies: list[CopyKey] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    refused: list[RefusedKey] = field(default_factory=list)
    permits: list[int] = field(default_factory=list)
    at_chargers: list[Place] = field(default_factory=list)

    @property
    def is_anything(self) -> bool:
        """Whether there are any."""
        found = (self.copies, self.versions, self.refused, self.permits, self.at_chargers)
        return any(found) or self.messages > 0

    def has(self, token: TokenName) -> bool:
        """Whether a token is one of theirs, whatever is known of its contract."""
        return any(one.identity == token.identity for one in self.tokens)

    def count(self, module: str) -> int:
        """How many copies of a module."""
        return sum(key[0] == module for key in self.copies)

    @property
    def charges(self) -> int:
        """How many charges at local chargers."""
        return sum(table == "charge" for table, _ in self.at_chargers)


class Forgetting:
    """Finds where drivers are named, and takes them out."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def find(self, wanted: Wanted, named: TokenName | None = None) -> Traces:
        """Everything that names a token that is looked for; `named` is the one, where there is only one.

        Reads all CDRs, sessions, tokens and kept bodies of messages once.
        """
        traces = Traces(values={named.uid} if named else set())

        def theirs(token: TokenName) -> bool:
            return wanted(token) or traces.has(token)

        async for row in self._scan(_COPIES, "seq", 0):
            if _sees(traces, _content(row["packed"]), wanted):
                traces.copies.append(_copy_key(row))
        async for row in self._scan(_VERSIONS, "id", 0):
            if _sees(traces, _content(row["packed"]), wanted):
                traces.versions.append(row["id"])
        async for row in self._scan(_REFUSED, "place", ""):
            if _sees(traces, _content(row["packed"]), wanted):
                traces.refused.append((row["caller"], row["digest"]))
        async for row in self._scan(_PERMITS, "id", 0):  # the last: a no does not say which contract it was about
            if _sees(traces, _content(row["packed"]), theirs):
                traces.permits.append(row["id"])
        traces.at_chargers = await find_at_chargers(
            self._direct, lambda token: _sees(traces, token, theirs), traces.values
        )
        traces.messages = await find_in_messages(self._direct, wanted, traces.values)
        return traces

    async def forget(self, traces: Traces, wanted: Wanted) -> None:
        """Take drivers out of the rows that name them, all of it or nothing. What changed meanwhile is looked at as it is then."""
        if traces.values:
            await forget_in_messages(self._direct, traces.values)
        names: defaultdict[str, str] = defaultdict(new_alias)
        work = _Work(wanted, names.__getitem__)
        async with self._direct.transaction() as connection:
            await connection.execute(
                "insert into forgetting (done_at) values (now())"
            )  # first: others look again, or wait for it
            await connection.execute(_LOCK_COPIES)
            for key in sorted(traces.copies):
                await _forget_copy(connection, key, work)
            for version in sorted(traces.versions):
                await _forget_version(connection, version, work)
            for refused in sorted(traces.refused):
                await _forget_refused(connection, refused, work)
            theirs = _Work(lambda token: wanted(token) or traces.has(token), work.names)
            for permit in sorted(traces.permits):
                await _forget_permit(connection, permit, theirs)
            called = {value: names[fold(value)] for value in traces.values}
            await forget_at_chargers(connection, traces.at_chargers, theirs.wanted, called)
            for token in traces.tokens:
                await connection.execute(
                    _FORGET_TRACES, token_text(token), token_text(_renamed(token, names[token.uid]))
                )
            await rename_everywhere(connection, names, traces.others)

    async def forget_old(self, before: datetime) -> int:
        """Take drivers out of some billed CDRs that ended before a moment (UTC), and out of their sessions; returns how many CDRs.

        They are of one period; OLD_BATCH_MAX_CDRS at most. When there are none left, the salts of the periods before that moment go, but
        for those of tokens that people decided about: a decision stands for later CDRs too.
        """
        async with self._direct.transaction() as connection:
            await connection.execute(_LOCK_COPIES)
            rows = await connection.fetch(_OLD_CDRS, before, OLD_BATCH_MAX_CDRS)
            if not rows:
                for row in await connection.fetch(_OLD_SCOPES, before):
                    await drop_salts(connection, row["scope"])
                return 0
            values = {fold(value) for row in rows for value in _personal(row["packed"])}
            names = await scoped_aliases(connection, rows[0]["period"], values)
            work = _Work(lambda token: token.uid in names, names.__getitem__, is_for_good=False)
            for row in rows:
                await _forget_copy(connection, _copy_key(row), work)
            return sum(row["module"] == "cdrs" for row in rows)

    async def forget_old_charges(self, before: datetime) -> int:
        """Take drivers out of some charges at local chargers that ended before a moment (UTC), once their CDRs have none or where they are
        never billed; returns how many.
        """
        async with self._direct.transaction() as connection:
            return await forget_old_charges(connection, before)

    async def drop_old(self, before: datetime) -> int:
        """Drop refused CDRs that came last before a moment, and versions of tokens from before it that are no more; returns how many."""
        async with self._direct.transaction() as connection:
            refused = await connection.fetch("delete from refused_cdr where last_at < $1 returning 1", before)
            versions = await connection.fetch(_DROP_VERSIONS, before)
            return len(refused) + len(versions)

    async def drop_permits(self, before: datetime) -> int:
        """Drop authorisations and commands from before a moment (UTC), and what came of them; returns how many.

        In portions of PERMITS_MAX_ROWS, so that nobody waits for long.
        """
        dropped = 0
        while count := await self._drop_some_permits(before):
            dropped += count
        return dropped

    async def _drop_some_permits(self, before: datetime) -> int:
        async with self._direct.transaction() as connection:
            rows = await connection.fetch(_DROP_PERMITS, before, PERMITS_MAX_ROWS)
            results = await connection.fetch(_DROP_RESULTS, before, PERMITS_MAX_ROWS)
            return len(rows) + len(results)

    async def _scan(self, statement: str, column: str, first: Any) -> AsyncIterator[Record]:
        after = first
        while rows := await self._direct.fetch(statement, after, SCAN_BATCH_MAX_ROWS):
            for row in rows:
                yield row
            after = rows[-1][column]
            await asyncio.sleep(0)  # others have work too


@dataclass(frozen=True, slots=True)
class _Work:
    """Whom to forget, and what to call them; `is_for_good` where decisions about their tokens are to forget them too."""

    wanted: Wanted
    names: Names
    is_for_good: bool = True

    def without_driver(self, packed: bytes | None) -> Forgotten | None:
        """An object without its driver; None where it names none of them."""
        content = _content(packed)
        return None if content is None else forgotten(content, self.wanted, self.names)


def _sees(traces: Traces, content: Any, wanted: Wanted) -> bool:
    """Whether an object names a token that is looked for; whose it is is noted."""
    token = token_in(content)
    if token is None or is_erased(token.uid):
        return False
    if not wanted(token):
        traces.others.update(fold(value) for value in personal_in(content))
        return False
    traces.tokens.add(token)
    traces.values.update(personal_in(content))
    return True


async def _forget_copy(connection: Connection, key: CopyKey, work: _Work) -> None:
    rows = await connection.fetch(f"select packed, addressee, stale_at from copy where {_COPY_IS} for update", *key)
    found = work.without_driver(rows[0]["packed"]) if rows else None
    if found is None:
        return
    if key[0] == "tokens":
        await connection.execute(f"delete from copy where {_COPY_IS}", *key)
        if rows[0]["stale_at"] is None:
            await connection.execute(_COUNT_ONE_LESS, key[0], key[1], key[2], key[5], rows[0]["addressee"])
    else:
        await connection.execute(f"update copy set packed = $7 where {_COPY_IS}", *key, _packed(found))
    if key[0] == "sessions":
        alias = token_text(_renamed(found.token, found.uid))
        await connection.execute(_FORGET_TRACE, f"{key[1]}/{key[2]}", key[3], alias)
    if key[0] == "cdrs":
        causes = await _forget_verdict(connection, (f"{key[1]}/{key[2]}", key[3]), found)
        if work.is_for_good:
            await connection.executemany(_RENAME_DECISIONS, causes)
    await connection.execute(_FORGET_DEFECT, found.token.uid)


async def _forget_version(connection: Connection, version: int, work: _Work) -> None:
    rows = await connection.fetch("select packed from version where id = $1 for update", version)
    found = work.without_driver(rows[0]["packed"]) if rows else None
    if found is not None:
        statement = "update version set packed = $2, key = $3 where id = $1"
        await connection.execute(statement, version, _packed(found), found.uid)
        await _forget_removals(connection, found)


async def _forget_removals(connection: Connection, found: Forgotten) -> None:
    """That its owner took a token away stands in a version without text, under the id of the token."""
    owner = found.token.owner
    values = (owner.country_code, owner.party_id, found.token.uid, found.token.type, found.uid)
    await connection.execute(_RENAME_REMOVALS, *values)


async def _forget_refused(connection: Connection, key: RefusedKey, work: _Work) -> None:
    statement = "select packed from refused_cdr where caller = $1 and digest = $2 for update"
    rows = await connection.fetch(statement, *key)
    found = work.without_driver(rows[0]["packed"]) if rows else None
    if found is not None:
        text = encode_decoded(found.content)
        statement = "update refused_cdr set packed = $3, digest = sha256($4) where caller = $1 and digest = $2"
        await connection.execute(statement, *key, pack(text), text)


async def _forget_permit(connection: Connection, permit: int, work: _Work) -> None:
    rows = await connection.fetch("select packed from permit where id = $1 for update", permit)
    found = work.without_driver(rows[0]["packed"]) if rows else None
    if found is not None:
        statement = "update permit set packed = $2, token = $3 where id = $1"
        await connection.execute(statement, permit, _packed(found), token_text(_renamed(found.token, found.uid)))


def _renamed(token: TokenName, uid: str) -> TokenName:
    return TokenName(token.owner, token.type, uid)


async def _forget_verdict(connection: Connection, name: Name, found: Forgotten) -> list[tuple[str, str]]:
    """Take a driver out of the verdict and the findings of a CDR; returns which causes have other keys now."""
    token = token_text(_renamed(found.token, found.uid))
    statement = "update verdict set token = $3, reading = '' where creditor = $1 and cdr_key = $2 and token <> ''"
    await connection.execute(statement, *name, token)
    rows = await connection.fetch(_FINDINGS, *name)
    await connection.executemany(_FORGET_FINDING, [_finding_values(row, found) for row in rows])
    return [(row["cause"], new) for row in rows if (new := _cause(row["cause"], found)) != row["cause"]]


def _finding_values(row: Record, found: Forgotten) -> tuple[str, str, str, str]:
    details = encode_decoded(renamed(decode_json(row["details"].encode()), found.replaced)).decode()
    return (row["key"], renamed_text(row["sentence"], found.replaced), details, _cause(row["cause"], found))


def _cause(cause: str, found: Forgotten) -> str:
    """The key of a cause that is about a token, about its alias."""
    head, _, last = cause.rpartition("|token|")
    return f"{head}|token|{found.uid}" if head and last == found.token.uid else cause


def _personal(packed: bytes) -> list[str]:
    content = _content(packed)
    return personal_in(content) if token_in(content) is not None else []


def _content(packed: bytes | None) -> Any:
    try:
        return None if packed is None else decode_json(unpack(packed))
    except NotJsonText:  # a refused one: nothing in it names a token that could be found
        return None


def _packed(found: Forgotten) -> bytes:
    return pack(encode_decoded(found.content))


def _copy_key(row: Record) -> CopyKey:
    return (row["module"], row["country_code"], row["party_id"], row["key"], row["variant"], row["audience"])


_KEY = "module, country_code, party_id, key, variant, audience"
_COPY_IS = (
    "module || '' = $1 and country_code = $2 and party_id = $3 and key = $4 and variant = $5 and audience || '' = $6"
)
_COPIES = f"select seq, packed, {_KEY} from copy where seq > $1 and module in ('cdrs', 'sessions', 'tokens') order by seq limit $2"
_VERSIONS = "select id, packed from version where id > $1 and module = 'tokens' order by id limit $2"
_REFUSED = (
    "select caller || '|' || encode(digest, 'hex') as place, caller, digest, packed from refused_cdr "
    "where caller || '|' || encode(digest, 'hex') > $1 order by place limit $2"
)
_PERMITS = "select id, packed from permit where id > $1 order by id limit $2"
_FORGET_TRACE = "update completed_session set token = $3 where creditor = $1 and session_key = $2 and token <> ''"
_FORGET_TRACES = "update completed_session set token = $2 where token = $1"
_DROP_PERMITS = "delete from permit where id = any(array(select id from permit where asked_at < $1 order by asked_at limit $2)) returning 1"
_DROP_RESULTS = "delete from permit_result where id = any(array(select id from permit_result where known_at < $1 limit $2)) returning 1"
_LOCK_COPIES = (
    f"select pg_advisory_xact_lock({COPIES_LOCK})"  # who holds objects must not write back what it read before
)
_FORGET_DEFECT = "update defect set last_id = '' where module = 'tokens' and upper(last_id) = $1"
_FORGET_FINDING = "update finding set sentence = $2, details = $3, cause = $4 where key = $1"
_RENAME_DECISIONS = "update decision set target = $2 where scope = 'cause' and target = $1"
_FINDINGS = (
    "select f.key, f.sentence, f.details, f.cause from finding f join finding_cdr c on c.finding = f.key "
    "where c.creditor = $1 and c.cdr_key = $2 for update of f"
)
_COUNT_ONE_LESS = (
    "insert into copy_count (module, country_code, party_id, audience, addressee, slot, n) values ($1, $2, $3, $4, $5, 0, -1) "
    "on conflict (module, country_code, party_id, audience, addressee, slot) do update set n = copy_count.n - 1"
)
_RENAME_REMOVALS = (
    "update version set key = $5 where module = 'tokens' and country_code = $1 and party_id = $2 and key = $3 "
    "and upper(variant) = $4 and packed is null"
)
_IS_OLD = "v.statement is not null and v.ends_at < $1 and v.token <> '' and v.token not like '%|ERASED-%'"
_OLD_CDRS = (
    f"with old as (select v.creditor, v.cdr_key, v.session_key, v.period from verdict v where {_IS_OLD} and v.period = "
    f"(select v.period from verdict v where {_IS_OLD} order by v.period limit 1) order by v.creditor, v.cdr_key limit $2) "
    f"select old.period, c.packed, {', '.join(f'c.{name}' for name in _KEY.split(', '))} from old "
    "join copy c on c.audience || '' = '' and c.country_code || '/' || c.party_id = old.creditor "
    "and ((c.module || '' = 'cdrs' and c.key = old.cdr_key) or (c.module || '' = 'sessions' and c.key = old.session_key))"
)
_OLD_SCOPES = (
    "select distinct p.scope from pseudonym p join period on period.id = p.scope "
    "where p.salt is not null and period.ends_at <= $1"
)
_DROP_VERSIONS = (
    "delete from version v where v.module = 'tokens' and v.known_at < $1 and not exists (select 1 from copy c "
    "where c.key = v.key and c.module || '' = 'tokens' and c.country_code = v.country_code and c.party_id = v.party_id) returning 1"
)

"""What settlement has made of CDRs so far, and what it needs to look at the next ones: claims that wait, related CDRs, evidence.

Reads facts (claims, copies, versions) and keeps what was derived from them (verdicts, findings, postings), the latter in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import compress
from operator import attrgetter
from typing import Any, Protocol

from hub.store.decisions import Name, exceed, locked_revision
from hub.store.direct import Connection, Direct, Record
from hub.store.journal import EntryLines, write_entries
from hub.store.pack import unpack
from hub.store.periods import locked_states
from ocpi_modules.parties import Party

RELATED_MAX_CDRS = 5_000
RELATED_MAX_OF_EACH = 25  # of a large batch
WAITING_MAX_BYTES = 16 * 1024 * 1024  # as they are stored, but for one that is larger alone

_ZERO = Decimal(0)

__all__ = ["Name"]


@dataclass(frozen=True, slots=True)
class ReceivedCdr:
    """A CDR that the hub accepted: its text, whom it is to be paid by, and when it came (UTC).

    `seen` names the state of its row: who asks for another look changes it. `is_judged`: the hub found it valid when it came.
    """

    creditor: Party
    key: str
    debtor: Party
    received_at: datetime
    text: bytes = field(repr=False)
    seen: str = ""
    is_judged: bool = False

    @property
    def name(self) -> Name:
        """What identifies it."""
        return (str(self.creditor), self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relating:
    """The values of a CDR by which others can be related to it; moments in UTC, None where they are not known.

    `meter` and `reading` name the meter and the record of signed data, empty without any.
    """

    creditor: str
    cdr_key: str
    session_key: str | None
    credit_of: str | None
    plug: str
    token: str
    starts_at: datetime | None
    ends_at: datetime | None
    meter: str = ""
    reading: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a CDR; the fields are those of `VerdictRow`. `version` names the state of a row that was read."""

    relating: Relating
    cdr_id: str
    debtor: str
    period: str
    disposition: str
    turn: int
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    priced_excl_vat: Decimal | None
    priced_incl_vat: Decimal | None
    energy: Decimal | None
    received_at: datetime
    is_credit: bool
    matches: str
    session_id: str | None = None
    statement: str | None = None
    found_session: str | None = None
    version: str = field(default="", compare=False)

    @property
    def name(self) -> Name:
        """Whose it is."""
        return (self.relating.creditor, self.relating.cdr_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFinding:
    """A finding as it is kept: subject and details as JSON text, `cdrs` by name, and `risks` (none: nothing) in the order of those."""

    key: str
    check_id: str
    kind: str
    severity: str
    disposition: str
    cause: str
    period: str
    party: str
    counterparty: str
    currency: str
    at_risk: Decimal
    subject: str
    details: str
    sentence: str
    cdrs: tuple[Name, ...]
    risks: tuple[Decimal, ...] = ()
    source: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a look saw around its CDRs: `known` are all CDRs that it saw, among them whoever was related to some or billed some `sessions`.

    `looks` is how many looks had been kept when it began: after others, what is related is looked for once more.
    """

    looks: int
    relating: Sequence[Relating]
    sessions: Collection[Name]
    known: Collection[Name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """All that one look at some CDRs came to: to be kept as one.

    `seen` are the states in which CDRs were read: one that somebody changed meanwhile is looked at once more. `unchanged` ones
    have no new verdict. `revision` is that of the decisions that were applied (`hub.store.decisions`), `states` are those in which the
    periods of the verdicts were thought to be. `before` are the versions of the verdicts that these replace, `limits` the decisions
    that bear on nothing that came at a moment or later; `is_limited` says that some decision was only applied as far as one person may
    decide, which others may have used up. `around` is what it saw around its CDRs, None where nobody else can have looked.
    """

    verdicts: Sequence[Verdict]
    findings: Sequence[KeptFinding]
    entries: Sequence[EntryLines]
    at: datetime
    unchanged: Sequence[Name] = ()
    seen: Mapping[Name, str] = field(default_factory=dict)
    revision: int = 0
    states: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[Name, str] = field(default_factory=dict)
    limits: Mapping[int, datetime] = field(default_factory=dict)
    is_limited: bool = False
    around: Surroundings | None = None


class Fetches(Protocol):
    """Whoever reads rows: the pool, or one connection in the middle of a transaction."""

    async def fetch(self, statement: str, /, *values: Any) -> Sequence[Record]: ...


class Verdicts:
    """The verdicts and all that hangs on them."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def waiting(self, most: int, creditors: Collection[str] | None = None) -> list[ReceivedCdr]:
        """CDRs that were never examined, of all creditors or of some (``DE/ABC``), the oldest first.

        Those that could not be examined are tried after the others. WAITING_MAX_BYTES together at most.
        """
        only = None if creditors is None else sorted(creditors)
        return [*map(_received, await self._direct.fetch(_WAITING, most, WAITING_MAX_BYTES, only))]

    async def waiting_by_creditor(self, most: int) -> dict[str, int]:
        """How many of the CDRs that wait, of the oldest `most`, are of each creditor (``DE/ABC``)."""
        rows = await self._direct.fetch(_WAITING_BY_CREDITOR, most)
        return {row["creditor"]: row["n"] for row in rows}

    async def failed(self, name: Name) -> None:
        """Put a CDR that could not be examined behind all others that wait."""
        async with self._direct.transaction() as connection:
            await connection.execute(
                "update claim set failures = failures + 1 where creditor = $1 and cdr_key = $2", *name
            )

    async def count_waiting(self) -> int:
        """How many CDRs were never examined."""
        (row,) = await self._direct.fetch("select count(*) as n from claim where examined_at is null")
        return int(row["n"])

    async def cdrs(self, names: Collection[Name]) -> list[ReceivedCdr]:
        """Accepted CDRs by name; those that are not there are left out."""
        return [*map(_received, await self._direct.fetch(_CDRS, *_name_columns(names)))] if names else []

    async def related(self, relating: Sequence[Relating]) -> set[Name]:
        """Examined CDRs that share a session, a connector or a token with some others at the same time, or credit them, or are credited.

        Also those with the same signed reading, of the same meter the one before and the one after, and those for which a session was
        found that others name.
        """
        return await _related(self._direct, relating)

    async def billing(self, sessions: Collection[Name]) -> set[Name]:
        """Examined CDRs that name some sessions, or for which these were found."""
        return await _billing(self._direct, sessions)

    async def looks(self) -> int:
        """How many looks were kept so far."""
        return await _looks(self._direct)

    async def load(self, names: Collection[Name]) -> dict[Name, Verdict]:
        """Verdicts by name."""
        rows = await self._direct.fetch(_LOAD, *_name_columns(names)) if names else ()
        return {(row["creditor"], row["cdr_key"]): _verdict(row) for row in rows}

    async def findings(self, name: Name) -> list[KeptFinding]:
        """What stands of a CDR, by check; `cdrs` is this one alone."""
        rows = await self._direct.fetch(_FINDINGS_OF, *name)
        return [KeptFinding(**{column: row[column] for column in _KEPT_COLUMNS}, cdrs=(name,)) for row in rows]

    async def copies(self, module: str, names: Collection[Name]) -> list[bytes]:
        """What owners say now of objects that are meant for everybody, or for their addressee, by owner and folded id."""
        rows = await self._direct.fetch(_COPIES, module, *_name_columns(names)) if names else ()
        return [unpack(row["packed"]) for row in rows]

    async def senders(self, module: str) -> frozenset[Party]:
        """Who owns objects of a module that the hub keeps."""
        rows = await self._direct.fetch(_SENDERS, module)
        return frozenset(Party(row["country_code"], row["party_id"]) for row in rows)

    async def keep(self, examined: Examined) -> bool:
        """Keep what a look at some CDRs came to, all of it or nothing. What was found before and is no longer so is cleared.

        False where somebody decided something meanwhile, a period took a step, or somebody else looked at one of them: nothing is kept,
        and it is to be looked at again. What others kept meanwhile that is related to some of them is to be looked at again, together
        with those. Raises Unavailable where what it needs is taken for too long.
        """
        async with self._direct.transaction() as connection:
            await connection.execute(_ONE_AFTER_THE_OTHER)
            if not await _is_as_it_was(connection, examined):
                return False
            unseen = await _unseen(connection, examined.around)
            names = [verdict.name for verdict in examined.verdicts]
            await _keep_verdicts(connection, examined)
            await connection.execute(_CLEAR, *_name_columns(names), [one.key for one in examined.findings], examined.at)
            await keep_findings(connection, examined.findings, examined.at)
            await write_entries(connection, examined.entries, examined.at)
            marked = sorted({*names, *examined.unchanged})
            seen = [examined.seen.get(name, "") for name in marked]
            await connection.execute(_MARK, *_name_columns(marked), examined.at, seen)
            await exceed(connection, examined.limits, examined.at, marked)
            await connection.execute(_LOOKED, examined.at)
            if unseen:
                await connection.execute(_LOOK_AGAIN, *_name_columns(unseen))
            return True


async def _is_as_it_was(connection: Connection, examined: Examined) -> bool:
    """Whether decisions, periods and verdicts are those on which a look was based; they stay so until the transaction ends."""
    if await locked_revision(connection) != examined.revision:
        return False
    if await locked_states(connection, examined.states) != examined.states:
        return False
    if examined.is_limited and examined.around is not None and await _looks(connection) != examined.around.looks:
        return False
    names = [verdict.name for verdict in examined.verdicts]
    rows = await connection.fetch(_VERSIONS, *_name_columns(names))
    versions = {(row["creditor"], row["cdr_key"]): row["version"] for row in rows}
    return all(versions.get(name, "") == examined.before.get(name, "") for name in names)


async def _unseen(connection: Connection, around: Surroundings | None) -> set[Name]:
    """What was kept since a look began and is related to what it saw."""
    if around is None or await _looks(connection) == around.looks:
        return set()
    related = await _related(connection, around.relating) | await _billing(connection, around.sessions)
    return related - {*around.known}


async def _looks(database: Fetches) -> int:
    (row,) = await database.fetch("select coalesce(max(looks), 0) as looks from settling")
    return int(row["looks"])


async def _related(database: Fetches, relating: Sequence[Relating]) -> set[Name]:
    if not relating:
        return set()
    columns = [_column(relating, name) for name in _RELATING]
    most = max(RELATED_MAX_CDRS, RELATED_MAX_OF_EACH * len(relating))
    return _names_in(await database.fetch(_RELATED, *columns, most))


async def _billing(database: Fetches, sessions: Collection[Name]) -> set[Name]:
    return _names_in(await database.fetch(_BILLING, *_name_columns(sessions))) if sessions else set()


def _names_in(rows: Iterable[Record]) -> set[Name]:
    return {(row["creditor"], row["cdr_key"]) for row in rows}


async def _keep_verdicts(connection: Connection, examined: Examined) -> None:
    """Copy those of CDRs that have none, which nobody else can add meanwhile, and replace the others."""
    rows = [(*_relating_values(one.relating), *_own_values(one), examined.at) for one in examined.verdicts]
    is_new = [one.name not in examined.before for one in examined.verdicts]
    if new := [*compress(rows, is_new)]:
        await connection.copy_records_to_table("verdict", records=new, columns=_VERDICT_COLUMNS)
    if len(new) < len(rows):
        others = (row for row, skip in zip(rows, is_new, strict=True) if not skip)
        await connection.execute(_VERDICT, *map(list, zip(*others, strict=True)))


async def look_again(connection: Connection, names: Collection[Name]) -> int:
    """Let some CDRs be examined again, but for those that an advised statement bills; returns how many.

    One that waits already is touched too: who examines it meanwhile sees that there is news.
    """
    rows = await connection.fetch(_LOOK_AGAIN_UNBILLED, *_name_columns(names)) if names else ()
    return len(rows)


async def keep_findings(connection: Connection, findings: Sequence[KeptFinding], at: datetime) -> None:
    """Keep findings with the CDRs that they are about; one that was cleared is so again."""
    once = {one.key: one for one in findings}.values()
    if once:
        columns = [_column(once, name) for name in _KEPT_COLUMNS]
        await connection.execute(_FINDING, *columns, [at] * len(once))
        links = {(one.key, *name): risk for one in once for name, risk in _risks(one)}
    if once and links:  # what was refused, or is missing, is about no CDR of the books
        await connection.execute(_FINDING_CDR, *map(list, zip(*links, strict=True)), [*links.values()])


def _risks(finding: KeptFinding) -> Iterable[tuple[Name, Decimal]]:
    return zip(finding.cdrs, finding.risks or (_ZERO,) * len(finding.cdrs), strict=True)


def _column(rows: Iterable[object], name: str) -> list[Any]:
    return [getattr(row, name) for row in rows]


def _name_columns(names: Collection[Name]) -> tuple[list[str], list[str]]:
    ordered = sorted(names)
    return [name[0] for name in ordered], [name[1] for name in ordered]


def _received(row: Record) -> ReceivedCdr:
    creditor, debtor = Party.parse(row["creditor"]), Party.parse(row["debtor"])
    text, seen = unpack(row["packed"]), row["seen"]
    return ReceivedCdr(creditor, row["cdr_key"], debtor, row["accepted_at"], text, seen, row["is_judged"])


def _verdict(row: Record) -> Verdict:
    relating = Relating(**{name: row[name] for name in _RELATING})
    own = [name for name in Verdict.__dataclass_fields__ if name != "relating"]
    return Verdict(relating=relating, **{name: row[name] for name in own})


_RELATING = tuple(Relating.__dataclass_fields__)

_NAMES = "unnest($1::text[], $2::text[]) k(creditor, cdr_key)"

# one look into the primary key for each, however many copies there are: a join might read all of them
_TEXT = (
    "cross join lateral (select packed from copy c where c.key = claim.cdr_key and c.module = 'cdrs' "
    "and c.country_code = split_part(claim.creditor, '/', 1) and c.party_id = split_part(claim.creditor, '/', 2) "
    "and c.variant = '' and c.audience = '' limit 1) c"
)

_CDR = "claim.creditor, claim.cdr_key, claim.debtor, claim.accepted_at, claim.seen, claim.is_judged, c.packed"

_WAITING = (
    "with claim as materialized (select creditor, cdr_key, debtor, accepted_at, failures, is_judged, xmin::text as seen from claim "
    "where examined_at is null and ($3::text[] is null or creditor = any($3)) "
    "order by failures, accepted_at, creditor, cdr_key limit $1), "
    f"w as (select {_CDR}, row_number() over o as n, sum(octet_length(c.packed)) over o as bytes from claim {_TEXT} "
    "window o as (order by claim.failures, claim.accepted_at, claim.creditor, claim.cdr_key)) "
    "select creditor, cdr_key, debtor, accepted_at, seen, is_judged, packed from w where n = 1 or bytes <= $2 order by n"
)

_WAITING_BY_CREDITOR = (
    "select creditor, count(*) as n from (select creditor from claim where examined_at is null "
    "order by failures, accepted_at, creditor, cdr_key limit $1) w group by creditor"
)

_CDRS = (
    "with claim as (select creditor, cdr_key, debtor, accepted_at, is_judged, claim.xmin::text as seen "
    f"from claim join {_NAMES} using (creditor, cdr_key)) "
    f"select {_CDR} from claim {_TEXT} order by claim.accepted_at, claim.creditor, claim.cdr_key"
)

_LOAD = f"select v.*, v.xmin::text as version from verdict v join {_NAMES} using (creditor, cdr_key)"

_VERSIONS = (
    f"select creditor, cdr_key, v.xmin::text as version from verdict v join {_NAMES} using (creditor, cdr_key) "
    "order by creditor, cdr_key for update of v"
)

SETTLING_LOCK = 2_210_006
LOCK_WAIT_MAX_MILLISECONDS = 5_000

# two processes may settle for a moment, while one stops to lead and another begins
_ONE_AFTER_THE_OTHER = (
    f"set local lock_timeout = {LOCK_WAIT_MAX_MILLISECONDS}; select pg_advisory_xact_lock({SETTLING_LOCK})"
)

_LOOK_AGAIN = (
    f"update claim set examined_at = null from {_NAMES} where claim.creditor = k.creditor and claim.cdr_key = k.cdr_key"
)

_LOOK_AGAIN_UNBILLED = f"{_LOOK_AGAIN} and not exists (" + (
    "select 1 from verdict v where v.creditor = k.creditor and v.cdr_key = k.cdr_key and v.statement is not null) returning 1"
)

_LOOKED = (
    "insert into settling (id, looks, looked_at) values (1, 1, $1) "
    "on conflict (id) do update set looks = settling.looks + 1, looked_at = excluded.looked_at"
)

_COPIES = (
    "select distinct on (c.seq) c.packed from unnest($2::text[], $3::text[]) k(owner, key) cross join lateral ("
    "select seq, packed from copy where copy.key = k.key and module = $1 and country_code = split_part(k.owner, '/', 1) "
    "and party_id = split_part(k.owner, '/', 2) and audience = '' offset 0) c order by c.seq"
)

_BILLING = (
    f"select v.creditor, v.cdr_key from {_NAMES.replace('cdr_key', 'session_key')} "
    "join verdict v on v.creditor = k.creditor and v.session_key = k.session_key union "
    f"select v.creditor, v.cdr_key from {_NAMES.replace('cdr_key', 'session_key')} "
    "join verdict v on v.creditor = k.creditor and v.found_session = k.session_key"
)

_AT_ONCE = "k.starts_at < v.ends_at and v.starts_at < k.ends_at"

_NEIGHBOURS = " ".join(
    f"union (select n.* from k cross join lateral (select v.creditor, v.cdr_key from verdict v where v.meter = k.meter "
    f"and v.meter <> '' and v.starts_at {sign} k.starts_at order by v.starts_at {order} limit 1) n)"
    for sign, order in (("<", "desc"), (">", "asc"))
)

_RELATED = (
    "with k as (select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], "
    "$7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[]) "
    "k(creditor, cdr_key, session_key, credit_of, plug, token, starts_at, ends_at, meter, reading)) "
    "select creditor, cdr_key from ("
    "select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.session_key = k.session_key "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.found_session = k.session_key "
    f"union select v.creditor, v.cdr_key from k join verdict v on v.plug = k.plug and k.plug <> '' and {_AT_ONCE} "
    f"union select v.creditor, v.cdr_key from k join verdict v on v.token = k.token and k.token <> '' and {_AT_ONCE} "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.credit_of = k.cdr_key "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.cdr_key = k.credit_of "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.credit_of = k.credit_of "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.reading = k.reading "
    f"and v.reading <> '' {_NEIGHBOURS}"
    ") r order by 1, 2 limit $11"
)

_OWN = (
    "cdr_id",
    "debtor",
    "period",
    "disposition",
    "turn",
    "currency",
    "excl_vat",
    "incl_vat",
    "priced_excl_vat",
    "priced_incl_vat",
    "energy",
    "received_at",
    "is_credit",
    "matches",
    "session_id",
    "found_session",
)
_VERDICT_COLUMNS = (*_RELATING, *_OWN, "examined_at")
_relating_values, _own_values = attrgetter(*_RELATING), attrgetter(*_OWN)
_FINDING_COLUMNS = (
    "key",
    "check_id",
    "kind",
    "severity",
    "disposition",
    "cause",
    "period",
    "party",
    "counterparty",
    "currency",
    "at_risk",
    "subject",
    "details",
    "sentence",
    "source",
    "raised_at",
)


def _insert(table: str, columns: Sequence[str], key: Sequence[str], kept: Collection[str] = ()) -> str:
    """An insert of arrays that replaces what is there under the key, but for the columns that keep their first value."""
    arrays = ", ".join(f"${number}::{_TYPES.get(name, 'text')}[]" for number, name in enumerate(columns, 1))
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key and name not in kept)
    rows = f"select * from unnest({arrays})"
    return f"insert into {table} ({', '.join(columns)}) {rows} on conflict ({', '.join(key)}) do update set {changed}"


_TYPES = {
    **dict.fromkeys(("starts_at", "ends_at", "received_at", "examined_at", "raised_at"), "timestamptz"),
    **dict.fromkeys(("excl_vat", "incl_vat", "priced_excl_vat", "priced_incl_vat", "energy", "at_risk"), "numeric"),
    "turn": "int",
    "is_credit": "bool",
}
"""The types of columns that hold no text."""


_VERDICT = _insert("verdict", _VERDICT_COLUMNS, ("creditor", "cdr_key"))
_FINDING = _insert("finding", _FINDING_COLUMNS, ("key",), ("raised_at",)) + ", cleared_at = null"
_FINDING_CDR = _insert("finding_cdr", ("finding", "creditor", "cdr_key", "at_risk"), ("finding", "creditor", "cdr_key"))

_KEPT_COLUMNS = tuple(column for column in _FINDING_COLUMNS if column != "raised_at")
_FINDINGS_OF = (
    f"select {', '.join(f'f.{column}' for column in _KEPT_COLUMNS)} from finding f join finding_cdr c on c.finding = f.key "
    "where c.creditor = $1 and c.cdr_key = $2 and f.cleared_at is null order by f.check_id, f.kind, f.key"
)

_CLEAR = (
    "update finding set cleared_at = $4 where cleared_at is null and source = '' and key <> all($3::text[]) and key = any(array("
    f"select distinct f.finding from {_NAMES} cross join lateral (select finding from finding_cdr f "
    "where f.creditor = k.creditor and f.cdr_key = k.cdr_key offset 0) f))"
)

_SENDERS = "select distinct country_code, party_id from copy_count where module = $1 and n > 0"

_MARK = (
    "update claim set examined_at = $3 from unnest($1::text[], $2::text[], $4::text[]) k(creditor, cdr_key, seen) "
    "where claim.creditor = k.creditor and claim.cdr_key = k.cdr_key and k.seen in ('', claim.xmin::text)"
)

"""What settlement has made of CDRs so far, and what it needs to look at the next ones: claims that wait, related CDRs, evidence.

Reads facts (claims, copies, versions) and keeps what was derived from them (verdicts, findings, postings), the latter in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.store.decisions import locked_revision
from hub.store.direct import Connection, Direct, Record
from hub.store.journal import EntryLines, write_entries
from hub.store.pack import unpack
from hub.store.periods import locked_states
from ocpi_modules.parties import Party

RELATED_MAX_CDRS = 5_000

_ZERO = Decimal(0)

Name = tuple[str, str]
"""Creditor (``DE/ABC``) and folded id of a CDR."""


@dataclass(frozen=True, slots=True)
class ReceivedCdr:
    """A CDR that the hub accepted: its text, whom it is to be paid by, and when it came (UTC).

    `seen` names the state of its row: who asks for another look changes it.
    """

    creditor: Party
    key: str
    debtor: Party
    received_at: datetime
    text: bytes = field(repr=False)
    seen: str = ""

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
    """What becomes of a CDR; the fields are those of `VerdictRow`."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """All that one look at some CDRs came to: to be kept as one.

    `seen` are the states in which CDRs were read: one that somebody changed meanwhile is looked at once more. `unchanged` ones
    have no new verdict. `revision` is that of the decisions that were applied (`hub.store.decisions`), `states` are those in which the
    periods of the verdicts were thought to be.
    """

    verdicts: Sequence[Verdict]
    findings: Sequence[KeptFinding]
    entries: Sequence[EntryLines]
    at: datetime
    unchanged: Sequence[Name] = ()
    seen: Mapping[Name, str] = field(default_factory=dict)
    revision: int = 0
    states: Mapping[str, str] = field(default_factory=dict)


class Verdicts:
    """The verdicts and all that hangs on them."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def waiting(self, most: int) -> list[ReceivedCdr]:
        """CDRs that were never examined, the oldest first; those that could not be are tried after the others."""
        return [*map(_received, await self._direct.fetch(_WAITING, most))]

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

        Also those with the same signed reading, and of the same meter the one before and the one after.
        """
        if not relating:
            return set()
        columns = [[getattr(one, name) for one in relating] for name in _RELATING]
        rows = await self._direct.fetch(_RELATED, *columns, RELATED_MAX_CDRS)
        return {(row["creditor"], row["cdr_key"]) for row in rows}

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

        False where somebody decided something meanwhile, or a period took a step: nothing is kept, and it is to be looked at again.
        """
        async with self._direct.transaction() as connection:
            if await locked_revision(connection) != examined.revision:
                return False
            if await locked_states(connection, examined.states) != examined.states:
                return False
            names = [verdict.name for verdict in examined.verdicts]
            await _keep_verdicts(connection, examined)
            await connection.execute(_CLEAR, *_name_columns(names), [one.key for one in examined.findings], examined.at)
            await _keep_findings(connection, examined)
            await write_entries(connection, examined.entries, examined.at)
            marked = sorted({*names, *examined.unchanged})
            seen = [examined.seen.get(name, "") for name in marked]
            await connection.execute(_MARK, *_name_columns(marked), examined.at, seen)
            return True


async def _keep_verdicts(connection: Connection, examined: Examined) -> None:
    rows = [
        {**_plain(verdict.relating), **_plain(verdict), "examined_at": examined.at} for verdict in examined.verdicts
    ]
    if rows:
        await connection.executemany(_VERDICT, [tuple(row[name] for name in _VERDICT_COLUMNS) for row in rows])


async def _keep_findings(connection: Connection, examined: Examined) -> None:
    rows = [{**_plain(one), "raised_at": examined.at} for one in examined.findings]
    if rows:
        await connection.executemany(_FINDING, [tuple(row[name] for name in _FINDING_COLUMNS) for row in rows])
        links = [(one.key, *name, risk) for one in examined.findings for name, risk in _risks(one)]
        await connection.executemany(_FINDING_CDR, links)


def _risks(finding: KeptFinding) -> Iterable[tuple[Name, Decimal]]:
    return zip(finding.cdrs, finding.risks or (_ZERO,) * len(finding.cdrs), strict=True)


def _plain(value: Any) -> Mapping[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _name_columns(names: Collection[Name]) -> tuple[list[str], list[str]]:
    ordered = sorted(names)
    return [name[0] for name in ordered], [name[1] for name in ordered]


def _received(row: Record) -> ReceivedCdr:
    creditor, debtor = Party.parse(row["creditor"]), Party.parse(row["debtor"])
    return ReceivedCdr(creditor, row["cdr_key"], debtor, row["accepted_at"], unpack(row["packed"]), row["seen"])


def _verdict(row: Record) -> Verdict:
    relating = Relating(**{name: row[name] for name in _RELATING})
    own = [name for name in Verdict.__dataclass_fields__ if name != "relating"]
    return Verdict(relating=relating, **{name: row[name] for name in own})


_RELATING = tuple(Relating.__dataclass_fields__)

_NAMES = "unnest($1::text[], $2::text[]) k(creditor, cdr_key)"

_TEXT = (
    "join copy c on c.module || '' = 'cdrs' and c.audience || '' = '' and c.variant = '' and c.key = claim.cdr_key "
    "and c.country_code || '/' || c.party_id = claim.creditor"
)

_CDR = "select claim.creditor, claim.cdr_key, claim.debtor, claim.accepted_at, claim.xmin::text as seen, c.packed from claim"

_WAITING = (
    f"{_CDR} {_TEXT} where claim.examined_at is null "
    "order by claim.failures, claim.accepted_at, claim.creditor, claim.cdr_key limit $1"
)

_CDRS = (
    f"{_CDR} join {_NAMES} using (creditor, cdr_key) {_TEXT} order by claim.accepted_at, claim.creditor, claim.cdr_key"
)

_LOAD = f"select v.* from verdict v join {_NAMES} using (creditor, cdr_key)"

_COPIES = (
    "select distinct on (c.seq) c.packed from unnest($2::text[], $3::text[]) k(owner, key) join copy c on c.key = k.key "
    "and c.module || '' = $1 and c.country_code || '/' || c.party_id = k.owner and c.audience || '' = '' order by c.seq"
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
    f"union select v.creditor, v.cdr_key from k join verdict v on v.plug = k.plug and k.plug <> '' and {_AT_ONCE} "
    f"union select v.creditor, v.cdr_key from k join verdict v on v.token = k.token and k.token <> '' and {_AT_ONCE} "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.credit_of = k.cdr_key "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.cdr_key = k.credit_of "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.credit_of = k.credit_of "
    "union select v.creditor, v.cdr_key from k join verdict v on v.creditor = k.creditor and v.reading = k.reading "
    f"and v.reading <> '' {_NEIGHBOURS}"
    ") r order by 1, 2 limit $11"
)

_VERDICT_COLUMNS = (
    *_RELATING,
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
    "examined_at",
)
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
    "raised_at",
)


def _insert(table: str, columns: Sequence[str], key: Sequence[str], kept: Collection[str] = ()) -> str:
    """An insert that replaces what is there under the key, but for the columns that keep their first value."""
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    changed = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key and name not in kept)
    return f"insert into {table} ({', '.join(columns)}) values ({places}) on conflict ({', '.join(key)}) do update set {changed}"


_VERDICT = _insert("verdict", _VERDICT_COLUMNS, ("creditor", "cdr_key"))
_FINDING = _insert("finding", _FINDING_COLUMNS, ("key",), ("raised_at",)) + ", cleared_at = null"
_FINDING_CDR = _insert("finding_cdr", ("finding", "creditor", "cdr_key", "at_risk"), ("finding", "creditor", "cdr_key"))

_KEPT_COLUMNS = tuple(column for column in _FINDING_COLUMNS if column != "raised_at")
_FINDINGS_OF = (
    f"select {', '.join(f'f.{column}' for column in _KEPT_COLUMNS)} from finding f join finding_cdr c on c.finding = f.key "
    "where c.creditor = $1 and c.cdr_key = $2 and f.cleared_at is null order by f.check_id, f.kind, f.key"
)

_CLEAR = (
    f"update finding set cleared_at = $4 where cleared_at is null and key <> all($3::text[]) and key in "
    f"(select f.finding from finding_cdr f join {_NAMES} using (creditor, cdr_key))"
)

_SENDERS = "select distinct country_code, party_id from copy_count where module = $1 and n > 0"

_MARK = (
    "update claim set examined_at = $3 from unnest($1::text[], $2::text[], $4::text[]) k(creditor, cdr_key, seen) "
    "where claim.creditor = k.creditor and claim.cdr_key = k.cdr_key and k.seen in ('', claim.xmin::text)"
)

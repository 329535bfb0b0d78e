"""The books as people read them: verdicts, findings, causes, refused CDRs, balances and entries, a page at a time.

Pages are read from a key on (`after`), so that they do not shift while the books grow. Moments are UTC, amounts exact and in the currency
of their row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from hub.store.decisions import IS_WAITING
from hub.store.direct import Direct, Record
from hub.store.ordering import Order, Part, Parts, Place, Placed, lowest_without, placed
from hub.store.pack import unpack
from hub.store.where import Clause, where

PAGE_MAX_ROWS = 1000
LISTED_MAX = PAGE_MAX_ROWS + 1  # rows; one more tells whether there is a page behind the largest one

_CDR_NAME = (Part("v.creditor"), Part("v.cdr_key"))

CDRS_BY_NAME = Order(_CDR_NAME)
CDR_SORTS: Mapping[str, Parts] = {
    "received": (Part("v.received_at", "timestamptz"), *_CDR_NAME),
    "ended": (lowest_without("v.ends_at", "timestamptz"), *_CDR_NAME),
    "claimed": (Part("v.currency", is_coarse=True), Part("v.excl_vat", "numeric"), *_CDR_NAME),
    "difference": (
        Part("v.currency", is_coarse=True),
        lowest_without("v.excl_vat - v.priced_excl_vat", "numeric"),
        *_CDR_NAME,
    ),
    "kwh": (lowest_without("v.energy", "numeric"), *_CDR_NAME),
}

FINDINGS_BY_MONEY = Order((Part("f.at_risk", "numeric"), Part("f.key")), is_descending=True)
FINDING_SORTS: Mapping[str, Parts] = {
    "at_risk": (Part("f.currency", is_coarse=True), Part("f.at_risk", "numeric"), Part("f.key")),
    "cdrs": (Part("(select count(*) from finding_cdr c where c.finding = f.key)", "bigint"), Part("f.key")),
    "since": (Part("f.raised_at", "timestamptz"), Part("f.key")),
}

CAUSES_BY_RANK = Order((Part("r.cause"),))
"""Its place is the cause alone: ranks shift while somebody turns pages."""
CAUSE_SORTS: Mapping[str, Parts] = {
    "at_risk": (Part("r.currency"), Part("r.at_risk", "numeric"), Part("r.cause")),
    "cdrs": (Part("r.cdrs", "bigint"), Part("r.cause")),
    "held": (Part("r.held", "bigint"), Part("r.cause")),
    "since": (Part("r.first_at", "timestamptz"), Part("r.cause")),
}

Line = TypeVar("Line", bound="CdrLine | FindingLine | CauseLine | BalanceLine")


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrsAsked:
    """Which verdicts are wanted, None for all; `token`, `session` and `cdr` (the beginning of an id) are folded.

    `also` is another cause than `cause`; `found_in` is the period of what was found of `cause`, `lines_of` a statement, or a draft of one,
    that has lines for CDRs which are no credits.

    `is_kept_out`: on hold or dropped; `is_unbilled`: it settles, and its period is to be billed still. CDRs came at `received_from` or
    later, and before `received_before`; their charges ended (came, where no end is stated) at `ended_from` or later, and before
    `ended_before` (UTC). `after` is a place in their order.
    """

    period: str | None = None
    creditor: str | None = None
    debtor: str | None = None
    currency: str | None = None
    disposition: str | None = None
    is_kept_out: bool | None = None
    is_unbilled: bool | None = None
    received_from: datetime | None = None
    received_before: datetime | None = None
    ended_from: datetime | None = None
    ended_before: datetime | None = None
    kind: str | None = None
    cause: str | None = None
    found_in: str | None = None
    also: str | None = None
    token: str | None = None
    session: str | None = None
    cdr: str | None = None
    statement: str | None = None
    lines_of: str | None = None
    order: Order = CDRS_BY_NAME
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrLine:
    """A CDR in a list: the fields of `VerdictRow` that people read, and the kinds of what was found about it."""

    creditor: str
    cdr_key: str
    cdr_id: str
    debtor: str
    period: str
    disposition: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    priced_excl_vat: Decimal | None
    priced_incl_vat: Decimal | None
    energy: Decimal | None
    starts_at: datetime | None
    ends_at: datetime | None
    received_at: datetime
    examined_at: datetime
    is_credit: bool
    credit_of: str | None
    session_key: str | None
    statement: str | None
    matches: str = field(repr=False)
    kinds: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingsAsked:
    """Which findings are wanted, None for all; `party` is whose CDRs they are about, `cdr` one of these by creditor and folded id.

    `is_cleared` False: those that are so now; `is_accepted`: a decision that stands accepts the finding, or its cause. `after` is a place
    in their order.
    """

    period: str | None = None
    kind: str | None = None
    check: str | None = None
    severity: str | None = None
    disposition: str | None = None
    cause: str | None = None
    party: str | None = None
    counterparty: str | None = None
    currency: str | None = None
    cdr: tuple[str, str] | None = None
    source: str | None = None
    is_cleared: bool | None = False
    is_accepted: bool | None = None
    order: Order = FINDINGS_BY_MONEY
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingLine:
    """A finding in a list, as in `FindingRow`, with its CDRs as ``DE/ABC/folded id``."""

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
    raised_at: datetime
    cleared_at: datetime | None
    cdrs: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CausesAsked:
    """Which causes are wanted, None for all; `is_decided`: whether a decision about the cause itself stands.

    `after` is a place in their order.
    """

    period: str | None = None
    kind: str | None = None
    party: str | None = None
    currency: str | None = None
    disposition: str | None = None
    cause: str | None = None
    is_decided: bool | None = None
    order: Order = CAUSES_BY_RANK
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseLine:
    """A cause: findings with one root. `rank` counts from 1, `held` are CDRs that are kept out now, `decision` the one that stands.

    `refused` are CDRs that were refused at the door, of which no other count knows.
    """

    rank: int
    cause: str
    check_id: str
    kind: str
    party: str
    currency: str
    disposition: str
    findings: int
    cdrs: int
    held: int
    refused: int
    at_risk: Decimal
    first_at: datetime
    last_at: datetime
    sentence: str
    decision: int | None
    action: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """A CDR that was refused at the door; `digest` is the SHA-256 of its bytes in hexadecimal digits."""

    caller: str
    digest: str
    creditor: str
    cdr_key: str
    receiver: str
    status_code: int
    answer: str
    first_at: datetime
    last_at: datetime
    times: int
    finding: str | None
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancesAsked:
    """Which accounts are wanted, None for all; `after` is kind, party, counterparty, period and currency of the one before the page."""

    period: str | None = None
    kind: str | None = None
    party: str | None = None
    counterparty: str | None = None
    currency: str | None = None
    after: tuple[str, str, str, str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceLine:
    """What an account holds: plus is owed by the party, minus is owed to it."""

    kind: str
    party: str
    counterparty: str
    period: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """An entry of the journal with its postings."""

    id: int
    key: str
    event: str
    reference: str
    actor: str
    reason: str
    known_at: datetime
    postings: Sequence[BalanceLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How far settlement is: CDRs that wait to be examined, when it last looked, CDRs by disposition, decisions that wait for a second."""

    waiting: int
    looked_at: datetime | None
    dispositions: Mapping[str, int]
    proposed: int


class BookReader:
    """Reads the books; `most` bounds the rows of a page, PAGE_MAX_ROWS at most."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def cdrs(self, asked: CdrsAsked, most: int) -> list[Placed[CdrLine]]:
        """CDRs in their order."""
        chosen, values = _few_or_all(asked)
        statement = f"{chosen} order by {asked.order.by} limit {_bounded(most)}"
        return placed(await self._direct.fetch(statement, *values), lambda row: _line(CdrLine, row))

    async def cdr(self, creditor: str, cdr_key: str) -> CdrLine | None:
        """One CDR; None where it was not examined yet, or is not there."""
        rows = await self._direct.fetch(
            f"select {_CDR} from verdict v where v.creditor = $1 and v.cdr_key = $2", creditor, cdr_key
        )
        return _line(CdrLine, rows[0]) if rows else None

    async def findings(self, asked: FindingsAsked, most: int) -> list[Placed[FindingLine]]:
        """Findings in their order."""
        condition, values = where(_finding_clauses(asked))
        statement = f"select {_FINDING}, {asked.order.place} from finding f {condition} order by {asked.order.by} limit {_bounded(most)}"
        return placed(await self._direct.fetch(statement, *values), lambda row: _line(FindingLine, row))

    async def causes(self, asked: CausesAsked, most: int) -> list[Placed[CauseLine]]:
        """Causes in their order.

        By rank: what stops money first, then by currency (the one of most CDRs first), the largest amount first.
        """
        by, behind = _cause_order(asked)
        condition, values = where(_cause_clauses(asked))
        outer, values = where(
            [
                ("(d.id is not null) = ?", asked.is_decided),
                ("r.disposition = ?", asked.disposition),
                behind,
            ],
            *values,
        )
        causes = _CAUSES.format(condition=condition, place=asked.order.place)
        rows = await self._direct.fetch(f"{causes} {outer} order by {by} limit {_bounded(most)}", *values)
        return placed(rows, lambda row: _line(CauseLine, row))

    async def refused(
        self, asked: tuple[str | None, str | None], after: tuple[datetime, bytes, str] | None, most: int
    ) -> list[RefusedLine]:
        """Refused CDRs of a creditor and of a cause, the last ones first; `after` is when, digest and caller of the one before the page."""
        of_cause = "finding in (select key from finding where cause = ? and source = 'refused')"
        clauses: list[Clause] = [
            ("creditor = ?", asked[0]),
            (of_cause, asked[1]),
            ("(last_at, digest, caller) < (?, ?, ?)", after),
        ]
        condition, values = where(clauses)
        statement = f"{_REFUSED} {condition} order by last_at desc, digest desc, caller desc limit {_bounded(most)}"
        return [_refused(row) for row in await self._direct.fetch(statement, *values)]

    async def refused_one(self, caller: str, digest: bytes) -> RefusedLine | None:
        """One refused CDR."""
        rows = await self._direct.fetch(f"{_REFUSED} where caller = $1 and digest = $2", caller, digest)
        return _refused(rows[0]) if rows else None

    async def balances(self, asked: BalancesAsked, most: int) -> list[BalanceLine]:
        """What accounts hold, in the order of accounts; those that hold nothing are left out."""
        names = ("period", "kind", "party", "counterparty", "currency")
        chosen: list[Clause] = [(f"{name} = ?", getattr(asked, name)) for name in names]
        place: Clause = ("(kind, party, counterparty, period, currency) > (?, ?, ?, ?, ?)", asked.after)
        condition, values = where([("(excl_vat <> 0 or incl_vat <> 0) = ?", True), *chosen, place])
        statement = f"{_BALANCES.format(condition=condition)} limit {_bounded(most)}"
        return [_line(BalanceLine, row) for row in await self._direct.fetch(statement, *values)]

    async def entries(self, reference: str | None, after: int | None, most: int) -> list[EntryLine]:
        """Entries of the journal, the oldest first, about one thing or all."""
        condition, values = where([("e.reference = ?", reference), ("e.id > ?", after)])
        heads = await self._direct.fetch(f"{_ENTRIES} {condition} order by e.id limit {_bounded(most)}", *values)
        postings: dict[int, list[BalanceLine]] = {head["id"]: [] for head in heads}
        for row in await self._direct.fetch(_POSTINGS, [*postings]):
            postings[row["entry"]].append(_line(BalanceLine, row))
        return [EntryLine(**head, postings=postings[head["id"]]) for head in heads]

    async def status(self) -> Status:
        """How far settlement is."""
        (row,) = await self._direct.fetch(_STATUS)
        counts = await self._direct.fetch(_BY_DISPOSITION)
        return Status(**row, dispositions={count["disposition"]: count["n"] for count in counts})


def _line(kind: type[Line], row: Record) -> Line:
    return kind(**{one.name: row[one.name] for one in fields(kind)})


def _bounded(most: int) -> int:
    return max(1, min(most, LISTED_MAX))


def _refused(row: Record) -> RefusedLine:
    return RefusedLine(**{**row, "digest": row["digest"].hex(), "text": unpack(row["text"])})


def _few_or_all(asked: CdrsAsked) -> tuple[str, list[Any]]:
    """The statement for CDRs without its order, and its values."""
    columns, behind = f"{_CDR}, {asked.order.place}", asked.order.behind(asked.after)
    if not _chooses_few(asked):
        condition, values = where([*_cdr_clauses(asked), behind])
        return f"select {columns} from verdict v {condition}", values
    condition, values = where(_cdr_clauses(asked))
    outer, values = where([behind], *values)
    return f"with v as materialized (select * from verdict v {condition}) select {columns} from v {outer}", values


def _chooses_few(asked: CdrsAsked) -> bool:
    """Whether CDRs are to be chosen before they are sorted.

    Those with a finding may all be of one currency, or all dear: whoever looked for them along the order would pass by all others first.
    Those that do not settle have an index of their own for each order.
    """
    told = (asked.kind, asked.cause, asked.token, asked.session, asked.cdr, asked.statement, asked.lines_of)
    return bool(asked.order.name) and any(one is not None for one in told)


def _cdr_clauses(asked: CdrsAsked) -> list[Clause]:
    return [
        ("v.period = ?", asked.period),
        ("v.creditor = ?", asked.creditor),
        ("v.debtor = ?", asked.debtor),
        ("v.currency = ?", asked.currency),
        _of_disposition(asked.disposition),
        ("(v.disposition in ('HOLD', 'DROP')) = ?", asked.is_kept_out),
        *_either(_IS_UNBILLED, asked.is_unbilled),
        ("v.received_at >= ?", asked.received_from),
        ("v.received_at < ?", asked.received_before),
        (f"{ENDED_AT} >= ?", asked.ended_from),
        (f"{ENDED_AT} < ?", asked.ended_before),
        ("v.session_key = ?", asked.session),
        ("v.statement = ?", asked.statement),
        ("starts_with(v.cdr_key, ?)", asked.cdr),
        ("right(v.token, length(?) + 1) = '|' || ?", None if asked.token is None else (asked.token, asked.token)),
        (_HAS.format("f.kind = ?"), asked.kind),
        (_IS_LINED, asked.lines_of),
        _of_cause(asked),
        (_HAS.format("f.cause = ?"), asked.also),
    ]


def _of_cause(asked: CdrsAsked) -> Clause:
    """CDRs of a cause, or of what of it was found in a period."""
    if asked.cause is None or asked.found_in is None:
        return (_HAS.format("f.cause = ?"), asked.cause)
    return (_HAS.format("f.cause = ? and f.period = ?"), (asked.cause, asked.found_in))


def _of_disposition(name: str | None) -> Clause:
    """Written out, so that the indexes of what does not settle are found whatever the value is."""
    return (f"v.disposition = '{name}' and ?", True) if name in _DISPOSITIONS else ("v.disposition = ?", name)


def _either(condition: str, is_so: bool | None) -> list[Clause]:
    """Whether a condition is so, written out either way, so that indexes are found whatever is asked for."""
    return [(f"{condition} and ?", is_so or None), (f"not ({condition}) and ?", is_so is False or None)]


def _finding_clauses(asked: FindingsAsked) -> list[Clause]:
    return [
        ("f.period = ?", asked.period),
        ("f.kind = ?", asked.kind),
        ("f.check_id = ?", asked.check),
        ("f.severity = ?", asked.severity),
        ("f.disposition = ?", asked.disposition),
        ("f.cause = ?", asked.cause),
        ("f.party = ?", asked.party),
        ("f.counterparty = ?", asked.counterparty),
        ("f.currency = ?", asked.currency),
        ("f.source = ?", asked.source),
        *_either("f.cleared_at is not null", asked.is_cleared),
        *_either(IS_ACCEPTED, asked.is_accepted),
        ("f.key in (select finding from finding_cdr where creditor = ? and cdr_key = ?)", asked.cdr),
        asked.order.behind(asked.after),
    ]


def _cause_clauses(asked: CausesAsked) -> list[Clause]:
    return [
        ("f.period = ?", asked.period),
        ("f.kind = ?", asked.kind),
        ("f.party = ?", asked.party),
        ("f.currency = ?", asked.currency),
        ("f.cause = ?", asked.cause),
        ("f.cleared_at is null and ?", True),
    ]


def _cause_order(asked: CausesAsked) -> tuple[str, Clause]:
    """What causes are ordered by, and the condition for those behind a place."""
    if asked.order is CAUSES_BY_RANK:
        return "r.rank", ("r.rank > (select rank from r where cause = ?)", asked.after)
    return asked.order.by, asked.order.behind(asked.after)


_DISPOSITIONS = frozenset({"SETTLE", "HOLD", "DROP", "DEFER"})

ENDED_AT = "coalesce(v.ends_at, v.received_at)"
"""When the charge of a CDR ended (when the CDR came, where it does not say)."""

_IS_UNBILLED = (
    "(v.disposition = 'SETTLE' and v.statement is null "
    "and v.period in (select p.id from period p where p.state in ('open', 'cut_off')))"
)

IS_ACCEPTED = (
    "exists (select 1 from decision d where d.action = 'accept' and d.stands_since is not null and d.revoked_at is null "
    "and (d.scope, d.target) in (('cause', f.cause), ('finding', f.key)))"
)
"""Whether a decision that stands accepts a finding (`f`), or its cause."""

_HAS = (
    "exists (select 1 from finding_cdr c join finding f on f.key = c.finding where c.creditor = v.creditor and c.cdr_key = v.cdr_key "
    "and f.cleared_at is null and {})"
)

_IS_LINED = (
    "exists (select 1 from statement_line l where l.cdr_creditor = v.creditor and l.cdr_key = v.cdr_key and l.kind = 'cdr' "
    "and l.statement = ?)"
)

_CDR = (
    "v.*, array(select distinct f.kind from finding_cdr c join finding f on f.key = c.finding where c.creditor = v.creditor "
    "and c.cdr_key = v.cdr_key and f.cleared_at is null order by 1) as kinds"
)

_FINDING = (
    "f.*, array(select c.creditor || '/' || c.cdr_key from finding_cdr c where c.finding = f.key order by 1) as cdrs"
)

_STRICTNESS = (
    "case f.disposition when 'DROP' then 3 when 'HOLD' then 2 when 'DEFER' then 1 when 'SETTLE' then 0 else -1 end"
)
_NAMED = "(array['REPORT', 'SETTLE', 'DEFER', 'HOLD', 'DROP'])[{} + 2]"

# money at risk counts each CDR of a cause once, however many of its findings it is in
_CAUSES = (
    "with f as (select * from finding f {condition}), "
    "g as (select f.cause, min(f.check_id) as check_id, min(f.kind) as kind, min(f.party) as party, min(f.currency) as currency, "
    f"max({_STRICTNESS}) as strictness, count(*) as findings, count(*) filter (where source = 'refused') as refused, "
    "coalesce(sum(at_risk) filter (where source <> ''), 0) as told_at_risk, min(f.raised_at) as first_at, "
    "max(f.raised_at) as last_at, min(f.sentence) as sentence from f group by f.cause), "
    "c as (select f.cause, c.creditor, c.cdr_key, max(c.at_risk) as at_risk from f "
    "join finding_cdr c on c.finding = f.key group by 1, 2, 3), "
    "s as (select c.cause, count(*) as cdrs, count(*) filter (where v.disposition in ('HOLD', 'DROP')) as held, sum(c.at_risk) as at_risk "
    "from c left join verdict v using (creditor, cdr_key) group by c.cause), "
    "w as (select g.*, coalesce(s.cdrs, 0) as cdrs, coalesce(s.held, 0) as held, "
    "coalesce(s.at_risk, 0) + g.told_at_risk as at_risk, "
    "sum(g.refused + coalesce(s.cdrs, 0)) over (partition by g.currency) as weight from g left join s using (cause)), "
    "r as (select w.*, "
    + _NAMED.format("w.strictness")
    + " as disposition, row_number() over (order by w.at_risk = 0, w.weight desc, "
    "w.currency, w.at_risk desc, w.strictness desc, w.cdrs desc, w.cause) as rank from w) "
    "select r.*, d.id as decision, d.action, {place} from r left join lateral (select id, action from decision where scope = 'cause' "
    "and target = r.cause and stands_since is not null and revoked_at is null order by stands_since desc, id desc limit 1) d on true"
)

_BY_DISPOSITION = (
    "select disposition, sum(cdrs)::bigint as n from verdict_total group by 1 having sum(cdrs) > 0 order by 1"
)

_REFUSED = (
    "select caller, digest, creditor, cdr_key, receiver, status_code, answer, first_at, last_at, times, finding, packed as text "
    "from refused_cdr"
)

_BALANCES = (
    "select kind, party, counterparty, period, currency, excl_vat, incl_vat from account_balance "
    "{condition} order by 1, 2, 3, 4, 5"
)

_ENTRIES = "select e.id, e.key, e.event, e.reference, e.actor, e.reason, e.known_at from journal_entry e"

_POSTINGS = (
    "select entry, kind, party, counterparty, period, currency, excl_vat, incl_vat from posting where entry = any($1::bigint[]) "
    "order by entry, id"
)

_STATUS = (
    "select (select count(*) from claim where examined_at is null) as waiting, (select max(looked_at) from settling) as looked_at, "
    f"(select count(*) from decision where {IS_WAITING}) as proposed"
)

"""The books as clearing staff read them: CDRs with all that bears on them, findings, causes, what was refused, balances and entries.

Plain JSON under `/settlement`, for the admin token only. Amounts are decimal strings in the currency of their row, parties are written
``DE/ABC``, moments are UTC; ids match in whatever case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from hub.settlement.decisions import Scope
from hub.settlement.engine.pricing import Pricer
from hub.settlement.findings import Disposition, Severity
from hub.settlement.outputs import amount_text
from hub.store.books import (
    CAUSE_SORTS,
    CAUSES_BY_RANK,
    CDR_SORTS,
    CDRS_BY_NAME,
    FINDING_SORTS,
    FINDINGS_BY_MONEY,
    BalanceLine,
    BalancesAsked,
    BookReader,
    CauseLine,
    CausesAsked,
    CdrLine,
    CdrsAsked,
    EntryLine,
    FindingLine,
    FindingsAsked,
    RefusedLine,
)
from hub.store.decisions import Decisions, Target
from hub.store.ordering import Place
from hub.store.verdicts import Verdicts
from hub.web.decisions import DecisionShown, show_decision
from hub.web.listing import (
    PAGE_ROWS,
    After,
    Filters,
    Limit,
    Page,
    PartyText,
    Text,
    asked_order,
    page_of,
    placed_page,
    read_cursor,
    read_moment,
    read_parts,
    settlement_routes,
)
from ocpi_modules.errors import UnknownPath
from ocpi_modules.parties import Party
from ocpi_modules.types import DateTime, decode_json, encode_json, fold, format_datetime

FINDINGS_OF_CDR_MAX = 1000


class Cost(BaseModel):
    """An amount; `incl_vat` is null where it is not stated."""

    excl_vat: str
    incl_vat: str | None


class CdrShown(BaseModel):
    """What settlement makes of a CDR: `claimed` by its CPO, `priced` by its tariff (null: no price), `kinds` of what was found."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "creditor": "DE/ABC",
                "cdr_id": "CDR-17",
                "debtor": "NL/MSP",
                "period": "2026-10",
                "disposition": "HOLD",
                "currency": "EUR",
                "claimed": {"excl_vat": "38", "incl_vat": "45.22"},
                "priced": {"excl_vat": "28", "incl_vat": "33.32"},
                "kwh": "60",
                "start_date_time": "2026-10-12T08:00:00Z",
                "end_date_time": "2026-10-12T08:30:00Z",
                "received_at": "2026-10-12T08:35:00Z",
                "examined_at": "2026-10-12T08:35:09Z",
                "is_credit": False,
                "credit_of": None,
                "session_id": "SESSION-17",
                "statement": None,
                "kinds": ["PRICE_MISMATCH"],
            }
        }
    )

    creditor: str
    cdr_id: str
    debtor: str
    period: str
    disposition: str
    currency: str
    claimed: Cost
    priced: Cost | None
    kwh: str | None
    start_date_time: DateTime | None
    end_date_time: DateTime | None
    received_at: DateTime
    examined_at: DateTime
    is_credit: bool
    credit_of: str | None
    session_id: str | None
    statement: str | None
    kinds: list[str]


class FindingShown(BaseModel):
    """A finding: what a check says (`sentence`), about what, how bad it is, and the money that hangs on it."""

    key: str
    check: str
    kind: str
    severity: str
    disposition: str
    cause: str
    period: str
    party: str
    counterparty: str
    currency: str
    at_risk: str
    subject: dict[str, Any]
    details: dict[str, Any]
    sentence: str
    cdrs: list[str]
    raised_at: DateTime
    cleared_at: DateTime | None


class CauseShown(BaseModel):
    """Findings with one root: how many CDRs, how many of these are kept out now, the money at risk, and the decision that stands.

    `refused` are CDRs that were refused at the door: a decision says that they are dealt with, and never pays one.

    `rank` is its place in the list, null where it is shown alone.
    """

    rank: int | None
    cause: str
    check: str
    kind: str
    party: str
    currency: str
    disposition: str
    findings: int
    cdrs: int
    held: int
    refused: int
    at_risk: str
    first_at: DateTime
    last_at: DateTime
    example: str
    decision: int | None
    action: str | None


class CauseDetail(BaseModel):
    """A cause, every decision about it, and a page of its CDRs."""

    cause: CauseShown
    decisions: list[DecisionShown]
    cdrs: Page[CdrShown]


class RefusedShown(BaseModel):
    """A CDR that was refused at the door: what it says of itself, its bytes and their SHA-256, the answer, and how often it came.

    `finding` is the key of what was found of it, null until it was looked at.
    """

    caller: str
    digest: str
    creditor: str
    cdr_id: str
    receiver: str
    status_code: int
    answer: str
    first_at: DateTime
    last_at: DateTime
    times: int
    finding: str | None
    text: str


class BalanceShown(BaseModel):
    """What an account holds: plus is owed by the party to the counterparty, minus is owed to it."""

    account: str
    party: str
    counterparty: str
    period: str
    currency: str
    excl_vat: str
    incl_vat: str


class EntryShown(BaseModel):
    """One event in the journal with its postings, which add up to zero."""

    id: int
    key: str
    event: str
    reference: str
    actor: str
    reason: str
    known_at: DateTime
    postings: list[BalanceShown]


class StatusShown(BaseModel):
    """How far settlement is: CDRs that wait to be examined, the last look, CDRs by disposition, decisions that wait for a second person."""

    waiting: int
    looked_at: DateTime | None
    dispositions: dict[str, int]
    proposed: int


class CdrDetail(BaseModel):
    """A CDR with all that bears on it. `cdr` is null until it was examined; `text` is as received; `price` is the pricer's answer.

    `matches` says what it was matched with: session, token, authorisation, command, location, tariffs; each with its `method`, and how sure
    that is (`score`, at most 1). `hint` is a session that may be its own: nothing is judged by it. `known_then` is there where the version
    that was true when the charge began is another one than the hub knew then.
    """

    cdr: CdrShown | None
    received_at: DateTime
    text: str
    session: dict[str, Any] | None
    matches: dict[str, Any]
    price: dict[str, Any]
    findings: list[FindingShown]
    decisions: list[DecisionShown]
    entries: list[EntryShown]


@dataclass(frozen=True, slots=True)
class BooksDesk:
    """What the books are read with."""

    reader: BookReader
    verdicts: Verdicts
    decisions: Decisions
    pricer: Pricer

    async def cdrs(self, asked: CdrsAsked, limit: int) -> Page[CdrShown]:
        """A page of CDRs."""
        return placed_page(await self.reader.cdrs(asked, limit + 1), limit, show_cdr, asked.order)

    async def cdr(self, creditor: Party, cdr_id: str) -> bytes:
        """A CDR with all that bears on it, as JSON. Raises UnknownPath (404)."""
        name = (str(creditor), fold(cdr_id))
        received = next(iter(await self.verdicts.cdrs([name])), None)
        if received is None:
            raise UnknownPath("there is no such CDR")
        line = await self.reader.cdr(*name)
        found = await self.reader.findings(FindingsAsked(cdr=name, is_cleared=None), FINDINGS_OF_CDR_MAX)
        findings = [one.row for one in found]
        targets = targets_of(name, findings)
        content = {
            "cdr": None if line is None else _dumped(show_cdr(line)),
            "received_at": format_datetime(received.received_at),
            "text": received.text.decode(),
            "session": await self._session(line),
            "matches": {} if line is None else decode_json(line.matches.encode()),
            "price": await self.pricer.price(received),
            "findings": [_dumped(show_finding(one)) for one in findings],
            "decisions": [_dumped(show_decision(one)) for one in await self.decisions.about(targets)],
            "entries": [_dumped(show_entry(one)) for one in await self.reader.entries("/".join(name), None, PAGE_ROWS)],
        }
        return encode_json(content)

    async def _session(self, line: CdrLine | None) -> Any:
        """The session that it was matched with, as its CPO says it now."""
        matched = None if line is None else decode_json(line.matches.encode()).get("session")
        if line is None or matched is None:
            return None
        texts = await self.verdicts.copies("sessions", [(line.creditor, fold(matched["id"]))])
        return decode_json(texts[0]) if texts else None

    async def findings(self, asked: FindingsAsked, limit: int) -> Page[FindingShown]:
        """A page of findings."""
        return placed_page(await self.reader.findings(asked, limit + 1), limit, show_finding, asked.order)

    async def causes(self, asked: CausesAsked, limit: int) -> Page[CauseShown]:
        """A page of causes."""
        return placed_page(await self.reader.causes(asked, limit + 1), limit, show_cause, asked.order)

    async def cause(self, cause: str, after: Place | None, limit: int) -> CauseDetail:
        """A cause. Raises UnknownPath (404)."""
        found = await self.reader.causes(CausesAsked(cause=cause), 1)
        if not found:
            raise UnknownPath("there is no such cause now")
        decisions = await self.decisions.about([(Scope.CAUSE.value, cause)])
        return CauseDetail(
            cause=show_cause(found[0].row).model_copy(update={"rank": None}),
            decisions=[show_decision(one) for one in decisions],
            cdrs=await self.cdrs(CdrsAsked(cause=cause, after=after), limit),
        )

    async def refused(self, asked: tuple[str | None, str | None], after: str | None, limit: int) -> Page[RefusedShown]:
        """A page of refused CDRs. Raises InvalidParameters for a cursor that is none."""
        place = read_parts(
            read_cursor(after, 3), lambda parts: (read_moment(parts[0]), bytes.fromhex(parts[1]), parts[2])
        )
        found = await self.reader.refused(asked, place, limit + 1)
        return page_of(found, limit, show_refused, lambda one: (one.last_at.isoformat(), one.digest, one.caller))

    async def refused_one(self, caller: str, digest: bytes) -> RefusedShown:
        """One refused CDR. Raises UnknownPath (404)."""
        found = await self.reader.refused_one(caller, digest)
        if found is None:
            raise UnknownPath("no such CDR was refused")
        return show_refused(found)

    async def balances(self, asked: BalancesAsked, limit: int) -> Page[BalanceShown]:
        """A page of balances."""
        found = await self.reader.balances(asked, limit + 1)
        return page_of(
            found, limit, show_balance, lambda one: (one.kind, one.party, one.counterparty, one.period, one.currency)
        )

    async def entries(self, reference: str | None, after: str | None, limit: int) -> Page[EntryShown]:
        """A page of entries. Raises InvalidParameters for a cursor that is none."""
        place = read_parts(read_cursor(after, 1), lambda parts: int(parts[0]))
        found = await self.reader.entries(reference, place, limit + 1)
        return page_of(found, limit, show_entry, lambda one: (str(one.id),))

    async def status(self) -> StatusShown:
        """How far settlement is."""
        return StatusShown.model_validate(await self.reader.status(), from_attributes=True)


def books_router(desk: BooksDesk, admin_token: str | None) -> APIRouter:
    """The routes that read the books."""
    router = settlement_routes(admin_token)
    _add_status(router, desk)
    _add_cdrs(router, desk)
    _add_findings(router, desk)
    _add_journal(router, desk)
    return router


def _add_status(router: APIRouter, desk: BooksDesk) -> None:
    @router.get("/status")
    async def status() -> StatusShown:
        """How far settlement is: what waits, when it last looked, CDRs by disposition."""
        return await desk.status()

    @router.get("/refused")
    async def list_refused(
        creditor: PartyText | None = None, cause: Text | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[RefusedShown]:
        """CDRs that were refused at the door, the last ones first; none of them is ever billed. `cause`: those of one cause."""
        return await desk.refused((creditor, cause), after, limit)


def _add_cdrs(router: APIRouter, desk: BooksDesk) -> None:
    @router.get("/cdrs")
    async def list_cdrs(filters: Annotated[CdrFilters, Query()]) -> Page[CdrShown]:
        """CDRs with what becomes of them, by creditor and id, or in another order (`sort`, descending with a minus).

        Amounts are sorted one currency after the other; what a CDR does not state counts as less than anything that is stated.
        """
        return await desk.cdrs(filters.asked(), filters.limit)

    @router.get("/cdrs/{country_code}/{party_id}/{cdr_id:path}", responses={200: {"model": CdrDetail}})
    async def show_one(country_code: str, party_id: str, cdr_id: Text) -> Response:
        """A CDR with all that bears on it: verdict, text as received, session, matches, price, findings, decisions, journal entries.

        It is priced anew, with what the hub knows now. Numbers of the price and of the session are exact.
        """
        content = await desk.cdr(read_creditor(country_code, party_id), cdr_id)
        return Response(content, media_type="application/json")


def _add_findings(router: APIRouter, desk: BooksDesk) -> None:
    @router.get("/findings")
    async def list_findings(filters: Annotated[FindingFilters, Query()]) -> Page[FindingShown]:
        """What checks found and is so now, those with the most money at risk first; `cleared=true`: what is no longer so."""
        return await desk.findings(filters.asked(), filters.limit)

    @router.get("/causes")
    async def list_causes(filters: Annotated[CauseFilters, Query()]) -> Page[CauseShown]:
        """Findings by their root: what stops money first, the largest amount first, one currency after the other."""
        return await desk.causes(filters.asked(), filters.limit)

    @router.get("/causes/{cause:path}")
    async def show_one(cause: Text, after: After = None, limit: Limit = PAGE_ROWS) -> CauseDetail:
        """One cause with what was decided about it, and its CDRs."""
        place = read_parts(read_cursor(after, 2), CDRS_BY_NAME.read)
        return await desk.cause(cause, place, limit)


def _add_journal(router: APIRouter, desk: BooksDesk) -> None:
    @router.get("/balances")
    async def list_balances(filters: Annotated[BalanceFilters, Query()]) -> Page[BalanceShown]:
        """What the accounts hold, of one period (`2026-10`) or of all; those that hold nothing are left out."""
        return await desk.balances(filters.asked(), filters.limit)

    @router.get("/entries")
    async def list_entries(
        reference: Text | None = None, after: After = None, limit: Limit = PAGE_ROWS
    ) -> Page[EntryShown]:
        """Journal entries, the oldest first; of one CDR with `reference=DE/ABC/` and its id in upper case."""
        return await desk.entries(reference, after, limit)


# --- filters -------------------------------------------------------------------------------------


CdrSort = Literal[
    "received",
    "-received",
    "ended",
    "-ended",
    "claimed",
    "-claimed",
    "difference",
    "-difference",
    "kwh",
    "-kwh",
]
FindingSort = Literal["at_risk", "-at_risk", "cdrs", "-cdrs", "since", "-since"]
CauseSort = Literal["at_risk", "-at_risk", "cdrs", "-cdrs", "held", "-held", "since", "-since"]


class CdrFilters(Filters):
    """Which CDRs are wanted; `also` is a second cause of the same CDRs, `token` the uid of a token, `cdr_id` the beginning of an id.

    `found_in` is the period of what was found of `cause`. `statement` bills them; `lines_of` is a statement, or a draft,
    with lines for them.

    They came at `received_from` or later, and before `received_before`; their charges ended (they came, where they state no end) at
    `ended_from` or later, and before `ended_before`. `unbilled`: it settles, and its period is to be billed still. `difference` in `sort`
    is what is claimed minus what is priced.
    """

    period: Text | None = None
    creditor: PartyText | None = None
    debtor: PartyText | None = None
    currency: Text | None = None
    disposition: Disposition | None = None
    kept_out: bool | None = None
    unbilled: bool | None = None
    received_from: DateTime | None = None
    received_before: DateTime | None = None
    ended_from: DateTime | None = None
    ended_before: DateTime | None = None
    kind: Text | None = None
    cause: Text | None = None
    found_in: Text | None = None
    also: Text | None = None
    token: Text | None = None
    session_id: Text | None = None
    cdr_id: Text | None = None
    statement: Text | None = None
    lines_of: Text | None = None
    sort: CdrSort | None = None

    def asked(self) -> CdrsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(CDR_SORTS, self, CDRS_BY_NAME)
        return CdrsAsked(
            period=self.period,
            creditor=self.creditor,
            debtor=self.debtor,
            currency=_folded(self.currency),
            disposition=self.disposition,
            is_kept_out=self.kept_out,
            is_unbilled=self.unbilled,
            received_from=self.received_from,
            received_before=self.received_before,
            ended_from=self.ended_from,
            ended_before=self.ended_before,
            kind=self.kind,
            cause=self.cause,
            found_in=self.found_in,
            also=self.also,
            token=_folded(self.token),
            session=_folded(self.session_id),
            cdr=_folded(self.cdr_id),
            statement=self.statement,
            lines_of=self.lines_of,
            order=order,
            after=after,
        )


Source = Literal["cdr", "refused", "period"]
_SOURCES: Mapping[Source, str] = {"cdr": "", "refused": "refused", "period": "period"}


class FindingFilters(Filters):
    """Which findings are wanted; `party` is whose CDRs they are about, `counterparty` who is to pay these.

    `source` is what was looked at: CDRs, those that were refused at the door, or a whole period. `accepted`: a decision that stands
    accepts the finding, or its cause.
    """

    period: Text | None = None
    kind: Text | None = None
    check: Text | None = None
    severity: Severity | None = None
    disposition: Disposition | None = None
    cause: Text | None = None
    party: PartyText | None = None
    counterparty: PartyText | None = None
    currency: Text | None = None
    source: Source | None = None
    cleared: bool = False
    accepted: bool | None = None
    sort: FindingSort | None = None

    def asked(self) -> FindingsAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(FINDING_SORTS, self, FINDINGS_BY_MONEY)
        return FindingsAsked(
            period=self.period,
            kind=self.kind,
            check=self.check,
            severity=self.severity,
            disposition=self.disposition,
            cause=self.cause,
            party=self.party,
            counterparty=self.counterparty,
            currency=_folded(self.currency),
            source=None if self.source is None else _SOURCES[self.source],
            is_cleared=self.cleared,
            is_accepted=self.accepted,
            order=order,
            after=after,
        )


class BalanceFilters(Filters):
    """Which accounts are wanted: what they hold (`claim:unbilled`), of which period, and whose they are towards whom."""

    account: Text | None = None
    period: Text | None = None
    party: PartyText | None = None
    counterparty: PartyText | None = None
    currency: Text | None = None

    def asked(self) -> BalancesAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        place = read_parts(read_cursor(self.after, 5), lambda parts: (parts[0], parts[1], parts[2], parts[3], parts[4]))
        return BalancesAsked(
            kind=self.account,
            period=self.period,
            party=self.party,
            counterparty=self.counterparty,
            currency=_folded(self.currency),
            after=place,
        )


class CauseFilters(Filters):
    """Which causes are wanted; `decided`: whether a decision about the cause stands."""

    period: Text | None = None
    kind: Text | None = None
    party: PartyText | None = None
    currency: Text | None = None
    disposition: Disposition | None = None
    decided: bool | None = None
    sort: CauseSort | None = None

    def asked(self) -> CausesAsked:
        """The same for the store. Raises InvalidParameters for a cursor that is none."""
        order, after = asked_order(CAUSE_SORTS, self, CAUSES_BY_RANK)
        return CausesAsked(
            period=self.period,
            kind=self.kind,
            party=self.party,
            currency=_folded(self.currency),
            disposition=self.disposition,
            is_decided=self.decided,
            order=order,
            after=after,
        )


def read_creditor(country_code: str, party_id: str) -> Party:
    """The party of a path. Raises UnknownPath (404) where it is none."""
    try:
        return Party.parse(f"{country_code}/{party_id}")
    except ValueError as exc:
        raise UnknownPath("there is no such party") from exc


def targets_of(name: tuple[str, str], findings: list[FindingLine]) -> list[Target]:
    """All that decisions which bear on a CDR can be about."""
    causes = sorted({(Scope.CAUSE.value, one.cause) for one in findings})
    return [(Scope.CDR.value, "/".join(name)), *((Scope.FINDING.value, one.key) for one in findings), *causes]


def _folded(text: str | None) -> str | None:
    return None if text is None else fold(text)


# --- rows as they are shown ------------------------------------------------------------------------


def show_cdr(line: CdrLine) -> CdrShown:
    """A CDR in a list."""
    return CdrShown(
        creditor=line.creditor,
        cdr_id=line.cdr_id,
        debtor=line.debtor,
        period=line.period,
        disposition=line.disposition,
        currency=line.currency,
        claimed=_cost(line.excl_vat, line.incl_vat),
        priced=None if line.priced_excl_vat is None else _cost(line.priced_excl_vat, line.priced_incl_vat),
        kwh=None if line.energy is None else amount_text(line.energy),
        start_date_time=line.starts_at,
        end_date_time=line.ends_at,
        received_at=line.received_at,
        examined_at=line.examined_at,
        is_credit=line.is_credit,
        credit_of=line.credit_of,
        session_id=line.session_key,
        statement=line.statement,
        kinds=[*line.kinds],
    )


def show_finding(line: FindingLine) -> FindingShown:
    """A finding in a list."""
    return FindingShown(
        key=line.key,
        check=line.check_id,
        kind=line.kind,
        severity=line.severity,
        disposition=line.disposition,
        cause=line.cause,
        period=line.period,
        party=line.party,
        counterparty=line.counterparty,
        currency=line.currency,
        at_risk=amount_text(line.at_risk),
        subject=_content(line.subject),
        details=_content(line.details),
        sentence=line.sentence,
        cdrs=[*line.cdrs],
        raised_at=line.raised_at,
        cleared_at=line.cleared_at,
    )


def show_cause(line: CauseLine) -> CauseShown:
    """A cause in a list."""
    return CauseShown(
        rank=line.rank,
        cause=line.cause,
        check=line.check_id,
        kind=line.kind,
        party=line.party,
        currency=line.currency,
        disposition=line.disposition,
        findings=line.findings,
        cdrs=line.cdrs,
        held=line.held,
        refused=line.refused,
        at_risk=amount_text(line.at_risk),
        first_at=line.first_at,
        last_at=line.last_at,
        example=line.sentence,
        decision=line.decision,
        action=line.action,
    )


def show_refused(line: RefusedLine) -> RefusedShown:
    """A refused CDR in a list."""
    return RefusedShown(
        caller=line.caller,
        digest=line.digest,
        creditor=line.creditor,
        cdr_id=line.cdr_key,
        receiver=line.receiver,
        status_code=line.status_code,
        answer=line.answer,
        first_at=line.first_at,
        last_at=line.last_at,
        times=line.times,
        finding=line.finding,
        text=line.text.decode(errors="replace"),
    )


def show_balance(line: BalanceLine) -> BalanceShown:
    """An account in a list, or one side of an entry."""
    return BalanceShown(
        account=line.kind,
        party=line.party,
        counterparty=line.counterparty,
        period=line.period,
        currency=line.currency,
        excl_vat=amount_text(line.excl_vat),
        incl_vat=amount_text(line.incl_vat),
    )


def show_entry(line: EntryLine) -> EntryShown:
    """An entry in a list."""
    return EntryShown(
        id=line.id,
        key=line.key,
        event=line.event,
        reference=line.reference,
        actor=line.actor,
        reason=line.reason,
        known_at=line.known_at,
        postings=[show_balance(posting) for posting in line.postings],
    )


def _cost(excl_vat: Decimal, incl_vat: Decimal | None) -> Cost:
    return Cost(excl_vat=amount_text(excl_vat), incl_vat=None if incl_vat is None else amount_text(incl_vat))


def _content(text: str) -> dict[str, Any]:
    """Content of a finding: numbers with fractions as texts, so that they keep their digits."""
    return {name: _plain(value) for name, value in decode_json(text.encode()).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return amount_text(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _dumped(shown: BaseModel) -> dict[str, Any]:
    return shown.model_dump(mode="json")

"""What a run found, as it is kept: verdicts, findings and journal entries. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from hashlib import sha256

from hub.settlement.amounts import EXACT
from hub.settlement.engine.gathering import relating_of
from hub.settlement.facts import CdrFact, text_of
from hub.settlement.findings import Disposition, Finding
from hub.settlement.journal import Account, AccountClass, Entry, Event, Posting, accepted, added_up, withdrawn
from hub.settlement.netting import Amount, Obligation
from hub.settlement.outputs import subject_content as plain_subject
from hub.settlement.run import Outcome
from hub.store.journal import EntryLines, PostingLine
from hub.store.verdicts import KeptFinding, Name, Verdict
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json

PRICE_DECIMALS = 20

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is kept of a CDR already: its verdict and the entry under which it stands in the books, each None where there is none."""

    verdict: Verdict | None = None
    entry: Entry | None = None


def verdict_of(cdr: CdrFact, outcome: Outcome, period: str, before: Verdict | None) -> Verdict:
    """The verdict of a CDR in its period; a turn further when it is accepted anew."""
    disposition = outcome.verdicts[cdr.index]
    priced = outcome.pricings[cdr.index].priced
    total = priced.total_cost if priced is not None else None
    turn = before.turn if before is not None else 0
    is_new = disposition is Disposition.SETTLE and (before is None or before.disposition != Disposition.SETTLE)
    assert cdr.total is not None, "a CDR without a total makes no claim"
    return Verdict(
        relating=relating_of(cdr),
        cdr_id=cdr.id,
        debtor=str(cdr.to),
        period=period,
        disposition=str(disposition),
        turn=turn + 1 if is_new else turn,
        currency=cdr.currency,
        excl_vat=cdr.total.excl_vat,
        incl_vat=cdr.total.incl_vat,
        priced_excl_vat=_decimal(total.excl_vat) if total is not None else None,
        priced_incl_vat=_decimal(total.incl_vat) if total is not None else None,
        energy=cdr.energy,
        received_at=cdr.received_at,
        is_credit=cdr.is_credit,
        matches=encode_json(_matches(cdr, outcome)).decode(),
        session_id=text_of(cdr.content.get("session_id")) or None,
    )


def entries_of(verdict: Verdict, obligations: Sequence[Obligation], before: Before) -> list[Entry]:
    """What a new verdict adds to the books: acceptance, withdrawal, both where other amounts are owed, or nothing where it is as it was."""
    is_settled = verdict.disposition == Disposition.SETTLE
    was_turn = before.verdict.turn if before.verdict is not None else 0
    is_new = is_settled and verdict.turn != was_turn
    is_gone = before.entry is not None and (is_new or not is_settled)
    gone = [withdrawn(before.entry, was_turn)] if is_gone and before.entry is not None else []
    new = [accepted("/".join(verdict.name), obligations, verdict.period, verdict.turn)] if is_new else []
    return [*gone, *new]


def turned(verdict: Verdict, obligations: Sequence[Obligation], before: Before) -> Verdict:
    """The verdict, a turn further where it stands in the books with other amounts: an agreement on fees has changed."""
    if before.entry is None or verdict.disposition != Disposition.SETTLE:
        return verdict
    owed = accepted("/".join(verdict.name), obligations, verdict.period, verdict.turn)
    is_same = added_up(owed.postings) == added_up(before.entry.postings)
    return verdict if is_same else replace(verdict, turn=verdict.turn + 1)


def kept_finding(finding: Finding, cause: str, period: str, risks: Sequence[Decimal]) -> KeptFinding:
    """A finding as it is kept, with the money that hangs on each of its CDRs."""
    cdrs = finding.subject.cdrs
    names: tuple[Name, ...] = tuple((str(cdr.owner), cdr.key) for cdr in cdrs)
    party = str(cdrs[0].owner) if cdrs else str(finding.subject.party or "")
    return KeptFinding(
        key=key_of_finding(finding),
        check_id=finding.check.id,
        kind=finding.check.kind,
        severity=str(finding.severity),
        disposition=str(finding.disposition),
        cause=cause,
        period=period,
        party=party,
        counterparty=str(cdrs[0].to) if cdrs else "",
        currency=cdrs[0].currency if cdrs else "",
        at_risk=reduce(EXACT.add, risks, _ZERO),
        subject=encode_json(subject_content(finding)).decode(),
        details=encode_json({name: _plain(value) for name, value in finding.details.items()}).decode(),
        sentence=finding.sentence,
        cdrs=names,
        risks=tuple(risks),
    )


def key_of_finding(finding: Finding) -> str:
    """What names a finding: the same finding of the same CDRs always has the same key."""
    parts = (finding.check.id, finding.check.kind, encode_json(subject_content(finding)).decode())
    return sha256("|".join(parts).encode()).hexdigest()


def subject_content(finding: Finding) -> Mapping[str, object]:
    """The subject of a finding in plain OCPI ids."""
    subject = finding.subject
    owner = subject.cdrs[0].owner if subject.cdrs else subject.party
    content = {
        name: value for name, value in plain_subject(subject).items() if name != "index"
    }  # it is of one run only
    return {**content, "owner": str(owner or "")}


def entry_lines(entry: Entry) -> EntryLines:
    """An entry as the journal keeps it."""
    return EntryLines(
        key=entry.key,
        event=str(entry.event),
        reference=entry.reference,
        actor=entry.actor,
        reason=entry.reason,
        postings=tuple(
            PostingLine(
                kind=str(posting.account.kind),
                party=str(posting.account.party),
                counterparty=str(posting.account.counterparty),
                period=posting.account.period,
                currency=posting.account.currency,
                excl_vat=posting.amount.excl_vat,
                incl_vat=posting.amount.incl_vat,
            )
            for posting in entry.postings
        ),
    )


def read_entry(lines: EntryLines) -> Entry:
    """An entry out of the journal."""
    return Entry(
        key=lines.key,
        event=Event(lines.event),
        reference=lines.reference,
        actor=lines.actor,
        reason=lines.reason,
        postings=tuple(_read_posting(line) for line in lines.postings),
    )


def _read_posting(line: PostingLine) -> Posting:
    party, counterparty = Party.parse(line.party), Party.parse(line.counterparty)
    account = Account(AccountClass(line.kind), party, counterparty, line.period, line.currency)
    return Posting(account, Amount(line.excl_vat, line.incl_vat))


def _matches(cdr: CdrFact, outcome: Outcome) -> Mapping[str, object]:
    """What a CDR was matched with, and how."""
    evidence = outcome.evidence
    session, token, place = evidence.session_of(cdr), evidence.token_of(cdr), evidence.place_of(cdr)
    return {
        "session": None if session is None else {"id": session.id, "method": "session_id", "score": 1},
        "token": None if token is None else {"owner": str(token.owner), "since": token.since, "method": "uid"},
        "location": None
        if place.location is None
        else {"id": place.location.get("id"), "evse": place.evse is not None},
        "tariffs": sorted(_tariffs(cdr, outcome)),
    }


def _tariffs(cdr: CdrFact, outcome: Outcome) -> Iterable[str]:
    priced = outcome.pricings[cdr.index].priced
    return {tariff.id for tariff in priced.working.tariffs if tariff is not None} if priced is not None else ()


def _decimal(amount: Fraction | None) -> Decimal | None:
    """An exact amount as it is kept: with all its digits, or with PRICE_DECIMALS where they never end."""
    if amount is None:
        return None
    scaled = amount * 10**PRICE_DECIMALS
    return Decimal(round(scaled)).scaleb(-PRICE_DECIMALS).normalize()


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple | set | frozenset) else value

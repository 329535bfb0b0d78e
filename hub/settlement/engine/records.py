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
from hub.settlement.evidence import Evidence, in_force, known_in_force
from hub.settlement.facts import CdrFact, Version, key_of, text_of
from hub.settlement.findings import Disposition, Finding
from hub.settlement.journal import Account, AccountClass, Entry, Event, Posting, accepted, added_up, withdrawn
from hub.settlement.matching import BY_ID, Match
from hub.settlement.netting import Amount, Obligation
from hub.settlement.outputs import Content
from hub.settlement.outputs import subject_content as plain_subject
from hub.settlement.permits import Permitted, permits_of, permitted_by
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
    match = outcome.matches.found.get(cdr.index)
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
        priced_excl_vat=_decimal(total.plain_excl_vat) if total is not None else None,
        priced_incl_vat=_decimal(total.plain_incl_vat) if total is not None else None,
        energy=cdr.energy,
        received_at=cdr.received_at,
        is_credit=cdr.is_credit,
        matches=encode_json(_matches(cdr, outcome)).decode(),
        session_id=text_of(cdr.content.get("session_id")) or None,
        found_session=None if match is None else match.session.key,
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
        details=details_text(finding),
        sentence=finding.sentence,
        cdrs=names,
        risks=tuple(risks),
    )


def details_text(finding: Finding) -> str:
    """What was measured, as JSON."""
    return encode_json({name: _plain(value) for name, value in finding.details.items()}).decode()


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
    """What a CDR was matched with, how, and how sure that is (`score`, at most 1)."""
    evidence = outcome.evidence
    place, permits = evidence.place_of(cdr), permits_of(cdr, evidence.permits)
    tariffs = sorted(_tariffs(cdr, outcome))
    return {
        "session": _session(cdr, outcome),
        "hint": _session_content(outcome.matches.hints.get(cdr.index)),
        "token": _token(cdr, evidence),
        "authorisation": _permit(permitted_by(cdr, (one for one in permits if one.is_authorisation))),
        "command": _permit(permitted_by(cdr, (one for one in permits if not one.is_authorisation))),
        "location": None
        if place.location is None
        else {
            "id": place.location.get("id"),
            "evse": place.evse is not None,
            "since": place.location.get("last_updated"),
        },
        "tariffs": tariffs,
        "tariff_versions": [_tariff(name, cdr, evidence) for name in tariffs],
    }


def _session(cdr: CdrFact, outcome: Outcome) -> Content | None:
    named = outcome.evidence.session_of(cdr)
    return _session_content(
        Match(named, BY_ID, Decimal(1)) if named is not None else outcome.matches.found.get(cdr.index)
    )


def _session_content(match: Match | None) -> Content | None:
    if match is None:
        return None
    session = match.session
    return {"id": session.id, "method": match.method, "score": match.score, "last_updated": session.last_updated}


def _token(cdr: CdrFact, evidence: Evidence) -> Content | None:
    token = evidence.token_of(cdr)
    if token is None:
        return None
    known = known_in_force(evidence.tokens.get(cdr.token, {}).get(cdr.token_party, ()), cdr.start)
    return {"owner": str(token.owner), "method": "uid", **_versions(token, known)}


def _tariff(name: str, cdr: CdrFact, evidence: Evidence) -> Content:
    versions = evidence.tariffs.get((cdr.owner, key_of(name)), ())
    valid = in_force(versions, cdr.start)
    return {"id": name, **({} if valid is None else _versions(valid, known_in_force(versions, cdr.start)))}


def _versions(valid: Version, known: Version | None) -> Content:
    """The version that was true at the start, and where that was another one the version that was known then."""
    shown = {"since": valid.since, "known_at": valid.known_at}
    if known is valid:
        return shown
    return {**shown, "known_then": None if known is None else {"since": known.since, "known_at": known.known_at}}


def _permit(found: Permitted | None) -> Content | None:
    if found is None:
        return None
    permit = found.permit
    return {
        "kind": permit.kind,
        "by": str(permit.emsp),
        "answer": permit.answer or None,
        "result": permit.result or None,
        "asked_at": permit.asked_at,
        "answered_at": permit.answered_at,
        "reference": permit.reference or None,
        "method": found.method,
        "score": found.score,
    }


def _tariffs(cdr: CdrFact, outcome: Outcome) -> Iterable[str]:
    priced = outcome.pricings[cdr.index].priced
    return {tariff.id for tariff in priced.working.tariffs if tariff is not None} if priced is not None else ()


def _decimal(amount: Decimal | Fraction | None) -> Decimal | None:
    """An exact amount as it is kept: with all its digits, or with PRICE_DECIMALS where they never end."""
    if amount is None or isinstance(amount, Decimal):
        return amount
    scaled = amount * 10**PRICE_DECIMALS
    return Decimal(round(scaled)).scaleb(-PRICE_DECIMALS).normalize()


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple | set | frozenset) else value

"""E, D05: CDRs and the sessions that they bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from hub.pricing.comparison import Scale
from hub.settlement.amounts import EXACT
from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    MISSING_SESSION,
    SESSION_CDR_COST_MISMATCH,
    SESSION_CDR_ENERGY_MISMATCH,
    SESSION_CDR_IDENTITY_MISMATCH,
    SESSION_CDR_TIME_MISMATCH,
    SESSION_INVALID,
    SESSION_WITHOUT_CDR,
)
from hub.settlement.claims import Closeness, compare, written
from hub.settlement.evidence import Evidence, Name
from hub.settlement.facts import CdrFact, Cost, Plug, SessionFact, TokenKey, dimensions_of, periods_of
from hub.settlement.findings import Finding, Subject, found, on
from hub.settlement.matching import COMPLETED, SAME_START, Match
from hub.settlement.prices import Pricing
from hub.settlement.relations import Relations
from ocpi_modules.parties import Party
from ocpi_modules.types import UNKNOWN_TIME

INVALID = "INVALID"
SESSION_SECONDS = 60

_ZERO = Decimal(0)


# --- a CDR and its session -------------------------------------------------------------------


def e01_session_is_known(case: Case) -> Iterable[Finding]:
    """MISSING_SESSION: the named session was never pushed. Settles with a warning; only a profile (`sends_sessions`) makes less of it.

    Where the session is there under another id, it says under which, and how that was found.
    """
    if case.cdr.session_key is None or not case.is_open:
        return
    match = case.relations.matches.found.get(case.cdr.index)
    if match is not None:
        yield _under_another_id(case, match)
    elif case.session is None:
        yield _missing(case)


def _under_another_id(case: Case, match: Match) -> Finding:
    sentence = (
        f"CDR {case.cdr.id} bills session {case.cdr.session_key}; {case.cdr.owner} sent it as {match.session.id}, "
        f"found by {match.method}."
    )
    details = {"session_id": case.cdr.session_key, "found_session_id": match.session.id, "method": match.method}
    return found(MISSING_SESSION, on(case.cdr), sentence, **details)


def _missing(case: Case) -> Finding:
    hint = case.relations.matches.hints.get(case.cdr.index)
    more = {} if hint is None else {"perhaps_session_id": hint.session.id, "shared_time": hint.score}
    sentence = f"CDR {case.cdr.id} bills session {case.cdr.session_key}, which {case.cdr.owner} never sent."
    return found(MISSING_SESSION, on(case.cdr), sentence, session_id=case.cdr.session_key, **more)


def e02_session_is_valid(case: Case) -> Iterable[Finding]:
    """SESSION_INVALID: what a CPO called INVALID is not billed."""
    if _is_billed(case) and case.session is not None and case.session.status == INVALID:
        sentence = f"CDR {case.cdr.id} bills session {case.session.id}, which {case.cdr.owner} called INVALID."
        yield found(SESSION_INVALID, on(case.cdr), sentence, session_id=case.session.id)


def e03_energy(case: Case) -> Iterable[Finding]:
    """SESSION_CDR_ENERGY_MISMATCH: more apart than 1 % or 0.05 kWh (`session_energy_rel`, `session_energy_abs_kwh`).

    Where the periods of the CDR agree with the session, its total is what is wrong, and B02 tells that.
    """
    session = _completed(case)
    if session is None or not _is_other_energy(case, session):
        return
    sentence = f"CDR {case.cdr.id} bills {case.cdr.energy:f} kWh, its session {session.id} took {session.energy or _ZERO:f} kWh."
    yield found(
        SESSION_CDR_ENERGY_MISMATCH, on(case.cdr), sentence, cdr_kwh=case.cdr.energy, session_kwh=session.energy
    )


def e04_time(case: Case) -> Iterable[Finding]:
    """SESSION_CDR_TIME_MISMATCH: start or end more than a minute apart; unknown times (1970) are not compared.

    A CDR begins with the reservation, its session with charging (mod_cdrs, mod_sessions: `start_date_time`): either begin will do.
    """
    session = _completed(case)
    if session is None:
        return
    begins = (case.cdr.start, _charging_from(case) or case.cdr.start)
    start, end = min(_apart(one, session.start) for one in begins), _apart(case.cdr.end, session.end)
    if max(start, end) > timedelta(seconds=SESSION_SECONDS):
        sentence = (
            f"CDR {case.cdr.id} and its session {session.id} begin {start.total_seconds():.0f} s apart, "
            f"and end {end.total_seconds():.0f} s apart."
        )
        seconds = {"start_seconds": int(start.total_seconds()), "end_seconds": int(end.total_seconds())}
        yield found(SESSION_CDR_TIME_MISMATCH, on(case.cdr), sentence, **seconds)


def _charging_from(case: Case) -> datetime | None:
    """When charging began after a reservation; None where there was none, or nobody charged."""
    periods = () if case.pricing.charge is None else case.pricing.charge.periods
    if not periods or not periods[0].is_reservation:
        return None
    return next((period.start for period in periods if not period.is_reservation), None)


def e05_cost(case: Case) -> Iterable[Finding]:
    """SESSION_CDR_COST_MISMATCH: more than a minor unit apart, without VAT or, where both state it, with VAT, and neither another energy
    nor a wrong price is why.
    """
    session = _completed(case)
    if session is None or session.total is None or case.cdr.total is None or session.currency != case.cdr.currency:
        return
    apart = _amounts_apart(case.cdr.total, session.total)
    unit = Scale.of(case.cdr.currency, case.agreement.policy, 1).tolerance
    other = next((pair for pair in apart if EXACT.subtract(pair[1], pair[2]).copy_abs() > unit), None)
    if other is not None and not _is_other_energy(case, session) and not _is_wrong_price(case):
        name, claimed, said = other
        words = written(claimed, case.cdr.currency), written(said, case.cdr.currency)
        with_vat = " with VAT" if name == "incl_vat" else ""
        sentence = f"CDR {case.cdr.id} claims {words[0]}{with_vat}, its session {session.id} said {words[1]}."
        facts = {f"cdr_{name}": claimed, f"session_{name}": said}
        yield found(SESSION_CDR_COST_MISMATCH, on(case.cdr), sentence, **facts)


def _amounts_apart(cdr: Cost, session: Cost) -> Iterator[tuple[str, Decimal, Decimal]]:
    """What both state, by name: the amount of the CDR, and that of its session."""
    yield "excl_vat", cdr.excl_vat, session.excl_vat
    if cdr.incl_vat is not None and session.incl_vat is not None:
        yield "incl_vat", cdr.incl_vat, session.incl_vat


def e06_identity(case: Case) -> Iterable[Finding]:
    """SESSION_CDR_IDENTITY_MISMATCH: another token or EVSE than that of the session, which no honest CDR has.

    A token that no eMSP knows is told as that.
    """
    session = case.session
    if session is None or session.status == INVALID or not _is_billed(case):
        return
    other = [*_other_token(case, session), *_other_evse(case.cdr.plug, session.plug)]
    if other:
        sentence = f"CDR {case.cdr.id} and its session {session.id} differ in {' and '.join(other)}."
        yield found(SESSION_CDR_IDENTITY_MISMATCH, on(case.cdr), sentence, fields=other)


def _is_billed(case: Case) -> bool:
    """Whether a CDR is one that its session can be held against: no copy, no credit, not credited."""
    return case.session is not None and case.is_open


def _completed(case: Case) -> SessionFact | None:
    """The session to compare a CDR with: one that is over."""
    session = case.session
    return session if session is not None and session.status == COMPLETED and _is_billed(case) else None


def _is_other_energy(case: Case, session: SessionFact) -> bool:
    cdr_energy, session_energy = case.cdr.energy, session.energy
    if cdr_energy is None or session_energy is None or _agree(case, cdr_energy, session_energy):
        return False
    return not _agree(case, _energy_of_periods(case.cdr), session_energy)


def _agree(case: Case, one: Decimal, other: Decimal) -> bool:
    """Whether two quantities of energy are as close as a session and its CDR are; the larger one makes the percent."""
    tolerances = case.evidence.tolerances
    share = EXACT.multiply(tolerances.session_energy_rel, max(one.copy_abs(), other.copy_abs()))
    return EXACT.subtract(one, other).copy_abs() <= max(share, tolerances.session_energy_abs_kwh)


def _energy_of_periods(cdr: CdrFact) -> Decimal:
    total = _ZERO
    for period in periods_of(cdr):
        total = EXACT.add(total, dimensions_of(period).get("ENERGY", _ZERO))
    return total


def _is_wrong_price(case: Case) -> bool:
    priced = case.pricing.priced
    comparison = None if priced is None else compare(case.cdr, priced)
    return comparison is not None and comparison.worst is Closeness.WRONG


def _apart(one: datetime | None, other: datetime | None) -> timedelta:
    if one is None or other is None or UNKNOWN_TIME in {one, other}:
        return timedelta()
    return abs(one - other)


def _other_token(case: Case, session: SessionFact) -> Iterable[str]:
    cdr = case.cdr
    is_known = case.token is not None or cdr.token_party not in case.relations.token_senders
    if session.token.uid and is_known and (cdr.token, cdr.token_party) != (session.token, session.token_party):
        yield "the token"


def _other_evse(plug: Plug, other: Plug) -> Iterable[str]:
    if plug.evse_uid and other.evse_uid and plug.evse_uid != other.evse_uid:
        yield "the EVSE"


# --- sessions without a CDR ------------------------------------------------------------------


def d05_session_without_cdr(
    evidence: Evidence, relations: Relations, pricings: Mapping[int, Pricing]
) -> Iterable[Finding]:
    """SESSION_WITHOUT_CDR: COMPLETED for more than `cdr_grace_days` at `as_of`, and no CDR, whatever became of it.

    One that says that it took nothing and costs nothing, such as a reservation that nobody used, needs none.
    """
    latest = evidence.as_of - timedelta(days=float(evidence.tolerances.cdr_grace_days))
    named, unnamed = _billed(evidence.cdrs)
    named |= {(match.session.owner, match.session.key) for match in relations.matches.found.values()}
    for name, session in sorted(evidence.sessions.items()):
        over = session.end or session.last_updated
        is_due = session.status == COMPLETED and over is not None and over < latest and not _owes_nothing(session)
        if is_due and name not in named and not _is_billed_unnamed(session, unnamed):
            yield _without_cdr(session, evidence.as_of)


def _owes_nothing(session: SessionFact) -> bool:
    return session.energy == 0 and session.total is not None and session.total.excl_vat == 0


Begun = tuple[Party, TokenKey, str]
"""Owner, token and EVSE: what a CDR without a session id is found by."""


def _billed(cdrs: Iterable[CdrFact]) -> tuple[set[Name], dict[Begun, list[datetime]]]:
    """The sessions that CDRs name, and the starts of those that name none."""
    named: set[Name] = set()
    unnamed: dict[Begun, list[datetime]] = {}
    for cdr in cdrs:
        if cdr.session_key is not None:
            named.add((cdr.owner, cdr.session_key))
        elif cdr.start is not None:
            unnamed.setdefault((cdr.owner, cdr.token, cdr.plug.evse_uid), []).append(cdr.start)
    return named, unnamed


def _is_billed_unnamed(session: SessionFact, unnamed: Mapping[Begun, list[datetime]]) -> bool:
    starts = unnamed.get((session.owner, session.token, session.plug.evse_uid), [])
    begun = session.start
    return any(begun is not None and abs(start - begun) <= SAME_START for start in starts)


def _without_cdr(session: SessionFact, as_of: datetime) -> Finding:
    over = session.end or session.last_updated or as_of
    sentence = f"Session {session.id} of {session.owner} was completed {(as_of - over).days} days ago and has no CDR."
    return found(
        SESSION_WITHOUT_CDR,
        Subject(session_id=session.id, party=session.owner),
        sentence,
        owner=session.owner,
        completed_at=over,
        kwh=session.energy,
    )


CASE_CHECKS: tuple[CaseCheck, ...] = (
    e01_session_is_known,
    e02_session_is_valid,
    e03_energy,
    e04_time,
    e05_cost,
    e06_identity,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = (d05_session_without_cdr,)

"""D, A05, A06: one charge is billed once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    CDR_ID_REUSED,
    DUPLICATE_CDR,
    NEAR_DUPLICATE,
    OVERLAPPING_SESSIONS,
    SESSION_BILLED_TWICE,
    TOKEN_CONCURRENT_USE,
)
from hub.settlement.facts import CdrFact
from hub.settlement.findings import Finding, found, on
from hub.settlement.relations import NO_TIMELINE, earlier, has_span, later, moment, overlapping, shared_time

NEAR_START = timedelta(seconds=120)
NEAR_ENERGY_PART = Decimal("0.01")


def a05_same_cdr_again(case: Case) -> Iterable[Finding]:
    """The later one is dropped."""
    first = case.relations.copies.get(case.cdr.index)
    if first is not None:
        sentence = f"CDR {case.cdr.id} of {case.cdr.owner} was sent before with the same content; it counts once."
        yield found(DUPLICATE_CDR, on(case.cdr), sentence, first_index=first.index)


def a06_same_id_other_content(case: Case) -> Iterable[Finding]:
    """The later one is held."""
    first = case.relations.reused.get(case.cdr.index)
    if first is not None:
        changed = sorted(
            name
            for name in {*first.content, *case.cdr.content}
            if first.content.get(name) != case.cdr.content.get(name)
        )
        sentence = (
            f"CDR {case.cdr.id} of {case.cdr.owner} was sent before with other content ({', '.join(changed)}); "
            "a CDR never changes."
        )
        yield found(CDR_ID_REUSED, on(case.cdr), sentence, first_index=first.index, changed=changed)


def d01_session_billed_twice(case: Case) -> Iterable[Finding]:
    """The later of two CDRs that are not credited is held."""
    if case.cdr.session_key is None or not case.is_open:
        return
    others = case.relations.by_session.get((case.cdr.owner, case.cdr.session_key), ())
    earlier = [other for other in others if other.order < case.cdr.order and case.relations.is_open(other)]
    if earlier:
        sentence = f"CDR {earlier[0].id} bills session {case.cdr.content['session_id']} already."
        yield found(SESSION_BILLED_TWICE, on(case.cdr), sentence, first_cdr_id=earlier[0].id)


def d02_near_duplicate(case: Case) -> Iterable[Finding]:
    """Another id for what looks like the same charge: the later one is held, unless both are held for their overlap."""
    cdr = case.cdr
    if not case.is_open or not has_span(cdr):
        return
    others = case.relations.by_token.get((cdr.token_party, cdr.token), NO_TIMELINE).starting(
        earlier(moment(cdr.start), NEAR_START), later(moment(cdr.start), NEAR_START)
    )
    near = (one for one in others if one.order < cdr.order and case.relations.is_open(one) and _is_near(one, cdr))
    twin = next((one for one in near if not _is_one_session(one, cdr) and not _is_overlap(one, case)), None)
    if twin is not None:
        sentence = f"CDR {cdr.id} is for the same token, EVSE, start and energy as CDR {twin.id}."
        yield found(NEAR_DUPLICATE, on(cdr), sentence, first_cdr_id=twin.id)


def d03_two_cars_at_one_connector(case: Case) -> Iterable[Finding]:
    """Both are held; told once, with the later of the two. One that comes after the close holds itself alone."""
    cdr = case.cdr
    if not case.is_open or not has_span(cdr):
        return
    for other in overlapping(cdr, case.relations.by_plug.get(cdr.plug, NO_TIMELINE), _tolerated(case)):
        if case.relations.is_open(other) and not _is_one_session(other, cdr):
            sentence = f"CDRs {other.id} and {cdr.id} overlap on connector {cdr.plug.connector_id} of EVSE {cdr.plug.evse_uid}."
            subject = on(cdr) if case.is_late else on(other, cdr)
            yield found(OVERLAPPING_SESSIONS, subject, sentence, overlap_seconds=_shared_seconds(other, cdr))


def d04_one_token_at_two_evses(case: Case) -> Iterable[Finding]:
    """Told once, with the later of the two."""
    cdr = case.cdr
    if not case.is_open or not has_span(cdr):
        return
    for other in overlapping(
        cdr, case.relations.by_token.get((cdr.token_party, cdr.token), NO_TIMELINE), _tolerated(case)
    ):
        if case.relations.is_open(other) and _evse(other) != _evse(cdr) and not _is_one_session(other, cdr):
            sentence = f"Token {cdr.token.uid} charged at two EVSEs at once (CDRs {other.id} and {cdr.id})."
            yield found(TOKEN_CONCURRENT_USE, on(other, cdr), sentence, overlap_seconds=_shared_seconds(other, cdr))


def _tolerated(case: Case) -> timedelta:
    return timedelta(seconds=float(case.evidence.tolerances.overlap_seconds))


def _is_overlap(other: CdrFact, case: Case) -> bool:
    return other.plug == case.cdr.plug and shared_time(case.cdr, other) > _tolerated(case)


def _evse(cdr: CdrFact) -> tuple[object, str]:
    return (cdr.owner, cdr.plug.evse_uid)


def _is_one_session(one: CdrFact, other: CdrFact) -> bool:
    return one.owner == other.owner and one.session_key is not None and one.session_key == other.session_key


def _is_near(one: CdrFact, other: CdrFact) -> bool:
    if one.start is None or other.start is None or one.energy is None or other.energy is None:
        return False
    is_same_place = _evse(one) == _evse(other) and one.token == other.token and one.token_party == other.token_party
    is_same_time = abs(one.start - other.start) <= NEAR_START
    return (
        is_same_place
        and is_same_time
        and abs(one.energy - other.energy) <= NEAR_ENERGY_PART * max(one.energy, other.energy)
    )


def _shared_seconds(one: CdrFact, other: CdrFact) -> int:
    return int(shared_time(one, other).total_seconds())


CASE_CHECKS: tuple[CaseCheck, ...] = (
    a05_same_cdr_again,
    a06_same_id_other_content,
    d01_session_billed_twice,
    d02_near_duplicate,
    d03_two_cars_at_one_connector,
    d04_one_token_at_two_evses,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()

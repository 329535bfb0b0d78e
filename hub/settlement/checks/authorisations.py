"""F05 to F08: what was said when the charge was asked for. Silent where the hub saw nothing pass, as in a run from a file."""

from __future__ import annotations

from collections.abc import Iterable

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    AUTHORIZATION_MISSING,
    AUTHORIZATION_REFUSED,
    AUTHORIZED_ELSEWHERE,
    COMMAND_NOT_ACCEPTED,
    REFERENCE_MISMATCH,
    REFERENCE_MISSING,
)
from hub.settlement.checks.tokens import (
    ALWAYS,
    AUTH_REQUEST,
    COMMAND,
    WHITELIST,
    f02_token_is_valid,
    has_lost_reference,
    is_refused,
)
from hub.settlement.facts import key_of, objects_in
from hub.settlement.findings import Finding, found, lowered_to_report, on
from hub.settlement.permits import AFTER_START, Permit, Spot, refusal_of
from ocpi_modules.types import UNKNOWN_TIME

AUTHORISATIONS, COMMANDS = "tokens", "commands"


def f05_authorised(case: Case) -> Iterable[Finding]:
    """TOKEN_INVALID_AT_START: the eMSP was asked and said no, whether the CDR says that it is by that question or by a list.

    Only told of a token that is always whitelisted. AUTHORIZATION_MISSING: nobody said yes to a CPO that does
    ask through the hub; only told, for it may have asked in another way.
    """
    method, no = _method(case), refusal_of(case.cdr, case.permits)
    if not case.is_open or not _is_dated(case) or case.is_permitted:
        return
    if no is not None and method in {AUTH_REQUEST, WHITELIST}:
        yield from _refused(case, no)
    elif method == AUTH_REQUEST and _passes_here(case, AUTHORISATIONS):
        sentence = f"CDR {case.cdr.id} was authorised by request, and {case.cdr.token_party} allowed nothing of it through the hub."
        yield found(AUTHORIZATION_MISSING, on(case.cdr), sentence)


def f06_last_reference(case: Case) -> Iterable[Finding]:
    """AUTHORIZATION_REFERENCE_MISMATCH, or AUTH_METHOD_VIOLATION where none is stated: the last one given for the charge counts."""
    given = [one for one in case.permits if one.reference and one.is_granted and one.covers(case.cdr)]
    if not case.is_open or not given or has_lost_reference(case):
        return
    stated, last = key_of(case.cdr.content.get("authorization_reference")), given[-1].reference
    if not stated:
        sentence = f"CDR {case.cdr.id} does not state authorization_reference {last}, which its eMSP gave."
        yield found(REFERENCE_MISSING, on(case.cdr), sentence, expected=last)
    elif stated != last:
        sentence = f"CDR {case.cdr.id} states authorization_reference {stated}; the last one given was {last}."
        yield found(REFERENCE_MISMATCH, on(case.cdr), sentence, stated=stated, expected=last)


def f07_command(case: Case) -> Iterable[Finding]:
    """COMMAND_NOT_ACCEPTED: by command, and every command was refused, or none passed to a CPO that does get them through the hub."""
    if not case.is_open or not _is_dated(case) or _method(case) != COMMAND or case.is_permitted:
        return
    refused = [one for one in case.permits if not one.is_authorisation and one.is_refused]
    if refused:
        last = refused[-1]
        sentence = f"CDR {case.cdr.id} was started by command; {last.kind} was answered {last.result or last.answer}."
        yield found(COMMAND_NOT_ACCEPTED, on(case.cdr), sentence, command=last.kind, answer=last.result or last.answer)
    elif _passes_here(case, COMMANDS):
        sentence = (
            f"CDR {case.cdr.id} was started by command, and none of {case.cdr.token_party} passed through the hub."
        )
        yield found(COMMAND_NOT_ACCEPTED, on(case.cdr), sentence)


def f08_authorised_place(case: Case) -> Iterable[Finding]:
    """AUTHORIZED_ELSEWHERE: held where the eMSP named the place, and both are published, so that no id is merely spelled otherwise."""
    granted = [one for one in case.permits if one.is_granted]
    if not case.is_open or _method(case) == WHITELIST or not granted or any(one.covers(case.cdr) for one in granted):
        return
    last = granted[-1]
    place = last.place
    assert place is not None, "what is good anywhere covers every place"
    used = _written(Spot(case.cdr.location_key, frozenset({case.cdr.plug.evse_uid} - {""})))
    sentence = f"CDR {case.cdr.id} is for {used}; what {last.emsp} allowed was {_written(place)}."
    finding = found(AUTHORIZED_ELSEWHERE, on(case.cdr), sentence, used=used, allowed=_written(place))
    is_sure = _names_places(last) and case.place.evse is not None and _is_published(case, place)
    yield finding if is_sure else lowered_to_report(finding)


def _refused(case: Case, no: Permit) -> Iterable[Finding]:
    """By whitelist, what the list of the eMSP says already is told as that alone."""
    if not is_refused(case) and any(f02_token_is_valid(case)):
        return
    sentence = f"{no.emsp} answered {no.answer} when it was asked about the charge of CDR {case.cdr.id}."
    finding = found(AUTHORIZATION_REFUSED, on(case.cdr), sentence, answer=no.answer, answered_at=no.answered_at)
    is_whitelisted = case.token is not None and key_of(case.token.content.get("whitelist")) == ALWAYS
    yield lowered_to_report(finding) if is_whitelisted else finding


def _method(case: Case) -> str:
    return key_of(case.cdr.content.get("auth_method"))


def _is_dated(case: Case) -> bool:
    return case.cdr.start is not None and case.cdr.start != UNKNOWN_TIME


def _passes_here(case: Case, module: str) -> bool:
    """Whether such messages of a CPO were seen here when the charge began."""
    first, start = case.evidence.first_asked.get((case.cdr.owner, module)), case.cdr.start
    return first is not None and start is not None and first - start <= AFTER_START


def _names_places(permit: Permit) -> bool:
    """Whether a place was named by the eMSP: in its answer, or in its command."""
    return permit.granted is not None or not permit.is_authorisation


def _is_published(case: Case, place: Spot) -> bool:
    versions = case.evidence.locations.get((case.cdr.owner, place.location_key), ())
    evses = (evse for version in versions for evse in objects_in(version.content.get("evses")))
    return bool(versions) and place.evse_uids <= {key_of(evse.get("uid")) for evse in evses}


def _written(spot: Spot) -> str:
    evses = f", EVSE {', '.join(sorted(spot.evse_uids))}" if spot.evse_uids else ""
    return f"Location {spot.location_key}{evses}"


CASE_CHECKS: tuple[CaseCheck, ...] = (f05_authorised, f06_last_reference, f07_command, f08_authorised_place)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()

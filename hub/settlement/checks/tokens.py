"""F, A15: whose token it was, and whether it was valid."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from hub.settlement.case import Case, CaseCheck, PeriodCheck
from hub.settlement.catalogue import (
    AUTH_METHOD_VIOLATION,
    CONTRACT_MISMATCH,
    TOKEN_INVALID_AT_START,
    TOKEN_PARTY_MISMATCH,
    UNKNOWN_TOKEN,
)
from hub.settlement.facts import Version, key_of
from hub.settlement.findings import Finding, found, lowered_to_report, on
from hub.settlement.permits import refusal_of
from ocpi_modules.parties import Party

AUTH_REQUEST, COMMAND, WHITELIST = "AUTH_REQUEST", "COMMAND", "WHITELIST"
NEVER, ALWAYS = "NEVER", "ALWAYS"
BLOCK_GRACE = timedelta(hours=24)
"""How long a token may still be used after its block was acknowledged."""
_NOBODY = Party("", "")


def a15_token_party(case: Case) -> Iterable[Finding]:
    """TOKEN_PARTY_MISMATCH: the eMSP in cdr_token is not the one the CDR was sent to, or the token is another's."""
    owners = _other_owners(case)
    if _is_misrouted(case):
        sentence = f"CDR {case.cdr.id} names a token of {case.cdr.token_party} and was sent to {case.cdr.to}."
    elif owners:
        names = ", ".join(map(str, owners))
        sentence = (
            f"Token {case.cdr.token.uid} in CDR {case.cdr.id} is not one of {case.cdr.token_party}, but of {names}."
        )
    else:
        return
    yield found(
        TOKEN_PARTY_MISMATCH,
        on(case.cdr),
        sentence,
        stated=case.cdr.token_party,
        routed_to=case.cdr.to,
        owners=owners,
    )


def f01_token_is_known(case: Case) -> Iterable[Finding]:
    """UNKNOWN_TOKEN: uid and type are in no list of an eMSP, and none allowed the charge when it was asked.

    An eMSP that sends no tokens at all authorises in other ways: no finding.
    """
    cdr = case.cdr
    if case.is_permitted:
        return
    is_expected = {cdr.token_party, cdr.to} & case.relations.token_senders
    if cdr.token.uid and is_expected and cdr.token not in case.evidence.tokens and not _is_misrouted(case):
        sentence = f"Token {cdr.token.uid} ({cdr.token.type}) in CDR {cdr.id} is in no list of an eMSP."
        yield found(UNKNOWN_TOKEN, on(cdr), sentence, uid=cdr.token.uid, type=cdr.token.type)


def f02_token_is_valid(case: Case) -> Iterable[Finding]:
    """TOKEN_INVALID_AT_START: not valid by its last version before the start.

    Only told of one that is always whitelisted, of one that its eMSP allowed when it was asked, and where the block was acknowledged less
    than a day before the start, or later: nobody can be held to what was not known yet. A no to the question itself is F05.
    """
    version = _last_before(case)
    if version is None or version.content.get("valid") is not False or is_refused(case):
        return
    sentence = (
        f"Token {case.cdr.token.uid} was not valid when the session of CDR {case.cdr.id} began{_excuse(case, version)}."
    )
    finding = found(TOKEN_INVALID_AT_START, on(case.cdr), sentence, since=version.since, known_at=version.known_at)
    is_whitelisted = key_of(version.content.get("whitelist")) == ALWAYS
    yield lowered_to_report(finding) if is_whitelisted or _excuse(case, version) else finding


def _excuse(case: Case, version: Version) -> str:
    """Why a token that is not valid is no fault of its CPO; empty where it is one."""
    if case.is_permitted:
        return ", and its eMSP allowed the charge"
    start, known_at = case.cdr.start, version.known_at
    if known_at is None or start is None or start - known_at >= BLOCK_GRACE:
        return ""
    return f", which was acknowledged at {known_at.isoformat()}"


def is_refused(case: Case) -> bool:
    """Whether an eMSP said no to a charge that names its authorisation as what permits it (F05)."""
    is_asked = key_of(case.cdr.content.get("auth_method")) == AUTH_REQUEST
    return is_asked and case.is_open and refusal_of(case.cdr, case.permits) is not None


def f03_contract(case: Case) -> Iterable[Finding]:
    """CONTRACT_MISMATCH: the contract in the CDR is another than that of the token, where both are stated."""
    token = case.cdr.content.get("cdr_token")
    stated = key_of(token.get("contract_id")) if isinstance(token, dict) else ""
    known = key_of(case.token.content.get("contract_id")) if case.token is not None else ""
    if stated and known and stated != known:
        sentence = f"CDR {case.cdr.id} names contract {stated}, token {case.cdr.token.uid} has {known}."
        yield found(CONTRACT_MISMATCH, on(case.cdr), sentence, stated=stated, expected=known)


def f04_auth_method(case: Case) -> Iterable[Finding]:
    """AUTH_METHOD_VIOLATION: a whitelist was used for a token that is never whitelisted, or the reference of the session is not repeated.

    One that only an authorisation or a command gave is missed by F06.
    """
    is_whitelisted = key_of(case.cdr.content.get("auth_method")) == WHITELIST
    if is_whitelisted and case.token is not None and key_of(case.token.content.get("whitelist")) == NEVER:
        sentence = f"CDR {case.cdr.id} says that token {case.cdr.token.uid} was whitelisted, which it never is."
        yield found(AUTH_METHOD_VIOLATION, on(case.cdr), sentence, auth_method=WHITELIST, whitelist=NEVER)
    elif has_lost_reference(case):
        sentence = f"CDR {case.cdr.id} does not state the authorization_reference of its session."
        yield found(AUTH_METHOD_VIOLATION, on(case.cdr), sentence)


def has_lost_reference(case: Case) -> bool:
    """Whether the session of a CDR has an authorization_reference and the CDR has none."""
    said = key_of(case.session.content.get("authorization_reference")) if case.session is not None else ""
    return bool(said) and not key_of(case.cdr.content.get("authorization_reference"))


def _is_misrouted(case: Case) -> bool:
    return case.cdr.token_party not in {case.cdr.to, _NOBODY}


def _other_owners(case: Case) -> list[Party]:
    """Whose token it is, where others list it and the stated eMSP does not, whether it sends tokens at all or not."""
    stated, known = case.cdr.token_party, case.evidence.tokens.get(case.cdr.token, {})
    return [] if stated in known or stated == _NOBODY else sorted(known)


def _last_before(case: Case) -> Version | None:
    """The last version of a token that was said before the session began; later ones were not known."""
    versions = case.evidence.tokens.get(case.cdr.token, {}).get(case.cdr.token_party, ())
    start = case.cdr.start
    before = [one for one in versions if start is not None and (one.since is None or one.since <= start)]
    return before[-1] if before else None


CASE_CHECKS: tuple[CaseCheck, ...] = (
    a15_token_party,
    f01_token_is_known,
    f02_token_is_valid,
    f03_contract,
    f04_auth_method,
)
PERIOD_CHECKS: tuple[PeriodCheck, ...] = ()

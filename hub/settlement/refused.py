"""A CDR that was refused at the door, as a finding: what the checks see in it, else what it was answered. It is never billed.

Judged as the door judges: an id that was used with other content (A06), a credit that is none (J01), the form (A01, A02). What is wrong
with who sent it to whom only the answer tells (A15). Source: pricing-semantics, "Identity and life cycle".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hub.settlement.agreements import DEFAULT
from hub.settlement.case import Case, CaseCheck
from hub.settlement.catalogue import CDR_NOT_TAKEN, INVALID_CDR
from hub.settlement.causes import Root
from hub.settlement.checks.credits import j01_flag_and_reference
from hub.settlement.checks.form import a01_a02_right_by_ocpi
from hub.settlement.checks.uniqueness import a06_same_id_other_content
from hub.settlement.evidence import Evidence, Place, SettlementPeriod
from hub.settlement.facts import CdrFact, read_cdr
from hub.settlement.findings import Finding, Subject, found, on, raised_to_hold
from hub.settlement.prices import price_cdr
from hub.settlement.relations import relate
from ocpi_modules.parties import Party

REFUSED_INDEX = 0
ABOUT = ("refused", "at the door")
"""What findings of refused CDRs are about: they are causes of their own, for no decision about them pays anything."""

_EVER = SettlementPeriod(
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtTheDoor:
    """A refused CDR: its object (None where it is none), when it came first (UTC), its owner as it says, and what it was answered."""

    content: Mapping[str, Any] | None
    first_at: datetime
    owner: Party | None
    cdr_id: str
    status_code: int
    answer: str

    @property
    def fact(self) -> CdrFact | None:
        """It as a CDR, to be paid by the eMSP of its token."""
        if self.content is None:
            return None
        cdr = read_cdr(REFUSED_INDEX, self.first_at, Party("", ""), self.content)
        return replace(cdr, to=cdr.token_party)


_CHECKS: tuple[CaseCheck, ...] = (a06_same_id_other_content, j01_flag_and_reference, a01_a02_right_by_ocpi)


def finding_of(refused: AtTheDoor, accepted: Iterable[CdrFact] = ()) -> Finding:
    """The one finding of a refused CDR. `accepted` are CDRs of its id that the hub has; those that came after it explain nothing.

    Its `details` say that it was refused, with the answer and the sums that it claims.
    """
    cdr = refused.fact
    seen = () if cdr is None else _seen(cdr, [one for one in accepted if one.received_at < refused.first_at])
    finding = raised_to_hold(next(iter(seen), None) or _as_answered(refused, cdr))
    details = {**finding.details, **_answered(refused), **({} if cdr is None else _claimed(cdr))}
    return replace(finding, details={name: value for name, value in details.items() if name != "first_index"})


def root_of_refused(finding: Finding, refused: AtTheDoor) -> Root:
    """Its cause: what the owner has refused for the same reason, apart from what was accepted."""
    cdr = refused.fact
    return Root(finding.check, refused.owner, "" if cdr is None else cdr.currency, ABOUT)


def is_of_refused(cause: str) -> bool:
    """Whether a cause is one of refused CDRs."""
    return cause.endswith("|".join(("", *ABOUT)))


def _seen(cdr: CdrFact, accepted: Iterable[CdrFact]) -> Iterable[Finding]:
    others = (replace(one, index=index) for index, one in enumerate(accepted, REFUSED_INDEX + 1))
    case = _case(cdr, Evidence(period=_EVER, cdrs=(cdr, *others)))
    return (finding for check in _CHECKS for finding in check(case))


def _case(cdr: CdrFact, evidence: Evidence) -> Case:
    place = Place()
    return Case(
        cdr=cdr,
        evidence=evidence,
        relations=relate(evidence),
        session=None,
        place=place,
        token=None,
        agreement=DEFAULT,
        pricing=price_cdr(cdr, evidence, place, DEFAULT.policy),
    )


def _as_answered(refused: AtTheDoor, cdr: CdrFact | None) -> Finding:
    check = INVALID_CDR if cdr is None else CDR_NOT_TAKEN
    subject = Subject(party=refused.owner) if cdr is None else on(cdr)
    return found(check, subject, f"CDR {refused.cdr_id} was refused: {refused.answer or refused.status_code}.")


def _answered(refused: AtTheDoor) -> Mapping[str, Any]:
    return {"refused": True, "status_code": refused.status_code, "answer": refused.answer}


def _claimed(cdr: CdrFact) -> Mapping[str, Any]:
    total = cdr.total
    return {} if total is None else {"claimed_excl_vat": total.excl_vat, "claimed_incl_vat": total.incl_vat}

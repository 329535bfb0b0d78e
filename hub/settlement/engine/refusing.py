"""Looks at CDRs that were refused at the door, in the rounds of settlement: each becomes one finding, and is never billed."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256

from hub.clock import Clock
from hub.settlement.causes import paid
from hub.settlement.engine.gathering import read_received
from hub.settlement.engine.records import details_text
from hub.settlement.engine.settler import read_period
from hub.settlement.facts import cost_of
from hub.settlement.findings import Finding
from hub.settlement.periods import counts_in
from hub.settlement.refused import AtTheDoor, finding_of, root_of_refused
from hub.store.periods import Periods
from hub.store.refused import SOURCE, RefusedBook, RefusedCdr
from hub.store.verdicts import KeptFinding, Verdicts
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, decode_json, encode_json

BATCH_MAX_CDRS = 100


class RefusedLook:
    """Makes findings of refused CDRs, and clears those of CDRs that came right afterwards."""

    def __init__(self, book: RefusedBook, books: tuple[Verdicts, Periods], clock: Clock) -> None:
        self._book, (self._verdicts, self._periods), self._clock = book, books, clock

    async def run_due(self) -> int:
        """Look at one batch; returns how many there were."""
        waiting = await self._book.waiting(BATCH_MAX_CDRS)
        if waiting:
            await self._book.keep([(one, await self._found(one)) for one in waiting], self._clock.now())
        return len(waiting) + await self._book.clear_remedied(self._clock.now())

    async def _found(self, refused: RefusedCdr) -> KeptFinding:
        door = at_the_door(refused)
        accepted = await self._verdicts.cdrs([(refused.creditor, refused.cdr_key)])
        finding = finding_of(door, map(read_received, accepted))
        known = [read_period(kept) for kept in await self._periods.load()]
        cdr = door.fact
        ended = None if cdr is None else cdr.end
        is_credit = cdr is not None and cdr.is_credit
        return kept_refusal(finding, refused, counts_in(ended, refused.first_at, known, is_credit=is_credit).id)


def at_the_door(refused: RefusedCdr) -> AtTheDoor:
    """A refused CDR out of its row."""
    try:
        content = decode_json(refused.text)
    except NotJsonText:
        content = None
    content = content if isinstance(content, dict) else None
    said = content.get("id") if content is not None else None
    return AtTheDoor(
        content=content,
        first_at=refused.first_at,
        owner=Party.parse(refused.creditor) if refused.creditor else None,
        cdr_id=said if isinstance(said, str) else refused.cdr_key,
        status_code=refused.status_code,
        answer=refused.answer,
    )


def kept_refusal(finding: Finding, refused: RefusedCdr, period: str) -> KeptFinding:
    """The finding as it is kept: its subject are the id and owner that the CDR gives, and the SHA-256 of its bytes."""
    door = at_the_door(refused)
    cdr, cost = door.fact, cost_of((door.content or {}).get("total_cost"))
    subject = encode_json({"cdr_id": door.cdr_id, "owner": refused.creditor, "sha256": refused.digest.hex()}).decode()
    return KeptFinding(
        key=sha256("|".join((SOURCE, subject)).encode()).hexdigest(),
        check_id=finding.check.id,
        kind=finding.check.kind,
        severity=str(finding.severity),
        disposition=str(finding.disposition),
        cause=root_of_refused(finding, door).key,
        period=period,
        party=refused.creditor,
        counterparty=str(cdr.to) if cdr is not None and cdr.to.is_well_formed else refused.receiver,
        currency=cdr.currency if cdr is not None else "",
        at_risk=Decimal(0) if cost is None else paid(cost).copy_abs(),
        subject=subject,
        details=details_text(finding),
        sentence=finding.sentence,
        cdrs=(),
        source=SOURCE,
    )

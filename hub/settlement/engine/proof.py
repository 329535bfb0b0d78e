"""Evidence for a CDR or a dispute out of the database, as a ZIP to hand over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hub.settlement.agreements import Agreements
from hub.settlement.engine.disputes import DisputeRoom, NotBilled, Shown
from hub.settlement.engine.settler import Books
from hub.settlement.exhibits import Exhibits, zip_of
from hub.settlement.outputs import amount_text
from hub.settlement.prices import price_agreed
from hub.settlement.relations import relate
from hub.store.disputes import BilledCdr
from hub.store.verdicts import KeptFinding, Name, ReceivedCdr
from ocpi_modules.types import decode_json, fold, format_datetime


class ProofRoom:
    """Puts evidence together."""

    def __init__(self, books: Books, room: DisputeRoom) -> None:
        self._books, self._room = books, room

    async def of_cdr(self, name: Name, dispute: Shown | None = None) -> bytes:
        """The evidence for a CDR. Raises NotBilled where there is none of that name."""
        exhibits = await self._exhibits(await self._received(name), dispute)
        return await asyncio.to_thread(zip_of, exhibits)

    async def text_of(self, name: Name) -> bytes:
        """The text of a CDR as it was received. Raises NotBilled where there is none of that name."""
        return (await self._received(name)).text

    async def of_dispute(self, dispute: int) -> bytes:
        """The evidence for a dispute. Raises NotBilled."""
        shown = await self._room.show(dispute)
        return await self.of_cdr(shown.kept.name, shown)

    async def _received(self, name: Name) -> ReceivedCdr:
        found = await self._books.verdicts.cdrs([(name[0], fold(name[1]))])
        if not found:
            raise NotBilled(f"there is no CDR {name[1]} of {name[0]}")
        return found[0]

    async def _exhibits(self, received: ReceivedCdr, dispute: Shown | None) -> Exhibits:
        evidence = (await self._books.gatherer.gather([received])).evidence
        cdr = next(one for one in evidence.cdrs if (str(one.owner), one.key) == received.name)
        agreement = Agreements(await self._books.terms.active()).of(cdr)
        return Exhibits(
            cdr=cdr,
            text=received.text,
            evidence=evidence,
            pricing=price_agreed(cdr, evidence, evidence.place_of(cdr), agreement),
            session=relate(evidence).session_of(cdr, evidence),
            findings=[finding_content(one) for one in await self._books.verdicts.findings(received.name)],
            bill=await self._bill(received.name),
            dispute={} if dispute is None else dispute_content(dispute),
        )

    async def _bill(self, name: Name) -> Mapping[str, Any]:
        try:
            return bill_content(await self._room.bill_of(name))
        except NotBilled:
            return {}


def finding_content(finding: KeptFinding) -> Mapping[str, Any]:
    """A finding as it stands in the evidence."""
    return {
        "kind": finding.kind,
        "check": finding.check_id,
        "severity": finding.severity,
        "disposition": finding.disposition,
        "subject": decode_json(finding.subject.encode()),
        "details": decode_json(finding.details.encode()),
        "sentence": finding.sentence,
    }


def bill_content(bill: BilledCdr) -> Mapping[str, Any]:
    """What a statement bills for a CDR."""
    return {
        "statement": bill.statement,
        "period": bill.period,
        "creditor": bill.creditor,
        "debtor": bill.debtor,
        "currency": bill.currency,
        "cdr_id": bill.cdr_id,
        "excl_vat": amount_text(bill.excl_vat),
        "incl_vat": amount_text(bill.incl_vat),
        "billed_at": format_datetime(bill.billed_at),
    }


def dispute_content(shown: Shown) -> Mapping[str, Any]:
    """A dispute with its steps."""
    kept = shown.kept
    return {
        "id": kept.id,
        "reason": kept.reason,
        "state": kept.state,
        "yielded": kept.yielded or None,
        "currency": kept.currency,
        "excl_vat": amount_text(kept.excl_vat),
        "incl_vat": amount_text(kept.incl_vat),
        "opened_at": format_datetime(kept.opened_at),
        "due_at": format_datetime(kept.due_at),
        "steps": [
            {"state": one.state, "actor": one.actor, "note": one.note, "made_at": format_datetime(one.made_at)}
            for one in shown.steps
        ],
    }

"""M02: what a debtor owes a creditor and has not paid, beside the limit that the two agreed on. Told, never held: people decide.

Owed is what is accepted and not billed, billed, or disputed, and what was netted in a period that is not closed; with VAT. What a closed
period came to counts as paid: payments pass the hub by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hub.settlement.agreements import Agreement
from hub.settlement.amounts import EXACT
from hub.settlement.catalogue import EXPOSURE_ABOVE_LIMIT
from hub.settlement.claims import written
from hub.settlement.findings import Finding, Severity, Subject, found
from hub.settlement.netting import Pair

TOLD_FROM = Decimal("0.8")
"""The part of a limit from which on it is told."""


def limits_of(agreements: Iterable[Agreement], at: datetime) -> Mapping[Pair, Decimal]:
    """The limits that hold at a moment, by pair; of several of one pair the least."""
    found_limits: dict[Pair, Decimal] = {}
    for one in agreements:
        if one.exposure_limit is not None and one.creditor and one.debtor and one.currency and _holds(one, at):
            pair = Pair(one.creditor, one.debtor, one.currency)
            found_limits[pair] = min(one.exposure_limit, found_limits.get(pair, one.exposure_limit))
    return found_limits


def m02_exposure(pair: Pair, owed: Decimal, limit: Decimal) -> Finding | None:
    """EXPOSURE_ABOVE_LIMIT: a warning from 80 % of the limit on, an error above it; nothing below."""
    if owed < EXACT.multiply(limit, TOLD_FROM):
        return None
    is_above = owed > limit
    which = "more than" if is_above else "near"
    sentence = (
        f"{pair.debtor} owes {pair.creditor} {written(owed, pair.currency)} that is not paid, {which} the limit of "
        f"{written(limit, pair.currency)}."
    )
    details = {"creditor": pair.creditor, "currency": pair.currency, "owed": owed, "limit": limit}
    finding = found(EXPOSURE_ABOVE_LIMIT, Subject(party=pair.debtor), sentence, **details)
    return replace(finding, severity=Severity.ERROR) if is_above else finding


def _holds(agreement: Agreement, at: datetime) -> bool:
    return (agreement.valid_from is None or agreement.valid_from <= at) and (
        agreement.valid_to is None or at < agreement.valid_to
    )

"""What a run found, as the contents of its files: findings, CDRs, net positions, transfers.

Amounts are decimal texts with all their digits and without exponent, parties are `CC-PID`, moments are OCPI DateTimes in UTC. Everything
is in a fixed order, so that the same outcome is the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

from hub.pricing.pricer import Priced
from hub.pricing.rounding import rounded
from hub.settlement.bundle import party_text
from hub.settlement.facts import CdrFact, Cost
from hub.settlement.findings import Finding, Subject
from hub.settlement.netting import Amount, Transfer
from hub.settlement.prices import Pricing
from hub.settlement.run import Outcome
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json, format_datetime

WRITTEN_OUT_MAX_DIGITS = 60

Content = dict[str, Any]


def findings_content(outcome: Outcome) -> Iterator[Content]:
    """`findings.json`: every finding, by CDR and check."""
    return (finding_content(finding) for finding in outcome.findings)


def cdrs_content(outcome: Outcome) -> Iterator[Content]:
    """`cdrs.json`: what becomes of every CDR, in the order of the input; `priced` is null where there is no price."""
    for cdr in sorted(outcome.evidence.cdrs, key=lambda cdr: cdr.index):
        yield {
            "index": cdr.index,
            "cdr_id": cdr.id,
            "disposition": str(outcome.verdicts[cdr.index]),
            "claimed": cost_content(cdr.total),
            "priced": cost_content(settled_price(outcome.pricings.get(cdr.index), cdr.currency)),
        }


def net_content(outcome: Outcome) -> Iterator[Content]:
    """`net` in `net.json`: what each party gets (positive) or pays, by party and currency."""
    for (party, currency), amount in outcome.net.items():
        yield {"party": party_text(party), "currency": currency, **amount_content(amount)}


def bilateral_content(outcome: Outcome) -> Iterator[Content]:
    """`bilateral` in `net.json`: what is owed within each pair, and for how many CDRs; fees are for none."""
    for pair, owed in outcome.owed.items():
        yield {
            "creditor": party_text(pair.creditor),
            "debtor": party_text(pair.debtor),
            "currency": pair.currency,
            **amount_content(owed.amount),
            "cdr_count": owed.cdrs,
        }


def transfer_content(transfer: Transfer) -> Content:
    """One line of `transfers.json`."""
    return {
        "from": party_text(transfer.payer),
        "to": party_text(transfer.payee),
        "currency": transfer.currency,
        **amount_content(transfer.amount),
    }


def finding_content(finding: Finding) -> Content:
    """One finding. What does not fit into its subject (the places of several CDRs, the owner of a session) is in the details."""
    details = {**_more_of(finding.subject), **finding.details}
    return {
        "kind": finding.check.kind,
        "check": finding.check.id,
        "severity": str(finding.severity),
        "disposition": str(finding.disposition),
        "subject": subject_content(finding.subject),
        "details": {name: plain(details[name]) for name in sorted(details)},
        "sentence": finding.sentence,
    }


def subject_content(subject: Subject) -> Content:
    """What a finding is about, in plain OCPI ids."""
    if len(subject.cdrs) == 1:
        return {"cdr_id": subject.cdrs[0].id, "index": subject.cdrs[0].index}
    if subject.cdrs:
        return {"cdr_ids": [cdr.id for cdr in subject.cdrs]}
    if subject.session_id is not None:
        return {"session_id": subject.session_id}
    return {"party": party_text(subject.party) if subject.party is not None else ""}


def _more_of(subject: Subject) -> Content:
    if len(subject.cdrs) > 1:
        return {"indexes": [cdr.index for cdr in subject.cdrs]}
    if subject.session_id is not None and subject.party is not None:
        return {"party": subject.party}
    return {}


def settled_price(pricing: Pricing | None, currency: str) -> Cost | None:
    """What a CDR should have cost, rounded as its policy says; None where it has no price."""
    priced = pricing.priced if pricing is not None else None
    if priced is None:
        return None
    total = priced.total_cost
    excl_vat = _rounded(priced, total.excl_vat, currency)
    return Cost(excl_vat, None if total.incl_vat is None else _rounded(priced, total.incl_vat, currency))


def _rounded(priced: Priced, amount: Fraction, currency: str) -> Decimal:
    policy = priced.policy
    exponent = None if policy.rounding_exponent == "iso_4217" else int(policy.rounding_exponent)
    return rounded(amount, currency, policy.rounding_mode, exponent)


def cost_content(cost: Cost | None) -> Content | None:
    """An amount that may not be known."""
    if cost is None:
        return None
    return {
        "excl_vat": amount_text(cost.excl_vat),
        "incl_vat": None if cost.incl_vat is None else amount_text(cost.incl_vat),
    }


def amount_content(amount: Amount) -> Content:
    """An amount without and with VAT."""
    return {"excl_vat": amount_text(amount.excl_vat), "incl_vat": amount_text(amount.incl_vat)}


def amount_text(amount: Decimal) -> str:
    """A decimal without exponent, and zero without sign; an absurd one, that only a check looks at, as it is."""
    if not amount.is_finite() or abs(amount.adjusted()) > WRITTEN_OUT_MAX_DIGITS:
        return str(amount)
    return f"{amount:f}" if amount else f"{amount.copy_abs():f}"


def plain(value: Any) -> Any:
    """A value of `details` as JSON has it; numbers that are not whole become texts."""
    if value is None or isinstance(value, bool | int) or type(value) is str:
        return value
    for kind, written in _WRITTEN.items():
        if isinstance(value, kind):
            return written(value)
    return str(value)


def _mapping(value: Mapping[Any, Any]) -> Content:
    return {str(plain(name)): plain(item) for name, item in value.items()}


def _sequence(value: Iterable[Any]) -> list[Any]:
    return [plain(item) for item in value]


def _unordered(value: Iterable[Any]) -> list[Any]:
    return sorted(_sequence(value), key=str)


def _fraction(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _cost(value: Cost) -> Content | None:
    return cost_content(value)


_WRITTEN: dict[type, Any] = {
    Decimal: amount_text,
    Fraction: _fraction,
    datetime: format_datetime,
    Party: party_text,
    Cost: _cost,
    Amount: amount_content,
    Enum: lambda value: plain(value.value),
    Mapping: _mapping,
    set: _unordered,
    frozenset: _unordered,
    list: _sequence,
    tuple: _sequence,
    CdrFact: lambda cdr: cdr.id,
}


# --- bytes -------------------------------------------------------------------------------------


def line(content: Any) -> bytes:
    """One value on one line, as it is written everywhere."""
    return encode_json(content)


def array(items: Iterable[Any]) -> Iterator[bytes]:
    """A JSON array with an item on each line."""
    yield b"["
    yield from _lines(items)
    yield b"\n]\n"


def members(content: Mapping[str, Any]) -> Iterator[bytes]:
    """A JSON object with a member on each line, and with an item on each line of those members that are iterators."""
    separator = b"{\n"
    for name, value in content.items():
        yield separator + line(name) + b": "
        separator = b",\n"
        if isinstance(value, Iterator):
            yield b"["
            yield from _lines(value)
            yield b"\n]"
        else:
            yield line(value)
    yield b"\n}\n"


def _lines(items: Iterable[Any]) -> Iterator[bytes]:
    separator = b"\n"
    for item in items:
        yield separator + line(item)
        separator = b",\n"

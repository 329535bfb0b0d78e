"""Statements of a run: all that is settled between a creditor and a debtor in one currency, line by line, and what was kept out and why.

Amounts are as the CDRs state them, never rounded; a line without `incl_vat` counts with its `excl_vat` in both sums. Lines are in the
order in which the charges ended, whatever the order of the input, and say nothing about the driver: ids, times, energy and money only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal
from urllib.parse import quote

from hub.settlement.agreements import Agreements
from hub.settlement.amounts import EXACT
from hub.settlement.bundle import party_text
from hub.settlement.facts import CdrFact, Cost, text_of
from hub.settlement.findings import Disposition, Finding
from hub.settlement.netting import Amount, Pair
from hub.settlement.outputs import Content, amount_content, amount_text
from hub.settlement.run import Outcome
from ocpi_modules.types import format_datetime

NAME_MAX_CHARACTERS = 60
LINE_FIELDS = (
    "number",
    "type",
    "cdr_id",
    "session_id",
    "start",
    "end",
    "energy_kwh",
    "excl_vat",
    "incl_vat",
)
UNSETTLED_FIELDS = (
    "cdr_id",
    "session_id",
    "start",
    "end",
    "energy_kwh",
    "excl_vat",
    "incl_vat",
    "disposition",
    "notes",
)

_NO_END = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One settled amount: of a CDR, of a credit, or a fee for one of them."""

    kind: Literal["cdr", "credit", "fee"]
    cdr: CdrFact
    cost: Cost

    @property
    def order(self) -> tuple[object, ...]:
        """Its place in a statement, which the order of the input does not change."""
        return (*_by_end(self.cdr), self.kind, self.cost.excl_vat)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A CDR that does not count this time: held, dropped or deferred, and the findings that say so."""

    cdr: CdrFact
    disposition: Disposition
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStatement:
    """What a debtor owes a creditor in one currency. `name` is that of its files."""

    pair: Pair
    name: str
    lines: tuple[Line, ...]
    unsettled: tuple[Unsettled, ...]
    total: Amount

    def count(self, kind: str) -> int:
        """How many lines are of a kind."""
        return sum(line.kind == kind for line in self.lines)

    @property
    def energy(self) -> Decimal:
        """The energy of its CDRs less that of its credits, in kWh."""
        energy = Decimal(0)
        for line in self.lines:
            if line.kind != "fee" and line.cdr.energy is not None:
                energy = EXACT.add(energy, EXACT.multiply(line.cdr.energy, Decimal(-1 if line.kind == "credit" else 1)))
        return energy


def pair_statements(outcome: Outcome, agreements: Agreements) -> tuple[PairStatement, ...]:
    """A statement for every pair with a settled line or a CDR that was kept out, by pair."""
    lines: defaultdict[Pair, list[Line]] = defaultdict(list)
    unsettled: defaultdict[Pair, list[Unsettled]] = defaultdict(list)
    findings = _by_index(outcome.findings)
    for cdr in outcome.evidence.cdrs:
        verdict = outcome.verdicts[cdr.index]
        if verdict is not Disposition.SETTLE:
            unsettled[_pair(cdr)].append(Unsettled(cdr, verdict, tuple(findings.get(cdr.index, ()))))
        elif cdr.total is not None:
            for pair, line in _lines(cdr, cdr.total, agreements):
                lines[pair].append(line)
    return tuple(
        _statement(pair, lines.get(pair, []), unsettled.get(pair, [])) for pair in sorted({*lines, *unsettled})
    )


def line_content(number: int, line: Line) -> Content:
    """A line as it stands in every file, and as it is sealed. `number` counts from 1."""
    return {
        "number": number,
        "type": line.kind,
        **_charge_content(line.cdr),
        "excl_vat": amount_text(line.cost.excl_vat),
        "incl_vat": None if line.cost.incl_vat is None else amount_text(line.cost.incl_vat),
    }


def lines_content(statement: PairStatement) -> Iterator[Content]:
    """All its lines."""
    return (line_content(number, line) for number, line in enumerate(statement.lines, 1))


def unsettled_content(one: Unsettled) -> Content:
    """A CDR that was kept out; `notes` are the kinds of finding that speak of it."""
    total = one.cdr.total
    return {
        **_charge_content(one.cdr),
        "excl_vat": None if total is None else amount_text(total.excl_vat),
        "incl_vat": None if total is None or total.incl_vat is None else amount_text(total.incl_vat),
        "disposition": str(one.disposition),
        "notes": list(dict.fromkeys(finding.check.kind for finding in one.findings)) or ["LATER_PERIOD"],
    }


def totals_content(statement: PairStatement) -> Content:
    """The sums under the lines."""
    return {
        "cdrs": statement.count("cdr"),
        "credits": statement.count("credit"),
        "fees": statement.count("fee"),
        "energy_kwh": amount_text(statement.energy),
        **amount_content(statement.total),
    }


def pair_content(pair: Pair) -> Content:
    """Who owes whom, in which currency."""
    return {"creditor": party_text(pair.creditor), "debtor": party_text(pair.debtor), "currency": pair.currency}


def file_name(pair: Pair) -> str:
    """The name of a statement's files without their endings: safe on every file system, and never the same for two pairs."""
    plain = "_".join(pair_content(pair).values())
    quoted = quote(plain, safe="").replace("~", "%7E")
    if len(quoted) <= NAME_MAX_CHARACTERS and "%" not in quoted:
        return quoted
    return f"{quoted[:NAME_MAX_CHARACTERS]}-{sha256(plain.encode()).hexdigest()[:8]}"


def _lines(cdr: CdrFact, total: Cost, agreements: Agreements) -> Iterator[tuple[Pair, Line]]:
    yield _pair(cdr), Line("credit" if cdr.is_credit else "cdr", cdr, total)
    for fee in agreements.fees(cdr):
        yield fee.pair, Line("fee", cdr, Cost(fee.amount.excl_vat, fee.amount.incl_vat))


def _statement(pair: Pair, lines: Iterable[Line], unsettled: Iterable[Unsettled]) -> PairStatement:
    ordered = tuple(sorted(lines, key=lambda line: line.order))
    total = Amount()
    for line in ordered:
        total += _amount(line.cost)
    kept_out = tuple(sorted(unsettled, key=lambda one: _by_end(one.cdr)))
    return PairStatement(pair=pair, name=file_name(pair), lines=ordered, unsettled=kept_out, total=total)


def _amount(cost: Cost) -> Amount:
    return Amount(cost.excl_vat, cost.excl_vat if cost.incl_vat is None else cost.incl_vat)


def _charge_content(cdr: CdrFact) -> Content:
    return {
        "cdr_id": cdr.id,
        "session_id": text_of(cdr.content.get("session_id")) or None,
        "start": None if cdr.start is None else format_datetime(cdr.start),
        "end": None if cdr.end is None else format_datetime(cdr.end),
        "energy_kwh": None if cdr.energy is None else amount_text(cdr.energy),
    }


def _by_end(cdr: CdrFact) -> tuple[object, ...]:
    return (cdr.end or _NO_END, cdr.key, cdr.id, cdr.digest)


def _pair(cdr: CdrFact) -> Pair:
    return Pair(cdr.owner, cdr.to, cdr.currency)


def _by_index(findings: Iterable[Finding]) -> Mapping[int, list[Finding]]:
    grouped: defaultdict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        for cdr in finding.subject.cdrs:
            grouped[cdr.index].append(finding)
    return grouped

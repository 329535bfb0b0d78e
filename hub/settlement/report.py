"""The page that a clerk opens: one file that asks no network for anything, from the causes down to every CDR that was kept out.

It shows the first so many rows of long lists and says where all of them are. Amounts have thousands separators and at least the decimals of
their currency; nothing is rounded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from math import cos, pi, sin
from typing import Any

from jinja2 import Environment, PackageLoader, Template, select_autoescape

from hub.pricing.rounding import currency_exponent
from hub.settlement.amounts import EXACT
from hub.settlement.bundle import party_text
from hub.settlement.causes import Cause
from hub.settlement.dossier import Dossier
from hub.settlement.facts import CdrFact, Cost
from hub.settlement.findings import Disposition, Finding
from hub.settlement.netting import Amount
from hub.settlement.outputs import amount_text, settled_price
from hub.settlement.pair_statements import PairStatement
from ocpi_modules.parties import Party

FINDINGS_SHOWN_MAX = 2_000
KEPT_OUT_SHOWN_MAX = 2_000
CAUSES_SHOWN_MAX = 200
CAUSE_CDRS_SHOWN_MAX = 50
SENTENCES_SHOWN_MAX = 5  # of one CDR
PARTIES_SHOWN_MAX = 3  # of one cause
CAUSE_BARS_MAX = 8
POSITION_BARS_MAX = 12  # of one currency

DISPOSITIONS = (Disposition.SETTLE, Disposition.HOLD, Disposition.DROP, Disposition.DEFER)
DONUT_RADIUS, DONUT_MIDDLE = 42, 50

_MONEY_DIGITS_MAX = 60
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sum:
    """Money of one currency, and of how many CDRs."""

    currency: str
    amount: Decimal
    cdrs: int


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a donut: an SVG path, and what it stands for."""

    disposition: str
    count: int
    path: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart, `width` in percent of the longest one; `is_negative` ones go to the left."""

    label: str
    amount: Decimal
    currency: str
    width: float
    target: str = ""
    is_negative: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A CDR in a table of the page."""

    cdr: CdrFact
    disposition: str
    price: Cost | None
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownCause:
    """A cause with the first of its CDRs; `between` says whose claims on whom it is about."""

    rank: int
    cause: Cause
    between: str
    rows: tuple[Row, ...]


def report_page(dossier: Dossier) -> str:
    """The page as HTML."""
    outcome = dossier.outcome
    kept_out = [cdr for cdr in outcome.evidence.cdrs if outcome.verdicts[cdr.index] is not Disposition.SETTLE]
    kept_out.sort(key=lambda cdr: cdr.index)
    speaking = {one.cdr.index: one.findings for statement in dossier.statements for one in statement.unsettled}
    return _template().render(
        d=dossier,
        sums={name: _sums(dossier, name) for name in DISPOSITIONS},
        slices=donut(Counter(outcome.verdicts.values())),
        cause_bars=list(_cause_bars(dossier.causes)),
        positions=_by_currency(outcome.net),
        causes=[_shown(dossier, rank, cause) for rank, cause in enumerate(dossier.causes[:CAUSES_SHOWN_MAX], 1)],
        findings=outcome.findings[:FINDINGS_SHOWN_MAX],
        kinds=sorted(Counter(finding.check.kind for finding in outcome.findings).items()),
        kept_out=[_row(dossier, cdr, _sentences(speaking[cdr.index])) for cdr in kept_out[:KEPT_OUT_SHOWN_MAX]],
        kept_out_count=len(kept_out),
    )


def money(amount: Decimal | None, currency: str) -> str:
    """An amount for people: `1,234.50`; a dash where there is none."""
    if amount is None:
        return "–"
    if not amount.is_finite() or abs(amount.adjusted()) > _MONEY_DIGITS_MAX:
        return amount_text(amount)
    decimals = max(currency_exponent(currency), len(f"{amount:f}".partition(".")[2].rstrip("0")))
    return f"{amount if amount else _ZERO:,.{decimals}f}"


def donut(counts: Mapping[Disposition, int]) -> list[Slice]:
    """The pieces of a ring, clockwise from the top, in a square of 100."""
    total, before, slices = sum(counts.values()), 0, []
    for disposition in DISPOSITIONS:
        count = counts.get(disposition, 0)
        if count:
            slices.append(Slice(str(disposition), count, _arc(before / total, (before + count) / total)))
        before += count
    return slices


def _arc(start: float, end: float) -> str:
    end = min(end, start + 0.9999)  # a whole circle has no direction
    (x1, y1), (x2, y2) = (_on_ring(turn) for turn in (start, end))
    return f"M{x1:.3f} {y1:.3f}A{DONUT_RADIUS} {DONUT_RADIUS} 0 {int(end - start > 0.5)} 1 {x2:.3f} {y2:.3f}"


def _on_ring(turn: float) -> tuple[float, float]:
    angle = 2 * pi * turn
    return DONUT_MIDDLE + DONUT_RADIUS * sin(angle), DONUT_MIDDLE - DONUT_RADIUS * cos(angle)


def _sums(dossier: Dossier, disposition: Disposition) -> list[Sum]:
    """What CDRs of one disposition claim, with VAT where they state it, by currency."""
    amounts: defaultdict[str, list[Decimal]] = defaultdict(list)
    for cdr in dossier.outcome.evidence.cdrs:
        if dossier.outcome.verdicts[cdr.index] is disposition:
            amounts[cdr.currency].append(_claimed(cdr))
    return [Sum(currency, _total(amounts[currency]), len(amounts[currency])) for currency in sorted(amounts)]


def _claimed(cdr: CdrFact) -> Decimal:
    if cdr.total is None:
        return _ZERO
    return cdr.total.excl_vat if cdr.total.incl_vat is None else cdr.total.incl_vat


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _cause_bars(causes: Sequence[Cause]) -> Iterator[Bar]:
    """The causes with most money, each as long as its part of the largest of its currency."""
    largest: dict[str, Decimal] = {}
    with_money = [(rank, cause) for rank, cause in enumerate(causes, 1) if cause.at_risk]
    for rank, cause in with_money[:CAUSE_BARS_MAX]:
        currency = cause.root.currency
        scale = largest.setdefault(currency, cause.at_risk)
        yield Bar(_title(cause), cause.at_risk, currency, _percent(cause.at_risk, scale), f"cause-{rank}")


def _title(cause: Cause) -> str:
    whose = party_text(cause.root.party) if cause.root.party is not None else ""
    about = " ".join(cause.root.about or ())
    return " · ".join(part for part in (cause.root.check.kind, whose, about) if part)


def _by_currency(net: Mapping[tuple[Party, str], Amount]) -> dict[str, list[Bar]]:
    """Net positions with VAT, the largest first, as bars to both sides."""
    found: defaultdict[str, list[tuple[Party, Decimal]]] = defaultdict(list)
    for (party, currency), amount in net.items():
        found[currency].append((party, amount.incl_vat))
    return {currency: _position_bars(currency, found[currency]) for currency in sorted(found)}


def _position_bars(currency: str, positions: list[tuple[Party, Decimal]]) -> list[Bar]:
    largest = max((abs(amount) for _, amount in positions), default=_ZERO)
    ordered = sorted(positions, key=lambda one: (-one[1], one[0]))
    return [
        Bar(party_text(party), amount, currency, _percent(abs(amount), largest), is_negative=amount < 0)
        for party, amount in _outermost(ordered)
    ]


def _outermost(ordered: list[tuple[Party, Decimal]]) -> list[tuple[Party, Decimal]]:
    """The first and the last, when there are too many for a picture."""
    half = POSITION_BARS_MAX // 2
    return ordered if len(ordered) <= POSITION_BARS_MAX else ordered[:half] + ordered[-half:]


def _percent(amount: Decimal, largest: Decimal) -> float:
    return round(float(amount / largest) * 100, 2) if largest else 0.0


def _shown(dossier: Dossier, rank: int, cause: Cause) -> ShownCause:
    sentences: defaultdict[int, list[str]] = defaultdict(list)
    for finding in cause.findings:
        for cdr in finding.subject.cdrs:
            sentences[cdr.index].append(finding.sentence)
    rows = (_row(dossier, cdr, sentences[cdr.index]) for cdr in cause.cdrs[:CAUSE_CDRS_SHOWN_MAX])
    return ShownCause(rank, cause, _between(cause), tuple(rows))


def _between(cause: Cause) -> str:
    if not cause.cdrs:
        return party_text(cause.root.party) if cause.root.party is not None else ""
    creditors, debtors = {cdr.owner for cdr in cause.cdrs}, {cdr.to for cdr in cause.cdrs}
    return f"{_all_of(creditors, 'creditors')} → {_all_of(debtors, 'debtors')}"


def _all_of(parties: Collection[Party], seat: str) -> str:
    if len(parties) > PARTIES_SHOWN_MAX:
        return f"{len(parties)} {seat}"
    return ", ".join(party_text(party) for party in sorted(parties))


def _row(dossier: Dossier, cdr: CdrFact, sentences: Iterable[str]) -> Row:
    outcome = dossier.outcome
    price = settled_price(outcome.pricings.get(cdr.index), cdr.currency)
    return Row(cdr, str(outcome.verdicts[cdr.index]), price, tuple(dict.fromkeys(sentences))[:SENTENCES_SHOWN_MAX])


def _sentences(findings: Iterable[Finding]) -> list[str]:
    return [finding.sentence for finding in findings]


def _subject(finding: Finding) -> str:
    subject = finding.subject
    ids = ", ".join(cdr.id for cdr in subject.cdrs)
    return ids or subject.session_id or (party_text(subject.party) if subject.party is not None else "")


def _files(statement: PairStatement) -> dict[str, str]:
    return {ending: f"statements/{statement.name}.{ending}" for ending in ("pdf", "xlsx", "csv", "json")}


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("hub.settlement"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    helpers: dict[str, Any] = {
        "money": money,
        "party": party_text,
        "subject": _subject,
        "files": _files,
        "title": _title,
    }
    environment.filters |= helpers
    return environment.get_template("report.html")

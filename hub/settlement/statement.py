"""The statement of a month: what accepted CDRs claim, added up exactly by creditor, debtor and currency.

Amounts are what the CDRs state in `total_cost`, in the currency of the CDR, never rounded; Credit CDRs state negative ones
(mod_cdrs, "Credit CDRs"; CD-06, X-50). A CDR that gives no `incl_vat` counts in no sum of `incl_vat`, and is counted apart
(CD-12). A CDR belongs to the month in which it ended, in UTC; where its CPO does not know the end, that is 1970-01 (X-36).
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import Decimal, InvalidOperation

from hub.settlement.amounts import EXACT
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json

ROW_NAMES = ("creditor", "debtor", "currency", "cdrs", "credits", "excl_vat", "incl_vat", "cdrs_without_incl_vat")

_ZERO = Decimal(0)
_IS_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])").fullmatch
_FORMULA_STARTS = tuple("=+-@\t\r")
_IS_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """``"2026-10"`` as a month. Raises ValueError for any other form, and for a year whose months have no end."""
        found = _IS_MONTH(text)
        if found is None or not MINYEAR <= int(found[1]) < MAXYEAR:
            raise ValueError(f"{text!r} is not a month written like 2026-10")
        return cls(int(found[1]), int(found[2]))

    @property
    def start(self) -> datetime:
        """Its first moment (UTC)."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it (UTC)."""
        return datetime(self.year + self.month // 12, self.month % 12 + 1, 1, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one accepted CDR claims. `end_date_time` is in UTC; `incl_vat` is None when the CDR gives none."""

    creditor: Party
    debtor: Party
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    is_credit: bool
    end_date_time: datetime


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Who is owed by whom, in which currency."""

    creditor: Party
    debtor: Party
    currency: str


@dataclass(frozen=True, slots=True)
class Totals:
    """How many CDRs, how many of them credits, and their exact sums; `incl_vat` over those that state it."""

    cdrs: int = 0
    credits: int = 0
    excl_vat: Decimal = _ZERO
    incl_vat: Decimal = _ZERO
    cdrs_without_incl_vat: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.cdrs + other.cdrs,
            self.credits + other.credits,
            EXACT.add(self.excl_vat, other.excl_vat),
            EXACT.add(self.incl_vat, other.incl_vat),
            self.cdrs_without_incl_vat + other.cdrs_without_incl_vat,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a statement."""

    pair: Pair
    totals: Totals


@dataclass(frozen=True, slots=True)
class Net:
    """What a party gets in one currency: receivable less payable. Below zero it pays."""

    party: Party
    currency: str
    excl_vat: Decimal = _ZERO
    incl_vat: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class Statement:
    """Rows and net positions of a month, both in the order of parties and currencies."""

    month: Month
    rows: tuple[Row, ...]
    net: tuple[Net, ...]


def build_statement(month: Month, claims: Iterable[Claim]) -> Statement:
    """The statement of the claims that fall into the month; others are left out. The order of claims does not matter."""
    totals = add_up(claim for claim in claims if month.start <= claim.end_date_time < month.end)
    rows = tuple(Row(pair, totals[pair]) for pair in sorted(totals))
    return Statement(month, rows, net_positions(rows))


def add_up(claims: Iterable[Claim]) -> dict[Pair, Totals]:
    """The totals of every creditor, debtor and currency. Raises decimal.InvalidOperation for what is no number."""
    sums: defaultdict[Pair, Totals] = defaultdict(Totals)
    for claim in claims:
        sums[Pair(claim.creditor, claim.debtor, claim.currency)] += _totals_of(claim)
    return dict(sums)


def net_positions(rows: Iterable[Row]) -> tuple[Net, ...]:
    """The net position of everybody who is in a row. In each currency they add up to exactly zero.

    Who owes itself has both sides, and so nothing.
    """
    net: dict[tuple[str, Party], Net] = {}
    for row in rows:
        for party, totals in ((row.pair.creditor, row.totals), (row.pair.debtor, _negated(row.totals))):
            key = (row.pair.currency, party)
            net[key] = _moved(net.get(key, Net(party, row.pair.currency)), totals)
    return tuple(net[key] for key in sorted(net))


def as_json(statement: Statement) -> bytes:
    """The statement as JSON: amounts are JSON numbers with all their digits, parties are written like ``DE/VST``."""
    return encode_json(
        {
            "month": str(statement.month),
            "from": statement.month.start,
            "to": statement.month.end,
            "rows": [_row_content(row) for row in statement.rows],
            "net": [_net_content(net) for net in statement.net],
        }
    )


def as_csv(statement: Statement) -> str:
    """The rows as CSV (RFC 4180) under the names of the JSON, amounts without exponent. Net positions are not in it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ROW_NAMES)
    writer.writeheader()
    for row in statement.rows:
        writer.writerow({name: spreadsheet_cell(value) for name, value in _row_content(row).items()})
    return text.getvalue()


def _totals_of(claim: Claim) -> Totals:
    return Totals(
        cdrs=1,
        credits=int(claim.is_credit),
        excl_vat=_number(claim.excl_vat),
        incl_vat=_ZERO if claim.incl_vat is None else _number(claim.incl_vat),
        cdrs_without_incl_vat=int(claim.incl_vat is None),
    )


def _number(amount: Decimal) -> Decimal:
    if not amount.is_finite():  # in a sum it would swallow all others
        raise InvalidOperation(f"{amount} is no amount")
    return amount


def _negated(totals: Totals) -> Totals:
    return replace(totals, excl_vat=totals.excl_vat.copy_negate(), incl_vat=totals.incl_vat.copy_negate())


def _moved(net: Net, totals: Totals) -> Net:
    excl_vat = EXACT.add(net.excl_vat, totals.excl_vat)
    return replace(net, excl_vat=excl_vat, incl_vat=EXACT.add(net.incl_vat, totals.incl_vat))


def _row_content(row: Row) -> dict[str, object]:
    pair = {"creditor": str(row.pair.creditor), "debtor": str(row.pair.debtor), "currency": row.pair.currency}
    return pair | asdict(row.totals)


def _net_content(net: Net) -> Mapping[str, object]:
    return asdict(net) | {"party": str(net.party)}


def spreadsheet_cell(value: object) -> object:
    """A value for a CSV file: decimals without exponent, and no text that a spreadsheet would calculate.

    A text that is nothing but a number, as the amount of a credit is, stays one.
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS) and not _IS_NUMBER(value):
        return f"'{value}"  # a spreadsheet would calculate it
    return value

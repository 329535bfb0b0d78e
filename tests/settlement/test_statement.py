"""The statement of a month: exact sums, net positions that add up to nothing, and what belongs to which month."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.statement import (
    Claim,
    Month,
    Net,
    Pair,
    Row,
    Statement,
    Totals,
    add_up,
    as_csv,
    as_json,
    build_statement,
    net_positions,
    spreadsheet_cell,
)
from ocpi_modules.parties import Party
from ocpi_modules.types import decode_json

OCTOBER = Month(2026, 10)
VST, BRN, GRP, LDK = Party("DE", "VST"), Party("FR", "BRN"), Party("NL", "GRP"), Party("DE", "LDK")
NOON = datetime(2026, 10, 15, 12, tzinfo=UTC)


def claim(
    excl_vat: str,
    incl_vat: str | None = None,
    *,
    creditor: Party = VST,
    debtor: Party = GRP,
    currency: str = "EUR",
    is_credit: bool = False,
    end: datetime = NOON,
) -> Claim:
    stated = None if incl_vat is None else Decimal(incl_vat)
    return Claim(creditor, debtor, currency, Decimal(excl_vat), stated, is_credit, end)


def only_row(claims: Iterable[Claim]) -> Totals:
    (row,) = build_statement(OCTOBER, claims).rows
    return row.totals


def read(statement: Statement) -> Any:
    return json.loads(as_json(statement), parse_float=Decimal)


# --- months ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        pytest.param("2026-10", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", id="a month in the middle"),
        pytest.param("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z", id="December ends in the next year"),
        pytest.param("2028-02", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", id="a leap February"),
        pytest.param("1970-01", "1970-01-01T00:00:00Z", "1970-02-01T00:00:00Z", id="the month of unknown ends, X-36"),
        pytest.param("9998-12", "9998-12-01T00:00:00Z", "9999-01-01T00:00:00Z", id="the last one"),
    ],
)
def test_a_month_is_half_open_in_utc(text: str, start: str, end: str) -> None:
    shown = read(build_statement(Month.parse(text), []))
    assert (shown["month"], shown["from"], shown["to"]) == (text, start, end)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("2026-13", id="month 13"),
        pytest.param("2026-00", id="month 0"),
        pytest.param("2026-1", id="one digit"),
        pytest.param("26-10", id="two digits of a year"),
        pytest.param("2026-10-01", id="a day"),
        pytest.param("2026/10", id="a slash"),
        pytest.param("2026-10\n", id="a line break at the end"),
        pytest.param("٢٠٢٦-10", id="digits of another script"),
        pytest.param("0000-01", id="no year 0"),
        pytest.param("9999-12", id="a month without an end"),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month written like 2026-10"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("end", "counted"),
    [
        pytest.param(OCTOBER.start, 1, id="its first moment is in"),
        pytest.param(OCTOBER.start - timedelta(microseconds=1), 0, id="the moment before is not"),
        pytest.param(OCTOBER.end - timedelta(microseconds=1), 1, id="its last moment is in"),
        pytest.param(OCTOBER.end, 0, id="the first moment of the next month is not"),
        pytest.param(datetime.fromisoformat("2026-11-01T00:30:00+01:00"), 1, id="a local November is still October"),
    ],
)
def test_a_claim_belongs_to_the_month_in_which_its_cdr_ended(end: datetime, counted: int) -> None:
    assert sum(row.totals.cdrs for row in build_statement(OCTOBER, [claim("1", end=end)]).rows) == counted


# --- sums --------------------------------------------------------------------------------------


def test_claims_are_added_up_by_creditor_debtor_and_currency() -> None:
    claims = [
        claim("10.10", "12.02"),
        claim("0.90", "1.07"),
        claim("5", "6", debtor=LDK),
        claim("7", "8", creditor=BRN),
        claim("3", "4", currency="CHF"),
    ]
    rows = {row.pair: row.totals for row in build_statement(OCTOBER, claims).rows}
    assert rows == {
        Pair(VST, GRP, "EUR"): Totals(2, 0, Decimal("11.00"), Decimal("13.09")),
        Pair(VST, LDK, "EUR"): Totals(1, 0, Decimal(5), Decimal(6)),
        Pair(BRN, GRP, "EUR"): Totals(1, 0, Decimal(7), Decimal(8)),
        Pair(VST, GRP, "CHF"): Totals(1, 0, Decimal(3), Decimal(4)),
    }


def test_rows_stand_in_the_order_of_parties_and_currencies() -> None:
    claims = [claim("1", creditor=BRN), claim("1", currency="CHF"), claim("1", debtor=LDK), claim("1")]
    pairs = [row.pair for row in build_statement(OCTOBER, claims).rows]
    assert pairs == [Pair(VST, LDK, "EUR"), Pair(VST, GRP, "CHF"), Pair(VST, GRP, "EUR"), Pair(BRN, GRP, "EUR")]


def test_a_credit_cdr_takes_its_original_back_to_nothing_and_is_counted() -> None:
    """CD-06, X-50: a Credit CDR states negative amounts."""
    totals = only_row([claim("12.3456", "14.69"), claim("-12.3456", "-14.69", is_credit=True)])
    assert (totals.cdrs, totals.credits, totals.excl_vat, totals.incl_vat) == (2, 1, Decimal(0), Decimal(0))


def test_a_cdr_without_incl_vat_is_counted_apart_and_not_taken_for_zero_vat() -> None:
    """CD-12: absent is not known, which is neither 0 nor excl_vat."""
    totals = only_row([claim("10", "12"), claim("5"), claim("0", "0")])
    assert (totals.excl_vat, totals.incl_vat, totals.cdrs_without_incl_vat) == (Decimal(15), Decimal(12), 1)


@pytest.mark.parametrize(
    "amounts",
    [
        pytest.param(["0.1"] * 10, id="tenths, which binary numbers get wrong"),
        pytest.param(["999999999999999.999999999999999", "0.000000000000001"], id="30 digits, 28 is Python's default"),
        pytest.param(["1E+40", "1E-40"], id="80 digits apart"),
    ],
)
def test_sums_are_exact_whatever_their_digits(amounts: list[str]) -> None:
    """Y-07."""
    totals = only_row(claim(amount, amount) for amount in amounts)
    exact = sum(map(Fraction, amounts))
    assert Fraction(totals.excl_vat) == Fraction(totals.incl_vat) == exact


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused_and_does_not_swallow_the_others(amount: str) -> None:
    with pytest.raises(InvalidOperation):
        build_statement(OCTOBER, [claim("1"), claim(amount)])
    with pytest.raises(InvalidOperation):
        build_statement(OCTOBER, [claim("1", amount)])


# --- net positions -----------------------------------------------------------------------------


def test_a_net_position_is_what_a_party_gets_less_what_it_pays() -> None:
    claims = [
        claim("10", "12", creditor=VST, debtor=LDK),
        claim("4", "5", creditor=LDK, debtor=VST),
        claim("1", creditor=VST, debtor=GRP),
    ]
    assert build_statement(OCTOBER, claims).net == (
        Net(LDK, "EUR", Decimal(-6), Decimal(-7)),
        Net(VST, "EUR", Decimal(7), Decimal(7)),
        Net(GRP, "EUR", Decimal(-1), Decimal(0)),
    )


def test_who_owes_itself_has_a_row_and_a_net_position_of_nothing() -> None:
    statement = build_statement(OCTOBER, [claim("10.50", "12.60", creditor=VST, debtor=VST)])
    assert statement.rows == (Row(Pair(VST, VST, "EUR"), Totals(1, 0, Decimal("10.50"), Decimal("12.60"))),)
    assert statement.net == (Net(VST, "EUR"),)


# --- properties --------------------------------------------------------------------------------

MINUTES = st.integers(min_value=-15_000, max_value=60_000)
MOMENTS = MINUTES.map(lambda minutes: OCTOBER.start + timedelta(minutes=minutes))
AMOUNTS = st.decimals(min_value=-(10**15) + 1, max_value=10**15 - 1, places=15, allow_nan=False)
PARTIES = st.sampled_from([VST, BRN, GRP, LDK])
CLAIMS = st.lists(
    st.builds(
        Claim,
        creditor=PARTIES,
        debtor=PARTIES,
        currency=st.sampled_from(["EUR", "CHF"]),
        excl_vat=AMOUNTS,
        incl_vat=st.none() | AMOUNTS,
        is_credit=st.booleans(),
        end_date_time=MOMENTS,
    ),
    max_size=30,
)


@given(CLAIMS)
def test_net_positions_add_up_to_exactly_zero_in_every_currency(claims: list[Claim]) -> None:
    net = build_statement(OCTOBER, claims).net
    for currency in ("EUR", "CHF"):
        positions = [entry for entry in net if entry.currency == currency]
        assert sum(Fraction(entry.excl_vat) for entry in positions) == 0
        assert sum(Fraction(entry.incl_vat) for entry in positions) == 0


@given(CLAIMS)
def test_net_positions_agree_with_the_claims_one_by_one(claims: list[Claim]) -> None:
    expected: dict[tuple[str, Party], Fraction] = {}
    for one in claims:
        if OCTOBER.start <= one.end_date_time < OCTOBER.end:
            for party, sign in ((one.creditor, 1), (one.debtor, -1)):
                key = (one.currency, party)
                expected[key] = expected.get(key, Fraction(0)) + sign * Fraction(one.excl_vat)
    net = build_statement(OCTOBER, claims).net
    assert {(entry.currency, entry.party): Fraction(entry.excl_vat) for entry in net} == expected


@given(st.data(), CLAIMS)
def test_the_order_of_claims_never_matters_not_even_to_a_byte(data: st.DataObject, claims: list[Claim]) -> None:
    shuffled = data.draw(st.permutations(claims))
    one, other = build_statement(OCTOBER, claims), build_statement(OCTOBER, shuffled)
    assert (as_json(one), as_csv(one)) == (as_json(other), as_csv(other))


@given(CLAIMS, MOMENTS)
def test_the_parts_of_a_month_split_at_any_instant_add_up_to_the_month(claims: list[Claim], instant: datetime) -> None:
    before = add_up(one for one in claims if one.end_date_time < instant)
    after = add_up(one for one in claims if one.end_date_time >= instant)
    parts = {pair: before.get(pair, Totals()) + after.get(pair, Totals()) for pair in before | after}
    assert parts == add_up(claims)


@given(CLAIMS)
def test_every_claim_is_in_exactly_one_month(claims: list[Claim]) -> None:
    months = [Month(2026, 9), OCTOBER, Month(2026, 11)]
    counted = sum(row.totals.cdrs for month in months for row in build_statement(month, claims).rows)
    assert counted == len(claims)


@given(CLAIMS)
def test_seen_from_the_other_side_every_position_is_negated(claims: list[Claim]) -> None:
    rows = build_statement(OCTOBER, claims).rows
    turned = [Row(Pair(row.pair.debtor, row.pair.creditor, row.pair.currency), row.totals) for row in rows]
    mirrored = {(net.party, net.currency): -Fraction(net.excl_vat) for net in net_positions(turned)}
    assert mirrored == {(net.party, net.currency): Fraction(net.excl_vat) for net in net_positions(rows)}


# --- what leaves -------------------------------------------------------------------------------


def test_json_holds_rows_and_net_positions_with_numbers_in_full() -> None:
    """Y-07: numbers, not strings, and every digit of them."""
    claims = [claim("0.100000000000000", "12345678901234.567890123456789"), claim("-0.05", is_credit=True)]
    text = as_json(build_statement(OCTOBER, claims))
    assert b'"excl_vat":0.050000000000000' in text
    assert decode_json(text) == {
        "month": "2026-10",
        "from": "2026-10-01T00:00:00Z",
        "to": "2026-11-01T00:00:00Z",
        "rows": [
            {
                "creditor": "DE/VST",
                "debtor": "NL/GRP",
                "currency": "EUR",
                "cdrs": 2,
                "credits": 1,
                "excl_vat": Decimal("0.05"),
                "incl_vat": Decimal("12345678901234.567890123456789"),
                "cdrs_without_incl_vat": 1,
            }
        ],
        "net": [
            {
                "party": "DE/VST",
                "currency": "EUR",
                "excl_vat": Decimal("0.05"),
                "incl_vat": Decimal("12345678901234.567890123456789"),
            },
            {
                "party": "NL/GRP",
                "currency": "EUR",
                "excl_vat": Decimal("-0.05"),
                "incl_vat": Decimal("-12345678901234.567890123456789"),
            },
        ],
    }


def test_a_month_without_claims_is_an_empty_statement() -> None:
    statement = build_statement(OCTOBER, [])
    assert (read(statement)["rows"], read(statement)["net"]) == ([], [])
    assert as_csv(statement).splitlines() == [
        "creditor,debtor,currency,cdrs,credits,excl_vat,incl_vat,cdrs_without_incl_vat"
    ]


def test_csv_has_the_rows_of_the_json() -> None:
    statement = build_statement(OCTOBER, [claim("10.10", "12.02"), claim("5", debtor=LDK)])
    rows = list(csv.DictReader(io.StringIO(as_csv(statement))))
    assert rows == [{name: str(value) for name, value in row.items()} for row in read(statement)["rows"]]


def test_csv_writes_amounts_without_exponents() -> None:
    text = as_csv(build_statement(OCTOBER, [claim("0.00000001", "1E+3")]))
    assert text.splitlines()[1] == "DE/VST,NL/GRP,EUR,1,0,0.00000001,1000,0"


def test_csv_gives_a_spreadsheet_nothing_to_calculate() -> None:
    text = as_csv(build_statement(OCTOBER, [claim("-1", currency="=1+1")]))
    assert text.splitlines()[1] == "DE/VST,NL/GRP,'=1+1,1,0,-1,0,1"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        pytest.param("-4.90", "-4.90", id="the amount of a credit"),
        pytest.param("-5", "-5", id="a whole one"),
        pytest.param("-4.90+1", "'-4.90+1", id="a sum that begins with a number"),
        pytest.param("-1\n", "'-1\n", id="a number and another line"),
        pytest.param("-", "'-", id="a sign without a number"),
        pytest.param("-\u0661", "'-\u0661", id="a digit of another script"),
        pytest.param("+49", "'+49", id="a plus, which no amount has"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="a function"),
        pytest.param("C-1", "C-1", id="a minus inside"),
        pytest.param(Decimal("-1E+2"), "-100", id="a decimal"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_number_in_a_cell_stays_a_number_and_a_formula_becomes_a_text(value: object, cell: object) -> None:
    assert spreadsheet_cell(value) == cell

"""Who pays whom: exact, balanced, in few payments, whatever the order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.netting import Amount, Obligation, Owed, Pair, Transfer, owed_by_pair, positions, transfers
from ocpi_modules.parties import Party

A, B, C, D = (Party("DE", f"AA{letter}") for letter in "ABCD")
PARTIES = st.sampled_from([Party("DE", f"P{number}") for number in range(7)])
MONEY = st.builds(
    lambda units, places: Decimal(f"{units}e-{places}"),
    st.integers(-(10**6), 10**6) | st.integers(-(10**40), 10**40),
    st.integers(0, 20),
)


@st.composite
def obligations(draw: st.DrawFn) -> list[Obligation]:
    """Claims and credits of up to seven parties in two currencies, with any number of digits."""
    pairs = st.tuples(PARTIES, PARTIES, st.sampled_from(["EUR", "SEK"])).filter(lambda pair: pair[0] != pair[1])
    rows = draw(st.lists(st.tuples(pairs, MONEY, MONEY, st.sampled_from([0, 1])), max_size=25))
    return [Obligation(Pair(*pair), Amount(excl_vat, incl_vat), count) for pair, excl_vat, incl_vat, count in rows]


def total(amounts: Iterable[Amount]) -> Amount:
    return sum(amounts, Amount())


def euro(creditor: Party, debtor: Party, excl_vat: str, incl_vat: str | None = None) -> Obligation:
    return Obligation(Pair(creditor, debtor, "EUR"), Amount(Decimal(excl_vat), Decimal(incl_vat or excl_vat)))


def paid(obligations: Iterable[Obligation]) -> list[Transfer]:
    return transfers(positions(owed_by_pair(obligations)))


# --- for all of them -----------------------------------------------------------------------------


@given(obligations())
def test_positions_add_up_to_exactly_zero_in_every_currency(claims: list[Obligation]) -> None:
    """P01."""
    net = positions(owed_by_pair(claims))
    for currency in ("EUR", "SEK"):
        assert total(amount for (_, one), amount in net.items() if one == currency).is_nothing


@given(obligations())
def test_transfers_bring_every_position_to_exactly_zero(claims: list[Obligation]) -> None:
    """P01: without and with VAT."""
    left = defaultdict(Amount, positions(owed_by_pair(claims)))
    for payment in transfers(dict(left)):
        left[payment.payer, payment.currency] += payment.amount
        left[payment.payee, payment.currency] += -payment.amount
    assert all(amount.is_nothing for amount in left.values())


@given(obligations())
def test_so_many_parties_need_at_most_one_transfer_less(claims: list[Obligation]) -> None:
    """P01."""
    net = positions(owed_by_pair(claims))
    concerned = Counter(currency for (_, currency), amount in net.items() if not amount.is_nothing)
    needed = Counter(payment.currency for payment in transfers(net))
    assert all(needed[currency] <= max(0, concerned[currency] - 1) for currency in ("EUR", "SEK"))


@given(obligations())
def test_nobody_pays_less_than_nothing_or_pays_himself(claims: list[Obligation]) -> None:
    """P01: with VAT, which is what is paid."""
    for payment in paid(claims):
        assert payment.payer != payment.payee
        assert payment.amount.incl_vat >= 0
        assert not payment.amount.is_nothing


@given(obligations(), st.randoms())
def test_the_order_of_claims_does_not_matter(claims: list[Obligation], random: Random) -> None:
    """P04."""
    shuffled = claims.copy()
    random.shuffle(shuffled)
    owed, other = owed_by_pair(claims), owed_by_pair(shuffled)
    assert list(owed.items()) == list(other.items())
    assert list(positions(owed).items()) == list(positions(other).items())
    assert paid(claims) == paid(shuffled)


@given(obligations())
def test_seen_from_the_other_side_every_position_is_negated(claims: list[Obligation]) -> None:
    turned = [
        Obligation(Pair(one.pair.debtor, one.pair.creditor, one.pair.currency), one.amount, one.cdrs) for one in claims
    ]
    ours, theirs = positions(owed_by_pair(claims)), positions(owed_by_pair(turned))
    assert theirs == {key: -amount for key, amount in ours.items()}


@given(obligations())
def test_a_claim_and_its_credit_leave_everything_as_it_was(claims: list[Obligation]) -> None:
    """J03."""
    credits = [Obligation(one.pair, -one.amount, one.cdrs) for one in claims]
    assert all(amount.is_nothing for amount in positions(owed_by_pair([*claims, *credits])).values())
    assert paid([*claims, *credits]) == []


@given(obligations(), obligations())
def test_the_parts_of_a_period_add_up_to_the_whole(some: list[Obligation], others: list[Obligation]) -> None:
    """P04: whatever way the work is split."""
    merged = Counter({pair: owed.cdrs for pair, owed in owed_by_pair(some).items()})
    merged.update({pair: owed.cdrs for pair, owed in owed_by_pair(others).items()})
    whole = owed_by_pair([*some, *others])
    assert {pair: owed.cdrs for pair, owed in whole.items()} == dict(merged)
    for pair, owed in whole.items():
        halves = (owed_by_pair(half).get(pair, Owed()) for half in (some, others))
        assert owed.amount == total(half.amount for half in halves)


# --- some of them --------------------------------------------------------------------------------


def test_who_owes_and_is_owed_pays_only_the_difference() -> None:
    owed = owed_by_pair([euro(A, B, "100", "119"), euro(B, A, "40", "47.60"), euro(A, B, "0.005")])
    assert owed[Pair(A, B, "EUR")] == Owed(Amount(Decimal("100.005"), Decimal("119.005")), 2)
    (payment,) = transfers(positions(owed))
    assert (payment.payer, payment.payee) == (B, A)
    assert payment.amount == Amount(Decimal("60.005"), Decimal("71.405"))


def test_three_who_owe_each_other_in_a_ring_pay_nothing() -> None:
    ring = [euro(A, B, "10"), euro(B, C, "10"), euro(C, A, "10")]
    assert paid(ring) == []
    assert set(positions(owed_by_pair(ring))) == {(party, "EUR") for party in (A, B, C)}


def test_currencies_are_never_mixed() -> None:
    mixed = [euro(A, B, "10"), Obligation(Pair(B, A, "SEK"), Amount(Decimal(10), Decimal(10)))]
    assert [(one.payer, one.payee, one.currency) for one in paid(mixed)] == [(B, A, "EUR"), (A, B, "SEK")]


def test_the_largest_debtor_pays_the_largest_creditor_and_equal_ones_come_by_their_id() -> None:
    claims = [euro(A, D, "30"), euro(B, D, "30"), euro(B, C, "20")]
    steps = [(one.payer, one.payee, one.amount.incl_vat) for one in paid(claims)]
    assert steps == [(D, B, Decimal(50)), (C, A, Decimal(20)), (D, A, Decimal(10))]


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        pytest.param(
            "1e30", "1e-31", "1" + "0" * 30 + "." + "0" * 30 + "1", id="more digits than a usual context keeps"
        ),
        pytest.param("0.1", "0.2", "0.3", id="what floats get wrong"),
        pytest.param("0.10", "0.200", "0.3", id="zeros at the end"),
    ],
)
def test_sums_keep_every_digit(one: str, other: str, together: str) -> None:
    (owed,) = owed_by_pair([euro(A, B, one), euro(A, B, other)]).values()
    assert owed.amount.excl_vat == Decimal(together)

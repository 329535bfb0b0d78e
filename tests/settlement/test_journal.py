"""The journal balances after every entry, in every currency, whatever happens in whatever order (invariants 1, 4, 5 and 8)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.journal import (
    Account,
    AccountClass,
    Entry,
    Event,
    Posting,
    Unbalanced,
    accepted,
    adjusted,
    balances,
    billed,
    disputed,
    is_balanced,
    netted,
    resolved,
    withdrawn,
    written_off,
)
from hub.settlement.netting import Amount, Obligation, Pair, positions
from hub.settlement.netting import Owed as Sum
from ocpi_modules.parties import Party

PERIOD = "2026-10"
PARTIES = (Party("DE", "ABC"), Party("NL", "XYZ"), Party("FR", "QRS"), Party("NL", "HUB"))
ABC, XYZ, QRS, HUB = PARTIES
PAIR = Pair(ABC, XYZ, "EUR")

amounts = st.decimals(min_value=-1000, max_value=1000, places=4).map(Decimal)
pairs = st.builds(
    Pair,
    st.sampled_from(PARTIES[:2]),
    st.sampled_from(PARTIES[2:]),
    st.sampled_from(["EUR", "SEK", "KWD"]),
)
obligations = st.builds(Obligation, pairs, st.builds(Amount, amounts, amounts))


def money(excl_vat: str, incl_vat: str | None = None) -> Amount:
    return Amount(Decimal(excl_vat), Decimal(incl_vat or excl_vat))


def account(kind: AccountClass, party: Party, counterparty: Party) -> Account:
    return Account(kind, party, counterparty, PERIOD, "EUR")


def test_an_accepted_cdr_is_owed_and_not_billed() -> None:
    entry = accepted("DE/ABC/C1", [Obligation(PAIR, money("10", "12.1"))], PERIOD)
    assert balances([entry]) == {
        account(AccountClass.UNBILLED, XYZ, ABC): money("10", "12.1"),
        account(AccountClass.UNBILLED, ABC, XYZ): money("-10", "-12.1"),
    }


def test_what_is_withdrawn_leaves_nothing() -> None:
    entry = accepted(
        "DE/ABC/C1", [Obligation(PAIR, money("10")), Obligation(Pair(HUB, XYZ, "EUR"), money("0.05"))], PERIOD
    )
    assert balances([entry, withdrawn(entry)]) == {}


def test_an_accepted_cdr_may_come_and_go_under_names_of_its_own() -> None:
    first = accepted("C1", [Obligation(PAIR, money("1"))], PERIOD)
    again = accepted("C1", [Obligation(PAIR, money("1"))], PERIOD, turn=2)
    assert len({first.key, withdrawn(first).key, again.key, withdrawn(again, 2).key}) == 4


def test_a_claim_goes_all_the_way_from_unbilled_to_net() -> None:
    """P01, P03."""
    amount = money("10", "12")
    entries = [
        accepted("C1", [Obligation(PAIR, amount)], PERIOD),
        billed("S1", PAIR, amount, PERIOD),
        disputed("D1", PAIR, money("4", "5"), PERIOD),
        resolved("D1", PAIR, money("4", "5"), PERIOD),
        netted("N1", {PAIR: amount}, PERIOD),
    ]
    assert balances(entries) == {
        account(AccountClass.NET, XYZ, XYZ): amount,
        account(AccountClass.NET, ABC, ABC): -amount,
    }


def test_a_write_off_names_both_who_approved_it() -> None:
    entry = written_off("W1", PAIR, money("1"), PERIOD, ("anna", "ben"), "insolvent")
    assert (entry.actor, entry.reason, entry.event) == ("anna and ben", "insolvent", Event.WRITTEN_OFF)


def test_an_adjustment_stands_in_for_a_credit() -> None:
    """J06: original and adjustment add up to nothing."""
    entry = accepted("C1", [Obligation(PAIR, money("10"))], PERIOD)
    correction = adjusted("A1", PAIR, money("-10"), PERIOD, ("anna of DE/ABC", "ben of NL/XYZ"))
    assert balances([entry, correction]) == {}


@pytest.mark.parametrize(
    "amounts",
    [
        pytest.param((money("1"),), id="one side only"),
        pytest.param((money("1"), money("-1.0001")), id="a ten thousandth off"),
        pytest.param((money("1", "1.2"), money("-1", "-1.1")), id="VAT off"),
    ],
)
def test_an_entry_that_does_not_balance_cannot_be_made(amounts: tuple[Amount, ...]) -> None:
    """P01."""
    postings = tuple(Posting(account(AccountClass.UNBILLED, ABC, XYZ), amount) for amount in amounts)
    with pytest.raises(Unbalanced):
        Entry(key="k", event=Event.ACCEPTED, reference="r", postings=postings)


def test_currencies_do_not_make_up_for_each_other() -> None:
    euro = Posting(Account(AccountClass.UNBILLED, ABC, XYZ, PERIOD, "EUR"), money("1"))
    krona = Posting(Account(AccountClass.UNBILLED, XYZ, ABC, PERIOD, "SEK"), money("-1"))
    assert not is_balanced([euro, krona])


@given(st.lists(obligations, max_size=8), st.randoms(use_true_random=False))
def test_balances_do_not_depend_on_the_order_of_events(owed: list[Obligation], random: st.DataObject) -> None:
    """Invariant 5."""
    entries = [accepted(f"C{n}", [one], PERIOD) for n, one in enumerate(owed)]
    entries += [withdrawn(entry) for entry in entries[::2]]
    shuffled = list(entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # it is a random.Random
    assert balances(shuffled) == balances(entries)
    assert is_balanced(posting for entry in entries for posting in entry.postings)


@given(st.dictionaries(pairs, st.builds(Amount, amounts, amounts), max_size=6))
def test_the_positions_of_the_journal_are_those_of_netting(owed: dict[Pair, Amount]) -> None:
    """Invariants 7 and 8: what a party gets in netting is what its account holds, the other way round."""
    entries = [billed(f"S{n}", pair, amount, PERIOD) for n, (pair, amount) in enumerate(owed.items())]
    entries += [accepted(f"C{n}", [Obligation(pair, amount)], PERIOD) for n, (pair, amount) in enumerate(owed.items())]
    net = balances([*entries, netted("N1", owed, PERIOD)])
    expected = positions({pair: Sum(amount) for pair, amount in owed.items()})
    held = {(account.party, account.currency): -amount for account, amount in net.items()}
    assert held == {key: amount for key, amount in expected.items() if not amount.is_nothing}

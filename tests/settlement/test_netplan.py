"""Who transfers what, by what each pair agreed: exact, balanced, in few payments (invariant 8)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.agreements import Agreement, Agreements
from hub.settlement.journal import AccountClass, balances, billed
from hub.settlement.netplan import net_plan
from hub.settlement.netting import Amount, Pair
from hub.settlement.netting_modes import MODES, Mode, mode_of
from hub.settlement.periods import month_of
from ocpi_modules.parties import Party

OCTOBER = month_of(datetime(2026, 10, 15, tzinfo=UTC))
PARTIES = [Party("DE", f"P{number}") for number in range(6)]
A, B, C = PARTIES[:3]


def euros(text: str) -> Amount:
    return Amount(Decimal(text), Decimal(text))


def agreed(creditor: Party, debtor: Party, mode: Mode, **more: object) -> Agreement:
    return Agreement(id=f"{creditor}-{debtor}", creditor=creditor, debtor=debtor, netting=mode, **more)  # type: ignore[arg-type]  # by table


def told(modes: dict[tuple[Party, Party], Mode]) -> Agreements:
    return Agreements(known=tuple(agreed(*pair, mode) for pair, mode in modes.items()))


TRIANGLE = {Pair(A, B, "EUR"): euros("10"), Pair(B, A, "EUR"): euros("4"), Pair(B, C, "EUR"): euros("7")}


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        pytest.param({}, [(C, A, "6"), (C, B, "1")], id="all against all"),
        pytest.param(
            {(A, B): "bilateral", (B, A): "bilateral", (B, C): "bilateral"}, [(B, A, "6"), (C, B, "7")], id="in pairs"
        ),
        pytest.param(
            {(A, B): "gross", (B, A): "gross", (B, C): "gross"},
            [(B, A, "10"), (A, B, "4"), (C, B, "7")],
            id="each by itself",
        ),
        pytest.param({(A, B): "gross"}, [(B, A, "10"), (C, B, "7"), (A, B, "4")], id="one of them apart"),
    ],
)
def test_transfers_follow_what_was_agreed(
    modes: dict[tuple[Party, Party], Mode], expected: list[tuple[Party, Party, str]]
) -> None:
    plan = net_plan(TRIANGLE, told(modes), OCTOBER)
    assert [(one.payer, one.payee, f"{one.amount.incl_vat}") for _, one in plan.transfers] == expected
    assert plan.net[A, "EUR"] == euros("6")


@pytest.mark.parametrize(
    ("agreement", "mode"),
    [
        pytest.param(agreed(A, B, "gross"), "gross", id="it says so"),
        pytest.param(agreed(B, A, "gross"), "multilateral", id="the other direction is another agreement"),
        pytest.param(agreed(A, B, "gross", currency="SEK"), "multilateral", id="another currency"),
        pytest.param(agreed(A, B, "gross", valid_from=OCTOBER.end), "multilateral", id="from the next month on"),
        pytest.param(agreed(A, B, "gross", valid_to=OCTOBER.start), "multilateral", id="until the month before"),
    ],
)
def test_the_agreement_of_the_pair_and_its_time_counts(agreement: Agreement, mode: Mode) -> None:
    assert mode_of(Pair(A, B, "EUR"), Agreements(known=(agreement,)), OCTOBER) == mode


AMOUNTS = st.builds(Amount, st.decimals(-1000, 1000, places=4), st.decimals(-1000, 1000, places=4))
AGREED = st.dictionaries(st.tuples(st.sampled_from(PARTIES), st.sampled_from(PARTIES)), st.sampled_from(MODES))
PAIRS = st.builds(Pair, st.sampled_from(PARTIES), st.sampled_from(PARTIES), st.sampled_from(["EUR", "SEK"]))


@given(
    owed=st.dictionaries(PAIRS, AMOUNTS, max_size=12),
    modes=AGREED,
)
def test_positions_add_up_to_zero_and_transfers_pay_them_exactly(
    owed: dict[Pair, Amount], modes: dict[tuple[Party, Party], Mode]
) -> None:
    plan = net_plan(owed, told(modes), OCTOBER)
    left = dict(plan.net)
    for currency in ("EUR", "SEK"):
        positions = [amount for (_, one), amount in plan.net.items() if one == currency]
        assert sum(amount.excl_vat for amount in positions) == sum(amount.incl_vat for amount in positions) == 0
        parties = {party for pair in owed if pair.currency == currency for party in (pair.creditor, pair.debtor)}
        together = [one for mode, one in plan.transfers if mode == "multilateral" and one.currency == currency]
        assert len(together) <= max(len(parties) - 1, 0)
    for _, transfer in plan.transfers:
        left[transfer.payer, transfer.currency] += transfer.amount
        left[transfer.payee, transfer.currency] += -transfer.amount
    assert all(amount.is_nothing for amount in left.values())


@given(
    owed=st.dictionaries(PAIRS, AMOUNTS, max_size=12),
    modes=AGREED,
)
def test_what_is_netted_leaves_nothing_billed(owed: dict[Pair, Amount], modes: dict[tuple[Party, Party], Mode]) -> None:
    plan = net_plan(owed, told(modes), OCTOBER)
    bills = [billed(str(number), pair, amount, OCTOBER.id) for number, (pair, amount) in enumerate(owed.items())]
    held = balances([*bills, *plan.entries(OCTOBER.id)])
    assert not [account for account in held if account.kind is AccountClass.BILLED]
    net = {account: amount for account, amount in held.items() if account.kind is AccountClass.NET}
    assert net == {account: -plan.net[account.party, account.currency] for account in net}


@given(st.permutations([*TRIANGLE.items()]))
def test_the_order_does_not_matter(items: list[tuple[Pair, Amount]]) -> None:
    assert net_plan(dict(items), Agreements(), OCTOBER) == net_plan(TRIANGLE, Agreements(), OCTOBER)

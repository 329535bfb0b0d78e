"""The machine of disputes: who may do what when, and what silence does (I03, invariant 10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.disputes import (
    ANSWER_WITHIN,
    Dispute,
    Side,
    Stage,
    Step,
    expired,
    fits,
    stepped,
    steps_from,
    steps_of,
    window_end,
)
from hub.settlement.netting import Amount
from hub.settlement.people import SamePerson, is_same_person, require_another, speaking_for
from hub.settlement.periods import NotNow

NOW = datetime(2026, 11, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(stage: Stage, due_at: datetime = NOW + ANSWER_WITHIN) -> Dispute:
    return Dispute(stage, due_at)


def walk(*steps: Step) -> Dispute:
    dispute = at(Stage.DRAFT)
    for number, step in enumerate(steps):
        dispute = stepped(dispute, step, NOW + number * HOUR)
    return dispute


@pytest.mark.parametrize(
    ("steps", "stage", "yielded"),
    [
        pytest.param((Step.RAISE,), Stage.RAISED, None, id="raised"),
        pytest.param((Step.WITHDRAW,), Stage.CONCEDED, Side.DEBTOR, id="a draft is given up"),
        pytest.param((Step.RAISE, Step.CONCEDE), Stage.CONCEDED, Side.CREDITOR, id="the creditor concedes at once"),
        pytest.param((Step.RAISE, Step.COUNTER), Stage.COUNTERED, None, id="the creditor counters"),
        pytest.param(
            (Step.RAISE, Step.COUNTER, Step.CONCEDE), Stage.CONCEDED, Side.DEBTOR, id="the debtor sees it then"
        ),
        pytest.param((Step.RAISE, Step.COUNTER, Step.INSIST), Stage.INSISTED, None, id="the debtor insists"),
        pytest.param(
            (Step.RAISE, Step.COUNTER, Step.INSIST, Step.CONCEDE), Stage.CONCEDED, Side.CREDITOR, id="and prevails"
        ),
        pytest.param(
            (Step.RAISE, Step.COUNTER, Step.INSIST, Step.ARBITRATE, Step.UPHOLD),
            Stage.DECIDED,
            Side.CREDITOR,
            id="an arbitration for the debtor",
        ),
        pytest.param(
            (Step.RAISE, Step.COUNTER, Step.INSIST, Step.ARBITRATE, Step.DISMISS),
            Stage.DECIDED,
            Side.DEBTOR,
            id="an arbitration for the creditor",
        ),
    ],
)
def test_a_dispute_goes_from_stage_to_stage(steps: tuple[Step, ...], stage: Stage, yielded: Side | None) -> None:
    dispute = walk(*steps)
    assert (dispute.stage, dispute.yielded) == (stage, yielded)
    assert (dispute.is_owed, dispute.is_not_owed) == (yielded is Side.DEBTOR, yielded is Side.CREDITOR)


@pytest.mark.parametrize(
    ("stage", "step"),
    [
        pytest.param(Stage.DRAFT, Step.CONCEDE, id="nobody was asked yet"),
        pytest.param(Stage.RAISED, Step.INSIST, id="before there is an answer"),
        pytest.param(Stage.RAISED, Step.RAISE, id="twice"),
        pytest.param(Stage.COUNTERED, Step.ARBITRATE, id="before anybody insists"),
        pytest.param(Stage.ARBITRATION, Step.CONCEDE, id="conceding is over: withdraw, or wait for the decision"),
        pytest.param(Stage.CONCEDED, Step.WITHDRAW, id="it is over"),
        pytest.param(Stage.REFUSED, Step.RAISE, id="it came too late"),
    ],
)
def test_what_a_stage_does_not_allow_is_refused(stage: Stage, step: Step) -> None:
    with pytest.raises(NotNow, match=f"{stage} cannot {step}"):
        stepped(at(stage), step, NOW)


@pytest.mark.parametrize(
    ("stage", "yielded"),
    [
        pytest.param(Stage.DRAFT, Side.DEBTOR, id="a draft that nobody raised"),
        pytest.param(Stage.RAISED, Side.CREDITOR, id="the creditor does not answer"),
        pytest.param(Stage.COUNTERED, Side.DEBTOR, id="the debtor does not come back"),
        pytest.param(Stage.INSISTED, Side.CREDITOR, id="the creditor does not answer again"),
    ],
)
def test_whoever_is_silent_gives_way(stage: Stage, yielded: Side) -> None:
    dispute = at(stage, NOW)
    assert expired(dispute, NOW - timedelta(microseconds=1)) is None
    over = expired(dispute, NOW)
    assert over == Dispute(Stage.CONCEDED, NOW, yielded)
    with pytest.raises(NotNow, match="over at 2026-11-10 12:00 UTC"):
        stepped(dispute, Step.WITHDRAW, NOW)


def test_a_side_has_as_long_to_answer_as_was_agreed() -> None:
    """Point 1: the clock of a dispute is that of the agreement."""
    raised = stepped(at(Stage.DRAFT, NOW + timedelta(hours=1)), Step.RAISE, NOW, timedelta(days=3))
    assert raised.due_at == NOW + timedelta(days=3)
    assert stepped(at(Stage.DRAFT, NOW + timedelta(hours=1)), Step.RAISE, NOW).due_at == NOW + timedelta(days=14)


@pytest.mark.parametrize("stage", [Stage.ARBITRATION, Stage.CONCEDED, Stage.DECIDED, Stage.REFUSED])
def test_where_it_is_nobodys_turn_silence_does_nothing(stage: Stage) -> None:
    assert expired(at(stage, NOW), NOW + timedelta(days=1000)) is None


@given(
    st.lists(st.tuples(st.sampled_from(Step), st.timedeltas(timedelta(), timedelta(days=20))), max_size=12),
    st.timedeltas(timedelta(hours=1), timedelta(days=40)),
)
def test_deadlines_never_move_backwards_and_every_dispute_that_is_over_stays_over(
    moves: list[tuple[Step, timedelta]], first: timedelta
) -> None:
    """Invariant 10."""
    dispute, now = at(Stage.DRAFT, NOW + first), NOW
    for step, wait in moves:
        now += wait
        try:
            after = expired(dispute, now) or stepped(dispute, step, now)
        except NotNow:
            continue
        assert after.due_at >= dispute.due_at
        assert not dispute.is_over
        assert after.is_over == (after.yielded is not None)
        dispute = after
    last = expired(dispute, dispute.due_at)
    assert dispute.is_over or dispute.stage is Stage.ARBITRATION or (last is not None and last.is_over)


cents = st.integers(0, 5000).map(lambda number: Decimal(number).scaleb(-2))


@given(st.lists(st.tuples(cents, cents, st.booleans()), max_size=20), cents, cents)
def test_what_is_disputed_is_never_more_than_the_line(
    asked: list[tuple[Decimal, Decimal, bool]], excl: Decimal, vat: Decimal
) -> None:
    """Invariant 10: whatever is asked for, open and won disputes stay within it; what the debtor lost can be asked for again."""
    line, taken = Amount(excl, excl + vat), Amount()
    for wanted_excl, wanted_vat, is_lost in asked:
        wanted = Amount(wanted_excl, wanted_excl + wanted_vat)
        if fits(wanted, line, taken) and not is_lost:
            taken += wanted
        assert taken.excl_vat <= line.excl_vat
        assert taken.incl_vat <= line.incl_vat


@pytest.mark.parametrize(
    ("asked", "does"),
    [
        pytest.param(("9", "10.71"), True, id="all of it"),
        pytest.param(("9.01", "10.71"), False, id="a cent too much without VAT"),
        pytest.param(("9", "10.72"), False, id="a cent too much with VAT"),
        pytest.param(("0", "1.71"), True, id="the VAT alone"),
        pytest.param(("0", "0"), False, id="nothing"),
        pytest.param(("-1", "1"), False, id="less than nothing"),
    ],
)
def test_an_amount_fits_into_its_line(asked: tuple[str, str], does: bool) -> None:
    line = Amount(Decimal(9), Decimal("10.71"))
    assert fits(Amount(*map(Decimal, asked)), line, Amount()) is does
    assert not fits(Amount(Decimal(1), Decimal(1)), line, line)


def test_nothing_of_a_credit_can_be_disputed_by_its_debtor() -> None:
    assert not fits(Amount(Decimal(1), Decimal(1)), Amount(Decimal(-9), Decimal(-9)), Amount())


def test_the_window_is_counted_in_days_from_the_bill() -> None:
    assert window_end(NOW, 30) == datetime(2026, 12, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("Ada", " ada ", True, id="case and blanks"),
        pytest.param("Ada  Lovelace", "ADA LOVELACE", True, id="blanks between"),
        pytest.param("Ada", "Grace", False, id="two people"),
        pytest.param("Ada (NL/MSP)", "ada", True, id="who speaks for a party by a link"),
        pytest.param("Ada (NL/MSP)", "Ada (DE/ABC)", True, id="who speaks for both parties"),
        pytest.param("Ada (NL/MSP)", "Grace (NL/MSP)", False, id="two who speak for one party"),
        pytest.param("Ada (clearing)", "Ada", False, id="what stands in brackets is no party"),
    ],
)
def test_people_are_told_apart_by_their_names(one: str, other: str, same: bool) -> None:
    assert is_same_person(one, other) is same


def test_a_name_with_its_party_is_the_name_of_one_person() -> None:
    assert speaking_for(" Ada ", "NL/MSP") == "Ada (NL/MSP)"
    assert is_same_person(speaking_for("Ada", "NL/MSP"), "ADA")


@pytest.mark.parametrize(
    ("stage", "debtor", "creditor"),
    [
        pytest.param(Stage.DRAFT, {Step.RAISE, Step.WITHDRAW}, set(), id="a draft is the debtor's"),
        pytest.param(Stage.RAISED, {Step.WITHDRAW}, {Step.COUNTER, Step.CONCEDE}, id="raised"),
        pytest.param(Stage.COUNTERED, {Step.INSIST, Step.CONCEDE, Step.WITHDRAW}, set(), id="countered"),
        pytest.param(Stage.INSISTED, {Step.WITHDRAW}, {Step.ARBITRATE, Step.CONCEDE}, id="insisted"),
        pytest.param(Stage.ARBITRATION, {Step.WITHDRAW}, set(), id="the hub decides"),
        pytest.param(Stage.CONCEDED, set(), set(), id="over"),
    ],
)
def test_each_side_has_its_own_steps_and_nobody_those_of_the_hub(
    stage: Stage, debtor: set[Step], creditor: set[Step]
) -> None:
    assert set(steps_of(stage, Side.DEBTOR)) == debtor
    assert set(steps_of(stage, Side.CREDITOR)) == creditor
    assert set(steps_from(stage)) - debtor - creditor <= {Step.UPHOLD, Step.DISMISS}


def test_nobody_approves_what_is_their_own() -> None:
    with pytest.raises(SamePerson, match="another person has to"):
        require_another("ADA", "Ada", "approve it")
    require_another("Grace", "Ada", "approve it")

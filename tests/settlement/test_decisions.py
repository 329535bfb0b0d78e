"""What decisions make of a CDR: pure, by table and as properties (point 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.decisions import Action, Decision, Raised, Scope, decided, needs_second
from hub.settlement.findings import STRICTNESS, Disposition
from hub.settlement.people import is_same_person

NOW = datetime(2026, 10, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
SETTLE, HOLD, DROP, REPORT, DEFER = (Disposition(name) for name in ("SETTLE", "HOLD", "DROP", "REPORT", "DEFER"))

PRICE = Raised(key="F1", cause="C1", disposition=HOLD, at_risk=Decimal(10))
OVERLAP = Raised(key="F2", cause="C2", disposition=HOLD, at_risk=Decimal(38))
COPY = Raised(key="F3", cause="C3", disposition=DROP)
LATE = Raised(key="F4", cause="C4", disposition=REPORT)


def decision(scope: str, target: str, action: str, hours: int = 0, **changes: Any) -> Decision:
    since = NOW + hours * HOUR
    return Decision(id=hours, scope=Scope(scope), target=target, action=Action(action), since=since, **changes)


@pytest.mark.parametrize(
    ("findings", "decisions", "becomes"),
    [
        pytest.param([], [], SETTLE, id="nothing was found"),
        pytest.param([PRICE], [], HOLD, id="nothing was decided"),
        pytest.param([PRICE], [("cause", "C1", "accept")], SETTLE, id="accepted by its cause"),
        pytest.param([PRICE], [("finding", "F1", "accept")], SETTLE, id="accepted by its finding"),
        pytest.param([PRICE], [("cdr", "itself", "accept")], SETTLE, id="accepted itself"),
        pytest.param([PRICE], [("cause", "C2", "accept")], HOLD, id="another cause"),
        pytest.param([PRICE, OVERLAP], [("cause", "C1", "accept")], HOLD, id="something else still holds it"),
        pytest.param([PRICE, OVERLAP], [("cdr", "itself", "accept")], SETTLE, id="whatever holds it is accepted"),
        pytest.param([COPY], [("cdr", "itself", "accept")], DROP, id="what is dropped is not paid, whoever says so"),
        pytest.param([COPY], [("cause", "C3", "hold")], DROP, id="nor does holding make less of it"),
        pytest.param([LATE], [("cause", "C4", "hold")], HOLD, id="what is only reported is held"),
        pytest.param([LATE], [("finding", "F4", "drop")], DROP, id="or dropped"),
        pytest.param([], [("cdr", "itself", "hold")], HOLD, id="a CDR without findings is held"),
        pytest.param([], [("cdr", "itself", "drop")], DROP, id="a CDR without findings is dropped"),
        pytest.param(
            [PRICE], [("cause", "C1", "accept", 2), ("finding", "F1", "hold", 1)], HOLD, id="a finding before its cause"
        ),
        pytest.param(
            [PRICE], [("finding", "F1", "drop", 2), ("cdr", "itself", "accept", 1)], SETTLE, id="a CDR before all"
        ),
        pytest.param(
            [PRICE], [("cause", "C1", "hold", 1), ("cause", "C1", "accept", 2)], SETTLE, id="the later of one scope"
        ),
        pytest.param(
            [PRICE], [("cause", "C1", "accept", 1), ("cause", "C1", "hold", 2)], HOLD, id="whatever came before"
        ),
    ],
)
def test_the_most_specific_decision_counts_and_of_those_the_latest(
    findings: Sequence[Raised], decisions: Sequence[tuple[Any, ...]], becomes: Disposition
) -> None:
    made = [decision(*one) for one in decisions]
    assert decided(SETTLE, findings, made) is becomes
    assert decided(SETTLE, findings[::-1], made[::-1]) is becomes


@pytest.mark.parametrize(
    ("most", "becomes"),
    [
        pytest.param(None, SETTLE, id="two decided"),
        pytest.param(Decimal(10), SETTLE, id="as much as one may waive"),
        pytest.param(Decimal("9.99"), HOLD, id="more than one may waive"),
    ],
)
def test_what_one_person_accepted_lifts_nothing_large(most: Decimal | None, becomes: Disposition) -> None:
    assert decided(SETTLE, [PRICE], [decision("cause", "C1", "accept", most=most)]) is becomes


def test_an_acceptance_that_does_not_reach_leaves_what_was_decided_before() -> None:
    small = decision("cause", "C1", "accept", 2, most=Decimal(1))
    assert decided(SETTLE, [PRICE], [decision("cause", "C1", "drop", 1), small]) is DROP


def test_a_cdr_of_a_later_period_waits_for_it_whoever_accepts_it() -> None:
    assert decided(DEFER, [], [decision("cdr", "itself", "accept")]) is DEFER


@pytest.mark.parametrize(
    ("action", "at_risk", "needs"),
    [
        pytest.param("accept", {"EUR": "1000"}, False, id="as much as one may"),
        pytest.param("accept", {"EUR": "1", "SEK": "1000.01"}, True, id="more, in one of the currencies"),
        pytest.param("accept", {}, False, id="nothing"),
        pytest.param("hold", {"EUR": "5000"}, False, id="holding waives nothing"),
    ],
)
def test_who_waives_more_than_one_may_needs_a_second(action: str, at_risk: dict[str, str], needs: bool) -> None:
    amounts = {currency: Decimal(amount) for currency, amount in at_risk.items()}
    assert needs_second(Action(action), amounts, Decimal(1000)) is needs


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        pytest.param("Ines", " INES ", True, id="case and blanks"),
        pytest.param("Ines", "Otto", False, id="another"),
    ],
)
def test_people_are_told_apart_by_their_names(one: str, other: str, is_same: bool) -> None:
    assert is_same_person(one, other) is is_same


# --- as properties -----------------------------------------------------------------------------------

amounts = st.decimals(min_value=0, max_value=100, places=2)
raised = st.builds(
    Raised,
    key=st.sampled_from(["F1", "F2", "F3"]),
    cause=st.sampled_from(["C1", "C2"]),
    disposition=st.sampled_from([SETTLE, HOLD, DROP, REPORT, DEFER]),
    at_risk=amounts,
)


@st.composite
def decision_strategy(draw: st.DrawFn) -> Decision:
    scope = draw(st.sampled_from(Scope))
    targets = {Scope.CAUSE: ["C1", "C2"], Scope.FINDING: ["F1", "F2", "F3"], Scope.CDR: ["itself"]}
    return Decision(
        id=draw(st.integers(1, 10**6)),
        scope=scope,
        target=draw(st.sampled_from(targets[scope])),
        action=draw(st.sampled_from(Action)),
        since=NOW + draw(st.integers(0, 5)) * HOUR,
        most=draw(st.none() | amounts),
    )


findings_lists = st.lists(raised, max_size=5)
decision_lists = st.lists(decision_strategy(), max_size=6, unique_by=lambda one: one.id)


@given(findings_lists, decision_lists, st.randoms())
def test_the_order_of_findings_and_decisions_does_not_matter(
    findings: list[Raised], decisions: list[Decision], random: Any
) -> None:
    """Invariant 5."""
    becomes = decided(SETTLE, findings, decisions)
    random.shuffle(findings)
    random.shuffle(decisions)
    assert decided(SETTLE, findings, decisions) is becomes


@given(findings_lists, decision_lists)
def test_nothing_that_a_check_drops_is_ever_paid(findings: list[Raised], decisions: list[Decision]) -> None:
    assert decided(SETTLE, [*findings, COPY], decisions) is DROP


@given(findings_lists, decision_lists)
def test_only_acceptance_makes_a_cdr_less_strict(findings: list[Raised], decisions: list[Decision]) -> None:
    plain = decided(SETTLE, findings, [])
    strict = [one for one in decisions if one.action is not Action.ACCEPT]
    assert STRICTNESS[decided(SETTLE, findings, strict)] >= STRICTNESS[plain]
    accepting = [one for one in decisions if one.action is Action.ACCEPT]
    assert STRICTNESS[decided(SETTLE, findings, accepting)] <= STRICTNESS[plain]


@given(findings_lists, decision_lists, st.sampled_from(Action))
def test_the_last_decision_about_the_cdr_itself_outweighs_all_others(
    findings: list[Raised], decisions: list[Decision], action: Action
) -> None:
    last = decision("cdr", "itself", action, 10**7)
    assert decided(SETTLE, findings, [*decisions, last]) is decided(SETTLE, findings, [last])


@given(findings_lists, decision_lists)
def test_decisions_about_something_else_change_nothing(findings: list[Raised], decisions: list[Decision]) -> None:
    others = [one for one in decisions if one.scope is not Scope.CDR]
    strange = [Decision(id=9, scope=one.scope, target="X", action=one.action, since=one.since) for one in others]
    assert decided(SETTLE, findings, [*others, *strange]) is decided(SETTLE, findings, others)

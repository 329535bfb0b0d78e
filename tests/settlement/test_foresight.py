"""What a decision about a cause would change, before anybody decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.decisions import Action, Decision, Raised, Scope
from hub.settlement.findings import Disposition
from hub.settlement.foresight import Foresight, Group, Holder, Prospect, estimated, foreseen
from ocpi_modules.parties import Party

MSP, OTHER = Party("NL", "MSP"), Party("NL", "OTH")
NOW = datetime(2026, 10, 20, tzinfo=UTC)
PRICE, TOKEN = "G03|PRICE", "F01|TOKEN"
HOLD, DROP, SETTLE, REPORT = Disposition.HOLD, Disposition.DROP, Disposition.SETTLE, Disposition.REPORT


def raised(cause: str = PRICE, disposition: Disposition = HOLD, at_risk: str = "10") -> Raised:
    return Raised(key=f"{cause} of it", cause=cause, disposition=disposition, at_risk=Decimal(at_risk))


def prospect(name: str = "DE/ABC/C1", *found: Raised, **changes: Any) -> Prospect:
    """A CDR of 9.00 that one finding of the cause holds."""
    one = Prospect(
        name=name,
        to=MSP,
        currency="EUR",
        excl_vat=Decimal("9"),
        incl_vat=Decimal("10.71"),
        disposition=HOLD,
        is_billed=False,
        is_asked=True,
        is_credit=False,
        credit_of=None,
        raised=found or (raised(),),
    )
    return replace(one, **changes)


def decision(action: Action, target: str = PRICE, scope: Scope = Scope.CAUSE, **changes: Any) -> Decision:
    return replace(Decision(id=9, scope=scope, target=target, action=action, since=NOW), **changes)


def told(seen: Foresight) -> tuple[int, int, int, int]:
    """How many would settle, would be stopped, stay out, are billed."""
    return seen.settles, seen.stops, seen.stays, seen.billed


@pytest.mark.parametrize(
    ("one", "action", "expected"),
    [
        pytest.param(prospect(), Action.ACCEPT, (1, 0, 0, 0), id="accepted: it settles"),
        pytest.param(prospect(), Action.HOLD, (0, 0, 1, 0), id="held: it stays out"),
        pytest.param(prospect(), Action.DROP, (0, 0, 1, 0), id="dropped: it stays out for good"),
        pytest.param(
            prospect("DE/ABC/C1", raised(), raised(TOKEN)), Action.ACCEPT, (0, 0, 1, 0), id="another finding holds it"
        ),
        pytest.param(
            prospect("DE/ABC/C1", raised(), raised(TOKEN, REPORT)),
            Action.ACCEPT,
            (1, 0, 0, 0),
            id="the other one only tells",
        ),
        pytest.param(
            prospect("DE/ABC/C1", raised(PRICE, DROP), disposition=DROP),
            Action.ACCEPT,
            (0, 0, 1, 0),
            id="a check drops it",
        ),
        pytest.param(
            prospect("DE/ABC/C1", raised(PRICE, REPORT), disposition=SETTLE),
            Action.HOLD,
            (0, 1, 0, 0),
            id="a warning becomes a hold",
        ),
        pytest.param(
            prospect(is_billed=True, disposition=SETTLE), Action.DROP, (0, 0, 0, 1), id="billed: it does not change"
        ),
    ],
)
def test_an_action_settles_stops_or_leaves_a_cdr(
    one: Prospect, action: Action, expected: tuple[int, int, int, int]
) -> None:
    assert told(foreseen([one], [], decision(action))) == expected


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(
            decision(Action.HOLD, "DE/ABC/C1", Scope.CDR, id=1), (0, 0, 1, 0), id="one about the CDR is more specific"
        ),
        pytest.param(
            decision(Action.HOLD, "DE/ABC/C2", Scope.CDR, id=1), (1, 0, 0, 0), id="one about another CDR says nothing"
        ),
        pytest.param(decision(Action.HOLD, id=1), (1, 0, 0, 0), id="the later one about the cause counts"),
    ],
)
def test_decisions_that_stand_are_looked_at_too(standing: Decision, expected: tuple[int, int, int, int]) -> None:
    assert told(foreseen([prospect()], [standing], decision(Action.ACCEPT))) == expected


def test_what_hangs_on_a_finding_may_be_more_than_one_person_waives() -> None:
    assert told(foreseen([prospect()], [], decision(Action.ACCEPT, most=Decimal("9.99")))) == (0, 0, 1, 0)
    assert told(foreseen([prospect()], [], decision(Action.ACCEPT, most=Decimal("10")))) == (1, 0, 0, 0)


def test_other_causes_that_keep_cdrs_out_are_told_with_how_many() -> None:
    """Those that a decision lifts, those that only tell, and CDRs that are billed or settle anyway are not among them."""
    plug = "F05|PLUG"
    both, three = (raised(), raised(TOKEN)), (raised(), raised(TOKEN), raised(plug))
    seen = foreseen(
        [
            prospect("DE/ABC/C1"),
            prospect("DE/ABC/C2", *both),
            prospect("DE/ABC/C3", *three),
            prospect("DE/ABC/C4", raised(), raised(plug, REPORT)),
            prospect("DE/ABC/C5", *both, is_billed=True, disposition=SETTLE),
            prospect("DE/ABC/C6", raised(PRICE, DROP), disposition=DROP),
            prospect("DE/ABC/C7", raised(), raised("G01|LIFTED")),
        ],
        [decision(Action.ACCEPT, "G01|LIFTED", id=1), decision(Action.HOLD, id=2)],
        decision(Action.ACCEPT),
    )
    assert (seen.settles, seen.stays) == (3, 3)
    assert seen.holders == (Holder(TOKEN, 2), Holder(plug, 1))
    assert seen.otherwise == 1, "a check of the cause itself drops it"


def credit(**changes: Any) -> Prospect:
    """The credit of C1, with which nothing is wrong, and which is not of the cause."""
    one = prospect("DE/ABC/C1-C", is_credit=True, credit_of="DE/ABC/C1", is_asked=False, **changes)
    return replace(one, excl_vat=Decimal(-9), incl_vat=Decimal("-10.71"), raised=changes.get("raised", ()))


@pytest.mark.parametrize(
    ("second", "action", "expected"),
    [
        pytest.param(credit(), Action.ACCEPT, (2, 0, 0, 0), id="the credit settles with its original"),
        pytest.param(credit(), Action.DROP, (0, 0, 2, 0), id="and is dropped with it"),
        pytest.param(
            replace(credit(), excl_vat=Decimal(-8)),
            Action.HOLD,
            (1, 0, 1, 0),
            id="one of another amount goes its own way",
        ),
        pytest.param(replace(credit(), to=OTHER), Action.HOLD, (1, 0, 1, 0), id="so does one for another eMSP"),
        pytest.param(
            credit(raised=(raised(TOKEN),)),
            Action.ACCEPT,
            (1, 0, 0, 0),
            id="one that is held itself stays and is not counted",
        ),
    ],
)
def test_a_credit_goes_with_its_original(second: Prospect, action: Action, expected: tuple[int, int, int, int]) -> None:
    assert told(foreseen([prospect(), second], [], decision(action))) == expected


def test_money_is_summed_by_verdict_before_and_after_in_each_currency() -> None:
    others = [
        prospect("DE/ABC/C2", raised(), raised(TOKEN)),
        prospect("DE/ABC/C3", currency="SEK", excl_vat=Decimal(100)),
    ]
    seen = foreseen([prospect(), *others], [], decision(Action.ACCEPT))
    assert seen.currencies == ["EUR", "SEK"]
    nothing = Decimal(0)
    assert seen.sums("EUR") == {SETTLE: (0, nothing, 1, Decimal(9)), HOLD: (2, Decimal(18), 1, Decimal(9))}
    assert seen.sums("SEK") == {SETTLE: (0, nothing, 1, Decimal(100)), HOLD: (1, Decimal(100), 0, nothing)}


def group(other: Disposition | None = None, **changes: Any) -> Group:
    one = Group(
        currency="EUR", disposition=HOLD, own=HOLD, other=other, is_billed=False, cdrs=6000, excl_vat=Decimal(54_000)
    )
    return replace(one, **changes)


@pytest.mark.parametrize(
    ("groups", "action", "expected"),
    [
        pytest.param([group()], Action.ACCEPT, (6000, 0, 0, 0), id="nothing else holds them"),
        pytest.param([group(HOLD)], Action.ACCEPT, (0, 0, 6000, 0), id="something else does"),
        pytest.param([group(REPORT), group(DROP)], Action.ACCEPT, (6000, 0, 6000, 0), id="some and others"),
        pytest.param(
            [group(is_billed=True), group()], Action.DROP, (0, 0, 6000, 6000), id="those that are billed stay"
        ),
    ],
)
def test_many_cdrs_are_counted_and_the_answer_says_so(
    groups: list[Group], action: Action, expected: tuple[int, ...]
) -> None:
    seen = estimated(groups, {TOKEN: 7, "F05|PLUG": 9}, decision(action))
    assert told(seen) == expected
    assert seen.is_estimate
    assert [one.cause for one in seen.holders] == ["F05|PLUG", TOKEN], "the one of most CDRs first"


def test_what_stays_out_without_another_cause_is_counted_too() -> None:
    seen = estimated([group(), group(HOLD), group(own=DROP), group(REPORT, own=DROP)], {}, decision(Action.ACCEPT))
    assert (seen.stays, seen.otherwise) == (18_000, 12_000)

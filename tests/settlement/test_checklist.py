"""What has to be so before a period is closed: each line of the checklist, met and not met."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.closing import Count, Figures, checklist, control_totals
from hub.settlement.findings import Disposition
from hub.settlement.netting import Amount, Pair
from ocpi_modules.parties import Party

PAIR = Pair(Party("DE", "ABC"), Party("NL", "MSP"), "EUR")
NINE = Amount(Decimal(9), Decimal("10.71"))
READY = Figures(
    waiting=0,
    proposed=0,
    came_in={"EUR": Count(2, Decimal(47))},
    dispositions={("EUR", Disposition.SETTLE): Count(1, Decimal(9)), ("EUR", Disposition.HOLD): Count(1, Decimal(38))},
    unlined=0,
    astray=0,
    advised={PAIR: NINE},
    billed={PAIR: NINE},
    trial_balance={"EUR": Amount()},
    unbilled_accounts=0,
    billed_accounts=0,
    positions={"EUR": Amount()},
)


def test_a_period_that_is_ready_has_nothing_against_it() -> None:
    assert [item.name for item in checklist(READY) if not item.is_met] == []


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        pytest.param({"waiting": 2}, "nothing_waits", "2 CDRs wait", id="CDRs that nobody looked at"),
        pytest.param(
            {"proposed": 1},
            "nothing_is_proposed",
            "1 proposed decision waits",
            id="a decision that needs a second person",
        ),
        pytest.param({"came_in": {"EUR": Count(3, Decimal(47))}}, "control_totals", "in EUR", id="a CDR got lost"),
        pytest.param({"came_in": {"EUR": Count(2, Decimal(48))}}, "control_totals", "in EUR", id="an amount changed"),
        pytest.param({"came_in": {}}, "control_totals", "in EUR", id="CDRs from nowhere"),
        pytest.param({"unlined": 1}, "lines", "1 settled CDR is not", id="a CDR on no statement, or on two"),
        pytest.param({"astray": 1}, "lines", "1 line bills", id="a line for what is held"),
        pytest.param(
            {"billed": {}},
            "statements_and_ledger",
            "1 statement; the journal has other sums for 1 pair.",
            id="a statement that was not posted",
        ),
        pytest.param(
            {"advised": {}},
            "statements_and_ledger",
            "0 statements; the journal has other sums for 1 pair.",
            id="a posting without statement",
        ),
        pytest.param({"wrong_fees": 1}, "fees", "1 CDR has fees that were not agreed", id="a fee is wrong (M03)"),
        pytest.param({"unbilled_accounts": 2}, "nothing_unbilled", "2 accounts", id="something is not billed"),
        pytest.param({"trial_balance": {"EUR": NINE}}, "trial_balance", "off in EUR", id="the journal is off"),
        pytest.param({"billed_accounts": 2}, "netting", "2 accounts", id="something is not netted"),
        pytest.param({"positions": {"SEK": NINE}}, "netting", "zero in SEK", id="positions from nowhere"),
    ],
)
def test_what_is_not_so_is_told(changes: dict[str, Any], name: str, said: str) -> None:
    (unmet,) = [item for item in checklist(replace(READY, **changes)) if not item.is_met]
    assert unmet.name == name
    assert said in unmet.sentence


def test_control_totals_name_every_disposition() -> None:
    assert control_totals(READY) == {
        "EUR": {
            "IN": Count(2, Decimal(47)),
            "SETTLE": Count(1, Decimal(9)),
            "HOLD": Count(1, Decimal(38)),
            "DROP": Count(),
            "DEFER": Count(),
            "RETURNED": Count(),
        }
    }


def test_what_the_door_refused_came_in_and_was_returned() -> None:
    """P02: it stands in the totals, and they still agree."""
    figures = replace(READY, returned={"EUR": Count(2, Decimal(5)), "GBP": Count(1)})
    totals = control_totals(figures)
    assert (totals["EUR"]["IN"], totals["EUR"]["RETURNED"]) == (Count(4, Decimal(52)), Count(2, Decimal(5)))
    assert totals["GBP"]["IN"] == Count(1)
    (item,) = [one for one in checklist(figures) if one.name == "control_totals"]
    assert item.is_met
    assert "5 CDRs came in" in item.sentence

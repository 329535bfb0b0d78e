"""A CDR side by side: what differs, and what nobody says anything about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hub.console.comparing import Compared, compared

CDR: dict[str, Any] = {
    "currency": "EUR",
    "total_cost": {"excl_vat": Decimal("38.0"), "incl_vat": Decimal("45.22")},
    "total_energy": Decimal("60"),
    "cdr_token": {"uid": "A1", "type": "RFID"},
    "charging_periods": [{"tariff_id": "T-1"}],
}


def line(label: str, cdr: dict[str, Any], price: dict[str, Any], session: dict[str, Any] | None = None) -> Compared:
    return next(one for one in compared(cdr, price, session) if one.label == label)


@pytest.mark.parametrize(
    ("computed", "differs"),
    [
        pytest.param(Decimal(28), True, id="another amount"),
        pytest.param(Decimal("38.00"), False, id="the same amount, written otherwise"),
        pytest.param(Decimal("38.0049"), False, id="less than a cent, which is not shown"),
        pytest.param(Decimal("38.01"), True, id="a cent"),
    ],
)
def test_a_line_is_marked_where_the_hub_comes_to_something_else(computed: Decimal, differs: bool) -> None:
    assert line("Total without VAT", CDR, {"total_cost": {"excl_vat": computed}}).differs is differs


def test_what_nobody_says_has_no_line_and_what_one_says_is_no_difference() -> None:
    labels = {one.label for one in compared(CDR, {}, None)}
    assert labels == {"Total without VAT", "Total with VAT", "Energy", "Token", "Tariff"}
    assert not any(one.differs for one in compared(CDR, {}, None))


def test_a_price_that_could_not_be_made_and_odd_content_are_no_failure() -> None:
    assert compared({"total_cost": "free", "cdr_token": [], "tariffs": None}, {"lines": None}, {"kwh": "x"}) == []


def test_time_is_computed_only_where_it_is_priced() -> None:
    assert "Billed time" not in {one.label for one in compared(CDR, {"billed": {"time_s": 0}}, None)}
    assert line("Billed time", CDR, {"billed": {"time_s": 1800}}).side.computed == Decimal("0.5")

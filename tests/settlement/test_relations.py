"""How CDRs stand to each other."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.settlement.evidence import Evidence
from hub.settlement.relations import Relations, overlapping, relate
from tests.settlement.cases import ABSENT, Arrival, cdr, credit_of, evidence_of

LATER = "2026-10-20T00:00:00Z"


def related(*cdrs: Any) -> tuple[Evidence, Relations]:
    evidence = evidence_of(*cdrs)
    return evidence, relate(evidence)


@pytest.mark.parametrize(
    ("again", "is_copy"),
    [
        pytest.param(cdr(), True, id="the same"),
        pytest.param(cdr(id="c1"), True, id="its id in another case (Y-04)"),
        pytest.param(cdr(party_id="abc"), True, id="its owner in another case (Y-04)"),
        pytest.param(cdr(total_energy=Decimal("20.000")), True, id="zeros at the end"),
        pytest.param(cdr(remark=None), True, id="null for what is not there (Y-08)"),
        pytest.param(cdr(start_date_time="2026-10-10T08:00:00"), True, id="a moment without Z (Y-01)"),
        pytest.param(cdr(remark="again"), False, id="a remark"),
        pytest.param(cdr(total_cost__excl_vat=9.01), False, id="another amount"),
    ],
)
def test_one_id_of_an_owner_is_a_copy_if_it_says_the_same_and_else_reused(again: dict[str, Any], is_copy: bool) -> None:
    """A05, A06."""
    evidence, relations = related(cdr(), Arrival(again, LATER))
    first = evidence.cdrs[0]
    assert relations.copies == ({1: first} if is_copy else {})
    assert relations.reused == ({} if is_copy else {1: first})


def test_the_same_id_of_another_owner_is_another_cdr() -> None:
    """A05, CD-05."""
    _, relations = related(cdr(), cdr(party_id="XYZ"))
    assert not relations.copies
    assert not relations.reused


@pytest.mark.parametrize(
    ("changes", "credits"),
    [
        pytest.param({}, True, id="the whole amount"),
        pytest.param({"credit_reference_id": "c1"}, True, id="an id in another case (Y-04)"),
        pytest.param({"total_cost__excl_vat": Decimal("-9.0000")}, True, id="zeros at the end"),
        pytest.param({"total_cost__excl_vat": -8}, False, id="another amount"),
        pytest.param({"total_cost__incl_vat": ABSENT}, False, id="no amount with VAT"),
        pytest.param({"currency": "SEK"}, False, id="another currency"),
        pytest.param({"credit": ABSENT}, False, id="no credit"),
        pytest.param({"party_id": "XYZ"}, False, id="another owner"),
    ],
)
def test_only_a_credit_of_the_whole_amount_credits(changes: dict[str, Any], credits: bool) -> None:
    """J02, J03."""
    evidence, relations = related(cdr(), credit_of(cdr(), **changes))
    assert (0 in relations.credited_by) is credits
    assert relations.is_open(evidence.cdrs[0]) is not credits
    assert not relations.is_open(evidence.cdrs[1])


@pytest.mark.parametrize(
    ("start", "end", "tolerated", "overlaps"),
    [
        pytest.param("10:00:00", "11:00:00", 0, False, id="one begins where the other ends: half-open"),
        pytest.param("09:59:59", "11:00:00", 0, True, id="a second"),
        pytest.param("09:59:00", "11:00:00", 60, False, id="a minute is tolerated"),
        pytest.param("09:58:59", "11:00:00", 60, True, id="more than a minute"),
        pytest.param("08:30:00", "08:31:01", 60, True, id="within"),
        pytest.param("09:00:00", "09:00:00", 0, False, id="no time at all"),
        pytest.param("09:30:00", "09:00:00", 0, False, id="an end before the start"),
    ],
)
def test_two_charges_overlap_if_they_share_more_than_is_tolerated(
    start: str, end: str, tolerated: int, overlaps: bool
) -> None:
    """D03: the other one is from 08:00 to 10:00."""
    other = cdr(id="C2", start_date_time=f"2026-10-10T{start}Z", end_date_time=f"2026-10-10T{end}Z")
    evidence, relations = related(cdr(), Arrival(other, LATER))
    one, two = evidence.cdrs
    found = overlapping(two, relations.by_plug[one.plug], timedelta(seconds=tolerated))
    assert list(found) == ([one] if overlaps else [])


def test_reservations_without_an_evse_and_unknown_times_are_at_no_connector() -> None:
    """D03, X1, Y-11."""
    nowhere = cdr(cdr_location__evse_uid="#NA")
    unknown = Arrival(cdr(id="C2", start_date_time="1970-1-1T00:00:00Z"), LATER)
    _, relations = related(nowhere, unknown)
    assert relations.by_plug == {}


def test_who_sends_no_tokens_or_locations_is_known() -> None:
    """F01, K01."""
    relations = relate(evidence_of(cdr(), tokens=[], locations=[]))
    assert not relations.token_senders | relations.location_senders

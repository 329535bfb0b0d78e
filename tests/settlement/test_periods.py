"""In which month a CDR counts, and how a month goes from open to sealed (I02, invariant 9)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hub.settlement.periods import ORDER, NotNow, Period, State, counts_in, month_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


OCTOBER = month_of(at("2026-10-15T12:00"))
NOVEMBER = month_of(at("2026-11-15T12:00"))


@pytest.mark.parametrize(
    ("moment", "id", "start", "end"),
    [
        pytest.param("2026-10-15T12:00", "2026-10", "2026-10-01", "2026-11-01", id="in the middle"),
        pytest.param("2026-12-31T23:59:59", "2026-12", "2026-12-01", "2027-01-01", id="the last second of a year"),
        pytest.param("2028-02-29T00:00", "2028-02", "2028-02-01", "2028-03-01", id="a leap day"),
        pytest.param("2026-10-01T00:00", "2026-10", "2026-10-01", "2026-11-01", id="the first moment"),
    ],
)
def test_a_month_is_that_of_the_calendar_in_utc(moment: str, id: str, start: str, end: str) -> None:
    month = month_of(at(moment))
    assert (month.id, month.start, month.end) == (id, at(start), at(end))
    assert month.closes_at == month.end.replace(day=5, hour=18)


@pytest.mark.parametrize(
    ("ended", "received", "known", "counts"),
    [
        pytest.param(
            "2026-10-31T23:59:59", "2026-11-01T00:10", [OCTOBER], "2026-10", id="ended in October, came in time"
        ),
        pytest.param("2026-11-01T00:00", "2026-11-01T00:10", [OCTOBER], "2026-11", id="ended at the very end"),
        pytest.param("2026-10-20T00:00", "2026-11-05T18:00", [OCTOBER], "2026-11", id="I02: came at the close"),
        pytest.param("2026-10-20T00:00", "2026-11-05T17:59", [OCTOBER], "2026-10", id="came a minute before"),
        pytest.param(
            "2026-10-20T00:00",
            "2026-11-02T00:00",
            [replace(OCTOBER, state=State.CUT_OFF)],
            "2026-11",
            id="October is cut off already",
        ),
        pytest.param(
            "2026-09-20T00:00",
            "2026-12-20T00:00",
            [replace(OCTOBER, state=State.SEALED), replace(NOVEMBER, state=State.CLOSED)],
            "2026-12",
            id="long after",
        ),
        pytest.param("2027-03-01T00:00", "2026-10-02T00:00", [OCTOBER], "2027-03", id="from the future"),
    ],
)
def test_a_cdr_counts_where_it_ended_unless_that_is_closed(
    ended: str, received: str, known: list[Period], counts: str
) -> None:
    assert counts_in(at(ended), at(received), known).id == counts


def test_a_credit_counts_when_it_comes() -> None:
    assert counts_in(at("2026-08-01T00:00"), at("2026-10-20T00:00"), [], is_credit=True).id == "2026-10"


@pytest.mark.parametrize(
    ("received", "cutoff", "counts"),
    [
        pytest.param("2026-11-02T23:59", timedelta(days=2), "2026-10", id="before the cut-off of the two"),
        pytest.param("2026-11-03T00:00", timedelta(days=2), "2026-11", id="after it"),
        pytest.param(
            "2026-11-05T18:00", timedelta(days=30), "2026-11", id="a later one than that of the hub changes nothing"
        ),
        pytest.param("2026-11-03T00:00", None, "2026-10", id="none was agreed"),
    ],
)
def test_two_parties_may_agree_on_an_earlier_cut_off(received: str, cutoff: timedelta | None, counts: str) -> None:
    """Point 1: cut-off."""
    assert counts_in(at("2026-10-20T00:00"), at(received), [], cutoff=cutoff).id == counts


def test_a_cdr_of_unknown_end_counts_when_it_comes() -> None:
    assert counts_in(None, at("2026-10-20T00:00"), []).id == "2026-10"


def test_a_period_takes_one_step_at_a_time_and_none_back() -> None:
    period = OCTOBER
    for state in ORDER[1:]:
        period = period.stepped(state)
    assert period.state is State.SEALED
    for state in ORDER:
        with pytest.raises(NotNow, match="2026-10 is sealed"):
            period.stepped(state)
    with pytest.raises(NotNow, match="it cannot become netted now"):
        OCTOBER.stepped(State.NETTED)

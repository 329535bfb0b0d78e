"""When a tariff element applies (E2 to E5; TF-05)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.pricing.policy import Policy
from hub.pricing.restrictions import Moment, RestrictionsText, compile_restrictions, local_time

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def holds(moment: Moment, policy: Policy | None = None, /, **restrictions: Any) -> bool:
    text: dict[str, Any] = {
        name: Decimal(value) if type(value) is int else value for name, value in restrictions.items()
    }
    return compile_restrictions(RestrictionsText(**text), (policy or Policy()).of_tariffs).hold(moment)


def clock(text: str, day: str = "2026-06-01") -> Moment:
    hours, minutes = text.split(":")
    at = date.fromisoformat(day)
    return Moment(minute=int(hours) * 60 + int(minutes), day=at.toordinal())


@pytest.mark.parametrize(
    ("start", "end", "at", "expected"),
    [
        pytest.param("08:00", "17:00", "08:00", True, id="the start is inside"),
        pytest.param("08:00", "17:00", "17:00", False, id="the end is outside"),
        pytest.param("08:00", "17:00", "16:59", True, id="the minute before the end"),
        pytest.param("22:00", "06:00", "23:00", True, id="over midnight, before it"),
        pytest.param("22:00", "06:00", "05:59", True, id="over midnight, after it"),
        pytest.param("22:00", "06:00", "06:00", False, id="over midnight, at its end"),
        pytest.param("22:00", "06:00", "12:00", False, id="over midnight, by day"),
        pytest.param("18:00", "00:00", "23:59", True, id="00:00 is the end of the day"),
        pytest.param("18:00", "00:00", "00:00", False, id="and not the beginning of the next"),
        pytest.param("00:00", "00:00", "13:00", True, id="00:00 to 00:00 is the whole day"),
        pytest.param("18:00", None, "23:59", True, id="no end"),
        pytest.param("18:00", None, "17:59", False, id="no end, before the start"),
        pytest.param(None, "06:00", "00:00", True, id="no start"),
        pytest.param(None, "00:00", "12:00", True, id="no start, end of the day"),
        pytest.param("08:00", "08:00", "03:00", True, id="equal times are the whole day"),
    ],
)
def test_a_window_is_half_open_and_may_pass_midnight(
    start: str | None, end: str | None, at: str, expected: bool
) -> None:
    """E3."""
    assert holds(clock(at), start_time=start, end_time=end) is expected


def test_equal_times_may_mean_never() -> None:
    """E3, setting equal_times."""
    assert not holds(clock("08:00"), Policy(equal_times="never"), start_time="08:00", end_time="08:00")
    assert holds(clock("08:00"), Policy(equal_times="never"), start_time="00:00", end_time="00:00")


@pytest.mark.parametrize(
    ("anchor", "day", "at", "expected"),
    [
        pytest.param("instant", "2026-06-05", "23:00", True, id="Friday night"),
        pytest.param("instant", "2026-06-06", "01:00", False, id="Saturday morning is not Friday"),
        pytest.param("instant", "2026-06-05", "01:00", True, id="Friday morning is"),
        pytest.param("window_start", "2026-06-05", "23:00", True, id="opened on Friday, before midnight"),
        pytest.param("window_start", "2026-06-06", "01:00", True, id="opened on Friday, after midnight"),
        pytest.param("window_start", "2026-06-05", "01:00", False, id="opened on Thursday"),
    ],
)
def test_the_weekday_of_a_window_over_midnight_is_a_setting(anchor: Any, day: str, at: str, expected: bool) -> None:
    """E3, setting weekday_anchor."""
    policy = Policy(weekday_anchor=anchor)
    assert holds(clock(at, day), policy, start_time="22:00", end_time="06:00", day_of_week=["FRIDAY"]) is expected


def test_an_empty_list_of_days_restricts_nothing() -> None:
    """E2."""
    assert holds(clock("12:00"), day_of_week=[])


@pytest.mark.parametrize(
    ("restrictions", "expected"),
    [
        ({"start_date": "2026-06-01"}, True),
        ({"start_date": "2026-06-02"}, False),
        ({"end_date": "2026-06-01"}, False),
        ({"end_date": "2026-06-02"}, True),
        ({"start_date": "2026-05-01", "end_date": "2026-07-01", "start_time": "13:00"}, False),
    ],
)
def test_dates_include_the_first_and_exclude_the_last_day(restrictions: dict[str, str], expected: bool) -> None:
    """E2, E3: and a window counts on each of the days."""
    assert holds(clock("12:00"), None, **restrictions) is expected


@pytest.mark.parametrize(
    ("restrictions", "expected"),
    [
        ({"min_kwh": 10}, True),
        ({"max_kwh": 10}, False),
        ({"min_kwh": 11}, False),
        ({"max_kwh": 11}, True),
        ({"min_duration": 600}, True),
        ({"max_duration": 600}, False),
        ({"min_duration": 601}, False),
        ({"min_kwh": 10, "max_duration": 600}, False),
    ],
)
def test_minima_are_inclusive_and_maxima_exclusive(restrictions: dict[str, int], expected: bool) -> None:
    """E2, E4: all of them have to hold."""
    assert holds(Moment(kwh=10 * 10**6, duration=timedelta(seconds=600)), None, **restrictions) is expected


@pytest.mark.parametrize(
    "restrictions",
    [
        {"start_time": "00:00"},
        {"end_time": "06:00"},
        {"start_time": "22:00", "end_time": "06:00"},
        {"start_date": "0001-01-01"},
        {"end_date": "9999-12-31"},
        {"day_of_week": ["SUNDAY"]},
        {"min_duration": 0},
        {"max_duration": 99},
    ],
)
def test_what_nobody_knows_proves_nothing(restrictions: dict[str, Any]) -> None:
    """X1."""
    assert not holds(Moment(), **restrictions)
    assert not holds(Moment(), Policy(weekday_anchor="window_start"), **restrictions)


@pytest.mark.parametrize(
    ("evidence", "stated", "restrictions", "expected"),
    [
        pytest.param("either", {"MIN_CURRENT": 43}, {"max_current": 32}, False, id="MIN stands in for MAX"),
        pytest.param("either", {"MAX_CURRENT": 16}, {"min_current": 32}, False, id="MAX stands in for MIN"),
        pytest.param("either", {"POWER": 11}, {"min_power": 11}, True, id="the average power, on the threshold"),
        pytest.param("either", {"POWER": 11}, {"max_power": 11}, False, id="a maximum is exclusive"),
        pytest.param(
            "either", {"POWER": 50, "MAX_POWER": 10}, {"min_power": 22}, False, id="what is stated goes first"
        ),
        pytest.param("either", {}, {"max_current": 32}, False, id="unknown is not proven"),
        pytest.param(
            "same_name", {"MIN_CURRENT": 43}, {"max_current": 32}, True, id="a missing value of that name proves"
        ),
        pytest.param(
            "same_name", {"MAX_CURRENT": 43}, {"max_current": 32}, False, id="a stated value of that name decides"
        ),
        pytest.param(
            "same_name_strict", {"MIN_CURRENT": 12}, {"max_current": 32}, False, id="only that name, and it is missing"
        ),
    ],
)
def test_current_and_power_need_evidence(
    evidence: Any, stated: dict[str, int], restrictions: dict[str, int], expected: bool
) -> None:
    """E5, setting electrical_evidence."""
    moment = Moment(electric={name: value * 10**6 for name, value in stated.items()})
    assert holds(moment, Policy(electrical_evidence=evidence), **restrictions) is expected


@pytest.mark.parametrize(
    ("utc", "clock", "weekday"),
    [
        pytest.param(datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "01:59", 6, id="the last minute of winter"),
        pytest.param(datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "03:00", 6, id="one hour is missing"),
        pytest.param(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "02:30", 6, id="half past two"),
        pytest.param(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "02:30", 6, id="half past two again"),
        pytest.param(datetime(2026, 5, 31, 22, 0, tzinfo=UTC), "00:00", 0, id="it is Monday already"),
    ],
)
def test_the_clock_is_that_of_the_location(utc: datetime, clock: str, weekday: int) -> None:
    """E3: and OCPI cannot tell the two hours of autumn apart."""
    local = local_time(utc, AMSTERDAM)
    assert (f"{local:%H:%M}", local.weekday()) == (clock, weekday)


@pytest.mark.parametrize(
    "restrictions",
    [
        {"start_time": "24:00"},
        {"start_time": "9:00"},
        {"end_time": "12:60"},
        {"end_date": "2026-13-01"},
        {"day_of_week": ["FUNDAY"]},
    ],
)
def test_times_and_days_that_do_not_exist_are_refused(restrictions: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        holds(Moment(), **restrictions)

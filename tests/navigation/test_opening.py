"""Whether one gets in now: regular hours in the Location's own zone, and exceptions above them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.navigation.entry import Schedule
from hub.navigation.location import Hours, Period, RegularHours
from hub.navigation.opening import is_open


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def regular(*days: tuple[int, str, str], **bent: tuple[Period, ...]) -> Hours:
    return Hours(twentyfourseven=False, regular_hours=tuple(RegularHours(*day) for day in days), **bent)


def period(begin: str, end: str) -> tuple[Period, ...]:
    return (Period(utc(begin), utc(end)),)


WEDNESDAY = regular((3, "08:00", "20:00"))
CHRISTMAS = period("2026-12-25T00:00", "2026-12-26T00:00")
ALWAYS_BUT = Hours(twentyfourseven=True, exceptional_closings=CHRISTMAS)
BOTH = regular(
    (3, "08:00", "20:00"),
    exceptional_openings=CHRISTMAS,
    exceptional_closings=period("2026-12-25T12:00", "2026-12-25T13:00"),
)


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        pytest.param(WEDNESDAY, "2026-03-04T07:00", True, id="as it opens in Berlin: 08:00 is 07:00 UTC in winter"),
        pytest.param(WEDNESDAY, "2026-03-04T06:59", False, id="a minute before"),
        pytest.param(WEDNESDAY, "2026-07-01T06:00", True, id="in summer it is 06:00 UTC"),
        pytest.param(WEDNESDAY, "2026-03-04T18:59", True, id="the last minute"),
        pytest.param(WEDNESDAY, "2026-03-04T19:00", False, id="as it closes"),
        pytest.param(WEDNESDAY, "2026-03-05T12:00", False, id="another day"),
        pytest.param(regular((3, "22:00", "02:00")), "2026-03-04T22:30", True, id="past midnight, before it"),
        pytest.param(regular((3, "22:00", "02:00")), "2026-03-05T00:30", True, id="past midnight, after it"),
        pytest.param(regular((3, "22:00", "02:00")), "2026-03-04T00:30", False, id="not the night before"),
        pytest.param(regular((7, "22:00", "02:00")), "2026-03-01T23:30", True, id="from Sunday to Monday"),
        pytest.param(regular((3, "00:00", "24:00")), "2026-03-04T22:59", True, id="until 24:00"),
        pytest.param(
            regular((3, "00:00", "00:00")), "2026-03-04T12:00", True, id="a whole day as from midnight to midnight"
        ),
        pytest.param(regular((3, "08:00", "12:00"), (3, "13:00", "18:00")), "2026-03-04T11:30", False, id="a break"),
        pytest.param(ALWAYS_BUT, "2026-12-24T23:59", True, id="always, but for a closing"),
        pytest.param(ALWAYS_BUT, "2026-12-25T00:00", False, id="as the closing begins"),
        pytest.param(ALWAYS_BUT, "2026-12-26T00:00", True, id="as it ends"),
        pytest.param(BOTH, "2026-12-25T05:00", True, id="an exceptional opening on a day without hours"),
        pytest.param(BOTH, "2026-12-25T12:30", False, id="a closing stands above an opening"),
        pytest.param(regular((3, "8 o'clock", "20:00")), "2026-03-04T12:00", None, id="hours that nobody can read"),
        pytest.param(regular((3, "08:75", "20:00")), "2026-03-04T12:00", None, id="a minute that is none"),
        pytest.param(regular(), "2026-03-04T12:00", False, id="no hours at all"),
    ],
)
def test_one_gets_in_when_hours_and_exceptions_say_so(hours: Hours, moment: str, expected: bool | None) -> None:
    assert is_open(Schedule("Europe/Berlin", hours), utc(moment)) is expected


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "/etc/passwd", "Europe", "../Berlin", "Zo\0ne"])
def test_hours_in_a_zone_that_is_none_are_not_known(zone: str) -> None:
    assert is_open(Schedule(zone, WEDNESDAY), utc("2026-03-04T12:00")) is None


def test_around_the_clock_needs_no_zone() -> None:
    assert is_open(Schedule("", Hours(twentyfourseven=True)), utc("2026-03-04T12:00")) is True

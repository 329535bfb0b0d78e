"""Control steps over stations that obey, do not answer, do not obey, or are away (L-T1, L-T3, L-T4, L-T5)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.chargers.events import Answered
from hub.chargers.loads import control as controls
from hub.chargers.loads.tree import LimitEvent, Reading
from tests.chargers.yard import START, STEP, Box, Yard, garage

KW = 1000


def event(kilowatts: int, minutes: int = 60) -> LimitEvent:
    return LimitEvent("grid", kilowatts * KW, START + timedelta(minutes=minutes))


async def test_a_limit_event_is_obeyed_within_thirty_seconds_and_stays_obeyed_l_t1() -> None:
    yard = garage(20)
    await yard.step(6)
    assert 55 * KW < yard.watts() <= 60 * KW
    yard.events = (event(25),)
    await yard.step(3)
    assert 20 * KW < yard.watts() <= 25 * KW
    for _ in range(60):
        await yard.step()
        assert yard.watts() <= 25 * KW
    assert [box.charge for box in yard.boxes] == [*range(1, 21)]


async def test_everybody_gets_its_turn_while_there_is_too_little_for_all_l_t1() -> None:
    yard = garage(20)
    yard.events = (event(25, 600),)
    await yard.step(6 * 60)
    assert min(box.energy_wh for box in yard.boxes) > 0.7 * KW


async def test_a_limit_event_ends() -> None:
    yard = garage(20, events=(event(25, minutes=5),))
    await yard.step(24)
    assert yard.watts() <= 25 * KW
    await yard.step(24)
    assert yard.watts() > 55 * KW


async def test_whoever_is_raised_waits_for_whoever_is_lowered() -> None:
    yard = garage(2, limit_kw=22)
    yard.box("02").charge = None
    await yard.step(2)
    yard.box("01").answer = Answered.TIMEOUT
    yard.box("02").start(7, yard.at)
    for _ in range(30):
        await yard.step()
        assert yard.watts() <= 22 * KW
    assert yard.box("02").drawn(yard.at) <= 160


async def test_a_station_that_ignores_profiles_is_counted_at_its_maximum_l_t3() -> None:
    yard = garage(4, limit_kw=40)
    yard.box("03").is_deaf = True
    await yard.step(3)
    for _ in range(90):
        await yard.step()
        assert yard.watts() <= 40 * KW
    assert yard.box("03").drawn(yard.at) == 320
    seen = {one["uid"]: one for one in json.loads(yard.shown)["evses"]}
    assert seen["03"]["is"] == "takes more than it was told"
    assert seen["03"]["counted_a"] == 32
    yard.box("03").is_deaf = False
    await yard.step(12)
    assert yard.box("03").drawn(yard.at) < 320
    assert yard.watts() > 30 * KW


@pytest.mark.parametrize("answer", [Answered.REJECTED, Answered.NOT_SUPPORTED, Answered.TIMEOUT])
async def test_a_station_that_confirms_nothing_is_counted_at_its_maximum_l_t3(answer: Answered) -> None:
    yard = garage(4, limit_kw=40)
    yard.box("02").answer = answer
    for _ in range(60):
        await yard.step()
        assert yard.watts() <= 40 * KW
    assert yard.box("02").drawn(yard.at) == 320
    asked = [at for at, _ in yard.box("02").said]
    assert len(asked) <= 2 * 11, "at a bounded pace"


async def test_stations_fall_to_what_was_installed_when_the_hub_is_gone_l_t4() -> None:
    yard = garage(10)
    for box in yard.boxes[3:]:
        box.charge = None
    await yard.step(3)
    assert yard.box("01").drawn(yard.at) > 200
    for number, box in enumerate(yard.boxes[3:], 20):
        box.start(number, yard.at)
    yard.pass_time(timedelta(seconds=controls.LEASE_SECONDS + 1))
    assert yard.watts() <= 60 * KW
    assert all(box.drawn(yard.at) == 86 for box in yard.boxes), "an equal part of 60 kW"


async def test_fall_backs_below_what_a_car_can_take_go_to_as_many_as_can_have_it_l_t4() -> None:
    yard = garage(20)
    await yard.step()
    yard.pass_time(timedelta(days=1))
    assert yard.watts() <= 60 * KW
    assert [box.drawn(yard.at) for box in yard.boxes] == [62] * 14 + [0] * 6


async def test_fall_backs_fit_together_at_every_moment_while_stations_join_l_t4() -> None:
    yard = garage(20, charging=False)
    for box in yard.boxes[:8]:
        box.is_known = False
    await yard.step()
    assert [box.fallback for box in yard.boxes[8:]] == [72] * 12
    for box in yard.boxes:
        box.is_known = True
    await yard.step()
    assert [box.fallback for box in yard.boxes] == [62] * 14 + [0] * 6
    assert yard.fallbacks_most <= 869, "60 kW over three phases"


async def test_a_station_that_is_away_keeps_its_fall_back_and_those_that_join_have_the_rest_l_t4() -> None:
    yard = garage(20, charging=False)
    for box in yard.boxes[12:]:
        box.is_known = False
    await yard.step()
    yard.box("01").is_there = False
    for box in yard.boxes:
        box.is_known = True
    await yard.step()
    assert [box.fallback for box in yard.boxes] == [72] + [62] * 12 + [0] * 7
    yard.box("01").is_there = True
    await yard.step()
    assert [box.fallback for box in yard.boxes] == [62] * 14 + [0] * 6
    assert yard.fallbacks_most <= 869, "60 kW over three phases"


async def test_a_raise_whose_answer_is_lost_with_the_connection_is_counted_l_t4() -> None:
    yard = garage(2, limit_kw=22)
    await yard.step(2)
    yard.box("02").charge = None
    yard.box("01").is_cut_off_when_told = True
    await yard.step(12)
    assert (yard.box("01").drawn(yard.at), yard.box("01").is_there) == (318, False)
    yard.box("02").start(7, yard.at)
    for _ in range(30):
        await yard.step()
        assert yard.watts() <= 22 * KW


async def test_a_station_that_is_away_is_counted_and_the_others_share_the_rest_l_t4() -> None:
    yard = garage(4, limit_kw=44)
    await yard.step(3)
    yard.box("01").is_there = False
    for _ in range(100):
        await yard.step()
        assert yard.watts() <= 44 * KW
    assert yard.box("01").drawn(yard.at) == 159, "its part of 44 kW, from the fall-back that it keeps"
    yard.box("01").is_there = True
    before = len(yard.box("01").said)
    await yard.step()
    assert next(profile.purpose for _, profile in yard.box("01").said[before:]) == "DEFAULT"


async def test_a_station_that_is_away_without_a_known_charge_may_charge_all_the_same() -> None:
    yard = garage(3, limit_kw=44)
    await yard.step(2)
    yard.box("03").is_there, yard.box("03").charge = False, None
    await yard.step(12)
    assert yard.watts() <= (44 - 14) * KW


async def test_after_a_restart_nothing_is_forgotten_that_holds() -> None:
    yard = garage(20, events=(event(25),))
    await yard.step(6)
    yard.control = yard.new_control()
    for _ in range(12):
        await yard.step()
        assert yard.watts() <= 25 * KW
    assert yard.watts() > 15 * KW


async def test_a_partners_higher_profile_changes_nothing_l_t5() -> None:
    yard = garage(4, limit_kw=40)
    await yard.step(3)
    before, changes = [box.drawn(yard.at) for box in yard.boxes], yard.changes()
    yard.box("01").limit_w = Decimal(100_000)
    await yard.step(12)
    assert [box.drawn(yard.at) for box in yard.boxes] == before
    assert yard.changes() == changes


async def test_a_partners_lower_profile_is_one_more_minimum_and_what_the_station_says_is_true_l_t5() -> None:
    yard = garage(4, limit_kw=40)
    await yard.step(3)
    yard.box("01").limit_w = Decimal(6_900)
    await yard.step(12)
    assert yard.box("01").allowed(yard.at) == 100, "10 A, also where the station is asked for its composite schedule"
    assert 38 * KW < yard.watts() <= 40 * KW, "the others have the rest"


async def test_a_set_point_is_renewed_before_it_runs_out() -> None:
    yard = garage(1, limit_kw=22)
    await yard.step(6 * 60)
    told = [at for at, profile in yard.box("01").said if profile.purpose == "TRANSACTION"]
    assert len(told) == 6
    assert yard.box("01").drawn(yard.at) == 318


async def test_readings_give_and_take_room() -> None:
    yard = garage(4, limit_kw=20)
    await yard.step(3)
    until = START + timedelta(minutes=30)
    yard.pv = (Reading("grid", 30 * KW, until),)
    yard.base_loads = (Reading("grid", 10 * KW, until),)
    await yard.step(12)
    assert 38 * KW < yard.watts() <= 40 * KW
    yard.at = until
    await yard.step(3)
    assert yard.watts() <= 10 * KW, "no sun is believed without a reading, and the last known load still counts"


async def test_a_car_on_one_phase_counts_a_third_below_a_limit_in_watts() -> None:
    yard = garage(6, limit_kw=22)
    for box in yard.boxes:
        box.phases = 1
    yard.max_w = Decimal(7_360)
    await yard.step(3)
    assert 20 * KW < yard.watts() <= 22 * KW
    assert all(box.drawn(yard.at) > 150 for box in yard.boxes)


async def test_a_group_below_a_limit_in_amperes_is_held_to_it_on_every_phase() -> None:
    boxes = [Box(uid=str(number), charge=number) for number in range(1, 5)]
    tree = {
        "id": "grid",
        "limit_kw": 100,
        "children": [
            {"id": "north", "limit_a": 32, "evses": ["1", "2"]},
            {"id": "south", "limit_a": 63, "evses": ["3", "4"]},
        ],
    }
    yard = Yard(tree, boxes)
    boxes[0].phases = 1
    await yard.step(3)
    assert [box.drawn(yard.at) for box in boxes] == [160, 160, 315, 315]


async def test_what_hardly_changes_is_left_alone() -> None:
    yard = garage(4, limit_kw=40)
    await yard.step(3)
    changes = yard.changes()
    for watts in range(1, 30):
        yard.pv = (Reading("grid", 50 * (watts % 3), yard.at + timedelta(hours=1)),)
        await yard.step()
    assert yard.changes() == changes


async def test_limits_that_are_none_are_logged_and_cost_other_sites_nothing() -> None:
    yard = garage(2)
    yard.limits = {"id": "grid"}
    await yard.step()
    assert yard.changes() == 0


async def test_surplus_only_charges_while_the_sun_shines() -> None:
    yard = garage(2, limit_kw=60)
    yard.limits = {**yard.limits, "mode": "surplus", "min_on_seconds": 120, "min_off_seconds": 60}
    await yard.step(6)
    assert yard.watts() == 0
    hour = START + timedelta(hours=1)
    yard.pv = (Reading("grid", 10 * KW, hour),)
    await yard.step(3)
    assert 9 * KW < yard.watts() <= 10 * KW
    yard.pv = (Reading("grid", 1 * KW, hour),)
    await yard.step(3)
    assert yard.watts() == Decimal(4140), "the least that a car can take, until it was on long enough"
    await yard.step(12)
    assert yard.watts() == 0


class Coming(NamedTuple):
    """What happens at a station before a step: a car comes or goes, on so many phases."""

    uid: int
    is_coming: bool
    phases: int


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.lists(st.builds(Coming, st.integers(0, 7), st.booleans(), st.sampled_from([1, 3])), max_size=4), max_size=25
    ),
    st.integers(5, 80),
    st.lists(st.integers(0, 40), max_size=25),
)
def test_whoever_comes_and_goes_and_whatever_the_sun_does_the_limit_holds_l_t6(
    happenings: list[list[Coming]], limit: int, sun: list[int]
) -> None:
    asyncio.run(_live(happenings, limit, sun))


async def _live(happenings: list[list[Coming]], limit: int, sun: list[int]) -> None:
    yard = garage(8, limit, charging=False)
    for number, happened in enumerate(happenings):
        for one in happened:
            box = yard.boxes[one.uid]
            box.charge = None
            if one.is_coming:
                box.phases = one.phases
                box.start(number * 10 + one.uid + 1, yard.at)
        shines = sun[number] if number < len(sun) else 0
        yard.pv = (Reading("grid", shines * KW, yard.at + STEP * 2),)
        await yard.step()
        assert yard.watts() <= (limit + shines) * KW
        assert all(drawn == 0 or 60 <= drawn <= 320 for drawn in (box.drawn(yard.at) for box in yard.boxes))

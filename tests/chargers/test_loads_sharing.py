"""Who gets how much: deadlines, equal parts, turns, and the sun."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.chargers.loads.sharing import TURN_SECONDS, Claim, Share, edf, fair, leaves_in, round_robin
from hub.chargers.loads.surplus import Swing, budget_w, follow
from hub.chargers.loads.tree import Following, read_tree

HOUR = 3600
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)


def car(
    uid: str, leaves: float | None = None, remaining: float | None = None, *, on: float = 0, waits: float = 0
) -> Claim:
    return Claim(
        evse_uid=uid, most=320, leaves_in_seconds=leaves, remaining_wh=remaining, on_seconds=on, waits_seconds=waits
    )


def shared(share: Share, amperes: int, *claims: Claim) -> dict[str, int]:
    tree = read_tree({"id": "grid", "limit_a": amperes}, [claim.evse_uid for claim in claims])
    return share(tree, tree.standing_room(), claims)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param([car("a", 2 * HOUR), car("b", HOUR)], {"a": 80, "b": 320}, id="who leaves first"),
        pytest.param(
            [car("a", HOUR, 5_000), car("b", HOUR, 9_000)],
            {"a": 80, "b": 320},
            id="of two that leave together, who can wait less",
        ),
        pytest.param([car("a"), car("b", HOUR)], {"a": 80, "b": 320}, id="who says nothing comes after who does"),
        pytest.param([car("a"), car("b")], {"a": 200, "b": 200}, id="nobody says anything: equal parts"),
        pytest.param([car("a", -60, 9_000), car("b", HOUR)], {"a": 80, "b": 320}, id="who should have left is late"),
        pytest.param([car("a", HOUR, 0), car("b")], {"a": 80, "b": 320}, id="who has got what it asked for comes last"),
        pytest.param(
            [car("a", HOUR), car("b", 2 * HOUR), car("c", 3 * HOUR)],
            {"a": 280, "b": 60, "c": 60},
            id="6 A for everybody first",
        ),
    ],
)
def test_earliest_deadline_first(claims: list[Claim], expected: dict[str, int]) -> None:
    assert shared(edf, 40, *claims) == expected


def test_equal_parts_leave_nothing_that_somebody_could_use() -> None:
    small = Claim(evse_uid="a", most=100)
    assert shared(fair, 50, small, car("b"), car("c")) == {"a": 100, "b": 200, "c": 200}


def test_equal_parts_below_a_group_do_not_hold_up_the_others() -> None:
    limits = {"id": "grid", "limit_a": 60, "children": [{"id": "north", "limit_a": 20, "evses": ["a", "b"]}]}
    tree = read_tree(limits, ["a", "b", "c"])
    assert fair(tree, tree.standing_room(), [car("a"), car("b"), car("c")]) == {"a": 100, "b": 100, "c": 320}


def test_who_waited_longest_is_next_and_a_turn_lasts() -> None:
    on, waits, waits_longer = car("a", on=60), car("b", waits=60), car("c", waits=600)
    assert shared(fair, 12, on, waits, waits_longer) == {"a": 60, "b": 0, "c": 60}
    over = car("a", on=TURN_SECONDS)
    assert shared(fair, 12, over, waits, waits_longer) == {"a": 0, "b": 60, "c": 60}


def test_round_robin_gives_one_after_the_other_all_it_can_take() -> None:
    assert shared(round_robin, 40, car("a"), car("b", waits=60)) == {"a": 80, "b": 320}


@pytest.mark.parametrize(
    ("stayed", "expected"),
    [
        pytest.param(0, 10 * HOUR, id="just came"),
        pytest.param(15.5 * HOUR, 2.5 * HOUR, id="of those who stay so long"),
        pytest.param(20 * HOUR, None, id="nobody ever stayed longer"),
    ],
)
def test_who_does_not_say_leaves_like_others_before(stayed: float, expected: float | None) -> None:
    assert leaves_in(stayed, [hours * HOUR for hours in range(1, 21)]) == expected


def test_a_few_stays_say_nothing() -> None:
    assert leaves_in(0, [HOUR] * 19) is None


@pytest.mark.parametrize(
    ("swing", "is_enough", "expected"),
    [
        pytest.param(Swing(), True, True, id="the first sun counts at once"),
        pytest.param(Swing(True, NOON - timedelta(seconds=299)), False, True, id="not on long enough for a cloud"),
        pytest.param(Swing(True, NOON - timedelta(seconds=300)), False, False, id="on long enough"),
        pytest.param(Swing(False, NOON - timedelta(seconds=59)), True, False, id="not off long enough"),
        pytest.param(Swing(False, NOON - timedelta(seconds=60)), True, True, id="off long enough"),
    ],
)
def test_the_sun_is_followed_with_patience(swing: Swing, is_enough: bool, expected: bool) -> None:
    assert follow(swing, is_enough, Following(min_on_seconds=300, min_off_seconds=60), NOON).is_on is expected


def test_the_grid_may_give_its_share() -> None:
    following = Following(grid_w=2_000)
    assert budget_w(Swing(True), 5_000, 4_140, following) == 7_000
    assert budget_w(Swing(True), 0, 4_140, following) == 4_140
    assert budget_w(Swing(False), 5_000, 4_140, following) == 0

"""Whatever is wished for, whatever tree, arrivals, limits and PV: no node is above its room, and no car between 0 and 6 A (L-T6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.chargers.loads.safety import Point, Standing, fits, is_deaf, load, secure
from hub.chargers.loads.sharing import Claim, Share, edf, fair, round_robin
from hub.chargers.loads.tree import MIN_TENTHS, LimitEvent, Now, Reading, Tree, read_tree

AT = datetime(2026, 10, 5, 8, tzinfo=UTC)
LATER = AT + timedelta(minutes=15)
SHARES: dict[str, Share] = {"edf": edf, "fair": fair, "round robin": round_robin}


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree of up to a dozen EVSEs."""
    uids = [str(number) for number in range(draw(st.integers(1, 12)))]
    return read_tree(_node(draw, uids, "n", 3), uids)


def _node(draw: st.DrawFn, uids: list[str], name: str, levels: int) -> dict[str, Any]:
    limit = draw(st.sampled_from(["limit_kw", "limit_a"]))
    node: dict[str, Any] = {"id": name, limit: draw(st.integers(0, 120)), "volts": draw(st.sampled_from([230, 240]))}
    node["base_load_kw"] = draw(st.integers(0, 15))
    cut = draw(st.integers(0, len(uids)))
    if levels and len(uids) > 1:
        parts = [part for part in (uids[:cut], uids[cut:]) if part]
        node["children"] = [_node(draw, part, f"{name}{index}", levels - 1) for index, part in enumerate(parts)]
    else:
        node["evses"] = uids
    return node


@st.composite
def moments(draw: st.DrawFn, tree: Tree) -> Now:
    """Any limits in force, loads and sun."""
    some = st.lists(st.tuples(st.sampled_from([*tree.nodes]), st.integers(0, 100_000), st.booleans()), max_size=4)
    readings = [[Reading(node, watts, LATER if fresh else AT) for node, watts, fresh in draw(some)] for _ in range(2)]
    events = (LimitEvent(node, watts, LATER if fresh else AT) for node, watts, fresh in draw(some))
    return Now(AT, tuple(events), tuple(readings[0]), tuple(readings[1]))


@st.composite
def points_of(draw: st.DrawFn, tree: Tree) -> list[Point]:
    """Any who charge, some of whom are counted whatever they are told."""
    uids = draw(st.lists(st.sampled_from([*tree.paths]), unique=True))
    return [
        Point(
            evse_uid=uid,
            most=draw(st.sampled_from([60, 100, 160, 320, 630])),
            counted=draw(st.sampled_from([0, 0, 0, 60, 160])),
            phases=draw(st.sampled_from([1, 3])),
        )
        for uid in uids
    ]


def assert_safe(tree: Tree, room: Mapping[str, int], points: list[Point], given: Mapping[str, int]) -> None:
    """Independent of how it was found: sums over the paths, node by node."""
    for node in tree.nodes.values():
        below = [point for point in points if node.id in {one.id for one in tree.path(point.evse_uid)}]
        factor = {
            point.evse_uid: (node.volts * min(point.phases, node.phases) if node.is_watts else 1) for point in below
        }
        whole = sum(max(given[point.evse_uid], point.counted) * factor[point.evse_uid] for point in below)
        anyway = sum(point.counted * factor[point.evse_uid] for point in below)
        assert whole <= max(room[node.id], anyway)
    assert all(given[point.evse_uid] == 0 or MIN_TENTHS <= given[point.evse_uid] <= point.most for point in points)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_set_points_never_come_to_more_than_the_room_l_t6(data: st.DataObject) -> None:
    tree = data.draw(trees())
    room, points = tree.room(data.draw(moments(tree))), data.draw(points_of(tree))
    wishes = {point.evse_uid: data.draw(st.integers(0, 1_000)) for point in points}
    given = secure(tree, room, points, wishes)
    assert_safe(tree, room, points, given)
    assert secure(tree, room, points, given) == given, "what is safe stays as it is"
    assert fits(tree, room, points, given)


@settings(deadline=None, max_examples=300)
@given(st.data(), st.sampled_from([*SHARES]))
def test_whoever_shares_out_stays_within_the_room_by_itself_l_t6(data: st.DataObject, name: str) -> None:
    tree = data.draw(trees())
    room, points = tree.room(data.draw(moments(tree))), data.draw(points_of(tree))
    claims = [
        Claim(
            evse_uid=point.evse_uid,
            most=point.most,
            phases=point.phases,
            leaves_in_seconds=data.draw(st.one_of(st.none(), st.integers(-600, 36_000))),
            remaining_wh=data.draw(st.one_of(st.none(), st.integers(-100, 60_000))),
            waits_seconds=data.draw(st.integers(0, 3_600)),
            on_seconds=data.draw(st.integers(0, 3_600)),
        )
        for point in points
    ]
    given = SHARES[name](tree, room, claims)
    assert given.keys() == {claim.evse_uid for claim in claims}
    assert_safe(tree, room, [claim.point for claim in claims], given)


def test_whoever_is_named_first_is_served_first() -> None:
    tree = read_tree({"id": "grid", "limit_a": 20}, ["a", "b"])
    points = [Point(evse_uid="a", most=160), Point(evse_uid="b", most=160)]
    assert secure(tree, tree.standing_room(), points, {"a": 160, "b": 160}) == {"a": 160, "b": 0}, "4 A is no set-point"


def test_a_counted_point_may_have_what_it_is_counted_at() -> None:
    tree = read_tree({"id": "grid", "limit_a": 20}, ["a", "b"])
    points = [Point(evse_uid="a", most=160, counted=160), Point(evse_uid="b", most=160)]
    given = secure(tree, tree.standing_room(), points, {"a": 60, "b": 160})
    assert given == {"a": 60, "b": 0}
    assert load(tree, points, given) == {"grid": 160}


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(Standing(), 320, id="nothing was ever confirmed"),
        pytest.param(Standing(fallback=60), 60, id="only the fall-back was"),
        pytest.param(Standing(confirmed=0, fallback=60), 0, id="told to wait"),
        pytest.param(Standing(confirmed=100, fallback=60), 100, id="told to charge"),
        pytest.param(Standing(confirmed=100, unsure=160, fallback=60), 160, id="a raise was sent and not answered"),
        pytest.param(Standing(confirmed=0, fallback=60, is_there=False), 60, id="away: it may fall back at any moment"),
        pytest.param(Standing(confirmed=0, is_there=False), 320, id="away, and nothing was installed"),
        pytest.param(Standing(confirmed=0, fallback=60, is_lapsed=True), 60, id="its set-point may have run out"),
        pytest.param(Standing(confirmed=0, fallback=60, is_deaf=True), 320, id="it does not obey"),
    ],
)
def test_what_a_station_is_counted_at_l_t3_l_t4(standing: Standing, expected: int) -> None:
    assert standing.counted(320) == expected


@pytest.mark.parametrize(
    ("drawn", "seconds", "expected"),
    [
        pytest.param(100, 60, False, id="as told"),
        pytest.param(110, 60, False, id="within the tolerance"),
        pytest.param(111, 60, True, id="beyond it"),
        pytest.param(320, 5, False, id="read before it could obey"),
    ],
)
def test_a_reading_shows_who_does_not_obey(drawn: int, seconds: int, expected: bool) -> None:
    standing = Standing(confirmed=100, confirmed_at=AT)
    assert is_deaf(standing, drawn, AT + timedelta(seconds=seconds), timedelta(seconds=10)) is expected


def test_a_waiting_car_that_draws_a_little_obeys() -> None:
    assert not is_deaf(Standing(confirmed=0, confirmed_at=AT), 10, LATER, timedelta(seconds=10))
    assert is_deaf(Standing(confirmed=0, confirmed_at=AT), 11, LATER, timedelta(seconds=10))

"""Limits as provisioned: W and A, phases, other loads, the sun, limits that pass; and what is wrong with a tree, by its place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.loads.charges import evses_of
from hub.chargers.loads.tree import BadLimits, LimitEvent, Now, Reading, read_tree
from tests.chargers.yard import site_of

AT = datetime(2026, 10, 5, 8, tzinfo=UTC)
LATER = AT + timedelta(minutes=15)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param({"id": "g"}, ["limits: has one limit"], id="no limit"),
        pytest.param({"id": "g", "limit_kw": 1, "limit_a": 1}, ["limits: has one limit"], id="two limits"),
        pytest.param({"limit_kw": 1}, ["limits.id: is required"], id="no id"),
        pytest.param({"id": "g", "limit_kw": -1}, ["limits.limit_kw: is a number"], id="less than nothing"),
        pytest.param({"id": "g", "limit_kw": "60"}, ["limits.limit_kw: is a number"], id="a number as text"),
        pytest.param({"id": "g", "limit_kw": True}, ["limits.limit_kw: is a number"], id="a number that is a truth"),
        pytest.param({"id": "g", "limit_a": float("nan")}, ["limits.limit_a: is a number"], id="no number"),
        pytest.param({"id": "g", "limit_a": 6, "phases": 2}, ["limits.phases: is 1 or 3"], id="two phases"),
        pytest.param({"id": "g", "limit_a": 6, "volts": 0}, ["limits.volts: is a whole number"], id="no volts"),
        pytest.param({"id": "g", "limit_a": 6, "mode": "greedy"}, ["limits.mode: is one of"], id="another mode"),
        pytest.param({"id": "g", "limit_a": 6, "mode": []}, ["limits.mode: is one of"], id="a mode that is a list"),
        pytest.param(
            {"id": "g", "limit_a": 6, "limit_w": 6}, ["limits.limit_w: is not a field"], id="an unknown field"
        ),
        pytest.param(
            {"id": "g", "limit_a": 6, "evses": ["9"]}, ["limits.evses[0]: there is no EVSE"], id="no such EVSE"
        ),
        pytest.param({"id": "g", "limit_a": 6, "evses": ["a", "A"]}, ["limits.evses[1]: 'A' stands twice"], id="twice"),
        pytest.param({"id": "g", "limit_a": 6, "children": {}}, ["limits.children: is a list"], id="one child, bare"),
        pytest.param(
            {"id": "g", "limit_a": 6, "children": [{"id": "G", "limit_kw": 1, "mode": "fair"}, 7]},
            [
                "limits.children[0].id: 'G' stands twice",
                "limits.children[0].mode: fair is for",
                "limits.children[1]: is not",
            ],
            id="all that is wrong is named",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(limits: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(BadLimits) as bad:
        read_tree(limits, ["a"])
    assert [fault[: len(start)] for fault, start in zip(bad.value.faults, expected, strict=True)] == expected


def test_a_tree_that_is_too_deep_is_refused() -> None:
    node: dict[str, Any] = {"id": "n", "limit_kw": 1}
    for number in range(20):
        node = {"id": str(number), "limit_kw": 1, "children": [node]}
    with pytest.raises(BadLimits, match="more than 16 levels"):
        read_tree(node, [])


GROUPS = {
    "id": "grid",
    "limit_kw": Decimal("60.5"),
    "base_load_kw": 10,
    "children": [{"id": "north", "limit_a": 63, "base_load_kw": Decimal("0.7"), "evses": ["a"]}],
}


@pytest.mark.parametrize(
    ("now", "grid", "north"),
    [
        pytest.param(Now(AT), 498_000, 619, id="other loads count at their node and above; A is rounded down"),
        pytest.param(Now(AT, pv=(Reading("grid", 5_000, LATER),)), 548_000, 619, id="the sun gives room"),
        pytest.param(
            Now(AT, pv=(Reading("north", 1_390, LATER),)), 511_900, 640, id="below a node it gives room there too"
        ),
        pytest.param(Now(AT, pv=(Reading("grid", 5_000, AT),)), 498_000, 619, id="an old reading of the sun is none"),
        pytest.param(
            Now(AT, base_loads=(Reading("grid", 2_000, LATER),)), 578_000, 619, id="a meter says less than provisioned"
        ),
        pytest.param(
            Now(AT, base_loads=(Reading("grid", 2_000, AT),)), 498_000, 619, id="an old one: what was provisioned"
        ),
        pytest.param(
            Now(AT, base_loads=(Reading("grid", 20_000, AT),)), 398_000, 619, id="an old one that was more counts"
        ),
        pytest.param(Now(AT, (LimitEvent("grid", 25_000, LATER),)), 143_000, 619, id="a limit for a while"),
        pytest.param(Now(AT, (LimitEvent("grid", 99_000, LATER),)), 498_000, 619, id="it never raises"),
        pytest.param(Now(AT, (LimitEvent("grid", 25_000, AT),)), 498_000, 619, id="it is over"),
        pytest.param(Now(AT, (LimitEvent("north", 6_900, LATER),)), 498_000, 89, id="in W at a node in A"),
        pytest.param(
            Now(AT, base_loads=(Reading("grid", 90_000, LATER),)), -302_000, 619, id="more than the limit already"
        ),
    ],
)
def test_room_is_the_limit_less_other_loads_and_with_the_sun(now: Now, grid: int, north: int) -> None:
    assert read_tree(GROUPS, ["a", "b"]).room(now) == {"grid": grid, "north": north}


def test_one_phase_is_a_third_in_watts_and_the_same_in_amperes() -> None:
    grid, north = read_tree(GROUPS, ["a"]).path("a")
    assert grid.weight(3) == 3 * grid.weight(1) == 690
    assert north.weight(3) == north.weight(1) == 1


def test_an_evse_that_no_node_names_hangs_at_the_root() -> None:
    assert [node.id for node in read_tree(GROUPS, ["a", "b"]).path("b")] == ["grid"]


@pytest.mark.parametrize(
    ("power_type", "most", "phases"),
    [
        pytest.param("AC_3_PHASE", 320, 3, id="three phases"),
        pytest.param("AC_1_PHASE", 320, 1, id="one phase"),
        pytest.param("DC", 106, 3, id="DC: 230 V x 32 A, as if from three phases"),
    ],
)
def test_what_an_evse_is_made_for(power_type: str, most: int, phases: int) -> None:
    site = site_of([("a", 32)], {"id": "grid", "limit_kw": 60}, power_type)
    evse = evses_of(site, read_tree({"id": "grid", "limit_kw": 60}, ["a"]))["a"]
    assert (evse.most, evse.phases, evse.is_dc) == (most, phases, power_type == "DC")

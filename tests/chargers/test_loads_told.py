"""What stations are told by load management: the caps of whole stations, and set-points of DC in W."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.events import Answered, Spot, TransactionRef
from hub.chargers.loads.charges import ActiveCharge, Evse, evses_of
from hub.chargers.loads.control import LEASE_SECONDS, Lease, charge_limit, default_limit, station_caps
from hub.chargers.loads.tree import read_tree
from hub.chargers.places import Plug, Site
from tests.chargers.yard import START, Box, Yard

Connectors = dict[str, tuple[str, str, int]]
"""Station, power type and amperes, by uid of the EVSE."""

AC, ONE_PHASE, DC = "AC_3_PHASE", "AC_1_PHASE", "DC"
TWO: Connectors = {"a": ("S1", AC, 32), "b": ("S1", AC, 32)}


def evses(limits: dict[str, Any], connectors: Connectors) -> dict[str, Evse]:
    """The EVSEs of a site below a tree."""
    contents = [
        {"uid": uid, "connectors": [{"id": "1", "power_type": kind, "max_voltage": 230, "max_amperage": amperes}]}
        for uid, (_, kind, amperes) in connectors.items()
    ]
    plugs = tuple(
        Plug(station=station, evse=number, connector=1, evse_uid=uid, connector_id="1")
        for number, (uid, (station, _, _)) in enumerate(connectors.items(), 1)
    )
    site = Site(id="S", location={"id": "S", "evses": contents}, plugs=plugs, limits=limits)
    return dict(evses_of(site, read_tree(limits, tuple(connectors))))


@pytest.mark.parametrize(
    ("limits", "connectors", "caps"),
    [
        pytest.param({"limit_a": 64}, TWO, {}, id="both may have all that they are made for"),
        pytest.param({"limit_a": 63}, TWO, {"S1": 630}, id="an ampere less than both could take"),
        pytest.param({"limit_kw": 22}, TWO, {"S1": 318}, id="a limit in kW, over three phases"),
        pytest.param({"limit_a": 40, "base_load_kw": 6.9}, TWO, {"S1": 300}, id="other loads are there too"),
        pytest.param({"limit_a": 0}, TWO, {"S1": 0}, id="nothing is left"),
        pytest.param(
            {"limit_a": 32},
            {"a": ("S1", AC, 32), "b": ("S2", AC, 32)},
            {},
            id="two stations: each EVSE is told its own",
        ),
        pytest.param({"limit_a": 16}, {"a": ("S1", AC, 32)}, {"S1": 160}, id="one EVSE that is made for more"),
        pytest.param(
            {"limit_kw": 10},
            {"a": ("S1", ONE_PHASE, 32), "b": ("S1", AC, 32)},
            {"S1": 144},
            id="three phases are reckoned with where one of them has three",
        ),
        pytest.param(
            {
                "limit_a": 50,
                "children": [{"id": "x", "limit_a": 20, "evses": ["a"]}, {"id": "y", "limit_a": 20, "evses": ["b"]}],
            },
            TWO,
            {"S1": 500},
            id="only what is above both of them",
        ),
        pytest.param(
            {"limit_kw": 100, "children": [{"id": "x", "limit_a": 50, "evses": ["a", "b"]}]},
            TWO,
            {"S1": 500},
            id="the lowest of what is above both",
        ),
        pytest.param({"limit_kw": 30}, {"a": ("S1", DC, 217)}, {"S1": 434}, id="DC, as if from three phases"),
    ],
)
def test_a_station_is_capped_where_it_could_take_more_than_a_limit_above_it_bears(
    limits: dict[str, Any], connectors: Connectors, caps: dict[str, int]
) -> None:
    tree = {"id": "grid", **limits}
    found = station_caps(read_tree(tree, tuple(connectors)), evses(tree, connectors))
    assert {station: cap.tenths for station, cap in found.items()} == caps


@pytest.mark.parametrize(
    ("kind", "amperes", "tenths", "unit", "told"),
    [
        pytest.param(AC, 32, 160, "A", Decimal(16), id="AC in A per phase"),
        pytest.param(AC, 32, 62, "A", Decimal("6.2"), id="to a tenth of an ampere"),
        pytest.param(ONE_PHASE, 32, 100, "A", Decimal(10), id="AC of one phase in A"),
        pytest.param(DC, 217, 723, "W", Decimal(49887), id="DC in W: as much as three phases of that current"),
        pytest.param(DC, 217, 60, "W", Decimal(4140), id="the least of DC"),
        pytest.param(DC, 217, 0, "W", Decimal(0), id="DC that waits"),
    ],
)
def test_set_points_are_told_in_the_unit_of_the_connector(
    kind: str, amperes: int, tenths: int, unit: str, told: Decimal
) -> None:
    evse = evses({"id": "grid", "limit_kw": 100}, {"a": ("S1", kind, amperes)})["a"]
    charge = ActiveCharge(
        number=7,
        station="S1",
        spot=Spot(1, 1),
        evse_uid="a",
        since=START,
        transaction=TransactionRef(7),
        max_w=Decimal(50_000),
    )
    asked = charge_limit(evse, charge, tenths, Lease(START, 60)).profile
    fallback = Decimal(6) if unit == "A" else Decimal(4140)
    assert (asked.unit, [one.limit for one in asked.periods]) == (unit, [told, fallback])
    assert asked.start_at is not None
    assert asked.start_at + timedelta(seconds=asked.periods[1].start_seconds) == START + timedelta(
        seconds=LEASE_SECONDS
    )
    default = default_limit(evse, evse.plugs[0], tenths).profile
    assert (default.purpose, default.unit, [one.limit for one in default.periods]) == ("DEFAULT", unit, [told])


async def test_dc_chargers_share_a_limit_in_watts() -> None:
    boxes = [Box(uid=str(number), most=720, charge=number) for number in range(1, 4)]
    yard = Yard({"id": "grid", "limit_kw": 60}, boxes, max_w=Decimal(49_680), power_type="DC")
    await yard.step(6)
    assert 58_000 < yard.watts() <= 60_000
    units = {profile.unit for box in boxes for _, profile in box.said}
    assert (units, min(box.drawn(yard.at) for box in boxes) >= 60) == ({"W"}, True)


async def test_a_cap_is_told_once_and_again_when_the_station_was_away() -> None:
    yard = Yard({"id": "grid", "limit_a": 16}, [Box(uid="1", charge=1)])
    await yard.step(3)
    box = yard.box("1")
    assert caps_of(box) == [Decimal(16)]
    assert box.drawn(yard.at) <= 160
    box.is_there = False
    await yard.step()
    box.is_there = True
    await yard.step(3)
    assert caps_of(box) == [Decimal(16)] * 2


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        pytest.param(Answered.REJECTED, 1, id="a no is a no"),
        pytest.param(Answered.NOT_SUPPORTED, 1, id="it cannot"),
        pytest.param(Answered.TIMEOUT, 4, id="silence is no answer: asked at each step"),
    ],
)
async def test_a_cap_that_is_not_taken(answer: Answered, times: int) -> None:
    yard = Yard({"id": "grid", "limit_a": 16}, [Box(uid="1", answer=answer)])
    await yard.step(4)
    assert len(caps_of(yard.box("1"))) == times


def caps_of(box: Box) -> list[Decimal]:
    return [profile.periods[0].limit for _, profile in box.said if profile.purpose == "STATION"]

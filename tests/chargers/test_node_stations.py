"""The gateway and stations that others have written: ocpp-rpc, with its own schemas and strict about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub.chargers.events import (
    Answered,
    AskSchedule,
    IdToken,
    LimitPeriod,
    LimitProfile,
    ReadFeatures,
    RemoteStart,
    RemoteStop,
    Reserve,
    SetLimit,
    SetVariables,
    Spot,
    TransactionRef,
    Unlock,
)
from tests.chargers.desks import NOW
from tests.chargers.gateways import Door, running_gateway
from tests.npm.harness import Node, node
from tests.npm.stations import NodeStation, StationError, node_station

__all__ = ["node"]

pytestmark = pytest.mark.browser

PASSWORD = "a-password-of-a-station"
WAIT_SECONDS = 20.0
PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


@pytest.fixture(scope="module")
async def open_door() -> AsyncIterator[Door]:
    async with running_gateway() as made:
        yield made


@pytest.fixture
def door(open_door: Door) -> Door:
    open_door.desk.forget()
    open_door.desk.passwords["S1"] = PASSWORD
    return open_door


@pytest.fixture(params=PROTOCOLS)
async def station(request: pytest.FixtureRequest, node: Node, door: Door) -> AsyncIterator[NodeStation]:
    async with node_station(node, door.url, "S1", protocol=request.param, password=PASSWORD) as made:
        assert await made.do("connect") == request.param
        assert await made.do("boot") == "Accepted"
        yield made
        assert made.events == []


def is_old(door: Door) -> bool:
    return bool(door.desk.of("connected")[0][0] == "1.6")


def spot(door: Door) -> Spot:
    return Spot(0, 1) if is_old(door) else Spot(1, 1)


async def test_c_t1_a_session_by_card(door: Door, station: NodeStation) -> None:
    door.desk.blocked.add("BAD")
    assert (await station.do("tap", plug=1, token="BAD"))["status"] == "Blocked"
    assert (await station.do("tap", plug=1, token="TAG"))["status"] == "Accepted"
    await station.do("meter", plug=1, wh=2500)
    assert (await station.do("end", plug=1))["wh"] == 3500
    (started,) = door.desk.of("started")
    (stopped,) = door.desk.of("stopped")
    (metered,) = door.desk.of("metered")
    assert (started.spot, started.id_token.uid) == (spot(door), "TAG")
    assert Decimal(metered.values[0].samples[0].value) == 3500
    end = stopped.meter_wh if is_old(door) else Decimal(stopped.values[0].samples[0].value)
    assert end == 3500


async def test_c_t4_commands_are_understood(door: Door, station: NodeStation) -> None:
    ask, where = door.sockets.ask, spot(door)
    start = RemoteStart(spot=where, id_token=IdToken("ALIAS"), number=9)
    assert (await ask("S1", start, WAIT_SECONDS)).is_good
    (started,) = await door.desk.until("started")
    reference = TransactionRef(number=1) if is_old(door) else started.transaction
    periods = (LimitPeriod(0, Decimal("16.57")),)
    for purpose in ("STATION", "DEFAULT", "TRANSACTION"):
        profile = LimitProfile(id=3, purpose=purpose, stack_level=1, unit="A", periods=periods)
        at = Spot(0, 0) if purpose == "STATION" else where
        tied = reference if purpose == "TRANSACTION" else TransactionRef()
        assert (await ask("S1", SetLimit(spot=at, profile=profile, transaction=tied), WAIT_SECONDS)).is_good
    outcome = await ask("S1", AskSchedule(spot=where, duration_seconds=60), WAIT_SECONDS)
    assert outcome.schedule is not None
    assert outcome.schedule.periods == (LimitPeriod(0, Decimal("7400.5")),)
    reserve = Reserve(number=4, spot=where, id_token=IdToken("X"), expires_at=NOW + timedelta(hours=1))
    for more in (reserve, Unlock(where), SetVariables({"A.B": "1"}), ReadFeatures()):
        assert (await ask("S1", more, WAIT_SECONDS)).is_good
    assert await door.desk.until("featured") != [{}]
    assert (await ask("S1", RemoteStop(reference), WAIT_SECONDS)).is_good
    (stopped,) = await door.desk.until("stopped")
    assert stopped.reason == "Remote"
    assert (await ask("S1", RemoteStop(reference), WAIT_SECONDS)).answered is Answered.REJECTED


REFUSALS: list[tuple[Any, Answered]] = [
    ({"status": "Rejected"}, Answered.REJECTED),
    ({"code": "NotImplemented"}, Answered.NOT_SUPPORTED),
    ({"code": "InternalError"}, Answered.FAILED),
    (None, Answered.TIMEOUT),
]


async def test_c_t4_refusals_and_silence(door: Door, station: NodeStation) -> None:
    action = "RemoteStartTransaction" if is_old(door) else "RequestStartTransaction"
    start = RemoteStart(spot=None, id_token=IdToken("ALIAS"), number=9)
    for answer, answered in REFUSALS:
        await station.do("answer", action=action, payload=answer)
        wait_seconds = WAIT_SECONDS if answer is not None else 0.5
        assert (await door.sockets.ask("S1", start, wait_seconds)).answered is answered
    asked = await station.until_asked(len(REFUSALS))
    assert [one for one, _ in asked] == [action] * len(REFUSALS)


@pytest.mark.parametrize("password", [None, "wrong-password-of-it"])
async def test_c_t5_bad_logins_are_told_as_401(node: Node, door: Door, password: str | None) -> None:
    async with node_station(node, door.url, "S1", password=password) as station:
        with pytest.raises(StationError, match=r"401|Unauthorized"):
            await station.do("connect")


async def test_c_t7_unknown_actions_are_answered(door: Door, station: NodeStation) -> None:
    with pytest.raises(StationError) as caught:
        await station.do("call", action="ClearCache", payload={})
    assert caught.value.code == "NotSupported"
    assert await station.do("boot") == "Accepted"

"""Lanes: ordered, bounded, independent, nothing tried twice (T-22, B-10, HC-10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import structlog

from hub.partners.client import Answer, Call
from hub.partners.delivery import LAGGING_SECONDS, TIMEOUTS_IN_A_ROW_MAX, LaneState, Parcel, Update
from hub.partners.directory import Partner
from hub.partners.lanes import FIELD_SETS_MAX, Lanes
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout, RoutingFault

WAIT_SECONDS = 20.0


def partner(number: int) -> Partner:
    return Partner(number, f"p{number}", f"https://p{number}.example/versions", True, bytes([number]), "token")


def call(name: str, number: int) -> Call:
    return Call(method="PUT", url=f"https://{name}.example/{number}", headers={})


def parcel(name: str, number: int) -> Parcel:
    return Parcel(name=name, partner=partner(int(name[1:])), call=call(name, number))


class World:
    """Receivers that note what reaches them, behind a gate each, with failures on order."""

    def __init__(self, max_messages: int = 100, lagging_seconds: float = LAGGING_SECONDS) -> None:
        self.sent: list[str] = []
        self.lost: list[int] = []
        self.heard: list[int] = []
        self.faults: dict[str, Exception] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.lanes = Lanes(
            self._send,
            self._lose,
            lambda heard: self.heard.append(heard.id),
            max_messages=max_messages,
            lagging_seconds=lagging_seconds,
        )

    async def _send(self, call: Call) -> Answer:
        name = call.url.removeprefix("https://").partition(".")[0]
        self.sent.append(call.url.removeprefix("https://").replace(".example", ""))
        if name in self.gates:
            await self.gates[name].wait()
        fault = self.faults.get(call.url) or self.faults.get(name)
        if fault is not None:
            raise fault
        return Answer(200, {}, b"")

    async def _lose(self, partner: Partner) -> None:
        self.lost.append(partner.id)

    def push(self, name: str, *numbers: int) -> None:
        for number in numbers:
            self.lanes.push(parcel(name, number))

    def hold(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - a lane tells nobody that it has run empty
            await asyncio.sleep(0.001)


async def test_one_receiver_gets_everything_in_the_order_of_the_pushes() -> None:
    """A PATCH cannot overtake its PUT."""
    world = World()
    world.push("p1", *range(30))
    await until(lambda: len(world.sent) == 30)
    assert world.sent == [f"p1/{number}" for number in range(30)]
    assert world.lanes.depths() == {"p1": 0}


async def test_one_receiver_has_one_call_at_a_time() -> None:
    world = World()
    gate = world.hold("p1")
    world.push("p1", 1, 2, 3)
    await until(lambda: world.sent == ["p1/1"])
    await asyncio.sleep(0.01)
    assert (world.sent, world.lanes.depths()) == (["p1/1"], {"p1": 2})
    gate.set()
    await until(lambda: len(world.sent) == 3)


async def test_a_receiver_that_hangs_delays_nobody_else() -> None:
    """B-10."""
    world = World()
    world.hold("p1")
    world.push("p1", 1, 2)
    world.push("p2", 1, 2, 3)
    await until(lambda: world.lanes.depths() == {"p1": 1, "p2": 0} and len(world.heard) == 3)
    assert [sent for sent in world.sent if sent.startswith("p2")] == ["p2/1", "p2/2", "p2/3"]
    await world.lanes.close(drain_seconds=0)


async def test_pushing_does_not_wait() -> None:
    """X-17: whoever pushes is answered at once."""
    world = World()
    world.hold("p1")
    world.push("p1", *range(50))
    assert world.sent == []
    await world.lanes.close(drain_seconds=0)


async def test_a_lane_that_overflows_is_emptied_as_a_whole() -> None:
    """A gap in the middle would let a PATCH arrive without its PUT; the receiver catches up by GET."""
    world = World(max_messages=3)
    gate = world.hold("p1")
    world.push("p1", 0)
    await until(lambda: world.sent == ["p1/0"])
    world.push("p1", 1, 2, 3)
    assert (world.lanes.depths(), world.lanes.dropped_messages) == ({"p1": 3}, 0)
    world.push("p1", 4)
    assert (world.lanes.depths(), world.lanes.dropped_messages) == ({"p1": 1}, 3)
    gate.set()
    await until(lambda: len(world.heard) == 2)
    assert world.sent == ["p1/0", "p1/4"]


async def test_a_lane_tells_what_waits_since_when_and_what_it_lost() -> None:
    world = World(max_messages=2)
    gate = world.hold("p1")
    world.push("p1", 0)
    await until(lambda: world.sent == ["p1/0"])
    assert await world.lanes.states() == {"p1": LaneState()}
    world.push("p1", 1, 2)
    await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    pushed_at = loop.time()
    world.push("p1", 3)
    (state,) = (await world.lanes.states()).values()
    assert (state.waiting, state.dropped, state.superseded) == (1, 2, 0)
    assert 0 <= state.oldest_seconds <= loop.time() - pushed_at, "the oldest that waits, not one that was dropped"
    await asyncio.sleep(0.06)
    assert (await world.lanes.states())["p1"].oldest_seconds > 0.05
    gate.set()
    await world.lanes.close(drain_seconds=1)


async def test_a_receiver_that_cannot_be_reached_is_lost_and_gets_nothing_later() -> None:
    """T-22, HC-10, R-16."""
    world = World()
    world.faults["p1"] = ReceiverNotConnected()
    world.push("p1", 1, 2, 3)
    await until(lambda: world.lost == [1])
    assert (world.sent, world.lanes.dropped_messages, world.heard) == (["p1/1"], 2, [])
    del world.faults["p1"]
    world.push("p1", 4)
    await until(lambda: world.heard == [1])
    assert world.sent == ["p1/1", "p1/4"], "what was lost is not tried again"


@pytest.mark.parametrize(
    ("timeouts", "is_lost"),
    [
        pytest.param(TIMEOUTS_IN_A_ROW_MAX - 1, False, id="a slow moment"),
        pytest.param(TIMEOUTS_IN_A_ROW_MAX, True, id="R-17 too slow to be there"),
    ],
)
async def test_a_receiver_that_is_too_slow_too_often_is_lost(timeouts: int, is_lost: bool) -> None:
    world = World()
    for number in range(timeouts):
        world.faults[f"https://p1.example/{number}"] = ReceiverTimeout()
    world.push("p1", *range(timeouts + 2))
    await until(lambda: world.lost or len(world.heard) == 2)
    assert bool(world.lost) is is_lost
    assert len(world.sent) == (timeouts if is_lost else timeouts + 2)
    assert world.lanes.dropped_messages == (2 if is_lost else 0)


async def test_only_timeouts_in_a_row_count() -> None:
    world = World()
    for number in range(0, 12, 2):
        world.faults[f"https://p1.example/{number}"] = ReceiverTimeout()
    world.push("p1", *range(12))
    await until(lambda: len(world.sent) == 12 and len(world.heard) == 6)
    assert world.lost == []


@pytest.mark.parametrize(
    "fault", [RoutingFault("no OCPI"), ValueError("a fault of ours")], ids=["bad answer", "own fault"]
)
async def test_one_failure_costs_one_message(fault: Exception) -> None:
    """B-10, B-14."""
    world = World()
    world.faults["https://p1.example/1"] = fault
    world.push("p1", 0, 1, 2)
    await until(lambda: len(world.heard) == 2)
    assert world.sent == ["p1/0", "p1/1", "p1/2"]
    assert (world.lost, world.lanes.dropped_messages) == ([], 0)


async def test_the_loss_of_one_receiver_empties_no_other_lane() -> None:
    world = World()
    world.faults["p1"] = ReceiverNotConnected()
    gate = world.hold("p2")
    world.push("p2", 1, 2)
    world.push("p1", 1, 2)
    await until(lambda: world.lost == [1])
    assert world.lanes.depths()["p2"] == 1
    gate.set()
    await until(lambda: world.heard == [2, 2])


async def test_every_delivery_is_a_sign_of_life() -> None:
    """X-52: answers count."""
    world = World()
    world.push("p1", 1, 2)
    world.push("p2", 1)
    await until(lambda: len(world.heard) == 3)
    assert sorted(world.heard) == [1, 1, 2]


async def test_closing_lets_the_lanes_run_empty() -> None:
    world = World()
    world.push("p1", *range(20))
    await world.lanes.close(drain_seconds=WAIT_SECONDS)
    assert len(world.sent) == 20


async def test_closing_does_not_wait_for_ever() -> None:
    world = World()
    world.hold("p1")
    world.push("p1", 1, 2)
    async with asyncio.timeout(WAIT_SECONDS):
        await world.lanes.close(drain_seconds=0.01)
    assert world.heard == []
    await Lanes(world._send, world._lose, lambda _: None, max_messages=1).close(drain_seconds=1)


# --- what a newer update makes needless -----------------------------------------------------------------

STATUS, BOTH = frozenset({"status", "last_updated"}), frozenset({"status", "capabilities", "last_updated"})
CAPABILITIES = frozenset({"capabilities", "last_updated"})


class Lagging(World):
    """One lane whose first call hangs, so that everything behind it waits, and has waited too long from the beginning."""

    def __init__(self, max_messages: int = 100, lagging_seconds: float = -1) -> None:
        super().__init__(max_messages, lagging_seconds)

    async def stop(self) -> asyncio.Event:
        gate = self.hold("p1")
        self.push("p1", 0)
        await until(lambda: self.sent == ["p1/0"])
        return gate

    def update(self, number: int, target: str, fields: frozenset[str], *, is_bulk: bool = False) -> None:
        update = Update(target, fields)
        self.lanes.push(replace(parcel("p1", number), is_bulk=is_bulk, supersedes=update))

    async def sent_in_the_end(self, gate: asyncio.Event) -> list[int]:
        gate.set()
        await until(lambda: self.lanes.depths() == {"p1": 0} and len(self.heard) == len(self.sent))
        return [int(sent.removeprefix("p1/")) for sent in self.sent[1:]]


PUT = None


@pytest.mark.parametrize(
    ("pushed", "sent"),
    [
        pytest.param([("E1", STATUS), ("E1", STATUS)], [2], id="the same fields"),
        pytest.param([("E1", STATUS), ("E1", BOTH)], [2], id="more fields"),
        pytest.param([("E1", BOTH), ("E1", STATUS)], [1, 2], id="fewer fields"),
        pytest.param([("E1", STATUS), ("E1", CAPABILITIES)], [1, 2], id="other fields"),
        pytest.param([("E1", STATUS), ("E1", CAPABILITIES), ("E1", BOTH)], [3], id="several at once"),
        pytest.param([("E1", STATUS), ("E1", CAPABILITIES), ("E1", STATUS)], [2, 3], id="with another between"),
        pytest.param([("E1", STATUS), ("E2", STATUS)], [1, 2], id="another object"),
        pytest.param([("E1", STATUS), ("E2", STATUS), ("E1", STATUS)], [2, 3], id="the newest at its own place"),
        pytest.param(
            [("E1", STATUS), PUT, ("E1", STATUS)], [2, 3], id="a PUT between keeps its place before the newest"
        ),
        pytest.param([PUT, ("E1", STATUS), PUT], [1, 2, 3], id="a PUT supersedes nothing"),
        pytest.param([("E1", STATUS)] * 5, [5], id="many"),
    ],
)
async def test_an_update_that_waits_gives_way_to_a_newer_one(
    pushed: list[tuple[str, frozenset[str]] | None], sent: list[int]
) -> None:
    """What the receiver holds in the end is what it would hold after all of them; a PATCH never overtakes its PUT."""
    world = Lagging()
    gate = await world.stop()
    for number, one in enumerate(pushed, 1):
        world.push("p1", number) if one is None else world.update(number, *one)
    assert world.lanes.superseded_messages == len(pushed) - len(sent)
    assert world.lanes.depths() == {"p1": len(sent)}
    assert await world.sent_in_the_end(gate) == sent
    assert world.lanes.dropped_messages == 0


async def test_a_lane_that_keeps_up_carries_every_update() -> None:
    world = Lagging(lagging_seconds=LAGGING_SECONDS)
    gate = await world.stop()
    for number in range(1, 6):
        world.update(number, "E1", STATUS)
    assert await world.sent_in_the_end(gate) == [1, 2, 3, 4, 5]


async def test_a_lane_lags_when_its_first_call_has_waited_too_long() -> None:
    world = Lagging(lagging_seconds=0.02)
    gate = await world.stop()
    world.update(1, "E1", STATUS)
    world.update(2, "E1", STATUS)
    await asyncio.sleep(0.04)
    world.update(3, "E1", STATUS)
    assert await world.sent_in_the_end(gate) == [3]


async def test_an_update_that_is_under_way_is_not_superseded() -> None:
    world = Lagging()
    gate = world.hold("p1")
    world.update(1, "E1", STATUS)
    await until(lambda: world.sent == ["p1/1"])
    world.update(2, "E1", STATUS)
    gate.set()
    await until(lambda: world.sent == ["p1/1", "p1/2"])
    assert world.lanes.superseded_messages == 0


async def test_a_lane_does_not_overflow_by_what_it_need_not_carry() -> None:
    world = Lagging(max_messages=3)
    gate = await world.stop()
    for number in range(1, 1001):
        world.update(number, f"E{number % 3}", STATUS)
    assert await world.sent_in_the_end(gate) == [998, 999, 1000]
    assert world.lanes.dropped_messages == 0


async def test_what_comes_in_bulk_and_finds_no_room_drops_nothing_else() -> None:
    world = Lagging(max_messages=2)
    gate = await world.stop()
    world.update(1, "E1", STATUS)
    world.update(2, "E1", STATUS, is_bulk=True)
    assert await world.sent_in_the_end(gate) == [1]


async def test_a_lane_that_was_emptied_forgets_what_waited() -> None:
    world = Lagging(max_messages=2)
    gate = await world.stop()
    world.update(1, "E1", STATUS)
    world.push("p1", 2, 3)
    world.update(4, "E1", STATUS)
    assert world.lanes.superseded_messages == 0
    assert await world.sent_in_the_end(gate) == [3, 4]


async def test_more_sets_of_fields_than_are_remembered_are_all_carried() -> None:
    """The work of a push is bounded; nothing is lost by it."""
    world = Lagging()
    gate = await world.stop()
    for number in range(FIELD_SETS_MAX + 3):
        world.update(number + 1, "E1", frozenset({f"field {number}"}))
    assert await world.sent_in_the_end(gate) == list(range(1, FIELD_SETS_MAX + 4))


# --- what an answer means ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("http_status", "body", "refused"),
    [
        pytest.param(200, b'{"status_code":1000}', None, id="success"),
        pytest.param(201, b'{"data":{"a":[1]},"status_code":1999}', None, id="success with data"),
        pytest.param(200, b"", None, id="nothing said"),
        pytest.param(200, b"<html>", None, id="no OCPI, and no refusal"),
        pytest.param(200, b'{"status_code":"1000"}', None, id="no code"),
        pytest.param(200, b'{"status_code":2001,"status_message":"no"}', "2001 no", id="S-07 refused in HTTP 200"),
        pytest.param(404, b'{"status_code":1000}', "1000", id="an HTTP error with a code of success"),
        pytest.param(500, b"oops", "oops", id="an HTTP error"),
    ],
)
async def test_what_a_receiver_refuses_is_logged_and_what_it_takes_is_not(
    http_status: int, body: bytes, refused: str | None
) -> None:
    """B-14."""

    async def send(_: Call) -> Answer:
        return Answer(http_status, {}, body)

    world = World()
    lanes = Lanes(send, world._lose, lambda heard: world.heard.append(heard.id), max_messages=5)
    with structlog.testing.capture_logs() as lines:
        lanes.push(parcel("p1", 1))
        await until(lambda: world.heard)
        await asyncio.sleep(0)
    assert [line["said"] for line in lines] == ([] if refused is None else [refused])

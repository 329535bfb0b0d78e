"""Lanes in JetStream, with nothing of the hub around them: order, takeover, coalescing, bounds, and life without NATS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.clock import SystemClock
from hub.partners import streamlanes
from hub.partners.client import Answer, Call, Place, join_url
from hub.partners.delivery import Parcel, Update
from hub.partners.directory import Directory, Member, Partner, Presence
from hub.partners.natsserver import running_server
from hub.partners.packed import pack, read_packed, stable_text, supersedes_token, token_of, unpack
from hub.partners.stream import Stream
from hub.partners.streamlanes import HELD_SECONDS, PULL_MESSAGES, PULL_SECONDS, StreamLanes
from ocpi_modules.errors import ReceiverNotConnected, ReceiverTimeout
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role
from tests.cluster.conftest import PATIENT_SECONDS, until

HUB, MS1, MS2 = Party("NL", "HUB"), Party("NL", "MS1"), Party("BE", "MS2")
LOCATIONS = ("locations", Interface.RECEIVER)
LANE = str(MS1)


def partner(number: int, token: str = "token", base: str = "") -> Partner:
    endpoints = {LOCATIONS: base or f"https://p{number}.example/locations"}
    return Partner(number, f"p{number}", "https://x.example", True, bytes([number]), token, endpoints)


def directory(*partners: Partner, offline: frozenset[int] = frozenset()) -> Directory:
    parties = {1: MS1, 2: MS2}
    members = tuple(
        Member(
            parties[one.id],
            Role.EMSP,
            one.name,
            Presence.OFFLINE if one.id in offline else Presence.CONNECTED,
            datetime(2026, 11, 2, tzinfo=UTC),
            one.id,
        )
        for one in partners
    )
    return Directory(HUB, {one.id: one for one in partners}, members)


def call(number: int, to: Partner, method: str = "PUT") -> Call:
    place = Place("locations", Interface.RECEIVER, f"DE/CP1/{number}", "a=%20b")
    url = join_url(to.endpoints[LOCATIONS], place.suffix, place.query)
    headers = {"Authorization": to.authorization, "X-Request-ID": f"r{number}"}
    body, whom, module = b'{"n": 1.0E+2}', to.id, place.module_id
    return Call(method=method, url=url, headers=headers, body=body, place=place, partner_id=whom, module_id=module)


class Picture:
    """A roster that shows what a test puts into it; `next` is what the tables say."""

    def __init__(self, shown: Directory) -> None:
        self.directory = self.next = shown
        self.read_at = datetime.now(UTC)
        self.read_times = 0

    async def reread(self) -> Directory:
        self.read_times += 1
        self.directory, self.read_at = self.next, datetime.now(UTC)
        return self.directory


@dataclass
class Process:
    """One process: its lanes, and what it sent."""

    stream: Stream
    roster: Picture
    sent: list[Call]
    max_messages: int = 100
    lost: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        outcomes = (self._send, self._lose, lambda one: self.heard.append(one.id))
        roster: Any = self.roster
        self.lanes = StreamLanes(self.stream, roster, SystemClock(), outcomes, max_messages=self.max_messages)
        self.lanes.on_change(Directory(HUB), self.roster.directory)

    async def _send(self, made: Call) -> Answer:
        self.sent.append(made)
        await self.gate.wait()
        fault = self.faults.get(made.url.rpartition("/")[2].partition("?")[0])
        if fault is not None:
            raise fault
        return Answer(200, {}, b"")

    async def _lose(self, one: Partner) -> None:
        self.lost.append(one.id)
        self.roster.directory = self.roster.next = directory(
            *self.roster.directory.partners.values(), offline=frozenset({one.id})
        )

    async def push(self, *numbers: int, supersedes: Update | None = None, to: int = 1) -> None:
        receiver = self.roster.directory.partners[to]
        name = str({1: MS1, 2: MS2}[to])
        parcels = [
            Parcel(name=name, partner=receiver, call=call(number, receiver), supersedes=supersedes)
            for number in numbers
        ]
        await self.lanes.push_all(parcels)

    @property
    def numbers(self) -> list[int]:
        return [int(made.url.partition("CP1/")[2].partition("?")[0]) for made in self.sent]


Start = Callable[..., Any]


@pytest.fixture
async def start(nats_url: str) -> AsyncIterator[Start]:
    """Starts processes that share what they send, unless told otherwise."""
    processes: list[Process] = []
    shared: list[Call] = []

    async def started(**more: Any) -> Process:
        stream = Stream(nats_url, HUB)
        shown = directory(partner(1), partner(2))
        process = Process(stream, Picture(shown), more.pop("sent", shared), **more)
        processes.append(process)
        await stream.start()
        await process.lanes.start()
        return process

    yield started
    for process in processes:
        process.gate.set()
        await process.lanes.close(1.0)
        await process.stream.close()


async def test_one_lane_keeps_its_order_over_three_processes_that_all_take_from_it(start: Start) -> None:
    shares: list[list[Call]] = [[], [], []]
    everything: list[int] = []
    processes = [await start(sent=share) for share in shares]
    for process in processes:
        inner = process.lanes._deliverer._send

        async def noted(made: Call, inner: Any = inner) -> Answer:
            everything.append(int(made.url.partition("CP1/")[2].partition("?")[0]))
            answer: Answer = await inner(made)
            return answer

        process.lanes._deliverer._send = noted
    count = 3 * PULL_MESSAGES  # more than one request asks for
    for number in range(0, count, 10):
        await processes[number // 10 % 3].push(*range(number, number + 10))
    await until(lambda: len(everything) >= count)
    assert everything == list(range(count))
    assert all(shares), "every process took some"
    assert sum(process.lanes.dropped_messages for process in processes) == 0


async def test_a_call_arrives_as_it_was_put_in(start: Start) -> None:
    """R-09: method, path, query, headers and body; the token is the receiver's at that moment."""
    process = await start()
    await process.push(7)
    await until(lambda: process.heard)
    assert process.sent[0] == call(7, process.roster.directory.partners[1])
    assert process.heard == [1]


async def test_address_and_token_are_those_that_the_partner_has_when_it_is_called(start: Start) -> None:
    process = await start()
    process.gate.clear()
    await process.push(1, 2)
    await until(lambda: process.numbers == [1])
    process.roster.directory = directory(partner(1, "renewed", "https://moved.example/x/?k=1"), partner(2))
    process.gate.set()
    await until(lambda: process.numbers == [1, 2])
    made = process.sent[1]
    assert made.url == "https://moved.example/x/DE/CP1/2?k=1&a=%20b"
    assert made.headers["Authorization"] == partner(1, "renewed").authorization


def test_no_token_stands_in_the_stream() -> None:
    receiver = partner(1, "the-secret-token")
    packed = pack(Parcel(name=LANE, partner=receiver, call=call(1, receiver)))
    assert b"secret" not in packed
    assert receiver.authorization.removeprefix("Token ").encode() not in packed
    assert unpack(read_packed(packed), receiver) == call(1, receiver)


def test_an_endpoint_that_is_not_offered_any_more_is_not_called() -> None:
    receiver = partner(1)
    packed = read_packed(pack(Parcel(name=LANE, partner=receiver, call=call(1, receiver))))
    assert unpack(packed, replace(receiver, endpoints={})) is None


async def test_what_a_dead_process_held_is_delivered_by_another(start: Start) -> None:
    first, second = await start(sent=[]), await start(sent=[])
    first.gate.clear()
    second.gate.clear()
    await first.push(1, 2, 3)
    await until(lambda: len(first.sent) + len(second.sent) == 1)
    holder, other = (first, second) if first.sent else (second, first)
    die(holder)
    other.gate.set()
    started = asyncio.get_running_loop().time()
    await until(lambda: other.numbers == [1, 2, 3])
    assert asyncio.get_running_loop().time() - started < HELD_SECONDS + PULL_SECONDS


def die(process: Process) -> None:
    """Everything of it stops in the middle of what it does, and its connection breaks."""
    for task in (*process.lanes._loops, *process.lanes._tasks):
        task.cancel()
    transport = process.stream.client._transport
    assert transport is not None
    process.stream.client.options["allow_reconnect"] = False
    transport.close()  # type: ignore[no-untyped-call]  # the library does not say


async def test_a_slow_receiver_is_waited_for_and_gets_nothing_twice(start: Start) -> None:
    first, second = await start(), await start()
    first.gate.clear()
    second.gate.clear()
    await first.push(1, 2)
    await until(lambda: first.sent)
    await asyncio.sleep(HELD_SECONDS + 2)
    assert first.numbers == [1], "held as long as it takes"
    first.gate.set()
    second.gate.set()
    await until(lambda: len(first.sent) == 2)
    await asyncio.sleep(0.2)
    assert first.numbers == [1, 2]


async def test_in_a_lane_that_lags_only_the_newest_of_a_status_is_delivered(start: Start) -> None:
    process = await start()
    process.gate.clear()
    await process.push(0)
    await until(lambda: process.sent)
    key = Update(("EVSE", "E1"), frozenset({"status", "last_updated"}))
    for number in range(1, 6):
        await process.push(number, supersedes=key)
        await process.push(100 + number)
    await asyncio.sleep(1.2)
    process.gate.set()
    await until(lambda: 105 in process.numbers)
    assert process.numbers == [0, 101, 102, 103, 104, 5, 105]
    assert (process.lanes.superseded_messages, process.lanes.dropped_messages) == (4, 0)


async def test_in_a_lane_that_keeps_up_every_status_is_delivered(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlanes, "LAGGING_SECONDS", PATIENT_SECONDS)
    process = await start()
    for number in range(5):
        await process.push(number, supersedes=Update(("EVSE", "E1"), frozenset({"status"})))
    await until(lambda: len(process.sent) == 5)
    assert process.lanes.superseded_messages == 0


async def test_a_receiver_that_cannot_be_reached_is_lost_and_its_lane_is_emptied(start: Start) -> None:
    """R-16, T-22, HC-10."""
    process = await start()
    process.gate.clear()
    process.faults["1"] = ReceiverNotConnected()
    await process.push(1, 2, 3)
    await process.push(9, to=2)
    process.gate.set()
    await until(lambda: process.lost == [1] and 9 in process.numbers)
    await asyncio.sleep(0.3)
    assert sorted(process.numbers) == [1, 9]
    assert process.lanes.dropped_messages == 2
    process.roster.directory = process.roster.next = directory(partner(1), partner(2))
    await process.push(4)
    await until(lambda: 4 in process.numbers)
    assert 2 not in process.numbers, "what was lost is not tried again"


async def test_three_timeouts_in_a_row_are_a_loss_also_when_three_processes_saw_one_each(start: Start) -> None:
    """R-17."""
    processes = [await start() for _ in range(3)]
    for process in processes:
        process.faults = {str(number): ReceiverTimeout() for number in range(3)}
    await processes[0].push(0, 1, 2, 3, 4)
    await until(lambda: [number for process in processes for number in process.lost] == [1])


async def test_the_messages_for_an_offline_receiver_go_nowhere(start: Start) -> None:
    """HC-10."""
    process = await start()
    await process.push(0)
    await until(lambda: process.numbers == [0])
    receiver = process.roster.directory.partners[1]
    process.roster.directory = process.roster.next = directory(partner(1), partner(2), offline=frozenset({1}))
    await process.lanes.push_all([Parcel(name=LANE, partner=receiver, call=call(n, receiver)) for n in range(1, 5)])
    await until(lambda: process.lanes.dropped_messages >= 3)
    assert process.numbers == [0]


async def test_an_old_picture_does_not_count_against_a_receiver_that_is_back(start: Start) -> None:
    """HC-09: another process saw it come back, and pushed at once."""
    process = await start()
    process.roster.directory = directory(partner(1), partner(2), offline=frozenset({1}))
    await process.push(1)
    await until(lambda: process.numbers == [1])
    assert process.roster.read_times == 1


async def test_a_lane_that_overflows_is_emptied_as_a_whole(start: Start) -> None:
    process = await start(max_messages=10)
    process.gate.clear()
    await process.push(*range(12))
    await until(lambda: process.numbers == [0])
    process.lanes.lead()
    await until(lambda: process.lanes.dropped_messages == 11)
    process.gate.set()
    await process.push(20)
    await until(lambda: process.numbers == [0, 20])
    await until(lambda: process.lanes.depths() == {LANE: 0, str(MS2): 0, "partner 1": 0, "partner 2": 0})


async def test_the_process_that_leads_tells_what_waits_and_since_when(start: Start) -> None:
    process = await start(max_messages=10)
    process.gate.clear()
    process.lanes.lead()
    await process.push(0, 1, 2)
    await until(lambda: process.lanes.depths().get(LANE) == 2)
    state = (await process.lanes.states())[LANE]
    assert (state.waiting, state.dropped, state.superseded) == (2, 0, 0)
    assert 0 < state.oldest_seconds < 60
    process.gate.set()
    await until(lambda: process.numbers == [0, 1, 2])


async def test_what_comes_in_bulk_leaves_half_of_a_lane_to_others(start: Start) -> None:
    process = await start(max_messages=10)
    process.gate.clear()
    process.lanes.lead()
    receiver = process.roster.directory.partners[1]
    bulk = [Parcel(name=LANE, partner=receiver, call=call(n, receiver), is_bulk=True) for n in range(8)]
    await process.lanes.push_all(bulk)
    assert process.lanes.dropped_messages == 3
    await process.push(100)
    process.gate.set()
    await until(lambda: 100 in process.numbers)
    assert process.numbers == [0, 1, 2, 3, 4, 100]


async def test_what_is_to_be_told_once_is_told_once(start: Start) -> None:
    first, second = await start(), await start()
    for process in (first, second):
        receiver = process.roster.directory.partners[1]
        process.lanes.push(Parcel(name=LANE, partner=receiver, call=call(1, receiver), once="news 1"))
    await first.push(2)
    await until(lambda: 2 in first.numbers)
    await asyncio.sleep(0.2)
    assert sorted(first.numbers) == [1, 2]


async def test_a_lane_of_a_partner_that_left_is_removed_with_what_waits_in_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.partners.streamlanes.UNKNOWN_LOOKS", 2)
    process = await start()
    process.gate.clear()
    await process.push(1, 2)
    await until(lambda: process.sent)
    process.lanes.lead()
    process.roster.directory = process.roster.next = directory(partner(2))
    process.lanes.on_change(Directory(HUB), process.roster.directory)
    process.gate.set()
    names = [f"OCPI-{HUB.country_code}{HUB.party_id}-LANES"]

    async def is_gone() -> bool:
        consumers = await process.stream.jetstream.consumers_info(names[0])
        state = (await process.stream.jetstream.stream_info(names[0])).state
        return {one.name for one in consumers} == {token_of(str(MS2)), token_of("partner 2")} and not state.messages

    await until(is_gone)
    assert 2 not in process.numbers


async def test_a_body_that_is_too_large_for_the_stream_is_dropped_alone(start: Start) -> None:
    process = await start()
    receiver = process.roster.directory.partners[1]
    large = replace(call(1, receiver), body=b"x" * (9 * 1024 * 1024))
    parcels = [Parcel(name=LANE, partner=receiver, call=one) for one in (call(0, receiver), large, call(2, receiver))]
    await process.lanes.push_all(parcels)
    await until(lambda: len(process.sent) == 2)
    assert (process.numbers, process.lanes.dropped_messages) == ([0, 2], 1)


async def test_closing_leaves_what_waits_to_others(start: Start) -> None:
    first = await start(sent=[])
    first.gate.clear()
    await first.push(1, 2, 3)
    await until(lambda: first.sent)
    second = await start(sent=[])
    closing = asyncio.create_task(first.lanes.close(5.0))
    await asyncio.sleep(0.1)
    first.gate.set()
    await closing
    await until(lambda: second.numbers == [2, 3])
    assert first.numbers == [1]


async def test_without_nats_pushes_are_dropped_at_once_and_all_goes_on_when_it_is_there(
    tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.partners.stream.CONNECT_WAIT_SECONDS", 0.5)
    stream = Stream(f"nats://the-token@127.0.0.1:{unused_tcp_port}", HUB)
    process = Process(stream, Picture(directory(partner(1), partner(2))), [])
    await stream.start()
    await process.lanes.start()
    before = asyncio.get_running_loop().time()
    await process.push(1, 2)
    assert asyncio.get_running_loop().time() - before < PATIENT_SECONDS, "nobody waits for NATS"
    assert (process.lanes.dropped_messages, stream.is_connected) == (2, False)
    with running_server(tmp_path, port=unused_tcp_port, token="the-token"):
        await until(lambda: stream.is_connected and all(lane.is_ready for lane in process.lanes._lanes.values()))
        await process.push(3)
        await until(lambda: process.numbers == [3])
        await process.lanes.close(0.1)
        await stream.close()


async def test_a_connection_that_was_never_made_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.partners.stream.CONNECT_WAIT_SECONDS", 0.1)
    for is_started in (False, True):
        stream = Stream("nats://secret@127.0.0.1:1", HUB)
        if is_started:
            await stream.start()
        await stream.close()


async def test_a_server_that_comes_back_without_its_stream_gets_a_new_one(tmp_path: Path, unused_tcp_port: int) -> None:
    with running_server(tmp_path / "one", port=unused_tcp_port, token="the-token") as url:
        process = Process(Stream(url, HUB), Picture(directory(partner(1), partner(2))), [])
        await process.stream.start()
        await process.lanes.start()
        await process.push(0)
        await until(lambda: process.numbers == [0])
    await until(lambda: not process.stream.is_connected)
    await process.push(1)
    with running_server(tmp_path / "two", port=unused_tcp_port, token="the-token"):
        await until(lambda: process.stream.is_connected)
        await until(lambda: all(lane.is_ready for lane in process.lanes._lanes.values()))
        await process.push(2)
        await until(lambda: process.numbers == [0, 2])
        assert process.lanes.dropped_messages == 1
        await process.lanes.close(0.1)
        await process.stream.close()


@pytest.mark.parametrize(
    ("key", "other", "are_equal"),
    [
        pytest.param(("a", frozenset("bcd")), ("a", frozenset("dcb")), True, id="a set in another order"),
        pytest.param(("a", frozenset("bc")), ("a", frozenset("bd")), False, id="another set"),
        pytest.param(("a", "b"), ("b", "a"), False, id="a tuple in another order"),
        pytest.param((Party("NL", "A"), 1), (Party("NL", "A"), 1), True, id="values of our own"),
        pytest.param(("a,b",), ("a", "b"), False, id="a comma in a text"),
    ],
)
def test_keys_have_the_same_name_in_every_process(key: Any, other: Any, are_equal: bool) -> None:
    assert (stable_text(key) == stable_text(other)) is are_equal
    assert (supersedes_token(key) == supersedes_token(other)) is are_equal


@pytest.mark.parametrize("name", ["NL/MS1", "partner 17", "N_/a.*>", "ÄÖ/☃ x", "NL/ms1"])
def test_names_of_lanes_are_single_tokens_and_stay_apart(name: str) -> None:
    assert token_of(name).replace("_", "").isalnum()
    assert token_of(name).isascii()
    others = {"NL/MS1", "partner 17", "N_/a.*>", "ÄÖ/☃ x", "NL/ms1"} - {name}
    assert token_of(name) not in {token_of(other) for other in others}

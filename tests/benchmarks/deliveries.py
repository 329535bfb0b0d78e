"""What a broadcast costs inside the hub: deliveries per CPU-second of the sending process, and what a dead partner costs the others.

`deliveries(200)` and `delays("silent")` return figures. What is measured is everything from the message to its receivers' answers: making
the calls, lanes, client, sockets. The receivers are origins of one other process, on another core.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar, cast
from uuid import uuid4

import httptools
import structlog

from hub.partners.calls import Hop, call_for, update_of
from hub.partners.client import PartnerClient
from hub.partners.delivery import Parcel
from hub.partners.directory import Partner
from hub.partners.lanes import Lanes
from ocpi_modules.catalog import MODULES
from ocpi_modules.message import Message
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.certificates import trusting

BODY_BYTES = 4400  # a location with three EVSEs
ROUND_DELIVERIES = 8000
LANE_MESSAGES = 1000
BETWEEN_LOOKS = 10
PACE_SECONDS = 0.1
WAIT_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0

_LOCATIONS = MODULES["locations"]
_CPO, _HUB = Party("DE", "CP1"), Party("NL", "HUB")
_BODY = b'{"status_code":1000,"status_message":"Success","timestamp":"2026-01-01T00:00:00Z"}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY

T = TypeVar("T")
Death = Literal["none", "silent", "refusing"]


@dataclass(frozen=True, slots=True)
class Throughput:
    """Deliveries of one round, and what they took: seconds of this process's CPU, and of the clock."""

    deliveries: int
    cpu_seconds: float
    seconds: float

    @property
    def per_cpu_second(self) -> float:
        """Deliveries per second of the sending process's user and system time."""
        return self.deliveries / self.cpu_seconds


class Fleet:
    """Receivers, and the lanes that lead to them. `delays_seconds` has the time from push to answer of each delivery."""

    def __init__(self, partners: list[Partner], client: PartnerClient) -> None:
        self.partners, self.client = partners, client
        self.lanes = Lanes(client.send, self._lose, self._hear, max_messages=LANE_MESSAGES)
        self.delays_seconds: list[float] = []
        self.answered = 0
        self._pushed_at = 0.0

    async def _lose(self, partner: Partner) -> None:
        pass

    def _hear(self, partner: Partner) -> None:
        self.answered += 1
        self.delays_seconds.append(time.perf_counter() - self._pushed_at)

    def broadcast(self, message: Message) -> None:
        """Queue a message for every receiver, as the hub does."""
        self._pushed_at = time.perf_counter()
        update = update_of(message)
        for partner in self.partners:
            receiver = Party("NL", f"{partner.id:03d}")
            call = call_for(message, partner, Hop(_HUB, receiver, str(uuid4())))
            self.lanes.push(Parcel(name=str(receiver), partner=partner, call=call, supersedes=update))

    async def answers(self, count: int) -> None:
        """Wait until so many deliveries were answered."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self.answered < count:  # noqa: ASYNC110 - looked at rarely, to cost nothing
                await asyncio.sleep(0.002)


def deliveries(partners: int, *, is_tls: bool = False, rounds: int = 3) -> list[Throughput]:
    """Broadcasts of one location to so many partners, each round on connections that are open."""
    with _upstream(partners, is_tls=is_tls) as ports:
        return _run(_throughput(ports, is_tls=is_tls, rounds=rounds))


def delays(death: Death, *, partners: int = 200, broadcasts: int = 40) -> list[float]:
    """The seconds from push to answer of every delivery to the others while one more partner is dead."""
    with _upstream(partners, is_tls=False) as ports:
        return _run(_paced(ports, death, broadcasts))


def location_put() -> Message:
    """A PUT of a location, as it comes in."""
    names = ("DE", "CP1", "LOC1")
    return Message(
        module=_LOCATIONS,
        interface=Interface.RECEIVER,
        operation=_LOCATIONS.find(Interface.RECEIVER, "PUT", names),
        keys=names,
        suffix="/".join(names),
        raw_query="",
        query={},
        body=b'{"id":"LOC1","name":"%s"}' % (b"x" * BODY_BYTES),
        content={"id": "LOC1"},
        sender=_CPO,
        receiver=None,
        request_id="c6b5a2ba-7cf2-4a3c-9b0e-3ff4f7ed1f11",
        correlation_id="c6b5a2ba-7cf2-4a3c-9b0e-3ff4f7ed1f12",
    )


async def _throughput(ports: list[int], *, is_tls: bool, rounds: int) -> list[Throughput]:
    fleet = _fleet(ports, "https" if is_tls else "http")
    message = location_put()
    each = max(ROUND_DELIVERIES // len(ports), 1)
    await _round(fleet, message, 2)
    measured = [await _round(fleet, message, each) for _ in range(rounds)]
    await _close(fleet)
    return measured


async def _round(fleet: Fleet, message: Message, broadcasts: int) -> Throughput:
    goal = fleet.answered + broadcasts * len(fleet.partners)
    cpu, clock = time.process_time(), time.perf_counter()
    for done in range(broadcasts):
        fleet.broadcast(message)
        if done % BETWEEN_LOOKS == 0:
            await fleet.lanes.room(LANE_MESSAGES // 2 - BETWEEN_LOOKS)
    await fleet.answers(goal)
    return Throughput(broadcasts * len(fleet.partners), time.process_time() - cpu, time.perf_counter() - clock)


async def _paced(ports: list[int], death: Death, broadcasts: int) -> list[float]:
    fleet = _fleet(ports, "http")
    message = location_put()
    await _round(fleet, message, 2)
    fleet.delays_seconds.clear()
    with closing(socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        if death == "silent":
            silent.listen()
        if death != "none":
            fleet.partners.insert(0, _partner(999, silent.getsockname()[1], "http"))
        for _ in range(broadcasts):
            fleet.broadcast(message)
            await asyncio.sleep(PACE_SECONDS)
    await _close(fleet)
    return fleet.delays_seconds


async def _close(fleet: Fleet) -> None:
    await fleet.lanes.close(0)
    await fleet.client.close()


def _fleet(ports: list[int], scheme: str) -> Fleet:
    client = PartnerClient(allow_private=True, timeout_seconds=TIMEOUT_SECONDS)
    return Fleet([_partner(number, port, scheme) for number, port in enumerate(ports)], client)


def _partner(number: int, port: int, scheme: str) -> Partner:
    base = f"{scheme}://localhost:{port}/ocpi/2.2.1/locations"
    endpoints = {(_LOCATIONS.id, Interface.RECEIVER): base}
    return Partner(number, f"p{number}", base, True, bytes(8), f"token-{number}", endpoints)


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(work)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


# --- the receivers ----------------------------------------------------------------------------------


class Receiver(asyncio.Protocol):
    """Answers every request with success."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        self._transport.write(_ANSWER)


@contextmanager
def _upstream(count: int, *, is_tls: bool) -> Iterator[list[int]]:
    """Receivers in a child process; their ports. This process and that one get a core each, where there are two."""
    mine, theirs = _cores()
    with TemporaryDirectory() as folder, trusting(Path(folder)) as certificate:
        command = [sys.executable, "-m", "tests.benchmarks.deliveries", str(count), "--core", str(theirs)]
        command += ["--certificate", str(certificate)] if is_tls else []
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {mine})
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert child.stdout is not None
            yield [int(port) for port in child.stdout.readline().split()]
        finally:
            child.communicate()
            os.sched_setaffinity(0, before)


def _cores() -> tuple[int, int]:
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


async def _serve(count: int, certificate: str | None) -> None:
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Receiver, "127.0.0.1", 0, ssl=context) for _ in range(count)]
    sys.stdout.write(" ".join(str(server.sockets[0].getsockname()[1]) for server in servers) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


# --- by hand ----------------------------------------------------------------------------------------


def report() -> str:
    """All figures as lines of text: medians of the rounds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    lines = []
    for is_tls in (False, True):
        for partners in (1, 10, 50, 200):
            median = statistics.median(one.per_cpu_second for one in deliveries(partners, is_tls=is_tls))
            lines.append(
                f"{'TLS' if is_tls else 'plain'}, {partners} partners: {median:,.0f} deliveries per CPU-second"
            )
    deaths: tuple[Death, ...] = ("none", "silent", "refusing")
    tails: dict[Death, list[float]] = {death: [] for death in deaths}
    for _ in range(3):
        for death in deaths:
            tails[death].append(percentile(delays(death), 99))
    lines += [
        f"dead partner {death}: p99 of the others {statistics.median(tails[death]) * 1000:.1f} ms" for death in deaths
    ]
    return "\n".join(lines)


def percentile(values: list[float], percent: int) -> float:
    """The value that so many percent of all do not exceed."""
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.deliveries")
    parser.add_argument("serve", nargs="?", type=int, help="be so many receivers; else measure")
    parser.add_argument("--core", type=int)
    parser.add_argument("--certificate")
    asked = parser.parse_args()
    if asked.serve is None:
        sys.stdout.write(report() + "\n")
    else:
        os.sched_setaffinity(0, {asked.core})
        _run(_serve(asked.serve, asked.certificate))

"""What benchmarks share: how long they run, the programs they start, and rounds that take turns."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from hub.demo.server import free_port
from ocpi_modules.headers import authorization, routing_headers
from tests.benchmarks.figures import Round
from tests.benchmarks.load import Feed, drive
from tests.benchmarks.machine import Cores
from tests.benchmarks.naive import CALLER_TOKEN
from tests.benchmarks.objects import CPO
from tests.benchmarks.party import HUB, PartnerServer, RequestForm, partners_running
from tests.benchmarks.processes import (
    NAIVE_DATABASE,
    Program,
    bare_running,
    hub_database,
    hub_running,
    naive_running,
)

WARM_UP_SECONDS = 1.0
WAIT_SECONDS = 30.0
PAGE_OBJECTS = 500


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured: seconds and repeats of each round, how many objects are crawled, CDRs settled, charge points connected."""

    cores: Cores
    seconds: float = 3.0
    repeats: int = 3
    objects: int = 100_000
    cdrs: int = 10_000
    stations: int = 300


@dataclass(frozen=True, slots=True)
class Subject:
    """One that is measured: the program whose CPU counts, what each connection sends, and where, if not to the program's port."""

    program: Program
    feeds: Sequence[Feed]
    port: int | None = None

    def round(self, seconds: float) -> Round:
        """Measure once."""
        before = self.program.cpu_seconds()
        run = drive(self.port or self.program.port, self.feeds, seconds)
        return Round(run.requests, run.seconds, self.program.cpu_seconds() - before, run.latencies)


class Stage:
    """The programs of one benchmark in a folder that goes away with them."""

    def __init__(self, options: Options, folder: Path, stack: ExitStack) -> None:
        self.options, self.folder = options, folder
        self._stack, self._hub_stack = stack, stack.enter_context(ExitStack())
        self._hub_port = free_port()
        self.database_url = ""

    def hub(self, **env: str) -> Program:
        """Start the hub; `database_url` is then where it keeps its copies. Raises RuntimeError when it would not be durable.

        Called again it ends the hub and starts it anew, on the same port, data and partners.
        """
        self._hub_stack.close()
        running = hub_running(self.folder, self._hub_port, self.options.cores, **env)
        hub = self._hub_stack.enter_context(running)
        self.database_url = self._hub_stack.enter_context(hub_database(self.folder))
        _require_durable(self.database_url)
        return hub

    @property
    def naive_database_url(self) -> str:
        """A database on the hub's server for the obvious design; made when it is not there."""
        return _with_database(self.database_url, NAIVE_DATABASE)

    def naive(self, **env: str) -> Program:
        """Start the obvious design."""
        return self._stack.enter_context(naive_running(self.folder, self.naive_database_url, self.options.cores, **env))

    def bare(self, *options: str) -> Program:
        """Start the limit."""
        return self._stack.enter_context(bare_running(self.folder, self.options.cores, *options))

    def partners(self, count: int, tls: Sequence[str] = ()) -> PartnerServer:
        """Start the process of that many platforms."""
        return self._stack.enter_context(partners_running(self.folder, count, self.options.cores.others, tls))

    def measure(self, *subjects: Subject) -> list[list[Round]]:
        """Rounds that take turns, after each subject was warmed up; the rounds of each subject."""
        for subject in subjects:
            subject.round(WARM_UP_SECONDS)
        turns = [[subject.round(self.options.seconds) for subject in subjects] for _ in range(self.options.repeats)]
        return [list(rounds) for rounds in zip(*turns, strict=True)]


@contextmanager
def stage(options: Options) -> Iterator[Stage]:
    """A stage, empty yet; everything on it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="ocpi-hub-bench-") as folder, ExitStack() as stack:
        yield Stage(options, Path(folder), stack)


def naive_request(naive: Program, method: str, path: str) -> RequestForm:
    """What every request to the obvious design has in common."""
    headers = {"Authorization": authorization(CALLER_TOKEN), **routing_headers(CPO, HUB)}
    return RequestForm.of(method, httpx.URL(naive.url + path), headers)


def naive_get(naive: Program, path: str) -> Any:
    """The JSON of an answer of the obvious design."""
    headers = {"Authorization": authorization(CALLER_TOKEN)}
    return httpx.get(naive.url + path, headers=headers, timeout=WAIT_SECONDS).raise_for_status().json()


def naive_pages(naive: Program) -> Iterator[Any]:
    """All Locations of the obvious design."""
    offset = 0
    while page := naive_get(naive, f"/locations?offset={offset}&limit={PAGE_OBJECTS}")["data"]:
        yield from page
        offset += len(page)


def plain_url(url: str) -> str:
    """A SQLAlchemy URL as the driver itself wants it."""
    return url.replace("postgresql+psycopg://", "postgresql://")


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def require(is_so: bool, otherwise: Callable[[], str] | str) -> None:
    """Raise RuntimeError unless it is so: figures of a program that did not do its work are worth nothing."""
    if not is_so:
        raise RuntimeError(otherwise if isinstance(otherwise, str) else otherwise())


def _with_database(url: str, name: str) -> str:
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        known = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
        if not known:
            connection.execute(f"create database {name}".encode())
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


def _require_durable(url: str) -> None:
    with psycopg.connect(plain_url(url)) as connection:
        for setting in ("synchronous_commit", "fsync"):
            row = connection.execute(f"show {setting}".encode()).fetchone()
            require(row == ("on",), f"{setting} is {row}: the figures would not be those of a durable hub")

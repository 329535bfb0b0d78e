"""The programs of a benchmark as child processes, each on its core; all of them end with the harness."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from hub.demo.server import free_port
from hub.store.embedded import attach_or_start
from tests.benchmarks.machine import Cores, cpu_seconds, descendants, pin, pinner

ROOT = Path(__file__).resolve().parents[2]
ADMIN_TOKEN = "the-admin-token-of-the-benchmarks"
NAIVE_DATABASE = "naive"

READY_WAIT_SECONDS = 90.0
READY_LOOK_SECONDS = 0.05
END_WAIT_SECONDS = 40.0
LOG_SHOWN_BYTES = 3000


class NotReady(RuntimeError):
    """A program of a benchmark did not start; the text is the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running child that listens on a loopback port."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """What it has used so far, without its children."""
        return cpu_seconds(self.process.pid)


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start: arguments of Python, additions to the environment, the core, and the path that answers once it is ready."""

    name: str
    arguments: Sequence[str]
    core: int | None
    env: Mapping[str, str]
    ready_path: str = "/"


@contextmanager
def running(launch: Launch, port: int, log: Path) -> Iterator[Program]:
    """Start a program, wait until it answers, and end it. Raises NotReady."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *launch.arguments],
            env=environment(launch.env),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=log.parent,
            preexec_fn=pinner(launch.core),
        )
    program = Program(launch.name, port, process)
    try:
        _await(program, launch.ready_path, log)
        yield program
    finally:
        _end(process)


@contextmanager
def hub_running(data_dir: Path, port: int, cores: Cores, **env: str) -> Iterator[Program]:
    """The hub as an operator starts it, with its own PostgreSQL; that one is moved to the other core. Others may attach to it."""
    settings = {
        "HUB_DATA_DIR": str(data_dir),
        "HUB_ADMIN_TOKEN": ADMIN_TOKEN,
        "HUB_ALLOW_PRIVATE_PARTNER_URLS": "true",
        "HUB_LOG_FORMAT": "json",
        **env,
    }
    arguments = ["-m", "hub", "serve", "--port", str(port), "--until-stdin-closes"]
    launch = Launch("hub", arguments, cores.measured, settings, "/health/ready")
    with running(launch, port, data_dir / "hub.log") as hub:
        move_children(hub, cores)
        yield hub


def move_children(program: Program, cores: Cores) -> None:
    """PostgreSQL and everything else that the hub started go to the core of the others; what these start later is born there."""
    for pid in descendants(program.process.pid):
        pin(pid, cores.others)


@contextmanager
def hub_database(data_dir: Path) -> Iterator[str]:
    """The SQLAlchemy URL of the database of a hub that runs on this folder."""
    with attach_or_start(data_dir) as running_server:
        yield running_server.server.url


@contextmanager
def naive_running(data_dir: Path, database_url: str, cores: Cores, **env: str) -> Iterator[Program]:
    """The obvious design, on the same PostgreSQL server."""
    port = free_port()
    arguments = ["-m", "tests.benchmarks.naive", str(port)]
    settings = {"NAIVE_DATABASE_URL": database_url, **env}
    launch = Launch("naive", arguments, cores.measured, settings, "/ready")
    with running(launch, port, data_dir / "naive.log") as naive:
        yield naive


@contextmanager
def bare_running(data_dir: Path, cores: Cores, *options: str) -> Iterator[Program]:
    """The limit: a server that answers with bytes that it has."""
    port = free_port()
    launch = Launch("limit", ["-m", "tests.benchmarks.bare", str(port), *options], cores.measured, {})
    with running(launch, port, data_dir / "bare.log") as bare:
        yield bare


def environment(additions: Mapping[str, str]) -> dict[str, str]:
    """This process' environment without settings of a hub (nor is there a `.env` in the folder of a benchmark), and these additions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(additions)


def _await(program: Program, path: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WAIT_SECONDS
    while not _answers(program.url + path):
        if program.process.poll() is not None or time.monotonic() > deadline:
            raise NotReady(f"{program.name}: {log.read_bytes()[-LOG_SHOWN_BYTES:].decode(errors='replace')}")
        time.sleep(READY_LOOK_SECONDS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(END_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Keeps a number of worker processes running that serve one socket, and ends with them.

A worker that dies is started again, after a pause that grows while it dies young. Each hangs on a pipe to its standard input, which the
operating system closes when the parent is gone, by SIGKILL too: then it ends by itself.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

LOOK_EVERY_SECONDS = 0.1
YOUNG_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.25
PAUSE_MAX_SECONDS = 30.0
FAILURES_AT_START_MAX = 3
DRAIN_WAIT_SECONDS = 30.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plan:
    """What each worker is: its command, its environment (`names` are added to it one by one), and the socket it inherits."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    names: Sequence[Mapping[str, str]]
    descriptor: int


@dataclass(slots=True)
class _Worker:
    number: int
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    start_at: float = 0.0


class Supervisor:
    """Starts the workers of a plan and looks after them, until it is told to stop."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._workers = [_Worker(number) for number in range(len(plan.names))]
        self._stopping = threading.Event()
        self._has_lived = False

    def stop(self) -> None:
        """End soon; may be called from another thread."""
        self._stopping.set()

    def run(self) -> int:
        """Look after the workers; returns the exit status: 1 when none of them could be started."""
        try:
            while not self._stopping.wait(LOOK_EVERY_SECONDS):
                for worker in self._workers:
                    self._look_after(worker)
                if self._is_hopeless():
                    return 1
            return 0
        finally:
            self._end_all()

    def _look_after(self, worker: _Worker) -> None:
        now = time.monotonic()
        process = worker.process
        if process is not None and process.poll() is not None:
            self._mourn(worker, process.returncode, now)
        elif process is not None and now - worker.started_at >= YOUNG_SECONDS:
            worker.failures, self._has_lived = 0, True
        elif process is None and now >= worker.start_at:
            self._start(worker, now)

    def _start(self, worker: _Worker, now: float) -> None:
        worker.started_at = now
        worker.process = subprocess.Popen(
            self._plan.command,
            stdin=subprocess.PIPE,
            env={**self._plan.environment, **self._plan.names[worker.number]},
            pass_fds=(self._plan.descriptor,),
            start_new_session=True,  # Ctrl-C of the terminal is for the parent, which then ends its workers
        )
        _log.info("worker_started", number=worker.number + 1, pid=worker.process.pid)

    def _mourn(self, worker: _Worker, status: int, now: float) -> None:
        pause_seconds = min(FIRST_PAUSE_SECONDS * 2**worker.failures, PAUSE_MAX_SECONDS)
        _log.error("worker_ended", number=worker.number + 1, status=status, again_in_seconds=pause_seconds)
        _close_input(worker)
        worker.process, worker.start_at = None, now + pause_seconds
        worker.failures += 1

    def _is_hopeless(self) -> bool:
        return not self._has_lived and all(worker.failures >= FAILURES_AT_START_MAX for worker in self._workers)

    def _end_all(self) -> None:
        """Let the workers end what they have begun, DRAIN_WAIT_SECONDS at most."""
        running = [worker for worker in self._workers if worker.process is not None]
        with _deaf():
            for worker in running:
                _close_input(worker)
            deadline = time.monotonic() + DRAIN_WAIT_SECONDS
            for worker in running:
                _end(worker, deadline)


@contextmanager
def _deaf() -> Iterator[None]:
    """Whoever is asked twice to end ends no sooner."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _close_input(worker: _Worker) -> None:
    if worker.process is not None and worker.process.stdin is not None:
        worker.process.stdin.close()


def _end(worker: _Worker, deadline: float) -> None:
    assert worker.process is not None
    try:
        worker.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        _log.error("worker_killed", number=worker.number + 1)
        worker.process.kill()
        worker.process.wait()


def worker_command(descriptor: int) -> list[str]:
    """How this program is started as a worker on a socket that it inherits."""
    return [sys.executable, "-m", "hub", "serve", "--listen-fd", str(descriptor), "--until-stdin-closes"]

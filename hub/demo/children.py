"""Processes that the demo starts, and that never outlive it: each ends when the pipe to its standard input closes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

STOP_WAIT_SECONDS = 15.0
TERMINATE_WAIT_SECONDS = 3.0
READY_WAIT_SECONDS = 60.0
READY_POLL_SECONDS = 0.05
RUN_WAIT_SECONDS = 60.0
LOG_MAX_BYTES = 5_000_000
LOG_TAIL_BYTES = 2000


class ChildFailed(RuntimeError):
    """A process of the demo ended, or was not ready in time."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: the command, the whole environment, the working folder (where no `.env` of somebody else lies)."""

    command: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    folder: Path


class Child:
    """A process with a log file of at most about LOG_MAX_BYTES (see `trim_log`)."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @classmethod
    async def start(cls, name: str, program: Program, log: Path) -> Child:
        """Start it out of reach of the terminal's Ctrl-C: the demo ends it."""
        with _fresh(log) as output:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(program.env),
                cwd=program.folder,
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """Return when it is ready. Raises ChildFailed with the end of its log when it ends or takes READY_WAIT_SECONDS."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_WAIT_SECONDS):
                while self._process.returncode is None:
                    if await is_ready():
                        return
                    await asyncio.sleep(READY_POLL_SECONDS)
        raise ChildFailed(f"{self.name} did not start. The end of {self._log}:\n{self._log_end()}")

    def require_alive(self) -> None:
        """Raises ChildFailed when it has ended."""
        if self._process.returncode is not None:
            raise ChildFailed(f"{self.name} has ended. The end of {self._log}:\n{self._log_end()}")

    def trim_log(self) -> None:
        """Begin the log again when it is too large; the process writes at its end wherever that is."""
        if self._log.stat().st_size > LOG_MAX_BYTES:
            os.truncate(self._log, 0)

    async def stop(self) -> None:
        """Close its input and wait; what does not end by itself is ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if await self._ended_within(STOP_WAIT_SECONDS):
            return
        self._process.terminate()
        if not await self._ended_within(TERMINATE_WAIT_SECONDS):
            self._process.kill()
            await self._process.wait()

    async def _ended_within(self, wait_seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._process.wait(), wait_seconds)
        except TimeoutError:
            return False
        return True

    def _log_end(self) -> str:
        return self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()


async def run_to_end(program: Program) -> bytes:
    """What a program writes to its standard output. Raises ChildFailed when it fails or takes RUN_WAIT_SECONDS."""
    process = await asyncio.create_subprocess_exec(
        *program.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(program.env),
        cwd=program.folder,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), RUN_WAIT_SECONDS)
    except TimeoutError as exc:
        process.kill()
        await process.wait()
        raise ChildFailed(f"{' '.join(program.command)} did not end") from exc
    if process.returncode:
        raise ChildFailed(errors.decode(errors="replace").strip())
    return output


def _fresh(log: Path) -> BinaryIO:
    """An empty log, opened to be written at its end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    return log.open("ab")

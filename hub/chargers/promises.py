"""What was promised to partners: the result of a command within the time that its answer named, by whichever process lives to tell it.

A command is a row before its sender is answered. The process that took it asks the station and tells the result; where that process is
killed in between, whoever leads tells TIMEOUT when the time is over (mod_commands, "CommandResponse": `timeout`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from hub.clock import Clock
from hub.store.chargecommands import ChargeCommands, KeptCommand
from ocpi_modules.chargingprofiles import CHARGINGPROFILES
from ocpi_modules.commands import COMMANDS
from ocpi_modules.errors import OcpiError
from ocpi_modules.message import Reply
from ocpi_modules.module import Module
from ocpi_modules.types import decode_json, encode_json

PROMISED_SECONDS = 30
STATION_WAIT_SECONDS = 18.0
WORK_MAX_SECONDS = 24.0
"""All that a command does at stations, so that its result can still be told in time."""
RESULT_AFTER_SECONDS = 0.3
"""A result does not come before the answer to its command."""
UNDER_WAY_MAX = 1_000
PROFILES = "PROFILE"

Content = Mapping[str, Any]
Work = Callable[[int], Awaitable[Content]]
"""What a command does at stations, by its number, and the result for its sender."""

_log = structlog.get_logger()


class Telling(Protocol):
    """Tells results (`hub.chargers.voice.Voice`)."""

    async def result(self, module: Module, response_url: str, content: Content) -> Reply:
        """Tell a result. Raises OcpiError."""
        ...


class Promises:
    """Commands that are being worked on in this process, and those that somebody has to answer for."""

    def __init__(self, kept: ChargeCommands, telling: Telling, clock: Clock) -> None:
        self._kept, self._telling, self._clock = kept, telling, clock
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """Whether so much is under way here that nothing more is promised."""
        return len(self._tasks) >= UNDER_WAY_MAX

    def due_at(self) -> datetime:
        """When the result of a command that comes now has to be told."""
        return self._clock.now() + timedelta(seconds=PROMISED_SECONDS)

    async def keep(self, command: KeptCommand, work: Work) -> int:
        """Write a command down and begin to work on it; its number."""
        number = await self._kept.add(command)
        task = asyncio.create_task(self._run(number, command, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return number

    async def tell_overdue(self) -> None:
        """Answer for what nobody answered for in time; for the process that leads."""
        for command in await self._kept.overdue(self._clock.now()):
            await self._told(command.number, command, late_result(command.kind))

    async def close(self) -> None:
        """End; whoever leads answers for what is not told yet."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, number: int, command: KeptCommand, work: Work) -> None:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(WORK_MAX_SECONDS):
                result = await work(number)
        except TimeoutError:
            result = late_result(command.kind)
        except Exception:
            _log.exception("command_failed", kind=command.kind, station=command.identity)
            result = failed_result(command.kind)
        rest_seconds = RESULT_AFTER_SECONDS - (asyncio.get_running_loop().time() - began)
        await asyncio.sleep(max(0.0, rest_seconds))
        try:
            await self._told(number, command, result)
        except Exception as exc:  # the database is away: whoever leads tells it when it is back
            _log.warning("result_not_kept", kind=command.kind, error=type(exc).__name__)

    async def _told(self, number: int, command: KeptCommand, result: Content) -> None:
        """Write the result down, unless there is one, and tell what is written; it is tried once here and once when it is overdue."""
        is_first = await self._kept.settle(number, encode_json(result).decode(), self._clock.now())
        written = None if is_first else await self._kept.command(number)
        content = decode_json(written.result.encode()) if written is not None and written.result else result
        try:
            await self._telling.result(module_of(command.kind), command.response_url, content)
        except OcpiError as exc:
            _log.info("result_not_told", kind=command.kind, sender=command.sender, reason=exc.message)
            if self._clock.now() < command.due_at:
                return
        await self._kept.told(number)


def module_of(kind: str) -> Module:
    """The module to which a kind of command belongs."""
    return CHARGINGPROFILES if kind.startswith(PROFILES) else COMMANDS


def late_result(kind: str) -> Content:
    """What is said when a station said nothing in time; charging profiles have no word for it (mod_charging_profiles)."""
    return {"result": "REJECTED" if kind.startswith(PROFILES) else "TIMEOUT"}


def failed_result(kind: str) -> Content:
    """What is said when the hub could not do its part."""
    return {"result": "REJECTED" if kind.startswith(PROFILES) else "FAILED"}

"""The file of all Locations, kept ready: written when somebody wants it, and never given once it holds what is not public any more."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from hub.navigation.follower import Memory
from hub.navigation.snapshot import addresses_of, positions, writing

SNAPSHOT_FRESH_SECONDS = 24 * 3600.0
FORGOTTEN_SECONDS = 48 * 3600.0
"""A file that nobody wrote for so long is one of a process that was killed."""
SPELL_SECONDS = 0.005
"""So long is written at a time; then all others have their turn, for as long."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the files are, and the licence line that is in each."""

    folder: Path
    attribution: str


@dataclass(frozen=True, slots=True)
class _Written:
    gone: int
    at: float


class Snapshots:
    """The file of one process, in a folder; each has its own, for each knows by itself what it took back."""

    def __init__(self, memory: Memory, shelf: Shelf) -> None:
        self._memory, self._shelf = memory, shelf
        self._file = shelf.folder / f"{secrets.token_hex(8)}.pmtiles"
        self._written: _Written | None = None
        self._task: asyncio.Task[None] | None = None

    def path(self) -> Path | None:
        """The file; None while there is none, or while it holds what was taken back: then one is written, and will be here soon.

        One that is a day old is given, and another one is written meanwhile.
        """
        written = self._written
        is_right = written is not None and written.gone == self._memory.gone
        is_new = written is not None and time.monotonic() - written.at < SNAPSHOT_FRESH_SECONDS
        if not (is_right and is_new) and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write())
        return self._file if is_right else None

    async def close(self) -> None:
        """Nothing is left behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._file.unlink(missing_ok=True)

    async def _write(self) -> None:
        began, gone, index = time.monotonic(), self._memory.gone, self._memory.index
        try:
            await asyncio.to_thread(_tidy, self._shelf.folder)
            planned = await asyncio.to_thread(addresses_of, *positions(index))
            turn = time.monotonic()
            for _ in writing(index, self._file, self._shelf.attribution, planned):
                if time.monotonic() - turn > SPELL_SECONDS:
                    await asyncio.sleep(SPELL_SECONDS)
                    turn = time.monotonic()
        except OSError as exc:
            _log.warning("snapshot_not_written", error=type(exc).__name__)
            return
        self._written = _Written(gone, began)
        _log.info("snapshot_written", seconds=round(time.monotonic() - began, 1))


def _tidy(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
            path.unlink(missing_ok=True)

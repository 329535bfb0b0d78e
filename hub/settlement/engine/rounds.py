"""Work that goes round while this process leads."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Rounds:
    """Runs `_run` between `start` and `close`; what is under way at the end is kept whole or done again by whoever leads next."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; this process leads."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop at once."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        raise NotImplementedError

"""Doors in what is said to the database: a test stops somebody before a statement, lets others work, and lets them go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from unittest.mock import patch

from hub.store.direct import Direct

WAIT_SECONDS = 60.0
A_WHILE_SECONDS = 0.3

Answer = TypeVar("Answer")


@dataclass
class Gate:
    """Stops whoever is the first to say something that holds a text, within a transaction."""

    text: str
    is_used: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_by(self, statement: str) -> None:
        if self.is_used or self.text not in statement:
            return
        self.is_used = True
        self.reached.set()
        async with asyncio.timeout(WAIT_SECONDS):
            await self.opened.wait()

    async def stop(self, work: Awaitable[Answer]) -> asyncio.Task[Answer]:
        """Begin some work and come back when it stands at the gate."""
        task = asyncio.ensure_future(work)
        reached = asyncio.ensure_future(self.reached.wait())
        async with asyncio.timeout(WAIT_SECONDS):
            await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        assert not task.done(), "it never came to the gate"
        return task

    async def release(self, task: asyncio.Task[Answer]) -> Answer:
        """Let it go on to its end."""
        self.opened.set()
        async with asyncio.timeout(WAIT_SECONDS):
            return await task


class Gated:
    """A connection with a gate."""

    def __init__(self, connection: Any, gate: Gate) -> None:
        self._connection, self._gate = connection, gate

    async def execute(self, statement: str, *values: Any) -> Any:
        await self._gate.pass_by(statement)
        return await self._connection.execute(statement, *values)

    async def executemany(self, statement: str, *values: Any) -> Any:
        await self._gate.pass_by(statement)
        return await self._connection.executemany(statement, *values)

    async def fetch(self, statement: str, *values: Any) -> Any:
        await self._gate.pass_by(statement)
        return await self._connection.fetch(statement, *values)

    async def copy_records_to_table(self, table: str, **rows: Any) -> Any:
        await self._gate.pass_by(f"insert into {table}")
        return await self._connection.copy_records_to_table(table, **rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextmanager
def gate_before(text: str) -> Iterator[Gate]:
    """A gate in all transactions of the process."""
    gate, whole = Gate(text), Direct.transaction

    @asynccontextmanager
    async def transaction(self: Direct, **how: bool) -> AsyncIterator[Any]:
        async with whole(self, **how) as connection:
            yield Gated(connection, gate)

    with patch.object(Direct, "transaction", transaction):
        yield gate
        assert gate.is_used, f"nobody said {text!r}"


async def waits(work: Awaitable[Answer]) -> asyncio.Task[Answer]:
    """Some work that cannot be done now: it waits for somebody who holds what it needs."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task}, timeout=A_WHILE_SECONDS)
    assert not task.done(), "it waited for nobody"
    return task

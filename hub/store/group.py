"""Group commit: requests that wait at the same time share one transaction, each is answered after the commit.

A transaction a request costs a disk flush a request; a few milliseconds of traffic in one transaction costs one. Nothing is delayed on
purpose: while one batch commits, the next one gathers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

BATCH_MAX_ITEMS = 256
WAITING_MAX_ITEMS = 10_000

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Commit = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]]


class Interrupted(Exception):
    """The commit broke off, and nobody knows whether it was done: for `commit` to raise, so that nothing is done twice."""


class TooManyWaiting(Exception):
    """More items wait to be written than may wait; try again later."""


class GroupWriter(Generic[Item, Answer]):
    """Hands batches of submitted items to `commit`, one batch at a time and in the order of submission.

    `commit` returns one answer or exception for each item. When it raises, its batch is committed item by item, so that one bad
    item cannot take its neighbours down; when it raises Interrupted, that is the answer of all.
    """

    def __init__(self, commit: Commit[Item, Answer]) -> None:
        self._commit = commit
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """The answer for one item, after the commit that contains it. Raises TooManyWaiting, or the item's own exception."""
        if len(self._waiting) >= WAITING_MAX_ITEMS:
            raise TooManyWaiting
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), context=Context())
        return await future

    async def close(self) -> None:
        """Wait until everything submitted has been committed."""
        if self._task is not None:
            await self._task

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX_ITEMS))]
            await self._write(batch)

    async def _write(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers: Sequence[Answer | Exception] = await self._commit([item for item, _ in batch])
        except Exception as exc:
            if len(batch) == 1 or isinstance(exc, Interrupted):
                answers = [exc] * len(batch)
            else:
                for single in batch:
                    await self._write([single])
                return
        for (_, future), answer in zip(batch, answers, strict=True):
            _settle(future, answer)


def _settle(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
        future.exception()  # the caller may have gone away; then nobody else would look
    else:
        future.set_result(answer)

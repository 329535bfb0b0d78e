"""Group commit: order kept, one transaction for many, nobody dragged down, answered after the commit, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from hub.store import group
from hub.store.group import BATCH_MAX_ITEMS, GroupWriter, TooManyWaiting

WAIT_SECONDS = 20.0


class Journal:
    """A commit that notes its batches, waits at a gate, and fails for what is to fail."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.written: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.poison: set[Any] = set()
        self.refused: set[Any] = set()

    async def commit(self, items: Sequence[Any]) -> list[Any]:
        self.batches.append(list(items))
        await self.gate.wait()
        if self.poison & set(items):
            raise ValueError(f"cannot write {sorted(self.poison & set(items))}")
        self.written += [item for item in items if item not in self.refused]
        return [KeyError(item) if item in self.refused else f"kept {item}" for item in items]


async def settled(*tasks: asyncio.Task[Any]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), timeout=WAIT_SECONDS)


def submit_all(writer: GroupWriter[Any, Any], items: Sequence[Any]) -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(writer.submit(item)) for item in items]


async def test_what_waits_together_is_written_together_and_in_order() -> None:
    journal = Journal()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    answers = await settled(*submit_all(writer, range(50)))
    assert answers == [f"kept {item}" for item in range(50)]
    assert journal.written == list(range(50))
    assert len(journal.batches) < 50


async def test_while_one_batch_commits_the_next_one_gathers() -> None:
    journal = Journal()
    journal.gate.clear()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    first = submit_all(writer, [1])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = submit_all(writer, [2, 3, 4])
    await asyncio.sleep(0)
    journal.gate.set()
    await settled(*first, *rest)
    assert journal.batches == [[1], [2, 3, 4]]


async def test_nobody_is_answered_before_the_commit() -> None:
    journal = Journal()
    journal.gate.clear()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    (task,) = submit_all(writer, [1])
    done, _ = await asyncio.wait([task], timeout=0.05)
    assert not done
    journal.gate.set()
    assert await settled(task) == ["kept 1"]


async def test_a_batch_has_a_bound() -> None:
    journal = Journal()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    await settled(*submit_all(writer, range(2 * BATCH_MAX_ITEMS + 1)))
    assert max(len(batch) for batch in journal.batches) == BATCH_MAX_ITEMS
    assert journal.written == list(range(2 * BATCH_MAX_ITEMS + 1))


async def test_an_item_that_is_refused_is_refused_alone() -> None:
    journal = Journal()
    journal.refused = {3}
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    answers = await settled(*submit_all(writer, range(5)))
    assert isinstance(answers[3], KeyError)
    assert journal.written == [0, 1, 2, 4]
    assert len(journal.batches) == 1, "a refusal undoes no transaction"


async def test_an_item_that_breaks_its_transaction_does_not_take_its_neighbours_down() -> None:
    journal = Journal()
    journal.poison = {3}
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    answers = await settled(*submit_all(writer, range(6)))
    assert isinstance(answers[3], ValueError)
    assert [answer for answer in answers if isinstance(answer, str)] == [f"kept {item}" for item in (0, 1, 2, 4, 5)]
    assert journal.written == [0, 1, 2, 4, 5], "in the order of submission"


async def test_the_writer_goes_on_after_a_failure() -> None:
    journal = Journal()
    journal.poison = {1}
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    assert isinstance((await settled(*submit_all(writer, [1])))[0], ValueError)
    assert await settled(*submit_all(writer, [2])) == ["kept 2"]


async def test_more_than_may_wait_is_turned_away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "WAITING_MAX_ITEMS", 3)
    journal = Journal()
    journal.gate.clear()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    running = submit_all(writer, [0])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = submit_all(writer, [1, 2, 3])
    await asyncio.sleep(0)
    with pytest.raises(TooManyWaiting):
        await asyncio.wait_for(writer.submit(4), timeout=WAIT_SECONDS)
    journal.gate.set()
    assert await settled(*running, *waiting) == ["kept 0", "kept 1", "kept 2", "kept 3"]
    assert await writer.submit(5) == "kept 5", "there is room again"


async def test_a_caller_that_goes_away_does_not_undo_what_it_submitted() -> None:
    journal = Journal()
    journal.gate.clear()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    tasks = submit_all(writer, [1, 2])
    await asyncio.sleep(0)
    tasks[0].cancel()
    journal.gate.set()
    answers = await settled(*tasks)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert (answers[1], journal.written) == ("kept 2", [1, 2])


async def test_nobody_complains_about_a_failure_whose_caller_went_away() -> None:
    journal = Journal()
    journal.poison = {1}
    journal.gate.clear()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        (task,) = submit_all(writer, [1])
        await asyncio.sleep(0)
        task.cancel()
        journal.gate.set()
        await settled(task)
        await writer.close()
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


async def test_closing_waits_for_what_was_submitted() -> None:
    journal = Journal()
    journal.gate.clear()
    writer: GroupWriter[int, str] = GroupWriter(journal.commit)
    tasks = submit_all(writer, [1, 2, 3])
    await asyncio.sleep(0)
    closing = asyncio.create_task(writer.close())
    done, _ = await asyncio.wait([closing], timeout=0.05)
    assert not done
    journal.gate.set()
    await settled(closing, *tasks)
    assert journal.written == [1, 2, 3]


async def test_closing_an_unused_writer() -> None:
    await GroupWriter[int, str](Journal().commit).close()

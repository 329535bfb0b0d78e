"""One process at a time leads, and another takes over when it is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import psycopg
import pytest

from hub.store import leader
from hub.store.leader import Leadership, OtherKey, key_mark, require_one_key

WAIT_MAX_SECONDS = 25.0  # less than a connection is waited for
ROUNDS = 40
MARK = key_mark(b"the key of the tests")


class Process:
    """Notes when it began to lead and when it ended."""

    def __init__(self, database_url: str, mark: int = MARK) -> None:
        self.duties = 0
        self.began: list[float] = []
        self.ended: list[float] = []
        self.fault: Exception | None = None
        self.leadership = Leadership(database_url, mark, self._begin, self._end)

    async def _begin(self) -> None:
        if self.fault is not None:
            raise self.fault
        self.duties += 1
        self.began.append(time.monotonic())

    async def _end(self) -> None:
        self.duties -= 1
        self.ended.append(time.monotonic())


@pytest.fixture
async def processes(database_url: str) -> AsyncIterator[list[Process]]:
    """Three processes, of which the first leads."""
    made = [Process(database_url) for _ in range(3)]
    async with AsyncExitStack() as stack:
        for process in made:
            stack.push_async_callback(process.leadership.close)
            await process.leadership.start()
        yield made


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_MAX_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


async def cut(database_url: str, which: str = "true") -> None:
    """End connections of leaders and would-be leaders from the server's side."""
    plain = database_url.replace("postgresql+psycopg://", "postgresql://")
    held = "select l.pid from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
    chosen = f"pid in ({held})" if which == "leader" else "true"
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
        await connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'ocpi-hub-leader' "
            f"and datname = current_database() and {chosen}".encode()
        )


async def test_one_of_three_leads(processes: list[Process]) -> None:
    await asyncio.sleep(1.5)
    assert [process.duties for process in processes] == [1, 0, 0]
    assert [process.leadership.is_leader for process in processes] == [True, False, False]


async def test_another_leads_when_the_leader_leaves(processes: list[Process]) -> None:
    await processes[0].leadership.close()
    assert processes[0].duties == 0
    await until(lambda: processes[1].duties + processes[2].duties == 1)


async def test_a_leader_that_loses_its_connection_stops_and_somebody_leads_again(
    processes: list[Process], database_url: str
) -> None:
    await cut(database_url, "leader")
    await until(lambda: len(processes[0].ended) == 1)
    await until(lambda: sum(process.duties for process in processes) == 1)


async def test_who_stops_in_the_middle_of_a_question_leaves_nothing_that_holds_up_the_next(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader, "LOOK_EVERY_SECONDS", 0.0005)
    for moment in range(ROUNDS):
        made = [Process(database_url) for _ in range(3)]
        async with asyncio.timeout(WAIT_MAX_SECONDS), AsyncExitStack() as stack:
            for process in made:
                stack.push_async_callback(process.leadership.close)
                await process.leadership.start()
            await asyncio.sleep(0.003 * (moment % 7) / 7)


async def test_all_connections_are_lost_and_one_leads_again(processes: list[Process], database_url: str) -> None:
    await cut(database_url)
    await until(lambda: len(processes[0].ended) == 1)
    await until(lambda: sum(process.duties for process in processes) == 1)
    await asyncio.sleep(1.5)
    assert sum(process.duties for process in processes) == 1


async def test_a_process_that_cannot_do_its_duties_leaves_them_to_another(database_url: str) -> None:
    first, second = Process(database_url), Process(database_url)
    first.fault = ValueError("a fault of the tests")
    with pytest.raises(ValueError, match="of the tests"):
        await first.leadership.start()
    await first.leadership.close()
    await second.leadership.start()
    assert second.duties == 1
    await second.leadership.close()


async def test_a_process_knows_whether_it_is_alone(database_url: str) -> None:
    first, second = Process(database_url), Process(database_url)
    await first.leadership.start()
    assert await first.leadership.is_alone()
    await second.leadership.start()
    assert not await first.leadership.is_alone()
    await second.leadership.close()
    async with asyncio.timeout(WAIT_MAX_SECONDS):  # the server learns of the end of a connection a moment later
        while not await first.leadership.is_alone():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
    await first.leadership.close()


async def test_a_process_with_another_secret_key_is_refused(processes: list[Process], database_url: str) -> None:
    stranger = Process(database_url, key_mark(b"another key"))
    with pytest.raises(OtherKey, match="HUB_SECRET_KEY"):
        await stranger.leadership.start()
    await stranger.leadership.close()
    with pytest.raises(OtherKey, match="HUB_SECRET_KEY"):
        await require_one_key(database_url, key_mark(b"another key"))
    await require_one_key(database_url, MARK)
    assert await processes[0].leadership.is_alone() is False
    await until(lambda: processes[0].duties == 1)
    late = Process(database_url)
    await late.leadership.start()
    await late.leadership.close()


def test_the_mark_of_a_key_tells_keys_apart_and_fits_a_lock() -> None:
    assert key_mark(b"a") == key_mark(b"a") != key_mark(b"b")
    assert all(0 <= key_mark(bytes([number])) < 2**31 for number in range(256))

"""What takes long is shown as it was a moment ago, and is added up once for all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hub.clock import SystemClock
from hub.console import kept as module
from hub.console.kept import Kept


class Sums:
    """Counts how often it adds up; takes as long as somebody says."""

    def __init__(self) -> None:
        self.times, self.gate = 0, asyncio.Event()
        self.gate.set()
        self.kept: Kept[str, int] = Kept(self.find, SystemClock())

    async def find(self, key: str) -> int:
        if key == "wrong":
            raise ValueError("there is no such thing")
        self.times += 1
        found = self.times
        await self.gate.wait()
        return found

    async def until(self, is_so: Callable[[], bool]) -> None:
        for _ in range(500):
            if is_so():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never came to that")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.02)


async def test_what_is_quick_is_as_it_is_now() -> None:
    sums = Sums()
    assert [(found := await sums.kept.of("a")) and found.value for _ in range(3)] == [1, 2, 3]


@pytest.mark.usefixtures("slow")
async def test_what_takes_long_is_added_up_once_for_all_and_kept_for_a_while() -> None:
    sums = Sums()
    sums.gate.clear()
    assert await asyncio.gather(*(sums.kept.of("a") for _ in range(5))) == [None] * 5
    await asyncio.sleep(0.1)
    sums.gate.set()
    await sums.until(lambda: not sums.kept._finding)
    found = await sums.kept.of("a")
    assert (found and found.value, found and found.is_current, sums.times) == (1, True, 1)


async def test_what_is_old_is_shown_while_it_is_added_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.5)
    sums = Sums()
    first = await sums.kept.of("a")
    sums.gate.clear()
    again = await sums.kept.of("a")
    assert first is not None
    assert again is not None
    assert (again.value, again.at <= first.at, again.is_current) == (1, True, False)
    sums.gate.set()
    await sums.until(lambda: not sums.kept._finding)
    newer = await sums.kept.of("a")
    assert newer is not None
    assert newer.value >= 2


async def test_what_cannot_be_added_up_says_so_each_time() -> None:
    sums = Sums()
    for _ in range(2):
        with pytest.raises(ValueError, match="no such thing"):
            await sums.kept.of("wrong")


async def test_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 2)
    sums = Sums()
    for key in "abc":
        await sums.kept.of(key)
    assert [*sums.kept._kept] == ["b", "c"]


async def test_closing_stops_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.02)
    sums = Sums()
    sums.gate.clear()
    assert await sums.kept.of("a") is None
    await sums.kept.close()
    assert sums.kept._finding == {}

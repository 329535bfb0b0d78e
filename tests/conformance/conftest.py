"""The bench of the conformance tests: one hub and its parties for all tests of a file, or a hub of one's own where a test needs one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.conftest import World, loopback_client, running_hub
from tests.databases import Databases
from tests.web.conftest import Bench, bench, cdr, join_everybody, location, session, token

__all__ = ["bench", "cdr", "location", "session", "shared", "token", "unique"]

FORWARD_TIMEOUT_SECONDS = 1.5
SETTLE_SECONDS = 0.5
LOOKS_MAX = 400
LOOK_PAUSE_SECONDS = 0.05


@pytest.fixture(scope="module")
async def _module_bench(
    request: pytest.FixtureRequest, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Bench]:
    timers = {
        "forward_timeout_seconds": getattr(request.module, "SHARED_TIMEOUT_SECONDS", FORWARD_TIMEOUT_SECONDS),
        "page_limit_max": 100,
        "page_limit_default": 50,
        "pull_settle_seconds": SETTLE_SECONDS,
    }
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, running_hub(url, folder, **timers) as world, loopback_client() as http:
        made = await join_everybody(world, http)
        await all_looked_at(world)
        made.forget_what_was_seen()
        yield made


async def all_looked_at(world: World) -> None:
    """Wait until every list of every partner was pulled once: what the hub asks of its own accord is over."""
    for _ in range(LOOKS_MAX):
        partners = (await world.admin.get("/admin/partners")).json()
        pulls = [(await world.admin.get(f"/admin/partners/{one['id']}/pulls")).json() for one in partners]
        if all(pull["synced_at"] for listed in pulls for pull in listed if pull["is_offered"]):
            return
        await asyncio.sleep(LOOK_PAUSE_SECONDS)
    pytest.fail("the hub did not finish its first look")


@pytest.fixture
def shared(_module_bench: Bench) -> Iterator[Bench]:
    """The bench that all tests of a file share: fast, so use ids of your own (`unique`) and leave registrations as they are.

    What was recorded before is forgotten, and faults of the demo platforms are taken away again.
    """
    _module_bench.forget_what_was_seen()
    yield _module_bench
    for platform in _module_bench.everybody:
        platform.faults.clear()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A fresh id that starts with a word: ``unique("L")``."""
    return lambda word: f"{word}-{uuid.uuid4().hex[:12]}"

"""The bench of the conformance tests: one hub and its parties for all tests of a file, or a hub of one's own where a test needs one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import HASTY, HASTY_SECONDS, PATIENT_SECONDS, World, loopback_client, running_hub
from tests.databases import Databases
from tests.web.conftest import Bench, bench, cdr, join_everybody, location, session, token

__all__ = ["bench", "cdr", "location", "session", "shared", "token", "unique"]

SETTLE_SECONDS = 0.5
LOOKS_MAX = 400
LOOK_PAUSE_SECONDS = 0.05


@pytest.fixture(scope="module")
async def _module_bench(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    async with databases.lent() as url, opened(url, tmp_path_factory.mktemp("hub"), PATIENT_SECONDS) as made:
        yield made


@pytest.fixture(scope="module")
async def _hasty_bench(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """Another one, whose hub soon gives up on a partner that is silent: for tests that are marked as hasty."""
    async with databases.lent() as url, opened(url, tmp_path_factory.mktemp("hasty"), HASTY_SECONDS) as made:
        yield made


@asynccontextmanager
async def opened(database_url: str, folder: Path, patience: float) -> AsyncIterator[Bench]:
    """A bench after the first look of its hub, which waits so many seconds for the answer of a partner."""
    timers = {
        "forward_timeout_seconds": patience,
        "page_limit_max": 100,
        "page_limit_default": 50,
        "pull_settle_seconds": SETTLE_SECONDS,
    }
    async with running_hub(database_url, folder, **timers) as world, loopback_client() as http:
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
def shared(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The bench that all tests of a file share: fast, so use ids of your own (`unique`) and leave registrations as they are.

    What was recorded before is forgotten, and faults of the demo platforms are taken away again. Its hub is patient, but in a
    test that is marked as hasty.
    """
    is_hasty = request.node.get_closest_marker(HASTY) is not None
    bench: Bench = request.getfixturevalue("_hasty_bench" if is_hasty else "_module_bench")
    bench.forget_what_was_seen()
    yield bench
    for platform in bench.everybody:
        platform.faults.clear()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A fresh id that starts with a word: ``unique("L")``."""
    return lambda word: f"{word}-{uuid.uuid4().hex[:12]}"

"""One browser for all, and for each module a hub with the accounts of the demonstration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from hub.clock import SystemClock
from hub.console.demonstration import make_accounts
from hub.console.gate import Gate
from hub.store.accounts import Accounts
from hub.store.database import Database
from tests.browser.windows import CHROMIUM_VARIABLE, NAMES, Watch, Windows, chromium, launched
from tests.conftest import World
from tests.databases import Databases
from tests.web.clearing import Clearing, clearing_hub, dear

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium; what needs it is skipped where there is none."""
    executable = chromium()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed, and {CHROMIUM_VARIABLE} names none")
    async with async_playwright() as playwright:
        opened = await launched(playwright, executable)
        yield opened
        await opened.close()


@pytest.fixture(scope="module")
async def desk(
    browser: Browser, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Clearing]:
    """A hub that clears, which people of the demonstration may sign in to."""
    folder = tmp_path_factory.mktemp("hub")
    async with databases.lent() as url, clearing_hub(url, folder, demo_accounts=True, navigation=True) as made:
        await _let_in(made.world)
        yield made


@pytest.fixture
def watch(desk: Clearing) -> Iterator[Watch]:
    """No request leaves the machine, and no page fails: the test does where one did."""
    made = Watch(desk.world.url)
    yield made
    assert not made.faults, "\n".join(made.faults)


@pytest.fixture
def windows(browser: Browser, desk: Clearing, watch: Watch) -> Windows:
    """Windows on the hub of the module."""
    return Windows(browser, desk.world.url, watch)


@dataclass(frozen=True, slots=True)
class Month:
    """A month in the books: what is advised, what is held and what is disputed in it."""

    desk: Clearing
    period: str
    statement: str
    dispute: int


@pytest.fixture(scope="module")
async def month(desk: Clearing) -> Month:
    """Three CDRs are billed, one of them disputed, and seven are held."""
    await desk.bill(*(dear(number, "28") for number in (1, 2, 3)), *(dear(number) for number in range(4, 11)))
    (period,) = (await desk.get("periods"))["items"]
    for step, content in (("cut-off", {"before_end": True}), ("draft", {}), ("advise", {})):
        await _settle(desk, f"periods/{period['id']}/{step}", actor="Amara", **content)
    statement = (await desk.get("statements", state="advised"))["items"][0]["id"]
    disputed = {"creditor": "DE/ABC", "cdr_id": dear(1)["id"], "reason": "PRICE", "note": "The tariff says 26."}
    amount = {"excl_vat": "2.00", "incl_vat": "2.38"}
    dispute = await _settle(desk, "disputes", actor="Ines", amount=amount, **disputed)
    return Month(desk, period["id"], statement, dispute["id"])


async def _settle(desk: Clearing, path: str, **content: Any) -> Any:
    answer = await desk.world.admin.post(f"/settlement/{path}", json=content, timeout=30)
    assert answer.is_success, answer.text
    return answer.json()


async def _let_in(world: World) -> None:
    database = Database(world.database_url)
    try:
        await make_accounts(Gate(Accounts(database.direct), SystemClock(), world.url))
    finally:
        await database.close()

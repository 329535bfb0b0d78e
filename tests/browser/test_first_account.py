"""A hub that nobody can sign in to yet."""

from __future__ import annotations

from playwright.async_api import Browser, expect

from hub.clock import SystemClock
from hub.console.gate import Gate
from hub.console.signing_in import first_link
from hub.store.accounts import Accounts
from hub.store.database import Database
from tests.browser.windows import Watch, Windows
from tests.conftest import World


async def test_the_first_account_is_made_by_the_link_of_the_terminal(browser: Browser, world: World) -> None:
    watch = Watch(world.url, refusals={403})
    async with Windows(browser, world.url, watch).window(timezone_id="Asia/Tokyo") as page:
        link = await _first_link(world)
        await page.goto(link)
        await page.get_by_label("Name to sign in with").fill("ada")
        await page.get_by_label("Your name").fill("Ada L.")
        await page.get_by_label("Password, at least").fill("a-long-password-of-hers")
        await page.get_by_label("The same again").fill("a-long-password-of-hers")
        await page.get_by_role("button", name="Make the account").click()
        await page.get_by_label("Name", exact=True).fill("ada")
        await page.get_by_label("Password", exact=True).fill("a-long-password-of-hers")
        await page.get_by_role("button", name="Sign in").click()
        await page.goto("/console/accounts")
        await expect(page.get_by_role("textbox", name="Shown name of ada")).to_have_value("Ada L.")
        await expect(page.locator("footer")).to_contain_text("Asia/Tokyo")
        await page.goto(link)
        await expect(page.get_by_role("alert")).to_contain_text("This link was used")
    assert not watch.faults, "\n".join(watch.faults)


async def _first_link(world: World) -> str:
    database = Database(world.database_url)
    try:
        path = await first_link(Gate(Accounts(database.direct), SystemClock(), world.url))
    finally:
        await database.close()
    assert path is not None
    return path

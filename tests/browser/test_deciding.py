"""Signing in, and deciding causes: with the mouse, with keys alone, in two windows, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.windows import Watch, Windows, sign_in
from tests.settlement.cases import Content
from tests.web.clearing import Clearing, dear

ROWS = "[data-rows] tbody tr"


@pytest.fixture(scope="module")
def claims() -> Callable[[int], list[Content]]:
    """Makes claims above their price, each at an hour of its own; all are of one cause."""
    numbers = iter(range(1, 24))

    def make(count: int) -> list[Content]:
        return [dear(next(numbers)) for _ in range(count)]

    return make


async def test_somebody_signs_in_goes_where_they_wanted_and_signs_out(windows: Windows, watch: Watch) -> None:
    watch.refusals.add(401)
    async with windows.window() as page:
        await page.goto("/console/disputes?state=raised")
        await page.get_by_label("Name", exact=True).fill("vera")
        await page.get_by_label("Password", exact=True).fill("not-the-password")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
        await page.get_by_label("Password", exact=True).fill("vera-charges-at-night")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/console/disputes\?state=raised$"))
        await page.get_by_role("button", name="Account of Vera").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.goto("/console/causes")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_a_cause_is_decided_once_and_its_cdrs_settle(
    windows: Windows, desk: Clearing, claims: Callable[[int], list[Content]]
) -> None:
    held = claims(2)
    await desk.bill(*held)
    async with windows.person("ines") as page:
        await _open_cause(page)
        await expect(page.get_by_text("Kept out now").locator("..")).to_contain_text("2")
        await _decide(page, "Pay as claimed")
        await expect(page.get_by_role("status")).to_contain_text("Decided")
        await desk.settled()
        for one in held:
            await page.goto(f"/console/cdrs/DE/ABC/{one['id']}")
            await expect(page.locator(".page-header .badge")).to_have_text("SETTLE")
        await _take_back(page)
        await desk.settled()


async def test_the_second_of_two_windows_is_told_what_happened_in_the_first(
    windows: Windows, desk: Clearing, claims: Callable[[int], list[Content]]
) -> None:
    await desk.bill(*claims(1))
    async with windows.person("ines") as first, windows.person("amara") as second:
        await _open_cause(first)
        await _open_cause(second)
        await _decide(first, "Keep out and ask")
        await expect(first.get_by_role("status")).to_contain_text("Decided")
        before = len((await desk.get("decisions"))["items"])
        await _decide(second, "Pay as claimed")
        await expect(second.get_by_role("status")).to_contain_text(
            "ines decided this cause while you looked at it (hold, PRICE)"
        )
        assert len((await desk.get("decisions"))["items"]) == before
        await _decide(second, "Pay as claimed")
        await expect(second.get_by_role("status")).to_contain_text("Decided")
        await _take_back(first)
        await _take_back(second)
        await desk.settled()


async def test_a_cause_is_found_and_decided_with_keys_alone(
    windows: Windows, desk: Clearing, claims: Callable[[int], list[Content]]
) -> None:
    await desk.bill(*claims(1))
    async with windows.person("ines") as page:
        await page.keyboard.press("g")
        await page.keyboard.press("d")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Decisions")
        await page.keyboard.press("g")
        await page.keyboard.press("c")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Causes")
        await page.keyboard.press("j")
        await expect(page.locator("tr.current")).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Price mismatch")
        await _tab_to(page, page.get_by_label("Pay as claimed", exact=True))
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_label("Keep out and ask", exact=True)).to_be_checked()
        await page.keyboard.press("Tab")
        await page.keyboard.type("PRICE")
        await _tab_to(page, page.get_by_role("button", name="Decide"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("Decided")
        await _take_back(page)
        await desk.settled()


async def test_keys_are_told_in_a_window_of_their_own(windows: Windows) -> None:
    async with windows.person("vera") as page:
        await page.keyboard.press("?")
        keys = page.get_by_role("dialog", name="Keys")
        await expect(keys).to_be_visible()
        await expect(keys).to_contain_text("next and previous row")
        await keys.get_by_role("button", name="Close").press("Escape")
        await expect(keys).to_be_hidden()
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()


async def test_everything_goes_without_scripts(
    windows: Windows, desk: Clearing, claims: Callable[[int], list[Content]]
) -> None:
    await desk.bill(*claims(3))
    async with windows.window(java_script_enabled=False) as page:
        await sign_in(page, "ines")
        await _open_cause(page)
        await _decide(page, "Keep out and ask")
        await expect(page.get_by_role("status")).to_contain_text("Decided")
        await page.goto("/console/cdrs?limit=2&disposition=HOLD")
        ids = await page.locator(f"{ROWS} td:first-child").all_inner_texts()
        await page.get_by_role("link", name="Next page").click()
        await expect(page.locator(ROWS).first).to_be_visible()
        more = await page.locator(f"{ROWS} td:first-child").all_inner_texts()
        assert len(ids) == 2
        assert not {*ids} & {*more}


async def _open_cause(page: Page) -> None:
    await page.goto("/console/causes?kind=PRICE_MISMATCH")
    await page.locator(ROWS).first.get_by_role("link").first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Price mismatch")


async def _decide(page: Page, choice: str) -> None:
    await page.get_by_label(choice, exact=True).check()
    await page.get_by_label("Reason").select_option("PRICE")
    await page.get_by_role("button", name="Decide").click()


async def _take_back(page: Page) -> None:
    """The newest decision, so that the cause is open again for whoever comes next."""
    await page.goto("/console/decisions?state=standing")
    await page.locator(ROWS).first.get_by_role("link").first.click()
    page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Take back").click()
    await expect(page.get_by_role("status")).to_be_visible()


TABS_MAX = 40


async def _tab_to(page: Page, wanted: Locator) -> None:
    for _ in range(TABS_MAX):
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached with {TABS_MAX} tabs")

"""A month from its first draft to its seal, by two people."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.browser.windows import Watch, Windows
from tests.web.clearing import Clearing, dear

BY_ONE = ("Cut off", "Draft statements", "Advise", "Net", "Close")


async def test_a_month_is_sealed_by_two_people(windows: Windows, desk: Clearing, watch: Watch) -> None:
    watch.refusals.add(409)
    await desk.bill(dear(1, "28"), dear(2, "28"))
    (period,) = (await desk.get("periods"))["items"]
    path = f"/console/periods/{period['id']}"
    async with windows.person("amara") as amara, windows.person("bo") as bo:
        for step in BY_ONE:
            await _take(amara, path, step)
            await expect(amara.get_by_role("status")).to_be_visible()
        await _take(amara, path, "Close")
        await expect(amara.get_by_role("alert")).to_contain_text("second person")
        for step in ("Close", "Seal"):
            await _take(bo, path, step)
            await expect(bo.get_by_role("status")).to_be_visible()
        await expect(bo.locator("[aria-current=step]")).to_have_text("Sealed")
        await bo.get_by_role("link", name="Check the seal").click()
        await expect(bo.get_by_role("status")).to_contain_text("as they were sealed")
        await bo.get_by_role("link", name="Netting").click()
        await expect(bo.get_by_role("region", name="Transfers")).to_contain_text("66.64")


async def _take(page: Page, path: str, step: str) -> None:
    await page.goto(path)
    if step == "Cut off" and await (early := page.get_by_label("before it ended")).count():
        await early.check()
    if step not in {"Draft statements", "Seal"}:
        page.once("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name=step, exact=True).click()

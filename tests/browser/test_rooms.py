"""A month that is advised: the dispute room, and the way from a line of a statement to the bytes and back."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.conftest import Month
from tests.browser.windows import Windows
from tests.web.clearing import dear, text_of


async def test_a_billed_cdr_is_disputed_by_one_and_conceded_by_another(windows: Windows, month: Month) -> None:
    async with windows.person("ines") as ines, windows.person("bo") as bo:
        await ines.goto(f"/console/cdrs/DE/ABC/{dear(2)['id']}")
        await ines.get_by_text("Dispute it").click()
        await ines.get_by_label("Amount without VAT").fill("3")
        await ines.get_by_label("With VAT", exact=True).fill("3.57")
        await ines.get_by_label("Reason").select_option("PRICE")
        await ines.get_by_label("Note").fill("The tariff says 25.")
        await ines.get_by_role("button", name="Raise the dispute").click()
        await expect(ines.get_by_role("heading", level=1)).to_contain_text("Dispute")
        await bo.goto("/console/disputes?state=raised")
        await bo.locator("tbody tr", has_text="3.00").get_by_role("link").first.click()
        await expect(bo.locator("main")).to_contain_text("The tariff says 25.")
        await bo.get_by_label("What is to be said").fill("So it does.")
        await bo.get_by_role("button", name="Concede").click()
        await expect(bo.locator(".page-header .badge")).to_have_text("conceded")
        await ines.reload()
        await expect(ines.locator("main")).to_contain_text("So it does.")


async def test_from_a_line_to_the_text_as_received_it_is_three_clicks_and_back_again(
    windows: Windows, month: Month, tmp_path: Path
) -> None:
    async with windows.person("vera") as page:
        await page.goto("/console/statements?state=advised")
        await page.get_by_role("link", name=month.statement).click()
        await page.locator("#lines").get_by_role("link", name=str(dear(3)["id"])).click()
        received = await _downloaded(page, "As received", tmp_path)
        assert received == text_of(dear(3, "28"))
        await page.get_by_role("link", name="The statement").click()
        await expect(page.locator("#lines")).to_contain_text(str(dear(3)["id"]))


async def _downloaded(page: Page, link: str, folder: Path) -> str:
    async with page.expect_download() as loading:
        await page.get_by_role("link", name=link).click()
    file = folder / "received.json"
    await (await loading.value).save_as(file)
    return file.read_text()

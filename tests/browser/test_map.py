"""The map: a dot has the colour of its EVSEs, and takes another one when their status changes."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.test_pages import AXE, FAULTS_OF_ACCESS, SERIOUS, THEMES
from tests.browser.windows import Watch, Windows
from tests.console.test_places import patch_statuses, with_status
from tests.web.clearing import Clearing

SEEN_MILLISECONDS_MAX = 5000
DRAWN_MILLISECONDS_MAX = 45_000  # without a graphics card, on a machine with other work
KEYS_MAX = 10
READY = "#map[data-ready]"
COLOUR = """(state) => {
  const dot = document.getElementById("map").map.queryRenderedFeatures({layers: ["dots"]})[0];
  return dot?.properties.state === state && dot.layer.paint["circle-color"].toString();
}"""


async def colour(page: Page, state: str) -> str:
    """The colour of the dot once its place is in a state."""
    found = await page.wait_for_function(COLOUR, arg=state, timeout=SEEN_MILLISECONDS_MAX)
    return str(await found.json_value())


async def test_a_dot_changes_its_colour_on_an_ocpi_patch(desk: Clearing, windows: Windows) -> None:
    async with windows.person("otto") as page:
        await page.goto("/console/map")
        await expect(page.locator(READY)).to_be_visible()
        free = await colour(page, "available")
        await patch_statuses(desk, "CHARGING", "CHARGING")
        taken = await colour(page, "charging")
        assert free != taken
        await expect(page.get_by_role("link", name="Charging 2")).to_be_visible()
        box = await page.locator("#map canvas").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await page.locator(".maplibregl-popup").get_by_role("link", name="Alte Mühle").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Alte Mühle")


async def test_a_dot_is_opened_by_keyboard(desk: Clearing, windows: Windows) -> None:
    """Tab goes there from what stands before the map, in the order of the page; Esc comes back."""
    async with windows.person("otto") as page:
        await page.goto("/console/map")
        dot = page.get_by_role("button", name="Alte Mühle (DE/ABC):")
        await expect(dot).to_be_attached(timeout=DRAWN_MILLISECONDS_MAX)
        await page.get_by_role("link", name="Unknown").focus()
        for _ in range(KEYS_MAX):
            await page.keyboard.press("Tab")
            if await dot.evaluate("(one) => one === document.activeElement"):
                break
        await page.keyboard.press("Enter")
        link = page.locator(".maplibregl-popup").get_by_role("link", name="Alte Mühle")
        await expect(link).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(link).to_be_hidden()
        await expect(dot).to_be_focused()
        await page.get_by_role("link", name="Skip the map").focus()
        await page.keyboard.press("Enter")
        assert page.url.endswith("#rows")


async def test_a_map_that_is_drawn_shuts_nobody_out(desk: Clearing, windows: Windows, screenshots: Path) -> None:
    assert (await desk.push("locations", with_status("BLOCKED", "BLOCKED", id="LOC2"))).json()["status_code"] == 1000
    for theme in THEMES:
        async with windows.person("otto", color_scheme=theme) as page:
            await page.goto("/console/map#at=5/54/15")
            await expect(page.get_by_role("button", name="2 locations")).to_be_visible(timeout=DRAWN_MILLISECONDS_MAX)
            await page.screenshot(path=screenshots / f"map-drawn-{theme}.png")
            await page.evaluate(AXE)
            faults = [one for one in await page.evaluate(FAULTS_OF_ACCESS) if one["impact"] in SERIOUS]
            assert not faults, faults


async def test_without_webgl_the_table_says_the_same(desk: Clearing, windows: Windows, watch: Watch) -> None:
    async with windows.person("otto") as page:
        await page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        await page.goto("/console/map")
        await expect(page.get_by_text("This browser draws no maps")).to_be_visible()
        await expect(page.get_by_role("link", name="LOC1", exact=True)).to_be_visible()
    watch.faults = [one for one in watch.faults if "WebGL" not in one]

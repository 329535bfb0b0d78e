"""The map for drivers: a dot takes another colour when its EVSEs do, and a list says the same to those who see no map."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from playwright.async_api import Page, Route, expect

from tests.browser.test_map import DRAWN_MILLISECONDS_MAX
from tests.browser.test_pages import THEMES, look_at
from tests.browser.windows import DESKTOP, PHONE, Watch, Windows
from tests.settlement.cases import tariff
from tests.web.clearing import Clearing

PLACE = {"longitude": 13.383068, "latitude": 52.530644}
CLOSE, AFAR = "/map#at=15/52.5306/13.3831", "/map#at=5/52.5/13.4"
READY = "#map[data-ready]"
LIVE = "#map[data-connection=live]"
SEEN_SECONDS_MAX = 2.0
FAR_SECONDS_MAX = 20.0
SETTLED_MILLISECONDS = 2000
"""After that what the page reads once more when its stream began is here."""
STREAMS = "**/nav/v1/stream*"

# half way between the middle of the dot, where signs are, and its edge
PIXEL = """({longitude, latitude}) => {
  const { map } = document.getElementById("map");
  map.redraw();
  const { x, y } = map.project([longitude, latitude]);
  const canvas = map.getCanvas();
  const gl = canvas.getContext("webgl2");
  const ratio = canvas.width / canvas.clientWidth;
  const pixel = new Uint8Array(4);
  gl.readPixels(Math.round((x + 8) * ratio), Math.round(canvas.height - y * ratio), 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  return [...pixel].slice(0, 3).join();
}"""
HUE = """(name) => {
  const probe = document.createElement("i");
  probe.className = `mark s-${name}`;
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const hue = parseFloat(style.borderTopWidth) ? style.borderTopColor : style.backgroundColor;
  probe.remove();
  return hue.match(/[0-9]+/g).slice(0, 3).join();
}"""

_minutes = count(1)


async def says(desk: Clearing, *statuses: str) -> None:
    """The CPO says how both EVSEs are, one after the other."""
    for number, status in enumerate(statuses, 1):
        minute = next(_minutes)
        at = f"2027-03-01T{minute // 60:02}:{minute % 60:02}:00Z"
        await desk.patch(f"locations/DE/ABC/LOC1/E{number}", {"status": status, "last_updated": at})


async def seen(page: Page, state: str, within_seconds: float) -> float:
    """How many seconds it takes until the dot has the colour of a state."""
    wanted, began = await page.evaluate(HUE, state), time.monotonic()
    while (pixel := await page.evaluate(PIXEL, PLACE)) != wanted:
        assert time.monotonic() - began < within_seconds, f"the dot is {pixel}, not {wanted}"
        await page.wait_for_timeout(30)
    return time.monotonic() - began


@asynccontextmanager
async def on_the_map(windows: Windows, address: str, **options: object) -> AsyncIterator[Page]:
    """A window of somebody in front of the map."""
    async with windows.window(**options) as page:  # type: ignore[arg-type]  # sizes and options of a browser alike
        await page.goto(address)
        await expect(page.locator(READY)).to_be_attached(timeout=DRAWN_MILLISECONDS_MAX)
        yield page


async def test_a_dot_changes_its_colour_within_two_seconds_of_an_ocpi_patch(desk: Clearing, windows: Windows) -> None:
    """N-T1, N9: without another request for tiles, on the one stream of the page."""
    await says(desk, "AVAILABLE", "AVAILABLE")
    async with on_the_map(windows, CLOSE) as page:
        await expect(page.locator(LIVE)).to_be_attached()
        await seen(page, "available", FAR_SECONDS_MAX)
        await page.wait_for_timeout(SETTLED_MILLISECONDS)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await says(desk, "CHARGING", "CHARGING")
        await seen(page, "occupied", SEEN_SECONDS_MAX)
        await expect(page.get_by_role("button", name="Alte Mühle")).to_contain_text("0 of 2 free (all in use)")
        await says(desk, "OUTOFORDER", "INOPERATIVE")
        await seen(page, "out_of_service", SEEN_SECONDS_MAX)
        assert not asked, "the one stream tells it, and nothing is read anew"


async def test_a_place_is_found_and_read_with_keys_alone(desk: Clearing, windows: Windows) -> None:
    await says(desk, "AVAILABLE", "CHARGING")
    ad_hoc = tariff(type="AD_HOC_PAYMENT", last_updated="2027-03-01T00:00:00Z")
    assert (await desk.push("tariffs", ad_hoc)).json()["status_code"] == 1000
    async with on_the_map(windows, AFAR, reduced_motion="reduce") as page:
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Places in view")).to_be_focused()
        await expect(page.get_by_role("button", name="Germany")).to_contain_text("1 place")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        listed = page.get_by_role("button", name="Alte Mühle")
        await expect(listed).to_contain_text("1 of 2 free", timeout=DRAWN_MILLISECONDS_MAX)
        await listed.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Alte Mühle")).to_be_focused()
        panel = page.locator("#place")
        for text in (
            "Mühlenweg 1, 10115 Berlin",
            "Live: ",
            "CCS (Type 2) 150 kW 0 of 1",
            "Type 2, 22 kW: 0.476 EUR a kWh",
            "CCS (Type 2), 150 kW: unknown",
        ):
            await expect(panel).to_contain_text(text, use_inner_text=True)
        await says(desk, "AVAILABLE", "AVAILABLE")
        await expect(panel).to_contain_text("CCS (Type 2) 150 kW 1 of 1", use_inner_text=True)
        link = panel.get_by_role("link", name="All that is known, as JSON")
        assert await link.get_attribute("href") == "/nav/v1/locations/DE/ABC/LOC1"
        await page.keyboard.press("Escape")
        await expect(listed).to_be_focused()


async def test_dots_and_list_are_those_that_fit(desk: Clearing, windows: Windows) -> None:
    await says(desk, "CHARGING", "AVAILABLE")
    async with on_the_map(windows, CLOSE) as page:
        listed = page.get_by_role("button", name="Alte Mühle")
        await expect(listed).to_be_visible()
        await page.get_by_label("Plug").select_option("Type 2")
        await expect(listed).to_be_visible()
        await page.get_by_label("free now").check()
        await expect(page.get_by_text("0 places in view fit.")).to_be_visible()
        await page.wait_for_function(
            "() => !document.getElementById('map').map.queryRenderedFeatures({layers: ['dots']}).length",
            timeout=DRAWN_MILLISECONDS_MAX,
        )
        await says(desk, "AVAILABLE")
        await expect(listed).to_be_visible()
        await page.get_by_label("Power").select_option("50 kW or more")
        await expect(listed).to_be_hidden()


async def test_a_connection_that_is_lost_is_said_and_comes_back(desk: Clearing, windows: Windows, watch: Watch) -> None:
    async def refused(route: Route) -> None:
        await route.fulfill(status=503, body="{}")

    watch.refusals.add(503)
    async with windows.window() as page:
        await page.route(STREAMS, refused)
        await page.goto(CLOSE)
        lost = page.get_by_text("Connection lost; what is shown may be old.")
        await expect(lost).to_be_visible(timeout=DRAWN_MILLISECONDS_MAX)
        await says(desk, "CHARGING", "CHARGING")
        await page.unroute(STREAMS)
        await expect(page.locator(LIVE)).to_be_attached()
        await expect(lost).to_be_hidden()
        await expect(page.get_by_role("button", name="Alte Mühle")).to_contain_text("0 of 2 free")


async def test_a_map_for_drivers_shuts_nobody_out(desk: Clearing, windows: Windows, screenshots: Path) -> None:
    await says(desk, "AVAILABLE", "CHARGING")
    faults: list[str] = []
    for theme in THEMES:
        async with on_the_map(windows, CLOSE, color_scheme=theme) as page:
            await page.get_by_role("button", name="Alte Mühle").click()
            await expect(page.locator("#place")).to_be_visible()
            await seen(page, "available", FAR_SECONDS_MAX)
            for size in (DESKTOP, PHONE):
                faults += await look_at(page, size, screenshots / f"public-map-{theme}-{size[0]}.png")
    assert not faults, "\n".join(faults)


async def test_without_webgl_the_list_says_the_same(desk: Clearing, windows: Windows, watch: Watch) -> None:
    await says(desk, "AVAILABLE", "CHARGING")
    async with windows.window() as page:
        await page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        await page.goto("/map")
        await expect(page.get_by_text("this browser draws no maps")).to_be_visible()
        listed = page.get_by_role("button", name="Alte Mühle")
        await expect(listed).to_contain_text("1 of 2 free")
        await says(desk, "CHARGING")
        await expect(listed).to_contain_text("0 of 2 free (all in use)")
    watch.faults = [one for one in watch.faults if "WebGL" not in one]

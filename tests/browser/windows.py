"""Windows of a browser on the console: people in front of them, and whatever in them is not as it has to be."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request, expect

CHROMIUM_VARIABLE = "HUB_TEST_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # containers have no user namespaces
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # a request elsewhere cannot even leave
)
WAIT_MILLISECONDS = 15_000
DESKTOP, PHONE = (1280, 900), (400, 800)
OWN_SCHEMES = ("data:", "blob:")
DRIVER_SAYS = "GL Driver Message"  # that a picture of a map is slow to take without a graphics card

expect.set_options(timeout=WAIT_MILLISECONDS)


def chromium() -> str | None:
    """The path of a browser; None where there is none. HUB_TEST_CHROMIUM goes first."""
    return os.environ.get(CHROMIUM_VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)


async def launched(playwright: Playwright, executable: str) -> Browser:
    """A browser without a screen."""
    return await playwright.chromium.launch(executable_path=executable, args=[*ARGUMENTS])


@dataclass
class Watch:
    """Gathers what no page may do: ask another origin, fail in a script, complain on the console."""

    base_url: str
    faults: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)
    """HTTP statuses that a story expects: a browser complains about each."""

    def on(self, context: BrowserContext) -> None:
        context.on("request", self._asked)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.faults.append(f"{error.page and error.page.url}: {error.error}"))

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base_url}/", *OWN_SCHEMES)):
            self.faults.append(f"a request left: {request.url}")

    def _said(self, message: ConsoleMessage) -> None:
        is_told = any(f"status of {status}" in message.text for status in self.refusals)
        if message.type in {"error", "warning"} and not is_told and DRIVER_SAYS not in message.text:
            self.faults.append(f"{message.location.get('url', '')}: {message.text}")


@dataclass(frozen=True, slots=True)
class Windows:
    """Opens windows on one hub; each has its own cookies, and all are watched."""

    browser: Browser
    base_url: str
    watch: Watch

    @asynccontextmanager
    async def window(self, size: tuple[int, int] = DESKTOP, **options: Any) -> AsyncIterator[Page]:
        """A window of somebody who is not signed in."""
        viewport: Any = {"width": size[0], "height": size[1]}
        context = await self.browser.new_context(base_url=self.base_url, viewport=viewport, **options)
        context.set_default_timeout(WAIT_MILLISECONDS)
        self.watch.on(context)
        try:
            yield await context.new_page()
        finally:
            await context.close()

    @asynccontextmanager
    async def person(self, name: str, **options: Any) -> AsyncIterator[Page]:
        """A window of somebody of the demonstration, who is signed in."""
        async with self.window(**options) as page:
            await sign_in(page, name)
            yield page


async def sign_in(page: Page, name: str) -> None:
    """Sign in with the form, and be on the first page."""
    await page.goto("/console/sign-in")
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password", exact=True).fill(f"{name}-charges-at-night")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Causes")
    await page.wait_for_load_state()  # keys do nothing before the scripts are there

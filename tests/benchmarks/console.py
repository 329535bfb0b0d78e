"""Every page of the console with a month in the database that is as large as one wants: how long the server takes to answer.

A small month is settled, copied until there are enough CDRs (`copied_month`), and taken to its drafts. Then somebody signs in and opens
every page of the side bar, filtered and sorted ones, and one page of each kind that they lead to. What is measured is the time from the
request to the last byte, one request at a time, over loopback; the first request of a page is told apart. Where a browser is installed,
the first view is measured too: a page with all that it loads, by somebody who was never there before.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
from playwright.async_api import Browser, async_playwright

from hub.clock import SystemClock
from hub.console.navigation import NAVIGATION
from hub.demo.server import free_port
from hub.settlement.engine.chasing import NOTED_AT_ONCE_MAX
from hub.store.chases import Chases
from hub.store.database import Database
from hub.store.embedded import attach_or_start
from hub.web.listing import write_cursor
from tests.benchmarks.copied_month import multiply
from tests.benchmarks.figures import Detail, Report, Round, Row, number, table
from tests.benchmarks.machine import on_all_cores
from tests.benchmarks.month_rows import seed
from tests.benchmarks.processes import hub_running
from tests.benchmarks.settle import PERIOD, _crew, _migrate, _office
from tests.benchmarks.stage import Options, require, say
from tests.browser.windows import CHROMIUM_VARIABLE, chromium, launched

SETTLED_CDRS = 4_000
FINDINGS_MAX = 20_000
REQUESTS = 10
LIMIT_MILLISECONDS = 300.0
ANSWER_WAIT_SECONDS = 120.0
FIRST_VIEWS = ("/console/causes", "/console/overview", "/console/cdrs")
FIRST_VIEW_ROUNDS = 3
FIRST_VIEW_LIMIT_MILLISECONDS = 1500.0

DEEP = write_cursor(("-claimed", "EUR", "50", "M", ""))
"""A place in the middle of all CDRs by what they claim."""

FILTERED = (
    f"/console/cdrs?period={PERIOD}&disposition=HOLD",
    f"/console/cdrs?period={PERIOD}&disposition=HOLD&sort=-difference",
    "/console/cdrs?disposition=HOLD&sort=-claimed",
    "/console/cdrs?sort=-claimed",
    f"/console/cdrs?sort=-claimed&after={DEEP}",
    f"/console/cdrs?period={PERIOD}&disposition=SETTLE",
    f"/console/cdrs?period={PERIOD}&unbilled=true&ended_before=2026-10-15T00:00:00Z",
    f"/console/causes?period={PERIOD}",
    f"/console/pairs?period={PERIOD}&sort=-held",
    f"/console/odd-lines?period={PERIOD}&what=unlined",
    f"/console/odd-sums?period={PERIOD}",
    "/console/waiting",
    "/console/due",
    "/console/findings?severity=ERROR",
    f"/console/periods/{PERIOD}",
    f"/console/periods/{PERIOD}/net",
    "/console/search?q=CDR",
)
LED_TO = (
    ("/console/causes", r'href="(/console/causes/[^"?]+)"'),
    ("/console/cdrs", r'href="(/console/cdrs/[^"?]+)"'),
    ("/console/statements", r'href="(/console/statements/[^"?]+)"'),
    ("/console/statements", r'href="(/console/cdrs\?lines_of=[^"]+)"'),
    (f"/console/periods/{PERIOD}", r'href="(/console/pairs/[^"?]+)"'),
)
"""Where pages are found that others lead to: the first of each kind."""


@dataclass(frozen=True, slots=True)
class Answered:
    """How long a page took, in milliseconds: the first time, and afterwards each time."""

    path: str
    first: float
    others: tuple[float, ...]
    size_bytes: int

    @property
    def is_slow(self) -> bool:
        """Whether somebody waits."""
        return max(self.others) > LIMIT_MILLISECONDS

    def cells(self) -> list[str]:
        """As a row of the table of pages."""
        mark = "slow" if self.is_slow else ""
        size = number(self.size_bytes / 1024)
        return [self.path, number(self.first), number(median(self.others)), number(max(self.others)), size, mark]


VIEW_COLUMNS = (f"first view, at most {FIRST_VIEW_LIMIT_MILLISECONDS:g} ms", *("ms" for _ in range(FIRST_VIEW_ROUNDS)))
NO_BROWSER = f"no first view: no browser is installed, and {CHROMIUM_VARIABLE} names none"
COLUMNS = ("page", "first ms", "p50 ms", "max ms", "KiB", "")


def console(options: Options) -> Report:
    """All pages, with as many CDRs as `options` say."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ocpi-hub-bench-")))
        stack.enter_context(on_all_cores(options.cores))
        findings = furnish(folder, options.cdrs)
        hub = stack.enter_context(
            hub_running(folder, free_port(), options.cores, HUB_DEMO_ACCOUNTS="true", HUB_SETTLE_SECONDS="3600")
        )
        with signed_in(hub.url) as client:
            answered = [measured(client, path) for path in paths(client)]
        views = asyncio.run(first_views(hub.url))
    say(table(COLUMNS, (one.cells() for one in answered)))
    say(table(VIEW_COLUMNS, view_rows(views)) if views else NO_BROWSER)
    return report_of(answered, options.cdrs, findings)


def furnish(folder: Path, cdrs: int) -> int:
    """Make a month of so many CDRs, up to its drafts, in the database of a folder; returns how many findings stand."""
    with attach_or_start(folder) as running:
        url = running.server.url
        asyncio.run(_settled(url, min(cdrs, SETTLED_CDRS)))
        say(f"copying until there are {cdrs:,} CDRs")
        multiply(url, max(1, cdrs // SETTLED_CDRS), FINDINGS_MAX)
        return asyncio.run(_drafted(url))


async def _settled(url: str, cdrs: int) -> None:
    await _migrate(url)
    await asyncio.to_thread(seed, url, cdrs)
    database = Database(url)
    try:
        crew = _crew(database, url)
        while await crew.settle_due():
            pass
        crew.close()
    finally:
        await database.close()


async def _drafted(url: str) -> int:
    database = Database(url)
    try:
        office = _office(database)
        await office.cut_off(PERIOD, "Ada")
        await office.draft(PERIOD, "Ada")
        while await Chases(database.direct).note_cdrs(SystemClock().now(), NOTED_AT_ONCE_MAX):
            pass  # what a hub does all the time while CDRs come
        await database.direct.execute("vacuum (analyze)")  # as the database does by itself after a while
        (row,) = await database.direct.fetch("select count(*) as n from finding where cleared_at is null")
        return int(row["n"])
    finally:
        await database.close()


@contextmanager
def signed_in(url: str) -> Iterator[httpx.Client]:
    """A client of the console, signed in as the administrator of the demonstration."""
    with httpx.Client(base_url=url, timeout=ANSWER_WAIT_SECONDS, headers={"Origin": url}) as client:
        form = {"name": "ada", "password": "ada-charges-at-night", "zone": "Europe/Amsterdam"}
        answer = client.post("/console/sign-in", data=form)
        require(answer.status_code == 303, lambda: f"nobody could sign in: {answer.status_code} {answer.text[:300]}")
        yield client


def paths(client: httpx.Client) -> list[str]:
    """The pages that are measured."""
    bar = [item.path for group in NAVIGATION for item in group.items]
    found = [
        match[1].replace("&amp;", "&")
        for page, pattern in LED_TO
        if (match := re.search(pattern, client.get(page).text)) is not None
    ]
    return list(dict.fromkeys((*bar, *FILTERED, *found)))


def measured(client: httpx.Client, path: str) -> Answered:
    """Ask for a page a few times. Raises RuntimeError where it is not there."""
    took = list[float]()
    for _ in range(REQUESTS + 1):
        began = perf_counter()
        answer = client.get(path)
        took.append((perf_counter() - began) * 1000)
        require(answer.status_code == 200, f"{path}: {answer.status_code}")
    first, *others = took
    return Answered(path, first, tuple(others), len(answer.content))


async def first_views(url: str) -> dict[str, list[float]]:
    """Until a page is there with all that it loads, in milliseconds, each time with an empty cache; nothing without a browser."""
    executable = chromium()
    if executable is None:
        return {}
    async with async_playwright() as playwright:
        browser = await launched(playwright, executable)
        return {path: [await _first_view(browser, url, path) for _ in range(FIRST_VIEW_ROUNDS)] for path in FIRST_VIEWS}


def view_rows(views: Mapping[str, Sequence[float]]) -> list[list[str]]:
    """The rows of the table of first views: the quickest time first."""
    return [[path, *map(number, sorted(took))] for path, took in views.items()]


async def _first_view(browser: Browser, url: str, path: str) -> float:
    context = await browser.new_context(base_url=url)
    form: dict[str, str | float | bool] = {"name": "ada", "password": "ada-charges-at-night", "zone": "UTC"}
    await context.request.post("/console/sign-in", form=form, headers={"Origin": url})
    page = await context.new_page()
    await page.goto(path, wait_until="load")
    require(page.url.endswith(path), lambda: f"{path}: nobody could sign in")
    took: float = await page.evaluate("() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    await context.close()
    return took


def report_of(answered: Sequence[Answered], cdrs: int, findings: int) -> Report:
    """The slowest page beside what was asked for, and every page."""
    slowest = max(answered, key=lambda one: max(one.others))
    slow = [one for one in answered if one.is_slow]
    row = Row(
        work=f"{len(answered)} pages of the console with {cdrs:,} CDRs and {findings:,} findings",
        naive="–",
        floor=f"{LIMIT_MILLISECONDS:g} ms each",
        goal="100 ms each",
        measured=f"{number(max(slowest.others))} ms at most, {slowest.path}; {len(slow)} above the limit",
        times_limit="–",
    )
    details = tuple(
        Detail.of(f"console, {one.path}", [Round(len(seconds), sum(seconds), 0.0, seconds)])
        for one in answered
        for seconds in [[milliseconds / 1000 for milliseconds in one.others]]
    )
    return Report("console", (row,), details, ())

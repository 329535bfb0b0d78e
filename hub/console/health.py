"""How the hub is: one page for the operator on call, which refreshes itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from hub.console.bars import bars_of
from hub.console.live import Fresh
from hub.console.network import NetworkDesks
from hub.console.routes import Console
from hub.partners.directory import Directory, Presence
from hub.web.health import Vitals, by_minute, by_module
from hub.web.recent import KEPT_MINUTES

HEALTH_PATH = "/console/health"
FRESH_SECONDS = 2.0
SLOW_SECONDS = 0.25
CONNECTIONS_SHARE_MAX = 0.8
EXAMINED_LATE_AFTER = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that is not as it should be: whether it is urgent, a sentence, and the page where one looks next."""

    is_urgent: bool
    sentence: str
    path: str


def health_routers(console: Console, desks: NetworkDesks) -> list[APIRouter]:
    """The page, and what it asks for by itself."""
    vitals = Fresh(desks.vitals, FRESH_SECONDS)
    page, live = console.router(), console.router(is_live=True)

    @page.get("/health")
    async def show(request: Request) -> Response:
        console.person(request)
        return await console.page(request, "health.html", values_of(await vitals()))

    @live.get("/health/live")
    async def stream(request: Request) -> Response:
        async def make() -> str:
            return console.part(request, "health_now.html", values_of(await vitals()))

        return console.stream(request, make)

    return [page, live]


def values_of(vitals: Vitals) -> dict[str, Any]:
    """What the page shows."""
    return {
        "v": vitals,
        "concerns": concerns_of(vitals),
        "presence": presence_counts(vitals.directory),
        "bars": bars_of(by_minute(vitals.answers), vitals.now, KEPT_MINUTES),
        "modules": by_module(vitals.answers),
        "classes": sorted({one.status_class for one in vitals.answers}),
        "minutes": KEPT_MINUTES,
        "size": size_text(vitals.database.size_bytes),
    }


def presence_counts(directory: Directory) -> dict[str, int]:
    """How many parties have each status, in one role or several."""
    return dict(Counter(status.value for _, status in {(member.party, member.status) for member in directory.members}))


def concerns_of(vitals: Vitals) -> Sequence[Concern]:
    """What is not as it should be, the urgent first."""
    return sorted([*_of_processes(vitals), *_of_database(vitals), *_of_work(vitals)], key=lambda one: not one.is_urgent)


def _of_processes(vitals: Vitals) -> list[Concern]:
    found: list[Concern] = []
    if vitals.nats is False:
        found.append(
            Concern(True, "NATS is not connected: processes do not hear of each other, and lanes stand still.", "")
        )
    if not any(process.is_leader for process in vitals.processes):
        found.append(Concern(True, "No process leads: nothing is settled, pulled or probed until one does.", ""))
    versions = sorted({process.version for process in vitals.processes if process.version})
    if len(versions) > 1:
        found.append(Concern(False, f"Processes run different versions: {', '.join(versions)}.", ""))
    return found


def _of_database(vitals: Vitals) -> list[Concern]:
    found: list[Concern] = []
    if vitals.answered_seconds > SLOW_SECONDS:
        found.append(
            Concern(False, f"The database took {vitals.answered_seconds * 1000:.0f} ms to answer nothing.", "")
        )
    database = vitals.database
    if database.connections > CONNECTIONS_SHARE_MAX * database.connections_max:
        sentence = f"{database.connections} of {database.connections_max} connections to the database are taken."
        found.append(Concern(True, sentence, ""))
    return found


def _of_work(vitals: Vitals) -> list[Concern]:
    found: list[Concern] = []
    offline = presence_counts(vitals.directory).get(Presence.OFFLINE.value, 0)
    if offline:
        sentence = f"{offline} {'party is' if offline == 1 else 'parties are'} OFFLINE: no answer comes from there."
        found.append(Concern(True, sentence, "/console/partners?presence=OFFLINE"))
    oldest = vitals.backlog.oldest_at
    if oldest is not None and vitals.now - oldest > EXAMINED_LATE_AFTER:
        found.append(Concern(False, f"{vitals.backlog.cdrs} CDRs wait to be examined.", "/console/waiting"))
    return found


def size_text(size_bytes: int) -> str:
    """A size in MB or GB."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"

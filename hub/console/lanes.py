"""Lanes: what waits for each partner, since when, what was lost, and what went wrong last."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from hub.console.accounts import Permission
from hub.console.routes import Console
from hub.web.lanes import LanesDesk, total

LANES_PATH = "/console/lanes"
LANES_EVERY_SECONDS = 5


def lanes_router(console: Console, desk: LanesDesk) -> APIRouter:
    """The page of lanes, which looks again by itself."""
    router = console.router()

    @router.get("/lanes")
    async def lanes(request: Request) -> Response:
        console.person(request, Permission.OPERATE)
        shown = await desk.shown()
        values = {"lanes": shown, "total": total(shown), "again_seconds": LANES_EVERY_SECONDS}
        return await console.page(request, "lanes.html", values)

    return router

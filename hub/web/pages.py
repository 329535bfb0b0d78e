"""The front page and the signs of health: what a person or a load balancer asks of the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape

from hub.partners.directory import Directory
from hub.web.metrics import may_read_figures
from hub.web.recent import KEPT_MINUTES, Row

_log = structlog.get_logger()
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the front page shows at one moment (UTC)."""

    now: datetime
    started_at: datetime
    name: str
    versions_url: str
    directory: Directory
    kept: dict[str, int]
    waiting: dict[str, int]
    due: dict[str, int]
    recent: list[Row]


def page_router(
    figures: Callable[[], Awaitable[Figures]],
    ping: Callable[[], Awaitable[None]],
    links: Callable[[], dict[str, str]] = dict,
    admin_token: str | None = None,
) -> APIRouter:
    """`/`, `/health/live` and `/health/ready`; `links` says of connections the hub can do without for a while how they are.

    Figures on the front page are for those who may read `/metrics`: they count what is private, and what single partners do.
    """
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def front_page(request: Request) -> HTMLResponse:
        shown, has_figures = await figures(), may_read_figures(request, admin_token)
        page = _templates.get_template("front.html")
        return HTMLResponse(page.render(f=shown, kept_minutes=KEPT_MINUTES, has_figures=has_figures))

    @router.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "live"}

    @router.get("/health/ready", tags=["health"])
    async def ready() -> Response:
        """The process and its database answer; 503 otherwise. Where there is NATS, it is told whether it is connected."""
        try:
            await ping()
        except Exception:
            _log.exception("not_ready")
            return JSONResponse({"status": "not ready", "reason": "the database does not answer"}, 503)
        return JSONResponse({"status": "ready", **links()})

    return router

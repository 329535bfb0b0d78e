"""How routes of the console are made: who may ask is looked at first, and whatever goes wrong becomes a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from hub.console.accounts import Permission, Person
from hub.console.gate import Forbidden, Gate, NotSignedIn, require
from hub.console.kept import Kept, Key, Value
from hub.console.live import EVERY_SECONDS, Live, Make
from hub.console.rendering import FLASH_COOKIE, HEADERS, Flash, Pages, flash_header
from hub.store.alerts import OpenCount
from hub.web.admin import first_fault, operator_status
from hub.web.late import LateRoute
from ocpi_modules.errors import OcpiError, UnknownPath

_log = structlog.get_logger()

SIGN_IN_PATH = "/console/sign-in"
HOME_PATH = "/console/causes"
COUNTED_AGAIN_SECONDS = 2

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Console:
    """What every page is made with."""

    gate: Gate
    pages: Pages
    live: Live = field(default_factory=Live)
    badge: Callable[[], Awaitable[OpenCount]] | None = None
    sums: list[Kept[Any, Any]] = field(default_factory=list)

    def keep(self, find: Callable[[Key], Awaitable[Value]]) -> Kept[Key, Value]:
        """What adds something up that may take long; it stops with the console."""
        kept = Kept(find, self.gate.clock)
        self.sums.append(kept)
        return kept

    async def close(self) -> None:
        """Stop adding up."""
        for kept in self.sums:
            await kept.close()

    def router(self, *, is_open: bool = False, is_live: bool = False) -> APIRouter:
        """A router under ``/console``; `is_open`: pages for people who are not signed in; `is_live`: what pages ask for by
        themselves, which does not count as use of a session.
        """
        route_class = _route_class(self, is_open=is_open, is_use=not is_live)
        return APIRouter(prefix="/console", route_class=route_class, include_in_schema=False)

    async def page(
        self, request: Request, template: str, values: Mapping[str, Any] | None = None, status: int = 200
    ) -> Response:
        """A page for whoever asks."""
        person = getattr(request.state, "person", None)
        count = {"alert_count": await self.badge()} if person and self.badge else {}
        return self.pages.answer(
            request,
            template,
            {**count, **(values or {})},
            person=person,
            now=self.gate.clock.now(),
            status=status,
        )

    def part(self, request: Request, template: str, values: Mapping[str, Any]) -> str:
        """A part of a page, for whoever asks, as it is now."""
        return self.pages.part(request, template, values, person=request.state.person, now=self.gate.clock.now())

    def stream(self, request: Request, make: Make, every_seconds: float = EVERY_SECONDS) -> Response:
        """A part of a page that is sent again whenever it changed, for as long as whoever asks is signed in (``hx-sse:connect``)."""

        async def may_watch() -> bool:
            try:
                await self.gate.person(request, is_use=False)
            except NotSignedIn:
                return False
            return True

        return self.live.answer(make, may_watch, every_seconds)

    def person(self, request: Request, permission: Permission = Permission.READ) -> Person:
        """Who asks. Raises Forbidden where they may not."""
        person: Person = request.state.person
        require(person, permission)
        return person


def done(path: str, sentence: str, *, is_good: bool = True) -> Response:
    """Go on to a page, which shows one sentence about what was done."""
    response = RedirectResponse(path, 303)
    response.set_cookie(
        FLASH_COOKIE, flash_header(Flash(sentence, is_good)), path="/console", httponly=True, samesite="lax", max_age=60
    )
    return response


def look_again(answer: Response) -> Response:
    """A page that the browser asks for again by itself: something on it is still being added up."""
    answer.headers["refresh"] = str(COUNTED_AGAIN_SECONDS)
    return answer


def own_path(text: str | None) -> str:
    """A path of the console that somebody asked to go on to; the first page for anything else."""
    parts = urlsplit(text or "")
    is_own = not parts.scheme and not parts.netloc and parts.path.startswith("/console/") and "\\" not in (text or "")
    return (text or HOME_PATH) if is_own else HOME_PATH


def _route_class(console: Console, *, is_open: bool, is_use: bool) -> type[LateRoute]:
    class ConsoleRoute(LateRoute):
        def get_route_handler(self) -> Handler:
            handler = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                try:
                    require_readable(request)
                    if not is_open:
                        request.state.person = await console.gate.person(request, is_use=is_use)
                    await console.gate.check(request, in_session=not is_open)
                    response = await handler(request)
                except NotSignedIn:
                    return _to_sign_in(request)
                except (Forbidden, OcpiError, RequestValidationError, HTTPException) as exc:
                    response = await _failed(console, request, exc)
                except Exception as exc:  # a browser is shown a page, whatever it was
                    _log.error("request_failed", exc_info=exc)
                    request.state.person = None  # what the frame of a page reads may be what failed
                    response = await _failed(console, request, exc)
                for name, value in HEADERS.items():
                    response.headers.setdefault(name, value)
                return response

            return guarded

    return ConsoleRoute


def _to_sign_in(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    path = f"{SIGN_IN_PATH}?next={quote(request.url.path + query)}" if request.method == "GET" else SIGN_IN_PATH
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"hx-redirect": path})
    return RedirectResponse(path, 303)


async def _failed(console: Console, request: Request, error: Exception) -> Response:
    status, sentence = told(error)
    template = "failed.html" if getattr(request.state, "person", None) else "failed_bare.html"
    values = {"status": status, "sentence": sentence, "back": way_back(request)}
    return await console.page(request, template, values, status)


def way_back(request: Request) -> str:
    """The page that a form was on, as far as the browser says so and it is one of ours; empty else."""
    parts = urlsplit(request.headers.get("referer", ""))
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    is_own = parts.netloc == request.headers.get("host", "") and own_path(path) == path
    return path if is_own and request.method == "POST" else ""


def require_readable(request: Request) -> None:
    """Raises UnknownPath for an address with a character that is in no text, and that no database takes."""
    if "\x00" in request.scope["path"]:
        raise UnknownPath("There is no such page.")


def told(error: Exception) -> tuple[int, str]:
    """The status and the sentence of what went wrong."""
    if isinstance(error, Forbidden):
        return 403, str(error)
    if isinstance(error, OcpiError):
        return operator_status(error), error.message
    if isinstance(error, RequestValidationError):
        return 400, first_fault(error)
    if isinstance(error, HTTPException):
        return error.status_code, error.detail
    return 500, "The hub could not do this. Why is in its log; look at what you wanted to change before you try again."

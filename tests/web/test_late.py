"""Routes that are worked out when they are first asked for are the same as others, and each of them can be worked out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from httpx import ASGITransport, AsyncClient
from pydantic import BaseModel, SecretStr
from starlette.routing import BaseRoute

from hub.app import create_app
from hub.settings import Settings
from hub.web.late import LateRoute

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"  # nothing connects before it has to
ROUTES_MIN = 200


@pytest.fixture(scope="module")
def whole_hub(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """A hub with all that it can have; it does not run."""
    settings = Settings(
        _env_file=None,
        data_dir=tmp_path_factory.mktemp("hub"),
        admin_token=SecretStr("secret"),
        public_url="https://hub.example",
        navigation=True,
    )
    return create_app(settings, NOWHERE)


def late_routes(app: FastAPI) -> list[LateRoute]:
    """Those that are looked at late."""
    return [route for route in app.routes if isinstance(route, LateRoute)]


def test_every_route_of_the_hub_can_be_worked_out(whole_hub: FastAPI) -> None:
    routes = late_routes(whole_hub)
    assert len(routes) > ROUTES_MIN
    for route in routes:
        named = (route.path, route.methods, route.name, route.include_in_schema)
        assert route.dependant.call is route.endpoint
        assert callable(route.app)
        assert (route.path, route.methods, route.name, route.include_in_schema) == named


def test_no_route_has_been_worked_out_when_the_hub_is_made(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, admin_token=SecretStr("secret"), navigation=False)
    routes = late_routes(create_app(settings, NOWHERE))
    assert len(routes) > ROUTES_MIN
    assert not [route.path for route in routes if "dependant" in vars(route)]


def test_routers_are_taken_in_flat(whole_hub: FastAPI) -> None:
    """One that is kept apart would be searched twice in each request."""
    assert not [route for route in whole_hub.routes if not has_place(route)]


def has_place(route: BaseRoute) -> bool:
    """Whether it is a route or a folder, and not a router."""
    return bool(getattr(route, "path_regex", None))


# --- one route, late and at once -----------------------------------------------------------------


class Thing(BaseModel):
    """What is sent."""

    name: str


def served(route_class: type[APIRoute]) -> FastAPI:
    """An application with routes of a kind."""
    router, app = APIRouter(prefix="/things", tags=["things"], route_class=route_class), FastAPI()

    @router.post("/{number}", status_code=201)
    async def make(number: int, thing: Thing, loud: bool = False) -> dict[str, Any]:
        """Make one."""
        return {"number": number, "name": thing.name, "loud": loud}

    @router.get("/{number}", include_in_schema=False)
    async def show(number: int) -> int:
        return number

    app.router.routes.extend(router.routes)
    return app


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("POST", "/things/7?loud=true", {"name": "x"}, 201, id="well"),
        pytest.param("POST", "/things/seven", {"name": "x"}, 422, id="a path that is no number"),
        pytest.param("POST", "/things/7", {}, 422, id="a body without a name"),
        pytest.param("GET", "/things/7", None, 200, id="another method"),
        pytest.param("PUT", "/things/7", {}, 405, id="a method that there is not"),
        pytest.param("GET", "/others", None, 404, id="another path"),
    ],
)
async def test_a_late_route_answers_what_any_route_answers(
    method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    late, usual = [await asked(served(kind), method, path, body) for kind in (LateRoute, APIRoute)]
    assert late == usual
    assert late[0] == status


async def asked(app: FastAPI, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, bytes, str | None]:
    """The status, the body and the methods of an answer; asked twice, so that the first time is not all."""
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        answers = [await client.request(method, path, json=body) for _ in range(2)]
    assert answers[0].content == answers[1].content
    return answers[1].status_code, answers[1].content, answers[1].headers.get("allow")


def test_a_late_route_is_described_as_any_route_is() -> None:
    assert served(LateRoute).openapi() == served(APIRoute).openapi()


def test_what_a_route_does_not_have_is_said() -> None:
    [route, _] = late_routes(served(LateRoute))
    with pytest.raises(AttributeError, match="LateRoute has no colour"):
        _ = route.colour

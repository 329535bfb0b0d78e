"""405 names every method that an address takes, for every address of the hub (RFC 9110, 10.2.1)."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from hub.navigation.routes.door import is_public
from tests.web.test_late import late_routes, whole_hub

__all__ = ["whole_hub"]

UNHEARD_OF = "BREW"


def methods_by_path(app: FastAPI) -> dict[str, set[str]]:
    """What the routes of an application take, by an address at which each of them is; at some of them another one is, too."""
    routes = late_routes(app)
    addresses = {re.sub("{[^}]*}", "1", route.path) for route in routes}
    at = {path: [route.methods or set() for route in routes if route.path_regex.match(path)] for path in addresses}
    return {path: set[str]().union(*methods) for path, methods in at.items()}


async def test_every_address_says_which_methods_it_takes(whole_hub: FastAPI) -> None:
    addresses = methods_by_path(whole_hub)
    assert any(len(methods) > 1 for methods in addresses.values())
    async with AsyncClient(transport=ASGITransport(whole_hub), base_url="http://hub") as client:
        for path, methods in addresses.items():
            answer = await client.request(UNHEARD_OF, path)
            own = {"HEAD", "OPTIONS"} if is_public(path) else set()
            assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, methods | own), path


@pytest.mark.parametrize(
    "path", [pytest.param("/console/static/console.css", id="a file"), pytest.param("/openapi.json", id="the routes")]
)
async def test_what_is_no_route_of_ours_says_it_too(whole_hub: FastAPI, path: str) -> None:
    async with AsyncClient(transport=ASGITransport(whole_hub), base_url="http://hub") as client:
        answer = await client.request(UNHEARD_OF, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.json()["status_code"] == 2000

"""Every form of the console, found by enumeration: a new one cannot escape what protects the others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from starlette.routing import BaseRoute

from hub.console.accounts import Role
from tests.conftest import World
from tests.console.visitors import TOKEN, said, stranger, visitor

OF_EVERYBODY = frozenset(
    {
        "/console/sign-in",
        "/console/sign-out",
        "/console/link/{secret}",
        "/console/room/{secret}/{step}",
        "/console/me",
        "/console/me/password",
    }
)
"""Forms of people who are not signed in, and those by which everybody changes the own account."""

FORMS_MIN = 45
_SAMPLES = {"country_code": "DE", "party_id": "ABC", "role": "CPO", "deed": "suspend", "period_id": "2026-10"}


def posts(routes: Sequence[BaseRoute]) -> Iterator[str]:
    """Every address that takes a form, as the application has it."""
    for route in routes:
        inner = getattr(route, "effective_candidates", None)
        if inner is not None:
            yield from posts(inner())
        elif "POST" in (getattr(route, "methods", None) or ()):
            yield getattr(route, "path", "")


def forms_of(world: World) -> list[str]:
    """The addresses of all forms of the console that take a role."""
    return sorted({path for path in posts(world.app.routes) if path.startswith("/console/")} - OF_EVERYBODY)


def filled(path: str) -> str:
    """An address with something in the place of each name in it."""

    def sample(found: re.Match[str]) -> str:
        name, _, kind = found[1].partition(":")
        return "999999" if kind == "int" or name in {"number", "version"} else _SAMPLES.get(name, "nothing")

    return re.sub(r"\{([^}]+)\}", sample, path).replace("2026-10/nothing", "2026-10/seal")


async def test_a_form_asks_who_sends_it_and_from_where(standing_world: World) -> None:
    paths = forms_of(standing_world)
    assert len(paths) >= FORMS_MIN, paths
    nobody, vera = stranger(standing_world), await visitor(standing_world, "vera", Role.VIEWER)
    for path in map(filled, paths):
        answer = await nobody.http.post(path, data={"csrf": "0" * 64}, headers=nobody.origin)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/console/sign-in"), path
        answer = await vera.http.post(path, data={"csrf": "0" * 64}, headers=vera.origin)
        assert "older than your session" in said(answer.text), path
        answer = await vera.http.post(path, headers={"Origin": "https://elsewhere.example"})
        assert "from another site" in said(answer.text), path


async def test_who_may_only_read_gets_no_form_through(standing_world: World) -> None:
    vigo = await visitor(standing_world, "vigo", Role.VIEWER)
    found = TOKEN.search(await vigo.get("/console/me"))
    assert found
    for path in map(filled, forms_of(standing_world)):
        answer = await vigo.http.post(path, data={"csrf": found[1]}, headers=vigo.origin)
        assert answer.status_code in {400, 403}, f"{path}: {answer.status_code}"
        assert answer.headers["content-type"].startswith("text/html"), path

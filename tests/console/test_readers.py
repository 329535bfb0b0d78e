"""The pages of map readers: a key is shown once and counts, requests are counted by day, and a key that is taken back counts no more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.console.accounts import Role
from tests.conftest import World
from tests.console.visitors import said, visitor
from tests.web.clearing import Clearing, clearing_hub

PAGE = "/console/readers"
BOX = "/nav/v1/locations?bbox=13,52,14,53"
FORM = {"name": "Carto", "per_second": "20", "per_day": "1000", "party": "nl/xyz"}
LOOKS_MAX = 600
LOOK_SECONDS = 0.1
_KEY = re.compile(r'id="key" readonly value="([^"]+)"')


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path, navigation=True) as made:
        yield made


async def test_a_key_is_shown_once_counts_and_is_taken_back(desk: Clearing) -> None:
    otto = await visitor(desk.world, "otto", Role.OPERATOR)
    assert "Nobody has a key yet" in said(await otto.get(PAGE))
    made = await otto.post(PAGE, 201, **FORM)
    found = _KEY.search(made.text)
    assert found
    key = {"X-API-Key": found[1]}
    assert "The key is not shown again" in said(made.text)
    assert found[1] not in await otto.get(PAGE)
    assert found[1] not in await otto.get(f"{PAGE}/1")
    assert (await otto.http.get(BOX, headers=key)).status_code == 200
    await _until_counted(desk, 1)
    page = said(await otto.get(f"{PAGE}/1"))
    assert "1 of 1 000 requests" in page.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "NL/XYZ" in page
    await otto.post(f"{PAGE}/1/revoke", page=f"{PAGE}/1")
    assert (await otto.http.get(BOX, headers=key)).status_code == 401
    assert "taken back" in said(await otto.get(f"{PAGE}/1"))
    assert "Carto" in said(await otto.get(f"{PAGE}?key=gone"))
    assert "Carto" not in said(await otto.get(f"{PAGE}?key=counts"))
    await otto.post(f"{PAGE}/1/revoke", page=PAGE)
    assert "The key was taken back before." in said(await otto.get(f"{PAGE}/1"))
    ada = await visitor(desk.world, "ada", Role.ADMIN)
    log = said(await ada.get("/console/audit"))
    assert "reader added" in log
    assert log.count("reader revoked") == 1
    assert found[1] not in log


async def _until_counted(desk: Clearing, requests: int) -> None:
    for _ in range(LOOKS_MAX):
        (reader,) = (await desk.world.admin.get("/admin/readers")).json()
        if reader["requests_today"] == requests:
            return
        await asyncio.sleep(LOOK_SECONDS)
    pytest.fail("the request was not counted")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"name": " "}, "name", id="nobody"),
        pytest.param({"per_second": "0"}, "per_second", id="no request at all"),
        pytest.param({"per_second": "many"}, "per_second", id="words"),
        pytest.param({"per_day": "9" * 12}, "per_day", id="more than can be counted"),
        pytest.param({"party": "Netherlands"}, "party", id="no party"),
    ],
)
async def test_a_form_that_cannot_be_meant_makes_no_key(world: World, changes: dict[str, str], named: str) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    answer = await otto.post(PAGE, 400, **{**FORM, **changes})
    assert named in said(answer.text)
    assert "Nobody has a key yet" in said(await otto.get(PAGE))


async def test_keys_are_the_business_of_operators(world: World) -> None:
    """Also where the map is switched off: keys can be looked at all the same."""
    ines = await visitor(world, "ines", Role.CLERK)
    await ines.get(PAGE, 403)
    await ines.post(PAGE, 403, **FORM)
    await ines.post(f"{PAGE}/1/revoke", 403)
    otto = await visitor(world, "otto", Role.OPERATOR)
    assert "there is no such reader" in said(await otto.get(f"{PAGE}/1", 404))
    assert "there is no such reader" in said(await otto.get(f"{PAGE}/{10**12}", 404))

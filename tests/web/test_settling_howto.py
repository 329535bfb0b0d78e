"""The how-to of the clearing officer works as it is written: its commands are run, from the first to the last."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import ADMIN_TOKEN
from tests.pages import DOCS, Desk, blocks, steps
from tests.web.house import Office
from tests.web.test_periods import october_2026

HOWTO = DOCS / "howto" / "settle-in-the-hub.md"
FILES = ("json", "csv", "xlsx", "pdf")


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """A hub that looks at CDRs by itself, as the page has it."""
    async with october_2026(database_url, tmp_path, settle_seconds=0.2) as made:
        yield made


async def test_the_commands_of_the_page_take_a_month_from_open_to_sealed(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    folder.mkdir()
    desk = Desk(folder, {"HUB": str(office.http.base_url).rstrip("/"), "HUB_ADMIN_TOKEN": ADMIN_TOKEN})
    said = await desk.run(steps(HOWTO))
    assert "proof.json: ok\nseal.json: ok\n" in said
    assert said[-1] == '{"faults":[]}'
    assert (await office.get("/periods/2026-10"))["state"] == "sealed"
    written = {path.suffix.removeprefix(".") for path in folder.glob("2026-10_*")}
    assert written == set(FILES)


async def test_every_route_of_the_page_is_one_of_the_hub(office: Office) -> None:
    paths = (await office.http.get("/openapi.json")).json()["paths"]
    offered = {re.sub(r"\{\w+\}", "X", path) for path in paths}
    named = re.findall(r"\$HUB(/settlement[^\"?]*)", "".join(blocks(HOWTO, "bash")))
    used = {re.sub(r"\$(MONTH|STATEMENT)", "X", path).replace(".$ending", ".json") for path in named}
    assert used - offered == set()
    assert len(used) > 10

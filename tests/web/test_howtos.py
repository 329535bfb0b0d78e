"""The pages for clearing staff and operators work as they are written: their commands are run against a hub."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.demo.server import free_port
from tests.conftest import ADMIN_TOKEN, running_hub
from tests.pages import DOCS, Desk, Step, blocks, is_like, steps
from tests.settlement.cases import cdr, dc_cdr
from tests.web.clearing import dear
from tests.web.house import Office

HOWTO = DOCS / "howto"
READY_TRIES_MAX = 90
OF_DEV = ("python3 dev.py demo\n", "python3 dev.py demo --once\n")
"""What the quickstart runs through `dev.py`: tests/test_project.py and tests/journeys/test_demo.py have these."""


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    """A hub with the small world in its database."""
    async with running_hub(database_url, tmp_path, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        yield made
        await made.close()


def desk_of(office: Office, folder: Path) -> Desk:
    """Where somebody of the clearing staff sits."""
    return Desk(folder, {"HUB": str(office.http.base_url).rstrip("/"), "HUB_ADMIN_TOKEN": ADMIN_TOKEN})


async def answers(desk: Desk, page: str) -> list[str]:
    """What the commands of a page write; each is like what the page shows of it."""
    listed = steps(HOWTO / f"{page}.md")
    said = await desk.run(listed)
    assert [(step.command, answer) for step, answer in zip(listed, said, strict=True) if not shows(step, answer)] == []
    return said


def shows(step: Step, answer: str) -> bool:
    return not step.shown or is_like(answer, step.shown)


async def test_a_cause_is_found_and_decided_as_the_page_has_it(office: Office, tmp_path: Path) -> None:
    for number in (1, 2):
        await office.receive(dear(number))
    await office.settle_all()
    assert set((await office.dispositions()).values()) == {"HOLD"}
    *_, decided = await answers(desk_of(office, tmp_path), "clear")
    assert json.loads(decided)["actor"] == "Ines"
    await office.settle_all()
    assert set((await office.dispositions()).values()) == {"SETTLE"}


async def test_an_agreement_and_a_dispute_are_made_as_the_page_has_it(office: Office, tmp_path: Path) -> None:
    await office.receive(cdr(id="CDR-17"))
    await office.settle_all()
    await office.bill("CDR-17")
    *_, activated, disputed = await answers(desk_of(office, tmp_path), "agree-and-dispute")
    assert (json.loads(activated)["state"], json.loads(activated)["activated_by"]) == ("ACTIVE", "Otto")
    assert (json.loads(disputed)["state"], json.loads(disputed)["amount"]["excl_vat"]) == ("raised", "4.00")


async def test_a_key_is_registered_as_the_page_has_it(office: Office, tmp_path: Path) -> None:
    await answers(desk_of(office, tmp_path), "signed-meter-data")
    ((owner, meter_id),) = await office.rows("select owner, meter_id from meter_key")
    assert (owner, meter_id) == ("DE/ABC", "1EMH0012345678")


async def test_a_driver_is_forgotten_as_the_page_has_it(office: Office, database_url: str, tmp_path: Path) -> None:
    await office.receive(cdr())
    await office.receive(dc_cdr())
    (step,) = steps(HOWTO / "forget-a-driver.md")
    found, question, forgotten = step.shown.splitlines()
    said, again = await Desk(tmp_path, {"HUB_DATABASE_URL": database_url}).run([step, step], typed="y\n")
    assert is_like(said, f"{found}{question.removesuffix('y')}{forgotten}")
    assert again == "Nothing that the hub keeps names this driver.\n"


async def test_the_commands_of_the_page_of_prices_give_its_answers(office: Office, tmp_path: Path) -> None:
    asked, shown = blocks(HOWTO / "price.md", "json")
    (tmp_path / "asked.json").write_text(asked, encoding="utf-8")
    (tmp_path / "asked.jsonl").write_text(f"{json.dumps(json.loads(asked))}\n" * 2, encoding="utf-8")
    checkout(tmp_path)
    priced, *_, over_http = await desk_of(office, tmp_path).run(one_by_one(HOWTO / "price.md"))
    total = json.loads(shown)["total_cost"]
    assert json.loads(priced)["total_cost"] == total
    assert json.loads(over_http)["total_cost"] == total
    lines = (tmp_path / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["total_cost"] for line in lines] == [total, total]


def one_by_one(page: Path) -> list[Step]:
    """The commands of blocks that have one on each line, but for lines that go on."""
    joined = "".join(blocks(page, "console")).replace("\\\n", "")
    return [Step(line) for line in joined.splitlines()]


def checkout(folder: Path) -> None:
    """The interpreter where a checkout has it."""
    program = folder / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)


async def test_the_quickstart_leads_from_an_empty_folder_to_the_first_request(
    database_url: str, tmp_path: Path
) -> None:
    checkout(tmp_path)
    port = str(free_port())
    start, invite, ask = (step.command for step in steps(DOCS / "quickstart.md") if step.command not in OF_DEV)
    typed = [
        start.replace("hub serve", f"hub serve --port {port} > hub.log 2>&1 &\ntrap 'kill $!' EXIT"),
        f"{WAIT} http://127.0.0.1:{port}/health/ready",
        f"({invite.rstrip()}) | tee invited.json",
        ask.replace("the-token-from-the-answer", TOKEN_OF_THE_ANSWER),
    ]
    listed = [Step(command.replace(":8000", f":{port}")) for command in typed]
    *_, invited, asked = await Desk(tmp_path, {"HUB_DATABASE_URL": database_url}).run(listed)
    assert json.loads(invited)["versions_url"] == f"http://127.0.0.1:{port}/ocpi/versions"
    assert [version["version"] for version in json.loads(asked)["data"]] == ["2.2.1"]


WAIT = f"curl -s -o /dev/null --fail --retry {READY_TRIES_MAX} --retry-delay 1 --retry-all-errors"
TOKEN_OF_THE_ANSWER = """$(python3 -c 'import json; print(json.load(open("invited.json"))["token"])')"""

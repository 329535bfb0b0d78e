"""The end of a month over HTTP: steps, lists, files that are always the same bytes, and a proof that needs no hub."""

from __future__ import annotations

import csv
import io
import stat
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import running_hub
from tests.databases import Databases
from tests.settlement.cases import cdr, credit_of, dc_cdr
from tests.settlement.test_settler import DEAR
from tests.web.house import Office

OCTOBER = "/periods/2026-10"
NAME = "2026-10_DE-ABC_NL-MSP_EUR"
ADA, BO = {"actor": "Ada"}, {"actor": "Bo"}


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with october_2026(database_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
async def standing_office(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    """For tests that leave everything as it was."""
    async with databases.lent() as url, october_2026(url, tmp_path_factory.mktemp("hub")) as made:
        yield made


@asynccontextmanager
async def october_2026(database_url: str, folder: Path, settle_seconds: float = 3600) -> AsyncIterator[Office]:
    """Two CDRs that settle and one that is held."""
    async with running_hub(database_url, folder, settle_seconds=settle_seconds) as world:
        made = Office(world)
        await made.furnish()
        for content in (cdr(), dc_cdr(), DEAR):
            await made.receive(content)
        await made.settle_all()
        yield made
        await made.close()


async def up_to(office: Office, last: str) -> Any:
    """Every step up to one of them."""
    for step, who in (
        ("cut-off", ADA),
        ("draft", ADA),
        ("advise", ADA),
        ("net", ADA),
        ("close", ADA),
        ("close", BO),
        ("seal", ADA),
    ):
        answer = await office.post(f"{OCTOBER}/{step}", 200, **who)
        if step == last and (step != "close" or who is BO):
            return answer
    raise AssertionError(last)


async def test_a_month_is_closed_over_http(office: Office) -> None:
    shown = await office.get(OCTOBER)
    assert (shown["state"], shown["closes_at"], shown["closes_in_seconds"]) == ("open", "2026-11-05T18:00:00Z", 0)
    assert shown["totals"]["EUR"]["IN"] == {"cdrs": 3, "excl_vat": "75.00"}
    assert shown["totals"]["EUR"]["HOLD"] == {"cdrs": 1, "excl_vat": "38.0"}
    closed = await up_to(office, "close")
    assert (closed["state"], closed["closed_by"], closed["closes_in_seconds"]) == ("closed", "Ada and Bo", None)
    assert all(item["is_met"] for item in closed["checklist"])
    assert [(one["step"], one["actor"]) for one in closed["steps"]][-2:] == [("signed", "Ada"), ("closed", "Bo")]
    assert [one["id"] for one in (await office.get("/periods"))["items"]] == ["2026-10"]


async def test_what_is_not_met_is_told_in_sentences(office: Office) -> None:
    await up_to(office, "net")
    await office.post(f"{OCTOBER}/close", 200, **ADA)
    refused = await office.post(f"{OCTOBER}/close", 409, actor=" ada ")
    assert "a second person" in refused["status_message"]
    assert "it cannot become sealed now" in (await office.post(f"{OCTOBER}/seal", 409, **ADA))["status_message"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/periods/1999-01/draft", ADA, 404, id="no such period"),
        pytest.param(f"{OCTOBER}/advise", ADA, 409, id="not its turn"),
        pytest.param(f"{OCTOBER}/draft", {}, 400, id="nobody"),
        pytest.param(f"{OCTOBER}/draft", {"actor": "  "}, 400, id="a name of blanks"),
        pytest.param(f"{OCTOBER}/draft", {"actor": "x" * 101}, 400, id="a name without end"),
        pytest.param(f"{OCTOBER}/draft", {"actor": "Ada", "force": True}, 400, id="a field that nobody knows"),
    ],
)
async def test_steps_that_cannot_be_taken_are_refused(
    standing_office: Office, path: str, body: dict[str, Any], status: int
) -> None:
    await standing_office.post(path, status, **body)
    assert (await standing_office.get(OCTOBER))["state"] == "open"


async def test_statements_are_listed_and_filtered(office: Office) -> None:
    await office.post(f"{OCTOBER}/draft", 200, **ADA)
    listed = await office.get("/statements?limit=1")
    assert [one["id"] for one in listed["items"]] == ["2026-10_DE-ABC_BE-EMO_EUR_1"]
    behind = await office.get(f"/statements?limit=1&after={listed['next']}")
    assert ([one["id"] for one in behind["items"]], behind["next"]) == ([f"{NAME}_1"], None)
    for query in ("debtor=nl/msp", "creditor=DE/ABC&debtor=NL/MSP&state=draft&period=2026-10&currency=EUR"):
        assert [one["id"] for one in (await office.get(f"/statements?{query}"))["items"]] == [f"{NAME}_1"]
    assert (await office.get("/statements?state=advised"))["items"] == []
    await office.get("/statements?state=lost", 400)
    shown = await office.get(f"/statements/{NAME}_1")
    assert (shown["excl_vat"], shown["incl_vat"], shown["cdrs"], shown["energy_kwh"]) == ("9.00", "10.71", 1, "20")
    await office.get("/statements/nothing", 404)


async def test_how_a_draft_differs_from_the_one_before(office: Office) -> None:
    await office.post(f"{OCTOBER}/draft", 200, **ADA)
    await office.receive(credit_of(cdr()), after=3600)
    await office.settle_all()
    await office.post(f"{OCTOBER}/draft", 200, **ADA)
    changes = await office.get(f"/statements/{NAME}_2/changes")
    assert (changes["before"], changes["added_count"], changes["removed_count"]) == (f"{NAME}_1", 1, 0)
    assert (changes["excl_vat"], changes["added"][0]["type"], changes["added"][0]["excl_vat"]) == (
        "-9.00",
        "credit",
        "-9.00",
    )
    (mover,) = changes["movers"]
    assert (mover["before"], mover["after"], mover["moved"]) == (None, "-9.00", "-9.00")
    first = await office.get(f"/statements/{NAME}_1/changes")
    assert (first["before"], first["added_count"]) == (None, 1)


FILES = {"json": b"{", "csv": b"number,type", "xlsx": b"PK", "pdf": b"%PDF"}


async def test_the_files_of_an_advised_statement_are_always_the_same_bytes(office: Office) -> None:
    await up_to(office, "advise")
    first = {ending: await office.http.get(f"/settlement/statements/{NAME}_1.{ending}") for ending in FILES}
    for ending, starts in FILES.items():
        assert first[ending].status_code == 200, first[ending].text
        assert first[ending].content.startswith(starts)
        assert f'filename="{NAME}_1.{ending}"' in first[ending].headers["content-disposition"]
    for step, who in (("net", ADA), ("close", ADA), ("close", BO), ("seal", ADA)):
        await office.post(f"{OCTOBER}/{step}", 200, **who)
    for ending in FILES:
        again = await office.http.get(f"/settlement/statements/{NAME}_1.{ending}")
        assert again.content == first[ending].content, ending


async def test_the_lines_are_in_the_files(office: Office) -> None:
    await office.post(f"{OCTOBER}/draft", 200, **ADA)
    whole = await office.get(f"/statements/{NAME}_1.json")
    assert whole["state"] == "draft"
    assert [(one["number"], one["cdr_id"], one["excl_vat"]) for one in whole["lines"]] == [(1, cdr()["id"], "9.00")]
    other = await office.get("/statements/2026-10_DE-ABC_BE-EMO_EUR_1.json")
    assert [(one["cdr_id"], one["disposition"], len(one["notes"])) for one in other["unsettled"]] == [
        ("CDR-DEAR", "HOLD", 1)
    ]
    text = (await office.http.get(f"/settlement/statements/{NAME}_1.csv")).text
    assert [row["session_id"] for row in csv.DictReader(io.StringIO(text))] == [cdr()["session_id"]]


async def test_netting_is_shown_before_and_after(office: Office) -> None:
    before = await office.get("/net?period=2026-10")
    assert before["is_final"] is False
    await up_to(office, "net")
    after = await office.get("/net?period=2026-10")
    assert after == {**before, "is_final": True}
    assert {one["party"]: one["incl_vat"] for one in after["net"]} == {
        "BE-EMO": "-33.32",
        "DE-ABC": "44.03",
        "NL-MSP": "-10.71",
    }
    assert len(after["transfers"]) == 2
    await office.get("/net?period=1999-01", 404)


async def test_a_partner_verifies_its_statement_without_the_hub(office: Office, tmp_path: Path) -> None:
    """Point 7: `settle verify` needs nothing but the file, and the key that the hub is known by."""
    await up_to(office, "advise")
    await office.get(f"/statements/{NAME}_1/proof", 409)
    for step, who in (("net", ADA), ("close", ADA), ("close", BO), ("seal", ADA)):
        await office.post(f"{OCTOBER}/{step}", 200, **who)
    seals = await office.get("/seals")
    assert [(one["period"], one["previous"]) for one in seals["items"]] == [("2026-10", None)]
    proof, seal = tmp_path / "proof.json", tmp_path / "october.json"
    proof.write_bytes((await office.http.get(f"/settlement/statements/{NAME}_1/proof")).content)
    seal.write_bytes((await office.http.get("/settlement/seals/2026-10")).content)
    for path in (proof, seal):
        assert await verify(path, seals["public_key"]) == (0, f"{path}: ok")
    proof.write_bytes(proof.read_bytes().replace(b'"excl_vat":"9.00"', b'"excl_vat":"8.00"'))
    status, said = await verify(proof, seals["public_key"])
    assert (status, said.splitlines()[-1]) == (1, f"{proof}: differs")
    assert (await office.get("/seals/2026-10/check"))["faults"] == []
    await office.get("/seals/2026-11", 404)


async def verify(path: Path, key: str) -> tuple[int, str]:
    process = await create_subprocess_exec(
        sys.executable, "-m", "hub", "settle", "verify", str(path), "--key", key, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert err == b""
    assert process.returncode is not None
    return process.returncode, out.decode().strip()


async def test_the_key_that_signs_is_for_its_owner_only(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "seal.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_nobody_without_the_admin_token_sees_any_of_it(office: Office) -> None:
    office.http.headers.pop("authorization")
    for path in ("/periods", "/statements", "/net?period=2026-10", "/seals", f"/statements/{NAME}_1.csv"):
        assert (await office.http.get(f"/settlement{path}")).status_code == 401
    assert (await office.http.post(f"/settlement{OCTOBER}/cut-off", json=ADA)).status_code == 401

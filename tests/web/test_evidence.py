"""Evidence as a ZIP: what was received, what it should have cost, what was found, billed and disputed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest

from hub.settlement.exhibits import file_name, zipped
from ocpi_modules.types import decode_json, encode_json
from tests.conftest import running_hub
from tests.settlement.cases import cdr, session_of, tariff
from tests.settlement.test_settler import DEAR
from tests.web.house import Office


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_hub(database_url, tmp_path, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        await made.receive(cdr())
        await made.receive(DEAR)
        await made.settle_all()
        yield made
        await made.close()


async def files_at(office: Office, path: str) -> dict[str, bytes]:
    answer = await office.http.get(f"/settlement{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with ZipFile(BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_the_evidence_for_a_dispute_is_complete(office: Office) -> None:
    await office.bill("C1")
    asked = {"creditor": "DE/ABC", "cdr_id": "C1", "reason": "ENERGY", "note": "the car was full", "actor": "Dora"}
    number = (await office.post("/disputes", 201, **asked))["id"]
    files = await files_at(office, f"/disputes/{number}/evidence.zip")
    assert list(files) == [
        "README.txt",
        "cdr.json",
        "session.json",
        "tariffs/T-AC.json",
        "price.json",
        "price.txt",
        "findings.json",
        "statement.json",
        "dispute.json",
    ]
    assert files["cdr.json"] == encode_json(cdr())
    assert decode_json(files["session.json"]) == decode_json(encode_json(session_of(cdr())))
    assert decode_json(files["tariffs/T-AC.json"]) == decode_json(encode_json(tariff()))
    assert decode_json(files["statement.json"])["excl_vat"] == "9.00"
    assert decode_json(files["dispute.json"])["steps"][0]["note"] == "the car was full"
    assert "ENERGY 20 kWh at 0.40, VAT 19 % by T-AC" in files["price.txt"].decode()
    assert decode_json(files["price.json"])["total_cost"]["incl_vat"] == decode_json(b"10.71")
    for name, text in files.items():
        assert name == "README.txt" or f"{sha256(text).hexdigest()}  {name}" in files["README.txt"].decode()


async def test_findings_stand_in_the_evidence_for_a_cdr_that_is_held(office: Office) -> None:
    files = await files_at(office, "/cdrs/de/abc/cdr-dear/evidence.zip")
    assert {"session.json", "statement.json", "dispute.json"}.isdisjoint(files)
    assert [one["kind"] for one in decode_json(files["findings.json"])] == ["PRICE_MISMATCH"]
    assert "Claimed: 38.0 without VAT, 45.22 with VAT EUR" in files["price.txt"].decode()


async def test_the_same_facts_are_the_same_bytes(office: Office) -> None:
    path = "/settlement/cdrs/DE/ABC/C1/evidence.zip"
    first, second = await office.http.get(path), await office.http.get(path)
    assert first.content == second.content


@pytest.mark.parametrize(
    "path", ["/disputes/99/evidence.zip", "/cdrs/DE/ABC/C0/evidence.zip", "/cdrs/DE/XXX/C1/evidence.zip"]
)
async def test_there_is_no_evidence_for_what_is_not_there(office: Office, path: str) -> None:
    await office.get(path, 404)


def test_a_zip_has_one_date_and_an_order() -> None:
    content = zipped({"b": b"1", "a": b"2"})
    with ZipFile(BytesIO(content)) as archive:
        assert [(one.filename, one.date_time, one.compress_type) for one in archive.infolist()] == [
            ("b", (1980, 1, 1, 0, 0, 0), 0),
            ("a", (1980, 1, 1, 0, 0, 0), 0),
        ]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        pytest.param("T-AC", "T-AC", id="a plain id"),
        pytest.param("../T", "..%2FT", id="one that would lead elsewhere"),
        pytest.param("X" * 90, f"{'X' * 80}-{sha256(b'X' * 90).hexdigest()[:8]}", id="a long one"),
    ],
)
def test_ids_become_safe_names(key: str, name: str) -> None:
    assert file_name(key) == name

"""What eMSPs hold, over HTTP: handed in for a period, compared, replaced as a whole (D06, D08)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.settlement.bundle import MalformedBundle
from hub.settlement.view_file import decode_view, view_text
from ocpi_modules.types import encode_json
from tests.settlement.cases import cdr, dc_cdr
from tests.web.clearing import Clearing, clearing_hub, until
from tests.web.test_admin import assert_envelope


@pytest.fixture
async def clearing(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        yield made


def held(cdr_id: str = "C1", excl_vat: float = 9.0, **more: Any) -> dict[str, Any]:
    return {"id": cdr_id, "total_cost": {"excl_vat": excl_vat}, **more}


async def hand_in(
    clearing: Clearing, content: bytes, emsp: str = "NL-MSP", kind: str = "application/json", period: str = "2026-10"
) -> httpx.Response:
    return await clearing.world.admin.post(
        f"/settlement/views/{emsp}",
        params={"period": period, "actor": "Mira"},
        content=content,
        headers={"content-type": kind},
    )


async def view(clearing: Clearing, *cdrs: dict[str, Any], **more: Any) -> Any:
    answer = await hand_in(clearing, encode_json({"cdrs": list(cdrs)}), **more)
    assert answer.status_code == 201, answer.text
    await clearing.settled()
    return answer.json()


async def kinds(clearing: Clearing, **filters: Any) -> list[str]:
    return sorted(one["kind"] for one in (await clearing.get("findings", **filters))["items"] if "EMSP" in one["kind"])


async def disposition(clearing: Clearing) -> str:
    (line,) = (await clearing.get("cdrs", cdr_id="C1"))["items"]
    return str(line["disposition"])


async def test_what_an_emsp_does_not_hold_or_holds_otherwise_is_held_until_it_does(clearing: Clearing) -> None:
    """D06, D08: re-upload clears what is no longer so."""
    await clearing.bill(cdr(), dc_cdr())
    shown = await view(clearing)
    assert (shown["emsp"], shown["period"], shown["cdrs"], shown["given_by"]) == ("NL/MSP", "2026-10", 0, "Mira")
    assert (await kinds(clearing), await disposition(clearing)) == (["EMSP_CDR_MISSING"], "HOLD")
    await view(clearing, held(excl_vat=8.0))
    assert (await kinds(clearing), await disposition(clearing)) == (["EMSP_CDR_DIFFERS"], "HOLD")
    assert await kinds(clearing, cleared="true") == ["EMSP_CDR_MISSING"]
    await view(clearing, held())
    assert (await kinds(clearing), await disposition(clearing)) == ([], "SETTLE")
    (cause,) = {one["counterparty"] for one in (await clearing.get("findings", cleared="true"))["items"]}
    assert cause == "NL/MSP"


async def test_what_an_emsp_holds_alone_is_told_in_the_inbox(clearing: Clearing) -> None:
    """D08: a period check; a decision says that it is dealt with."""
    await clearing.bill(cdr())
    await view(clearing, held(), held("X1", 5.0), held("X2", 5.0), held("X3", end_date_time="2026-09-30T00:00:00Z"))

    async def is_told() -> bool:
        return await kinds(clearing, source="period") == ["EMSP_CDR_DIFFERS", "EMSP_CDR_DIFFERS"]

    await until(is_told)
    (cause,) = (await clearing.get("causes", kind="EMSP_CDR_DIFFERS"))["items"]
    assert (cause["findings"], cause["disposition"], cause["party"]) == (2, "REPORT", "NL/MSP")
    assert (await clearing.decide("cause", cause["cause"], "accept", reason="DUP")).status_code == 201
    await view(clearing, held())

    async def is_cleared() -> bool:
        return await kinds(clearing, source="period") == []

    await until(is_cleared)
    assert await disposition(clearing) == "SETTLE"


async def test_a_view_is_of_its_period_only(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    await view(clearing, period="2026-09")
    assert (await kinds(clearing), await disposition(clearing)) == ([], "SETTLE")


async def test_a_view_is_read_again_listed_and_forgotten(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    shown = await view(clearing, held("Zz", 1.5, country_code="de", party_id="abc"))
    assert (await clearing.get("views", emsp="nl/msp", period="2026-10"))["items"] == [shown]
    content = await clearing.get("views/NL-MSP", period="2026-10")
    assert content == {
        "cdrs": [{"id": "Zz", "country_code": "DE", "party_id": "ABC", "total_cost": {"excl_vat": "1.5"}}]
    }
    gone = await clearing.world.admin.delete("/settlement/views/NL-MSP", params={"period": "2026-10"})
    assert gone.status_code == 204
    await clearing.settled()

    async def is_as_before() -> bool:
        return (await kinds(clearing), await disposition(clearing)) == ([], "SETTLE")

    await until(is_as_before)
    assert_envelope(await clearing.world.admin.get("/settlement/views/NL-MSP?period=2026-10"), 404, 2000)
    again = await clearing.world.admin.delete("/settlement/views/NL-MSP", params={"period": "2026-10"})
    assert_envelope(again, 404, 2000)


async def test_a_view_may_be_csv(clearing: Clearing) -> None:
    await clearing.bill(cdr())
    answer = await hand_in(clearing, b"id,total_cost,incl_vat\r\nC1,9.00,10.71\r\n", kind="text/csv")
    assert answer.json()["cdrs"] == 1
    await clearing.settled()
    assert await disposition(clearing) == "SETTLE"


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        pytest.param(b"[]", "application/json", "is no JSON object", id="no object"),
        pytest.param(b'{"cdr": []}', "application/json", "cdr is not known", id="a slip of the pen"),
        pytest.param(b'{"cdrs": [{}]}', "application/json", "cdrs[0].id is missing", id="no id"),
        pytest.param(
            b'{"cdrs": [{"id": "A", "total_cost": {"excl_vat": "abc"}}]}',
            "application/json",
            "cdrs[0].total_cost is no amount",
            id="a total that is no number",
        ),
        pytest.param(
            b"id,total_cost,incl_vat\r\nA,1,abc\r\n", "text/csv", "total_cost is no amount", id="VAT that is no number"
        ),
        pytest.param(b"id,total\r\n", "text/csv", "total_cost is missing in the head", id="no total"),
        pytest.param(b"id,total_cost,vat\r\n", "text/csv", "vat is not known", id="an unknown column"),
        pytest.param(b"id,total_cost\r\nC1\r\n", "text/csv", "has another number of fields", id="a short line"),
    ],
)
def test_what_is_no_view_is_refused_by_name(body: bytes, kind: str, expected: str) -> None:
    with pytest.raises(MalformedBundle) as refused:
        decode_view(body, is_csv="csv" in kind)
    assert expected in str(refused.value)


def test_a_view_reads_back_as_it_was_kept() -> None:
    body = encode_json(
        {
            "cdrs": [
                {"id": "b", "total_cost": {"excl_vat": 1, "incl_vat": 2}, "end_date_time": "2026-10-01T00:00:00Z"},
                {"id": "A", "total_cost": None},
                {"id": "A", "country_code": "DE", "party_id": "ABC", "total_cost": {"excl_vat": "0.10"}},
            ]
        }
    )
    found = decode_view(body, is_csv=False)
    assert decode_view(view_text(found), is_csv=False) == found


@pytest.mark.parametrize(
    "path", ["views/NL-MSP?period=2026-13&actor=M", "views/NL-MSP?actor=M", "views/NLMSP?period=2026-10&actor=M"]
)
async def test_a_view_needs_a_month_and_a_party(clearing: Clearing, path: str) -> None:
    answer = await clearing.world.admin.post(f"/settlement/{path}", content=b'{"cdrs": []}')
    assert_envelope(answer, 400, 2001)

"""`POST /settlement/price` over HTTP: the pricer behind the admin token."""

from __future__ import annotations

from typing import Any

import pytest

from hub.web.settlement import EXAMPLE
from ocpi_modules.types import decode_json, encode_json
from tests.conftest import World
from tests.web.test_admin import assert_envelope

PATH = "/settlement/price"


async def test_a_cdr_is_priced_by_its_tariffs(standing_world: World) -> None:
    answer = await standing_world.admin.post(PATH, content=encode_json(EXAMPLE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["total_cost"] == {"excl_vat": 5.5, "incl_vat": 6.6}


async def test_numbers_keep_their_digits_both_ways(standing_world: World) -> None:
    asked: dict[str, Any] = decode_json(encode_json(EXAMPLE))
    asked["tariffs"][0]["elements"][0]["price_components"][0]["price"] = decode_json(b"0.123456789012345678")
    answer = await standing_world.admin.post(PATH, content=encode_json(asked))
    assert b'"total_energy_cost":{"excl_vat":1.23456789012345678,' in answer.content


async def test_what_cannot_be_priced_is_an_answer(standing_world: World) -> None:
    answer = await standing_world.admin.post(PATH, content=encode_json({"cdr": EXAMPLE["cdr"]}))
    assert (answer.status_code, answer.json()["unpriceable"]) == (200, "MISSING_TARIFF")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        pytest.param(b'{"cdr": ', 2000, "truncated", id="not JSON"),
        pytest.param(b"[]", 2001, "object", id="not an object"),
        pytest.param(b'{"tariffs": []}', 2001, "cdr", id="no CDR"),
        pytest.param(encode_json({**EXAMPLE, "policy": {"flat": "never"}}), 2001, "policy.flat", id="no such policy"),
        pytest.param(encode_json({**EXAMPLE, "timezone": "Europe/Nowhere"}), 2001, "Nowhere", id="no such time zone"),
    ],
)
async def test_what_cannot_be_read_is_400_with_the_envelope(
    standing_world: World, body: bytes, code: int, said: str
) -> None:
    answer = await standing_world.admin.post(PATH, content=body)
    assert said in assert_envelope(answer, 400, code)


async def test_a_body_without_end_is_413(standing_world: World) -> None:
    answer = await standing_world.admin.post(PATH, content=b" " * (1024 * 1024 + 1))
    assert_envelope(answer, 413, 2000)


@pytest.mark.parametrize(
    "header", [pytest.param({}, id="no token"), pytest.param({"Authorization": "Bearer x"}, id="a wrong one")]
)
async def test_nobody_without_the_admin_token_gets_in(standing_world: World, header: dict[str, str]) -> None:
    async with standing_world.nobody() as http:
        answer = await http.post(PATH, content=encode_json(EXAMPLE), headers=header)
    assert_envelope(answer, 401, 2000)


async def test_the_api_pages_show_an_example_that_works(standing_world: World) -> None:
    described = (await standing_world.admin.get("/openapi.json")).json()["paths"][PATH]["post"]
    example = described["requestBody"]["content"]["application/json"]["example"]
    answer = await standing_world.admin.post(PATH, content=encode_json(example))
    assert answer.json()["warnings"] == []

"""A driver is taken out of the journal of messages: bodies that name them go, paths lose their ids, others stay."""

from __future__ import annotations

import pytest

from hub.commands.erase import Driver, read_contract, read_token, run_erase
from hub.store.database import Database
from hub.store.erasing import ids_in, pattern_of, without_ids
from hub.store.exchanges import Batch, Bodies, Exchanges, Head, Wanted
from hub.store.forgetting import Forgetting
from ocpi_modules.types import encode_json
from tests.settlement.cases import cdr, token

NOON = 1_791_806_400.0
UID, CONTRACT = "TOKEN1", "NL-MSP-C00000001-1"
BY_TOKEN, BY_CONTRACT = read_token(f"NL/MSP/RFID/{UID}"), read_contract("NLMSPC000000011")


def head(path: str) -> Head:
    return Head(1.0, 0.5, True, "tokens", "PUT", path, "", 1, "NL/MSP", "", 200, 1000, ("r", "c"), 10, 10)


@pytest.mark.parametrize("driver", [pytest.param(BY_TOKEN, id="by token"), pytest.param(BY_CONTRACT, id="by contract")])
async def test_messages_that_name_a_forgotten_driver_lose_what_names_them(database: Database, driver: Driver) -> None:
    exchanges = Exchanges(database.direct)
    said = encode_json(
        {
            "status_code": 1000,
            "data": [cdr(remark="x"), cdr(cdr_token__uid="token2", cdr_token__contract_id="NL-MSP-C2")],
        }
    )
    bodies: list[Bodies] = [
        (encode_json(token()), b"{}"),
        (None, said),
        (b'{"remark":"card token1 was cut', None),
        (b'{"uid":"TOKEN12"}', b"{}"),
    ]
    paths = ["/ocpi/2.2.1/receiver/tokens/NL/MSP/token1?type=RFID", "/x", "/y", "/ocpi/tokens/NL/MSP/TOKEN12"]
    await exchanges.write(Batch(NOON, [head(path) for path in paths], bodies))
    assert await run_erase(Forgetting(database.direct), driver, is_sure=True) == 0
    kept = (await exchanges.listed(Wanted(), 10)).messages
    wholes = [whole for one in reversed(kept) if (whole := await exchanges.whole(one.place))]
    assert [whole.bodies for whole in wholes] == [(None, b"{}"), (None, None), (None, None), bodies[3]]
    assert [whole.kept.line.path for whole in wholes] == [
        "/ocpi/2.2.1/receiver/tokens/NL/MSP/ERASED?type=RFID",
        *paths[1:],
    ]


async def test_a_token_that_only_an_address_names_is_forgotten_too(database: Database) -> None:
    exchanges = Exchanges(database.direct)
    await exchanges.write(Batch(NOON, [head("/ocpi/2.2.1/sender/tokens/T%4fKEN1/authorize")], [(None, None)]))
    assert await run_erase(Forgetting(database.direct), BY_TOKEN, is_sure=True) == 0
    assert [kept.line.path for kept in (await exchanges.listed(Wanted(), 10)).messages] == [
        "/ocpi/2.2.1/sender/tokens/ERASED/authorize"
    ]


def test_ids_are_found_in_a_body_that_was_cut() -> None:
    text = encode_json({"data": [{"cdr_token": token()}]})
    assert ids_in(text[:-2], BY_CONTRACT.has) >= {token()["uid"]}


def test_short_ids_are_whole_texts_only() -> None:
    has = pattern_of({"7", "LONGER"})
    assert [has(body) for body in (b'"7"', b'{"n":7}', b"a longer one", b"longerx", None)] == [
        True,
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"uid":"CARD\\/00001"}', id="a slash that is escaped"),
        pytest.param(b'{"uid":"\\u0043ard/00001"}', id="a letter by its number"),
        pytest.param(b"card card/00001 was lost", id="in a sentence, in other case"),
    ],
)
def test_an_id_is_found_however_json_writes_it(body: bytes) -> None:
    assert pattern_of({"CARD/00001"})(body)
    assert not pattern_of({"CARD/00002"})(body)


def test_a_path_keeps_everything_but_ids() -> None:
    assert without_ids("/a/7?x=7&y=77", lambda text: text == "7") == "/a/ERASED?x=ERASED&y=77"

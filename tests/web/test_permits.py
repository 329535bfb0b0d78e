"""What the hub sees pass over real HTTP is evidence for the CDR that comes afterwards (point 2: authorisation, command, session)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from hub.demo.caller import Heard
from hub.store.database import Database
from ocpi_modules.types import decode_json, format_datetime
from tests.conftest import ADMIN_TOKEN
from tests.settlement.cases import ABSENT, CPO, OTHER_EMSP, Content, dc_cdr, other_token, session_of
from tests.web.clearing import Clearing, clearing_hub, until

UID, KIND = other_token()["uid"], other_token()["type"]
HERE = {"location_id": "LOC1", "evse_uids": ["E2"]}
LENGTH = timedelta(minutes=4)


@pytest.fixture
async def clearing(database_url: str, tmp_path: Path) -> AsyncIterator[Clearing]:
    async with clearing_hub(database_url, tmp_path) as made:
        made.other.desk.offer("tokens", other_token())
        made.cpo.desk.command_answer = "ACCEPTED"
        yield made


def charge(**changes: Any) -> Content:
    """Four minutes at the DC EVSE that end now: 5 kWh, EUR 4.00, 4.76 with VAT; authorised by request, no session."""
    end = datetime.now(UTC).replace(microsecond=0)
    start, until_now = format_datetime(end - LENGTH), format_datetime(end)
    usual: Content = {
        "id": "C-NOW",
        "session_id": None,
        "start_date_time": start,
        "end_date_time": until_now,
        "last_updated": until_now,
        "authorization_reference": ABSENT,
        "charging_periods": [
            {
                "start_date_time": start,
                "dimensions": [{"type": "ENERGY", "volume": 5}, {"type": "TIME", "volume": 0.0667}],
                "tariff_id": "T-DC",
            }
        ],
        "total_energy": 5,
        "total_time": Decimal("0.0667"),
        "total_cost": {"excl_vat": 4, "incl_vat": Decimal("4.76")},
        "total_energy_cost": {"excl_vat": 3, "incl_vat": Decimal("3.57")},
    }
    return dc_cdr(**{**usual, **changes})


async def asked(clearing: Clearing, place: Content | None = None) -> Heard:
    """The CPO asks the eMSP through the hub whether its token may charge."""
    heard = await clearing.cpo.authorize(UID, KIND, place, receiver=OTHER_EMSP)
    assert heard.is_success
    return heard


async def commanded(clearing: Clearing, kind: str = "START_SESSION", **changes: Any) -> None:
    """The eMSP sends the CPO a command through the hub; the charge point then says what became of it."""
    url = clearing.other.callback_url("commands", "cb1")
    content = {"response_url": url, "token": other_token(), "location_id": "LOC1", "evse_uid": "E2", **changes}
    assert (await clearing.other.command(kind, content, receiver=CPO)).is_success


async def resulted(clearing: Clearing, result: str) -> None:
    """The charge point says what became of the last command."""
    sent = [seen for seen in clearing.cpo.seen if "/commands/" in seen.path][-1]
    answer = await clearing.cpo.call(
        "POST", sent.content["response_url"], receiver=OTHER_EMSP, content={"result": result}
    )
    assert answer.is_success


async def noted(clearing: Clearing, table: str = "permit", count: int = 1) -> None:
    """Wait until the hub has written what it saw: nobody waited for that."""
    database = Database(clearing.world.database_url)

    async def is_there() -> bool:
        return len(await database.direct.fetch(f"select 1 from {table}")) >= count

    try:
        await until(is_there)
    finally:
        await database.close()


async def findings(clearing: Clearing) -> list[tuple[str, str, str]]:
    items = (await clearing.get("findings"))["items"]
    return sorted((one["check"], one["kind"], one["disposition"]) for one in items)


async def shown(clearing: Clearing, cdr_id: str = "C-NOW") -> Any:
    return await clearing.get(f"cdrs/DE/ABC/{cdr_id}")


async def test_an_authorised_charge_is_matched_with_its_authorisation(clearing: Clearing) -> None:
    """F05 to F08: nothing is raised, and method and score are shown."""
    reference = (await asked(clearing, HERE)).data["authorization_reference"]
    await noted(clearing)
    await clearing.bill(charge(authorization_reference=reference))
    assert await findings(clearing) == []
    matched = (await shown(clearing))["matches"]
    assert matched["authorisation"] | {"asked_at": 0, "answered_at": 0} == {
        "kind": "AUTHORIZE",
        "by": str(OTHER_EMSP),
        "answer": "ALLOWED",
        "result": None,
        "asked_at": 0,
        "answered_at": 0,
        "reference": reference.upper(),
        "method": "authorization_reference",
        "score": 1,
    }
    assert matched["authorisation"]["asked_at"] <= matched["authorisation"]["answered_at"]
    assert (matched["session"], matched["command"], matched["hint"]) == (None, None, None)
    assert matched["tariff_versions"][0]["since"] < matched["tariff_versions"][0]["known_at"]
    assert matched["token"]["known_then"] is None  # the hub runs for less time than the charge took


Doing = Callable[[Clearing], Awaitable[object]]


async def blocked(clearing: Clearing) -> None:
    clearing.other.desk.verdicts[UID] = "BLOCKED"
    await asked(clearing)


async def somebody_else(clearing: Clearing) -> None:
    """The CPO asks through the hub, only not about this token."""
    clearing.other.desk.offer("tokens", other_token(uid="TOKEN9"))
    assert (await clearing.cpo.authorize("TOKEN9", KIND, receiver=OTHER_EMSP)).is_success


async def another_evse(clearing: Clearing) -> None:
    await asked(clearing, {"location_id": "LOC1", "evse_uids": ["E1"]})


async def started(clearing: Clearing) -> None:
    await commanded(clearing, authorization_reference="CMD-1")


async def rejected(clearing: Clearing) -> None:
    clearing.cpo.desk.command_answer = "REJECTED"
    await commanded(clearing)


async def started_late(clearing: Clearing) -> None:
    await commanded(clearing)
    await resulted(clearing, "TIMEOUT")
    await noted(clearing, "permit_result")


async def failed(clearing: Clearing) -> None:
    await commanded(clearing)
    await resulted(clearing, "FAILED")
    await noted(clearing, "permit_result")


async def another_command(clearing: Clearing) -> None:
    await commanded(clearing, "STOP_SESSION", session_id="S2")


@pytest.mark.parametrize(
    ("do", "changes", "said", "disposition"),
    [
        pytest.param(
            blocked, {}, [("F05", "TOKEN_INVALID_AT_START", "HOLD")], "HOLD", id="F05 the eMSP said that it is blocked"
        ),
        pytest.param(
            somebody_else,
            {},
            [("F05", "AUTHORIZATION_MISSING", "REPORT")],
            "SETTLE",
            id="F05 nobody asked for this one",
        ),
        pytest.param(
            asked, {}, [("F06", "AUTH_METHOD_VIOLATION", "REPORT")], "SETTLE", id="F06 the reference is not repeated"
        ),
        pytest.param(
            asked,
            {"authorization_reference": "OTHER"},
            [("F06", "AUTHORIZATION_REFERENCE_MISMATCH", "REPORT")],
            "SETTLE",
            id="F06 another reference",
        ),
        pytest.param(
            another_evse, {}, [("F08", "AUTHORIZED_ELSEWHERE", "HOLD")], "HOLD", id="F08 another EVSE was allowed"
        ),
        pytest.param(
            started,
            {"auth_method": "COMMAND", "authorization_reference": "CMD-1"},
            [],
            "SETTLE",
            id="F07 started by command",
        ),
        pytest.param(started_late, {"auth_method": "COMMAND"}, [], "SETTLE", id="F07 started after a time-out"),
        pytest.param(
            rejected,
            {"auth_method": "COMMAND"},
            [("F07", "COMMAND_NOT_ACCEPTED", "REPORT")],
            "SETTLE",
            id="F07 the CPO rejected the command",
        ),
        pytest.param(
            failed,
            {"auth_method": "COMMAND"},
            [("F07", "COMMAND_NOT_ACCEPTED", "REPORT")],
            "SETTLE",
            id="F07 the charge point failed to start",
        ),
        pytest.param(
            another_command,
            {"auth_method": "COMMAND"},
            [("F07", "COMMAND_NOT_ACCEPTED", "REPORT")],
            "SETTLE",
            id="F07 the CPO gets commands, and no such one",
        ),
    ],
)
async def test_what_was_said_before_a_charge_is_held_against_its_cdr(
    clearing: Clearing, do: Doing, changes: Content, said: list[tuple[str, str, str]], disposition: str
) -> None:
    await do(clearing)
    await noted(clearing)
    await clearing.bill(charge(**changes))
    assert (await findings(clearing), (await shown(clearing))["cdr"]["disposition"]) == (said, disposition)


async def test_a_party_that_never_asks_through_the_hub_is_asked_nothing(clearing: Clearing) -> None:
    """F05, F07: silent without any evidence of the party."""
    await clearing.bill(charge(), charge(id="C-BY-COMMAND", auth_method="COMMAND", cdr_location__evse_uid="E1"))
    kinds = {kind for check, kind, _ in await findings(clearing) if check in {"F05", "F06", "F07", "F08"}}
    assert kinds == set()


async def test_a_session_under_another_id_is_found_and_billed_once(clearing: Clearing) -> None:
    """E01, D05: told how it was found; the board of missing CDRs does not wait for it."""
    content = charge(auth_method="WHITELIST", session_id="S-OWN")
    await clearing.push("sessions", session_of(content, id="S-NOW"))
    await clearing.bill(content)
    assert await findings(clearing) == [("E01", "MISSING_SESSION", "SETTLE")]
    detail = await shown(clearing)
    matched = detail["matches"]["session"]
    assert (matched["id"], matched["method"], matched["score"]) == ("S-NOW", "token, EVSE and start", 0.9)
    assert detail["session"]["id"] == "S-NOW"
    database = Database(clearing.world.database_url)
    found = await database.direct.fetch("select found_session from verdict where cdr_key = 'C-NOW'")
    await database.close()
    assert [row["found_session"] for row in found] == ["S-NOW"]

    owner = charge(id="C-OWNER", auth_method="WHITELIST", session_id="S-NOW")
    await clearing.bill(owner)
    assert (await shown(clearing))["matches"]["session"] is None
    assert (await shown(clearing, "C-OWNER"))["matches"]["session"]["method"] == "session_id"


async def test_the_evidence_holds_the_authorisation_and_the_command(clearing: Clearing) -> None:
    await asked(clearing, HERE)
    await commanded(clearing, connector_id="1")
    await resulted(clearing, "ACCEPTED")
    await noted(clearing, count=2)
    await noted(clearing, "permit_result")
    await clearing.bill(charge())
    answer = await clearing.world.admin.get("/settlement/cdrs/DE/ABC/C-NOW/evidence.zip")
    with ZipFile(BytesIO(answer.content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    authorisation, command = decode_json(files["authorisation.json"]), decode_json(files["command.json"])
    assert (authorisation["asked_by"], authorisation["answered_by"]) == (str(CPO), str(OTHER_EMSP))
    assert (authorisation["allowed"], authorisation["location"], authorisation["allowed_location"]) == (
        "ALLOWED",
        HERE,
        HERE,
    )
    assert (command["kind"], command["response"], command["result"]) == ("START_SESSION", "ACCEPTED", "ACCEPTED")
    assert (command["location"], command["connector_id"]) == (HERE, "1")
    assert set(command["cdr_token"]) == {"country_code", "party_id", "uid", "type", "contract_id"}
    assert "authorisation.json" in files["README.txt"].decode()
    assert ADMIN_TOKEN not in answer.text


async def test_what_was_noted_when_the_hub_stops_is_kept(database_url: str, tmp_path: Path) -> None:
    """An ordinary shutdown loses nothing."""
    async with clearing_hub(database_url, tmp_path) as made:
        made.other.desk.offer("tokens", other_token())
        for _ in range(5):
            await asked(made)
    database = Database(database_url)
    rows = await database.direct.fetch("select token from permit")
    await database.close()
    assert [row["token"] for row in rows] == [f"{OTHER_EMSP}|{KIND}|{UID}"] * 5


async def test_an_authorisation_that_cannot_be_written_down_is_answered_all_the_same(clearing: Clearing) -> None:
    database = Database(clearing.world.database_url)
    async with database.direct.transaction() as connection:
        await connection.execute("drop table permit")
    await database.close()
    assert (await asked(clearing)).data["allowed"] == "ALLOWED"
    await commanded(clearing)

"""Keys of meters over real HTTP, and what comes of them in the books (D07, C09, H02, H05)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.store.forgetting import Forgetting
from tests.conftest import World, running_hub
from tests.metering.records import OTHER_KEY, charge, der, payload, public, reading, signed, signed_data, value
from tests.settlement.cases import credit_of
from tests.settlement.test_checks_metering import later, metered
from tests.web.house import Office
from tests.web.test_admin import assert_envelope

KEY: dict[str, Any] = {
    "owner": "de/abc",
    "meter_id": "e1",
    "public_key": der().hex(),
    "valid_from": "2026-01-01T00:00:00Z",
}


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_hub(database_url, tmp_path, settle_seconds=3600) as world:
        made = Office(world)
        await made.furnish()
        yield made
        await made.close()


async def register(office: Office, *changes: dict[str, Any], status: int = 201) -> Any:
    return await office.post("/meter-keys", status, actor="Ines", keys=[{**KEY, **one} for one in changes or ({},)])


async def withdraw(office: Office, key_id: int, actor: str = "Otto") -> httpx.Response:
    return await office.http.delete(f"/settlement/meter-keys/{key_id}", params={"actor": actor})


async def shown(office: Office, query: str = "") -> list[str]:
    return [one["meter_id"] for one in (await office.get(f"/meter-keys{query}"))["items"]]


# --- the registry ---------------------------------------------------------------------------


async def test_a_key_is_registered_listed_and_withdrawn_by_name(office: Office) -> None:
    (made,) = await register(office)
    assert (made["owner"], made["meter_id"], made["public_key"]) == ("DE/ABC", "E1", public())
    assert (made["registered_by"], made["withdrawn_at"]) == ("Ines", None)
    assert (await office.get("/meter-keys"))["items"] == [made]
    assert (await withdraw(office, made["id"])).status_code == 204
    (kept,) = (await office.get("/meter-keys"))["items"]
    assert (kept["withdrawn_by"], kept["withdrawn_at"] is None) == ("Otto", False)
    assert_envelope(await withdraw(office, made["id"]), 404, 2000)


async def test_keys_are_listed_by_owner_and_meter_a_page_at_a_time(office: Office) -> None:
    await register(office, {}, {"meter_id": "M-1"}, {"owner": "NL/XYZ"})
    assert await shown(office, "?owner=nl/xyz") == ["E1"]
    assert await shown(office, "?owner=DE/ABC&meter_id=m-1") == ["M-1"]
    page = await office.get("/meter-keys?limit=2")
    assert [one["meter_id"] for one in page["items"]] == ["E1", "M-1"]
    rest = await office.get(f"/meter-keys?limit=2&after={page['next']}")
    assert ([one["owner"] for one in rest["items"]], rest["next"]) == (["NL/XYZ"], None)


async def test_a_meter_has_one_key_at_a_time_and_keys_are_registered_together_or_not_at_all(office: Office) -> None:
    await register(office)
    answer = await register(office, {"meter_id": "M-1"}, {"public_key": public(OTHER_KEY)}, status=409)
    assert "E1 of DE/ABC has a key" in answer["status_message"]
    assert await shown(office) == ["E1"]
    await register(office, {"public_key": public(OTHER_KEY), "valid_from": "2026-11-01T00:00:00Z"})
    assert await shown(office) == ["E1", "E1"]


async def test_the_key_of_a_slip_can_be_registered_again(office: Office) -> None:
    (slip,) = await register(office, {"public_key": public(OTHER_KEY)})
    await withdraw(office, slip["id"])
    await register(office)
    assert await shown(office) == ["E1", "E1"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"actor": "Ines", "keys": []}, "keys", id="none"),
        pytest.param({"keys": [KEY]}, "actor", id="nobody"),
        pytest.param({"actor": " ", "keys": [KEY]}, "actor", id="a blank name"),
        pytest.param({"actor": "Ines", "keys": [{**KEY, "public_key": "AAAA"}]}, "public_key", id="no key"),
        pytest.param({"actor": "Ines", "keys": [{**KEY, "meter_id": " "}]}, "meter_id", id="no meter"),
        pytest.param({"actor": "Ines", "keys": [{**KEY, "owner": "ABC"}]}, "owner", id="no party"),
        pytest.param({"actor": "Ines", "keys": [{**KEY, "valid_from": "soon"}]}, "valid_from", id="no time"),
        pytest.param({"actor": "Ines", "keys": [{**KEY, "curve": "P"}]}, "curve", id="what is not known"),
    ],
)
async def test_what_is_wrong_is_named(standing_world: World, asked: Any, said: str) -> None:
    answer = await standing_world.admin.post("/settlement/meter-keys", json=asked)
    assert said in assert_envelope(answer, 400, 2001)


async def test_nobody_without_the_admin_token_gets_in(standing_world: World) -> None:
    async with standing_world.nobody() as http:
        for method, path in (("GET", ""), ("POST", ""), ("DELETE", "/1?actor=Ines")):
            answer = await http.request(method, f"/settlement/meter-keys{path}")
            assert_envelope(answer, 401, 2000)


# --- in the books ---------------------------------------------------------------------------


async def test_a_key_that_is_registered_or_withdrawn_later_changes_what_is_not_billed(office: Office) -> None:
    await office.receive(metered(charge(key=OTHER_KEY)))
    await office.settle_all()
    assert await office.dispositions() == {"C1": "SETTLE"}
    (key,) = await register(office)
    assert await office.settle_all() == 1
    assert await office.findings() == [("SIGNATURE_WRONG", "C1")]
    assert await office.dispositions() == {"C1": "HOLD"}
    await withdraw(office, key["id"])
    assert await office.settle_all() == 1
    assert await office.dispositions() == {"C1": "SETTLE"}


async def test_what_is_billed_or_older_than_the_key_is_left_alone(office: Office) -> None:
    await office.receive(metered(charge(key=OTHER_KEY)))
    await office.receive(later(), after=60)
    await office.settle_all()
    await office.bill("C1")
    await register(office)
    assert await office.settle_all() == 1
    await register(office, {"meter_id": "M", "valid_from": "2026-10-11T00:00:00Z"})
    assert await office.settle_all() == 0
    assert await office.dispositions() == {"C1": "SETTLE", "C9": "SETTLE"}


async def test_readings_that_come_a_second_time_are_seen_whenever_they_come(office: Office) -> None:
    """D07: nothing but the signed record relates the two."""
    await register(office)
    await office.receive(metered())
    await office.settle_all()
    await office.receive(later(signed_data=charge(), cdr_location__connector_id="2"), after=60)
    await office.settle_all()
    assert await office.findings() == [("SIGNED_DATA_REPEATED", "C9")]
    assert await office.dispositions() == {"C1": "SETTLE", "C9": "HOLD"}


@pytest.mark.parametrize("first", ["C1", "C9"])
async def test_a_register_that_falls_is_seen_in_whatever_order_charges_come(office: Office, first: str) -> None:
    """C09: the charge before ended with 500 kWh."""
    await register(office)
    before = metered(signed_data(value(signed(payload(reading("B", 480), reading("E", 500))))))
    for content in sorted((before, later()), key=lambda one: one["id"] != first):
        await office.receive(content)
        await office.settle_all()
    found = await office.rows(
        "select kind, cdr_key from finding join finding_cdr on finding = key where cleared_at is null"
    )
    assert [row for row in found if row[0] == "METER_RUNS_BACKWARDS"] == [("METER_RUNS_BACKWARDS", "C9")]


async def test_the_card_of_another_driver_is_known_from_the_token_list(office: Office) -> None:
    """H05: no CDR names that token."""
    await register(office)
    await office.receive(metered(charge(ID="TOKEN2")))
    await office.settle_all()
    assert await office.findings() == [("SIGNED_TOKEN_MISMATCH", "C1")]


async def test_meters_that_say_what_is_billed_hold_nothing(office: Office) -> None:
    await register(office)
    for content in (metered(), later(), credit_of(metered())):
        await office.receive(content)
    await office.settle_all()
    assert await office.findings() == []
    assert set((await office.dispositions()).values()) == {"SETTLE"}


async def test_who_is_forgotten_leaves_no_trace_of_a_reading(office: Office) -> None:
    """The digest of a record could be tried out with card after card; the serial number of a meter is nobody's."""
    await office.receive(metered())
    await office.settle_all()
    ((reading_before, meter),) = await office.rows("select reading, meter from verdict")
    assert (len(reading_before), meter) == (64, "DE/ABC|METER1")
    forgetting = Forgetting(office.database.direct)
    traces = await forgetting.find(lambda token: token.uid == "TOKEN1")
    await forgetting.forget(traces, lambda token: token.uid == "TOKEN1")
    assert await office.rows("select reading, meter from verdict") == [("", "DE/ABC|METER1")]

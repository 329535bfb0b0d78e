"""Who may charge: whitelist rules, real-time authorisation through the hub's own routing, aliases (C-T2; mod_tokens)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub.chargers.aliases import ALPHABET, alias_for, new_alias
from hub.chargers.authorising import Advice, Candidate, advice, answered, candidates
from hub.chargers.events import IdToken, PermitStatus, Spot
from hub.clock import SystemClock
from hub.demo.faults import Fault
from hub.store.chargecommands import KeptToken
from ocpi_modules.message import Reply
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json
from tests.chargers.faces import APP, APP_NAMED, CARD, CARD_NAMED, Face, plug
from tests.chargers.localworld import MS1, MS2

Object = dict[str, Any]
AT_E1 = Spot(0, 1)


def asked(face: Face) -> list[Any]:
    return [one for one in face.emsp.seen if one.module_id == "tokens" and one.method == "POST"]


@pytest.fixture
async def driver(face: Face) -> Face:
    face.emsp.seen.clear()
    face.emsp.desk.verdicts.clear()
    return face


async def tap(face: Face, whitelist: str, *, valid: bool = True, verdict: str = "", uid: str = "") -> Any:
    token = {**CARD, "uid": uid or f"T-{whitelist}-{valid}", "whitelist": whitelist, "valid": valid}
    await face.push_token(face.emsp, token)
    if verdict:
        face.emsp.desk.verdicts[token["uid"]] = verdict
    return await face.authoriser.authorise("CS1", IdToken(token["uid"]), AT_E1)


@pytest.mark.parametrize(
    ("whitelist", "valid", "verdict", "status", "is_asked"),
    [
        pytest.param("ALWAYS", True, "", "Accepted", False, id="never asked"),
        pytest.param("ALWAYS", False, "", "Blocked", False, id="never asked, and not valid"),
        pytest.param("ALLOWED", True, "", "Accepted", False, id="may be believed"),
        pytest.param("ALLOWED", False, "", "Blocked", False, id="not valid"),
        pytest.param("ALLOWED_OFFLINE", True, "BLOCKED", "Blocked", True, id="asked, since its eMSP is there"),
        pytest.param("NEVER", True, "ALLOWED", "Accepted", True, id="C-T2: the call reaches the eMSP"),
        pytest.param("NEVER", False, "ALLOWED", "Accepted", True, id="what the eMSP says now counts, not its copy"),
        pytest.param("NEVER", True, "BLOCKED", "Blocked", True, id="blocked"),
        pytest.param("NEVER", True, "EXPIRED", "Expired", True, id="expired"),
        pytest.param("NEVER", True, "NO_CREDIT", "Blocked", True, id="no credit"),
        pytest.param("NEVER", True, "NOT_ALLOWED", "Invalid", True, id="not here"),
    ],
)
async def test_the_whitelist_says_whether_the_emsp_is_asked(
    driver: Face, whitelist: str, valid: bool, verdict: str, status: str, is_asked: bool
) -> None:
    permit = await tap(driver, whitelist, valid=valid, verdict=verdict, uid=f"W-{whitelist}-{valid}-{verdict}")
    assert (permit.status.value, bool(asked(driver))) == (status, is_asked)
    assert permit.auth_method == ("AUTH_REQUEST" if is_asked else "WHITELIST")
    assert permit.token["uid"] == f"W-{whitelist}-{valid}-{verdict}"
    assert permit.expires_at is not None


async def test_the_emsp_is_told_where_and_its_reference_is_kept(driver: Face) -> None:
    """C-T2: POST tokens/{uid}/authorize with LocationReferences, from the local CPO."""
    permit = await tap(driver, "NEVER", uid="C-T2")
    (seen,) = asked(driver)
    assert (seen.path.rpartition("/tokens/")[2], seen.query) == ("C-T2/authorize", "type=RFID")
    assert seen.content == {"location_id": "S1", "evse_uids": ["E1"]}
    assert (seen.sender, seen.receiver) == (Party("NL", "LOC"), MS1)
    assert permit.reference == seen.headers["x-request-id"][:36]


async def test_a_station_without_a_spot_asks_for_all_of_its_evses(driver: Face) -> None:
    await driver.push_token(driver.emsp, {**CARD, "uid": "ANYWHERE", "whitelist": "NEVER"})
    await driver.authoriser.authorise("CS1", IdToken("ANYWHERE"), None)
    assert asked(driver)[0].content == {"location_id": "S1", "evse_uids": ["E1", "E2"]}


@pytest.mark.parametrize(
    ("whitelist", "valid", "status"),
    [
        pytest.param("ALLOWED_OFFLINE", True, "Accepted", id="believed while its eMSP is away"),
        pytest.param("ALLOWED_OFFLINE", False, "Blocked", id="not valid"),
        pytest.param("NEVER", True, "Invalid", id="never without its eMSP"),
    ],
)
async def test_an_emsp_that_cannot_be_used_leaves_the_whitelist(
    driver: Face, whitelist: str, valid: bool, status: str
) -> None:
    driver.emsp.faults.append(Fault(module_id="tokens", method="POST", status_code=3000, once=True))
    permit = await tap(driver, whitelist, valid=valid, uid=f"AWAY-{whitelist}-{valid}")
    assert (permit.status.value, len(asked(driver))) == (status, 1)


async def test_an_emsp_that_is_down_is_no_reason_to_wait(driver: Face) -> None:
    await driver.push_token(
        driver.other, {**CARD, "country_code": "BE", "party_id": "MS2", "uid": "DOWN", "whitelist": "NEVER"}
    )
    async with driver.other.down():
        permit = await driver.authoriser.authorise("CS1", IdToken("DOWN"), AT_E1)
    assert permit.status is PermitStatus.INVALID
    await driver.other.client_infos()


async def test_uids_are_compared_without_case_and_an_unknown_one_is_invalid(driver: Face) -> None:
    await driver.push_token(driver.emsp, {**CARD, "uid": "AbCd01"})
    assert (await driver.authoriser.authorise("CS1", IdToken("aBcD01"), AT_E1)).is_granted
    unknown = await driver.authoriser.authorise("CS1", IdToken("NOBODYS"), AT_E1)
    assert (unknown.status, unknown.token) == (PermitStatus.INVALID, None)


async def test_nobody_guesses_between_two_emsps(driver: Face) -> None:
    """Both are asked; the one that says yes has it."""
    twin = {**CARD, "uid": "TWIN", "whitelist": "ALLOWED"}
    await driver.push_token(driver.emsp, twin)
    await driver.push_token(driver.other, {**twin, "country_code": "BE", "party_id": "MS2"})
    both = await driver.authoriser.authorise("CS1", IdToken("TWIN"), AT_E1)
    assert (both.status, both.token) == (PermitStatus.INVALID, None)
    driver.emsp.desk.verdicts["TWIN"] = "NOT_ALLOWED"
    driver.authoriser._cache.clear()
    one = await driver.authoriser.authorise("CS1", IdToken("TWIN"), AT_E1)
    assert one.token is not None
    assert (one.is_granted, one.token["party_id"]) == (True, MS2.party_id)


async def test_a_token_that_charges_at_another_station_is_concurrent(driver: Face) -> None:
    await driver.push_token(driver.emsp, CARD)
    await driver.charge("elsewhere", plug("CS2", 1, "E3"), CARD_NAMED)
    assert (await driver.authoriser.authorise("CS1", IdToken("CARD1"), AT_E1)).status is PermitStatus.CONCURRENT
    at_its_own = await driver.authoriser.authorise("CS2", IdToken("CARD1"), None)
    assert at_its_own.is_granted, "who comes back to stop is let in"
    known = await driver.authoriser.recognise("CS3", IdToken("CARD1"), None, None)
    begun = await driver.authoriser.alone("CS3", known)
    assert begun.status is PermitStatus.CONCURRENT, "nor does it begin elsewhere without being shown before"


async def test_a_token_of_a_suspended_emsp_is_not_good(driver: Face) -> None:
    token = {**CARD, "country_code": "BE", "party_id": "MS2", "uid": "GONE"}
    await driver.push_token(driver.other, token)
    admin = driver.place.world.admin
    await admin.post("/admin/parties/BE/MS2/EMSP/suspend", json={"by": "otto"})
    try:
        assert not (await driver.authoriser.authorise("CS1", IdToken("GONE"), AT_E1)).is_granted
    finally:
        await admin.post("/admin/parties/BE/MS2/EMSP/resume")


async def test_who_was_asked_a_minute_ago_is_not_asked_again_when_charging_begins(driver: Face) -> None:
    permit = await tap(driver, "NEVER", uid="ONCE")
    again = await driver.authoriser.recognise("CS1", IdToken("once"), None, None)
    assert (again, len(asked(driver))) == (permit, 1)
    await driver.authoriser.recognise("CS2", IdToken("ONCE"), None, None)
    assert len(asked(driver)) == 2, "what was said at another station counts there"


async def test_an_alias_is_its_token_with_the_reference_until_its_time_is_over(driver: Face) -> None:
    now = SystemClock().now()
    command = {"token": APP, "authorization_reference": "ref-1"}
    alias = await alias_for(driver.kept, command, now, now + timedelta(hours=1))
    permit = await driver.authoriser.authorise("CS1", IdToken(alias.alias.lower(), "Central"), AT_E1)
    assert (permit.is_granted, permit.auth_method, permit.reference) == (True, "COMMAND", "ref-1")
    assert permit.token == APP_NAMED
    late = await alias_for(driver.kept, command, now, now - timedelta(seconds=1))
    assert (await driver.authoriser.authorise("CS1", IdToken(late.alias), AT_E1)).status is PermitStatus.EXPIRED
    begun = await driver.authoriser.recognise("CS2", IdToken(late.alias), None, None)
    assert begun.token == APP_NAMED, "a charge that began with it in time may be told later"


def test_an_alias_fits_ocpp_and_is_random() -> None:
    made = {new_alias() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(one) == 20 and set(one) <= set(ALPHABET) for one in made)
    assert ALPHABET.isalnum()
    assert ALPHABET.upper() == ALPHABET


# --- pure ---


def kept(*tokens: Object) -> list[KeptToken]:
    return [KeptToken(Party(one["country_code"], one["party_id"]), encode_json(one)) for one in tokens]


@pytest.mark.parametrize(
    ("tokens", "kind", "found"),
    [
        pytest.param((CARD, {**CARD, "type": "APP_USER"}), "", ["RFID"], id="1.6 shows a card"),
        pytest.param((CARD, {**CARD, "type": "APP_USER"}), "ISO14443", ["RFID"], id="a chip is an RFID"),
        pytest.param((CARD, {**CARD, "type": "APP_USER"}), "Central", ["RFID", "APP_USER"], id="no chip: either"),
        pytest.param(({**CARD, "type": "OTHER"},), "ISO14443", ["OTHER"], id="no RFID: what there is"),
        pytest.param(({**CARD, "valid": False}, {**CARD, "party_id": "MS2"}), "", ["RFID"], id="the valid one of two"),
        pytest.param((), "", [], id="none"),
    ],
)
def test_tokens_that_may_be_meant(tokens: tuple[Object, ...], kind: str, found: list[str]) -> None:
    assert [one.content["type"] for one in candidates(kept(*tokens), kind)] == found


def test_text_that_is_no_object_is_no_token() -> None:
    assert candidates([KeptToken(MS1, b"[1]"), KeptToken(MS1, b"{")], "") == []


def test_a_whitelist_that_nobody_knows_is_asked() -> None:
    assert advice(Candidate(MS1, {"valid": True, "whitelist": "SOMETIMES"})) is Advice.ASK


@pytest.mark.parametrize(
    ("info", "status"),
    [
        pytest.param({"allowed": "ALLOWED"}, "Accepted", id="anywhere"),
        pytest.param({"allowed": "ALLOWED", "location": {"location_id": "S1"}}, "Accepted", id="anywhere there"),
        pytest.param(
            {"allowed": "ALLOWED", "location": {"location_id": "S1", "evse_uids": ["e1"]}}, "Accepted", id="here"
        ),
        pytest.param(
            {"allowed": "ALLOWED", "location": {"location_id": "S1", "evse_uids": ["E9"]}}, "Invalid", id="not here"
        ),
        pytest.param({"allowed": "PERHAPS"}, None, id="no answer"),
        pytest.param([], None, id="no object"),
    ],
)
def test_an_answer_counts_for_the_evse_that_was_asked_for(info: Any, status: str | None) -> None:
    permit = answered(Reply(data=encode_json(info)), Candidate(MS1, CARD), ("E1",))
    assert (permit.status.value if permit else None) == status


def test_a_token_that_its_emsp_does_not_know_is_invalid() -> None:
    permit = answered(Reply(2004, "unknown"), Candidate(MS1, CARD), ())
    assert permit is not None
    assert (permit.status, permit.token) == (PermitStatus.INVALID, None)

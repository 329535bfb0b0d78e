"""The local CPO is one party more: no special case for anybody who talks to it (issue points 2 to 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hub.chargers.localparty import VERSIONS_URL, LocalCpo, LocalDesk, LocalParty, registration, url_of
from hub.clock import SystemClock
from hub.console.accounts import Role
from hub.demo.party import DemoPlatform
from hub.partners.client import Call, PartnerClient
from hub.store.exchanges import Exchanges, Wanted
from ocpi_modules.envelope import read_envelope
from ocpi_modules.errors import InvalidParameters, ReceiverNotConnected, ReceiverTimeout
from ocpi_modules.locations import LOCATIONS
from ocpi_modules.message import Message, Reply
from ocpi_modules.module import Interface, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json
from tests.chargers.localworld import LOC, MS1, NAME, LocalWorld, local_world
from tests.console.visitors import visitor

Object = dict[str, Any]


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[LocalWorld]:
    async with local_world(database_url, tmp_path) as made:
        yield made


async def infos(platform: DemoPlatform) -> dict[tuple[str, str], str]:
    told = await platform.client_infos()
    return {(one["role"], f"{one['country_code']}/{one['party_id']}"): one["status"] for one in told}


async def local_id(place: LocalWorld) -> int:
    partners = (await place.world.admin.get("/admin/partners")).json()
    return int(next(one["id"] for one in partners if one["versions_url"] == VERSIONS_URL))


@pytest.mark.proves("X-08:chargers")
async def test_it_joins_once_and_is_a_connected_cpo_for_everybody(place: LocalWorld) -> None:
    emsp = await place.world.join("E", ("EMSP", "NL/MS1"))
    assert ("CPO", "NL/LOC") not in await infos(emsp), "a hub without sites has no such party"
    await asyncio.gather(place.party.join(), place.party.join())
    await place.party.join()
    assert (await infos(emsp))["CPO", "NL/LOC"] == "CONNECTED"
    partners = (await place.world.admin.get("/admin/partners")).json()
    assert [one["name"] for one in partners if one["versions_url"] == VERSIONS_URL] == [NAME]
    assert registration(place.party._cpo).inbound_hash == b""
    (local,) = [one for one in place.hub.roster.directory.partners.values() if one.is_local]
    assert (local.token_hash, local.token) == (b"", ""), "nobody can speak as it"


async def test_it_does_not_join_where_a_partner_is_that_party(place: LocalWorld) -> None:
    await place.world.join("C", ("CPO", "NL/LOC"))
    with pytest.raises(InvalidParameters, match=r"NL/LOC belongs to the partner .*: set HUB_LOCAL_CPO"):
        await place.party.join()


async def test_another_name_of_the_local_cpo_takes_the_place_of_the_one_before(place: LocalWorld) -> None:
    """HUB_LOCAL_CPO was changed: HC-05, the old party stays listed."""
    emsp = await place.world.join("E", ("EMSP", "NL/MS1"))
    await place.party.join()
    inside = place.hub
    await LocalParty(LocalCpo(Party("NL", "LO2"), NAME), inside.partners, inside.roster, SystemClock()).join()
    told = await infos(emsp)
    assert (told["CPO", "NL/LOC"], told["CPO", "NL/LO2"]) == ("SUSPENDED", "CONNECTED")


async def test_a_hub_whose_local_party_is_taken_leads_all_the_same(place: LocalWorld) -> None:
    await place.world.join("C", ("CPO", "NL/LOC"))
    await place.hub.chargers._join()
    assert not any(one.is_local for one in place.hub.roster.directory.partners.values())


async def test_nobody_joins_as_that_party_once_it_is_there(place: LocalWorld) -> None:
    await place.party.join()
    with pytest.raises(AssertionError, match="belongs to another connection"):
        await place.world.join("C", ("CPO", "NL/LOC"))


@pytest.mark.proves("R-21")
async def test_a_location_that_it_pushes_reaches_everybody_with_its_numbers(
    place: LocalWorld, example: Callable[..., Object]
) -> None:
    emsp = await place.world.join("E", ("EMSP", "NL/MS1"))
    await place.party.join()
    content = example("location", country_code="NL", party_id="LOC", id="Here 1")
    reply = await place.voice.push(LOCATIONS, Purpose.REPLACE, ("Here 1",), {**content, "x_exact": Decimal("1.10")})
    assert reply.is_success
    (seen,) = await emsp.wait_until_seen(lambda one: one.method == "PUT" and one.module_id == "locations")
    assert seen.path.endswith("/locations/NL/LOC/Here%201")
    assert b'"x_exact":1.10' in seen.body
    (found,) = (await emsp.get_all("locations", sender=MS1, receiver=None)).objects
    assert found["id"] == "Here 1"


async def test_what_it_says_stands_in_the_journal_like_what_any_partner_says(
    place: LocalWorld, example: Callable[..., Object]
) -> None:
    """A message that comes in and those that leave because of it have one correlation id; what is refused is there too."""
    await place.world.join("E", ("EMSP", "NL/MS1"))
    await place.party.join()
    content = example("location", country_code="NL", party_id="LOC", id="Here 1")
    await place.voice.push(LOCATIONS, Purpose.REPLACE, ("Here 1",), content)
    with pytest.raises(InvalidParameters):
        await place.voice.push(LOCATIONS, Purpose.REPLACE, ("Here 1",), {"id": "Here 1"})
    exchanges, journal = place.hub.recorder, Exchanges(place.hub.database.direct)
    async with asyncio.timeout(60):
        while not (out := (await journal.listed(Wanted(module="locations", is_inbound=False), 10)).messages):
            await exchanges.write_all()
            await asyncio.sleep(0.05)
    refused, taken = (await journal.listed(Wanted(module="locations", party="NL/LOC", is_inbound=True), 10)).messages
    line = taken.line
    assert (line.method, line.path) == ("PUT", "/ocpi/2.2.1/receiver/locations/NL/LOC/Here%201")
    assert (line.sender, line.partner) == ("NL/LOC", await local_id(place))
    assert (line.http_status, line.status_code, line.is_failed) == (201, 1000, False)
    assert out[-1].line.correlation_id == line.correlation_id
    whole = await journal.whole(taken.place)
    assert whole is not None
    body, answer = whole.bodies
    envelope = read_envelope(answer or b"")
    assert envelope is not None
    assert (body, envelope.status_code) == (encode_json(content), 1000)
    assert (refused.line.status_code, refused.line.is_failed) == (2001, True)


async def test_a_command_comes_in_process_and_its_result_goes_back_to_who_asked(
    place: LocalWorld, example: Callable[..., Object]
) -> None:
    emsp = await place.world.join("E", ("EMSP", "NL/MS1"))
    await place.party.join()
    taken: list[Message] = []

    async def take(message: Message) -> Reply:
        taken.append(message)
        return Reply(data=encode_json({"result": "ACCEPTED", "timeout": 30}))

    place.serve({("commands", Interface.RECEIVER): take})
    command = example("stop_session", session_id="S 1", response_url=emsp.callback_url("commands", "R1"))
    heard = await emsp.command("STOP_SESSION", command, sender=MS1, receiver=LOC)
    assert heard.data["result"] == "ACCEPTED"
    (message,) = taken
    assert (message.keys, message.sender, message.receiver) == (("STOP_SESSION",), MS1, LOC)
    url = message.content["response_url"]
    assert url.startswith(place.world.url), "the hub put its own address in its place"
    assert (await place.voice.result(message.module, url, {"result": "ACCEPTED"})).is_success
    assert list(emsp.desk.results) == [("R1", {"result": "ACCEPTED"})]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("rotate", "no tokens to rotate", id="tokens"),
        pytest.param("probe", "nothing to find out", id="probe"),
    ],
)
async def test_what_makes_no_sense_for_it_is_refused_in_words(place: LocalWorld, path: str, said: str) -> None:
    await place.party.join()
    answer = await place.world.admin.post(f"/admin/partners/{await local_id(place)}/{path}")
    assert (answer.status_code, said in answer.text) == (400, True)


async def test_it_is_not_disconnected_but_may_be_suspended(place: LocalWorld) -> None:
    await place.party.join()
    answer = await place.world.admin.delete(f"/admin/partners/{await local_id(place)}")
    assert (answer.status_code, "suspend" in answer.text) == (400, True)
    suspended = await place.world.admin.post("/admin/parties/NL/LOC/CPO/suspend", json={"by": "otto"})
    assert suspended.status_code < 300, suspended.text
    with pytest.raises(ReceiverNotConnected):
        await place.voice.push(LOCATIONS, Purpose.REPLACE, ("L1",), {"id": "L1"})
    await place.party.join()
    with pytest.raises(ReceiverNotConnected):
        await place.voice.push(LOCATIONS, Purpose.REPLACE, ("L1",), {"id": "L1"})


# --- the platform alone ---------------------------------------------------------------------------


def local_call(method: str, url: str, body: bytes | None = None) -> Call:
    headers = {"X-Request-ID": "r1", "OCPI-from-country-code": "NL", "OCPI-from-party-id": "MS1"}
    return Call(method=method, url=url, headers=headers, body=body)


async def refuse(_: Message) -> Reply:
    raise InvalidParameters("not like this")


async def fail(_: Message) -> Reply:
    raise RuntimeError


COMMANDS_URL = url_of("commands", Interface.RECEIVER)


@pytest.mark.parametrize(
    ("call", "http_status", "code"),
    [
        pytest.param(local_call("GET", VERSIONS_URL), 200, 1000, id="versions, as presence asks for them"),
        pytest.param(local_call("GET", f"{VERSIONS_URL}/2.2.1"), 200, 1000, id="version details"),
        pytest.param(local_call("POST", VERSIONS_URL), 405, 2000, id="versions are only read"),
        pytest.param(local_call("GET", f"{VERSIONS_URL}/nowhere"), 404, 2000, id="nothing there"),
        pytest.param(local_call("GET", url_of("locations", Interface.SENDER)), 404, 2000, id="not offered"),
        pytest.param(local_call("POST", f"{COMMANDS_URL}/STOP_SESSION", b"{"), 400, 2000, id="no JSON"),
        pytest.param(local_call("POST", f"{COMMANDS_URL}/STOP_SESSION", b"{}"), 200, 2001, id="no such object"),
        pytest.param(local_call("POST", f"{COMMANDS_URL}/DANCE", b"{}"), 404, 2000, id="no such command"),
        pytest.param(
            local_call("POST", f"{COMMANDS_URL}/STOP_SESSION", b'{"session_id":"1","response_url":"http://x"}'),
            200,
            2001,
            id="refused by the desk",
        ),
        pytest.param(
            local_call("DELETE", f"{url_of('chargingprofiles', Interface.RECEIVER)}/S1?response_url=http://x"),
            200,
            3000,
            id="a fault of ours",
        ),
    ],
)
async def test_the_platform_answers_whatever_it_is_asked(call: Call, http_status: int, code: int) -> None:
    desks = {("commands", Interface.RECEIVER): refuse, ("chargingprofiles", Interface.RECEIVER): fail}
    answer = await LocalDesk(desks, SystemClock()).answer(call)
    envelope = read_envelope(answer.body)
    assert envelope is not None
    assert (answer.http_status, envelope.status_code, answer.headers["x-request-id"]) == (http_status, code, "r1")


async def test_where_nobody_serves_local_addresses_nobody_is_connected() -> None:
    client = PartnerClient(allow_private=False, timeout_seconds=1.0)
    with pytest.raises(ReceiverNotConnected):
        await client.fetch(local_call("GET", VERSIONS_URL))
    with pytest.raises(ReceiverNotConnected):
        await client.send(local_call("GET", VERSIONS_URL))
    await client.close()


async def test_a_platform_that_takes_too_long_is_a_timeout() -> None:
    async def sleep(_: Message) -> Reply:
        await asyncio.sleep(60)
        return Reply()

    client = PartnerClient(allow_private=False, timeout_seconds=0.05)
    client.serve_locally(LocalDesk({("commands", Interface.RECEIVER): sleep}, SystemClock()))
    body = b'{"session_id":"1","response_url":"http://x"}'
    with pytest.raises(ReceiverTimeout):
        await client.send(local_call("POST", f"{COMMANDS_URL}/STOP_SESSION", body))
    await client.close()


async def test_presence_finds_it_there(place: LocalWorld) -> None:
    """HC-08: the still-alive check reads its versions, as of any partner."""
    await place.party.join()
    (local,) = [one for one in place.hub.roster.directory.partners.values() if one.is_local]
    await place.hub.presence.lost(local)
    assert place.hub.roster.directory.is_offline(local)
    is_back = asyncio.Event()
    place.hub.roster.listen(lambda _, now: None if now.is_offline(local) else is_back.set())
    await place.hub.presence._probe(place.hub.roster.directory.partners[local.id])
    async with asyncio.timeout(60):
        await is_back.wait()


# --- the operator's pages -------------------------------------------------------------------------


async def test_its_page_shows_what_it_is_and_offers_only_what_makes_sense(place: LocalWorld) -> None:
    await place.party.join()
    otto = await visitor(place.world, "otto", Role.OPERATOR)
    path = f"/console/partners/{await local_id(place)}"
    page = await otto.get(path)
    assert "A part of this hub" in page
    assert 'action="/console/parties/NL/LOC/CPO/suspend"' in page
    assert not any(f'action="{path}/{deed}"' in page for deed in ("rotate", "probe", "quirks", "disconnect"))
    assert NAME in await otto.get("/console/partners")
    await otto.post(f"{path}/rotate", page=path)
    await otto.post(f"{path}/probe", page=path)
    await otto.post(f"{path}/disconnect", page=path, name=NAME)
    assert place.hub.roster.directory.partner_of(LOC) is not None
    refused = await place.world.admin.put(f"/admin{path.removeprefix('/console')}/quirks", json={"token": "raw"})
    assert refused.status_code == 400

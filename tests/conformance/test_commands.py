"""Commands and their results through the hub, from outside: section 17 of the checklist (CM-01 to CM-14)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform, role
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of, token_in
from tests.conftest import HASTY_SECONDS, World, loopback_client, running_hub
from tests.web.conftest import CP1, CP2, MS1, MS2, OT1, Bench

Object = dict[str, Any]
Example = Callable[..., Object]
Unique = Callable[[str], str]

NOBODY = Party("ZZ", "ZZZ")

OBJECTS = {
    "CANCEL_RESERVATION": "cancel_reservation",
    "RESERVE_NOW": "reserve_now",
    "START_SESSION": "start_session",
    "STOP_SESSION": "stop_session",
    "UNLOCK_CONNECTOR": "unlock_connector",
}
COMMANDS = [pytest.param(name, id=name) for name in OBJECTS]
RESULTS = [
    "ACCEPTED",
    "CANCELED_RESERVATION",
    "EVSE_OCCUPIED",
    "EVSE_INOPERATIVE",
    "FAILED",
    "NOT_SUPPORTED",
    "REJECTED",
    "TIMEOUT",
    "UNKNOWN_RESERVATION",
]


def exactly(body: bytes) -> Object:
    """A body with its numbers to the last digit, zeros at their ends too."""
    read: Object = json.loads(body, parse_float=lambda text: Decimal(text).as_tuple())
    return read


def envelope(data: str, status_code: int = 1000) -> bytes:
    """An answer with blanks in places where nobody else would put them: a copy of it is not the same bytes."""
    return f'{{ "data" : {data}, "status_code":{status_code}, "timestamp" : "2026-01-15T12:00:00Z" }}'.encode()


def says(result: str = "ACCEPTED", timeout: int = 30) -> Fault:
    """A CPO that answers its commands so."""
    return Fault(module_id="commands", body=envelope(f'{{"result": "{result}", "timeout": {timeout}}}'))


def commands_at(platform: DemoPlatform) -> list[Seen]:
    """The commands that came to a platform."""
    return [seen for seen in platform.seen if seen.path.startswith("/2.2.1/receiver/commands/")]


def results_at(platform: DemoPlatform, url: str) -> list[Seen]:
    """What came to exactly this address of a platform."""
    return [seen for seen in platform.seen if f"{platform.base_url}{seen.path}?{seen.query}" == url]


@pytest.fixture
def command(example: Example, unique: Unique) -> Callable[..., Object]:
    """The object of a command of NL/MS1, with its response URL at this platform."""

    def make(name: str, platform: DemoPlatform, **changes: Any) -> Object:
        content = example(OBJECTS[name])
        if "token" in content:
            content["token"] = {**content["token"], "country_code": "NL", "party_id": "MS1"}
        url = f"{platform.callback_url('commands', unique('cb'))}?request_id=5&y=%2F&z=a+b"
        return {**content, "response_url": url, **changes}

    return make


Command = Callable[..., Object]


async def ask(hub: Bench, name: str, content: Any, *, receiver: Party | None = CP1, **more: Any) -> httpx.Response:
    """A command of NL/MS1."""
    return await hub.send(
        hub.p3, "POST", f"receiver/commands/{name}", sender=MS1, receiver=receiver, content=content, **more
    )


async def accepted(hub: Bench, name: str, content: Object) -> str:
    """The callback URL that DE/CP1 got with a command which it accepted."""
    hub.p1.faults.append(says())
    answer = await ask(hub, name, content)
    assert answer.json()["status_code"] == 1000, answer.text
    url: str = commands_at(hub.p1)[-1].content["response_url"]
    return url


async def post_result(
    hub: Bench, url: str, content: Any, *, platform: DemoPlatform | None = None, **more: Any
) -> httpx.Response:
    """A POST of the CPO to exactly the URL that it was given."""
    base = f"{hub.world.url}/ocpi/2.2.1/"
    assert url.startswith(base)
    parties = {"sender": CP1, "receiver": MS1} | more
    return await hub.send(platform or hub.p1, "POST", url.removeprefix(base), content=content, **parties)


async def callbacks_kept(world: World) -> list[tuple[str, datetime]]:
    """The response URLs that the hub still knows, and until when; only its database can tell that."""
    plain = world.database_url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain) as connection:
        return await (await connection.execute("select url, expires_at from callback")).fetchall()


# --- the command on its way to the CPO ------------------------------------------------------------


@pytest.mark.proves("CM-01", "CM-02")
@pytest.mark.parametrize("name", COMMANDS)
async def test_each_command_reaches_its_cpo(shared: Bench, command: Command, name: str) -> None:
    shared.p1.faults.append(says())
    content = command(name, shared.p3)
    answer = await ask(shared, name, content)
    assert result_of(answer) == (200, 1000)
    assert answer.json()["data"] == {"result": "ACCEPTED", "timeout": 30}
    (seen,) = commands_at(shared.p1)
    assert (seen.method, seen.path, seen.query) == ("POST", f"/2.2.1/receiver/commands/{name}", "")
    assert (seen.sender, seen.receiver) == (MS1, CP1)
    assert seen.headers["content-type"] == "application/json"
    assert not commands_at(shared.p2)


@pytest.mark.proves("CM-01")
@pytest.mark.parametrize("name", ["DANCE", "start_session", "START_SESSION/1", ""])
async def test_a_command_that_does_not_exist_goes_nowhere(shared: Bench, command: Command, name: str) -> None:
    answer = await ask(shared, name, command("START_SESSION", shared.p3))
    assert answer.status_code == 404 or result_of(answer) == (200, 2001)
    assert "data" not in answer.json()
    assert not commands_at(shared.p1)


@pytest.mark.proves("CM-01")
async def test_a_party_in_the_role_other_may_send_commands(shared: Bench, command: Command) -> None:
    shared.p1.faults.append(says())
    content = command("UNLOCK_CONNECTOR", shared.p5)
    answer = await shared.send(
        shared.p5, "POST", "receiver/commands/UNLOCK_CONNECTOR", sender=OT1, receiver=CP1, content=content
    )
    assert result_of(answer) == (200, 1000)
    (seen,) = commands_at(shared.p1)
    assert seen.sender == OT1


@pytest.mark.proves("CM-02")
@pytest.mark.parametrize("result", ["ACCEPTED", "NOT_SUPPORTED", "REJECTED", "UNKNOWN_SESSION"])
async def test_the_answer_of_the_cpo_comes_back_byte_for_byte(shared: Bench, command: Command, result: str) -> None:
    said = envelope(
        f'{{"result": "{result}", "timeout": 45, "message": [{{"language": "de", "text": "Bitte prüfen"}},'
        ' {"language": "en", "text": "Please check"}], "x_vendor": 1.2500}'
    )
    shared.p1.faults.append(Fault(module_id="commands", body=said))
    answer = await ask(shared, "STOP_SESSION", command("STOP_SESSION", shared.p3))
    assert answer.status_code == 200
    assert answer.content == said
    assert (answer.headers["ocpi-from-party-id"], answer.headers["ocpi-to-party-id"]) == ("CP1", "MS1")


@pytest.mark.proves("CM-12")
@pytest.mark.parametrize(
    ("http_status", "code", "data"),
    [
        pytest.param(200, 2003, '{"result": "REJECTED", "timeout": 0}', id="an unknown location"),
        pytest.param(200, 2001, '{"result": "REJECTED", "timeout": 0}', id="wrong parameters"),
        pytest.param(200, 2000, '{"result": "UNKNOWN_SESSION", "timeout": 0}', id="an unknown session"),
        pytest.param(200, 3000, '{"result": "NOT_SUPPORTED", "timeout": 0}', id="a fault of the CPO"),
        pytest.param(404, 2003, '{"result": "REJECTED", "timeout": 0}', id="with HTTP 404"),
    ],
)
async def test_an_error_code_beside_a_response_object_is_kept(
    shared: Bench, command: Command, http_status: int, code: int, data: str
) -> None:
    said = envelope(data, code)
    shared.p1.faults.append(Fault(module_id="commands", http_status=http_status, body=said))
    answer = await ask(shared, "START_SESSION", command("START_SESSION", shared.p3))
    assert (answer.status_code, answer.content) == (http_status, said)


@pytest.mark.proves("CM-03")
@pytest.mark.parametrize("name", COMMANDS)
async def test_the_cpo_gets_a_callback_url_of_the_hub_and_all_else_as_it_was(
    shared: Bench, command: Command, name: str
) -> None:
    """The same command twice has two callbacks, though every byte of it is the same."""
    shared.p1.faults.append(says())
    extra: Object = {"x_vendor": {"power": 0, "text": "ä€𝄞"}, "empty": None, "list": []}
    body = json.dumps(command(name, shared.p3, **extra)).replace('"power": 0', '"power": 11.2500, "big": 1e3').encode()
    for _ in range(2):
        assert result_of(await ask(shared, name, body)) == (200, 1000)
    first, second = commands_at(shared.p1)
    urls = [first.content["response_url"], second.content["response_url"]]
    assert urls[0] != urls[1]
    for seen, url in zip((first, second), urls, strict=True):
        assert urlsplit(url)[:2] == urlsplit(shared.world.url)[:2]
        assert len(url) <= 255
        assert shared.p3.base_url not in seen.body.decode()
        was, now = exactly(body), exactly(seen.body)
        assert list(now) == list(was)
        assert {**now, "response_url": ""} == {**was, "response_url": ""}


@pytest.mark.proves("CM-03", "CM-04", "X-24")
async def test_a_response_url_of_255_characters_is_remembered_whole(shared: Bench, command: Command) -> None:
    content = command("STOP_SESSION", shared.p3)
    content["response_url"] += "&pad=" + "p" * (255 - len(content["response_url"]) - 5)
    assert len(content["response_url"]) == 255
    callback = await accepted(shared, "STOP_SESSION", content)
    assert len(callback) <= 255
    assert result_of(await post_result(shared, callback, {"result": "ACCEPTED"})) == (200, 1000)
    assert len(results_at(shared.p3, content["response_url"])) == 1


@pytest.mark.proves("CM-03")
@pytest.mark.parametrize(
    "url",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("/results/5", id="relative"),
        pytest.param("ftp://emsp.example/results", id="another scheme"),
        pytest.param("https://emsp.example/" + "r" * 235, id="256 characters"),
        pytest.param(5, id="a number"),
    ],
)
async def test_without_a_usable_response_url_a_command_is_not_sent(shared: Bench, command: Command, url: Any) -> None:
    answer = await ask(shared, "STOP_SESSION", command("STOP_SESSION", shared.p3, response_url=url))
    assert result_of(answer) == (200, 2001)
    assert "data" not in answer.json()
    assert not commands_at(shared.p1)


@pytest.mark.proves("X-24")
async def test_the_sender_interface_of_commands_is_listed(shared: Bench) -> None:
    assert shared.p1.connection is not None
    encoded = base64.b64encode(shared.p1.connection.token.encode()).decode()
    details = await shared.http.get(f"{shared.world.url}/ocpi/2.2.1", headers={"Authorization": f"Token {encoded}"})
    listed = {(entry["identifier"], entry["role"]) for entry in details.json()["data"]["endpoints"]}
    assert {("commands", "SENDER"), ("commands", "RECEIVER"), ("chargingprofiles", "SENDER")} <= listed


@pytest.mark.proves("CM-14")
@pytest.mark.parametrize("name", ["START_SESSION", "RESERVE_NOW"])
@pytest.mark.parametrize(
    ("owner", "is_sent"),
    [
        pytest.param({"country_code": "NL", "party_id": "MS1"}, True, id="its own"),
        pytest.param({"country_code": "nl", "party_id": "ms1"}, True, id="its own in lower case"),
        pytest.param({"country_code": "BE", "party_id": "MS2"}, False, id="that of another eMSP"),
        pytest.param({"country_code": "BE", "party_id": "MS1"}, False, id="the same id in another country"),
        pytest.param({"country_code": "NL", "party_id": None}, False, id="that of nobody"),
    ],
)
async def test_an_emsp_uses_only_its_own_tokens(
    shared: Bench, command: Command, name: str, owner: Object, is_sent: bool
) -> None:
    shared.p1.faults.append(says())
    content = command(name, shared.p3)
    answer = await ask(shared, name, {**content, "token": {**content["token"], **owner}})
    assert result_of(answer) == (200, 1000 if is_sent else 2001)
    assert len(commands_at(shared.p1)) == is_sent
    assert ("data" in answer.json()) is is_sent


@pytest.mark.proves("CM-14")
async def test_the_tokens_of_another_party_of_the_same_platform_are_foreign_too(
    shared: Bench, command: Command
) -> None:
    """P2 has BE/MS2, and sends in the name of BE/CP2 or of BE/MS2 with a token of NL/MS1."""
    content = command("START_SESSION", shared.p2)
    answer = await shared.send(
        shared.p2, "POST", "receiver/commands/START_SESSION", sender=MS2, receiver=CP1, content=content
    )
    assert result_of(answer) == (200, 2001)
    assert not commands_at(shared.p1)


# --- the result on its way back -------------------------------------------------------------------


@pytest.mark.proves("CM-04", "CM-05")
async def test_a_result_is_passed_on_to_the_url_of_the_emsp(shared: Bench, command: Command) -> None:
    content = command("START_SESSION", shared.p3)
    callback = await accepted(shared, "START_SESSION", content)
    body = b'{"result": "ACCEPTED", "message": [{"language": "en", "text": "Plug in now"}], "x_vendor": 1.2500}'
    ids = {"X-Request-ID": "request-of-cp1", "X-Correlation-ID": "correlation-of-cp1"}
    answer = await post_result(shared, callback, body, headers=ids)
    assert result_of(answer) == (200, 1000)
    assert set(answer.json()) <= {"status_code", "status_message", "timestamp"}
    assert (answer.headers["x-request-id"], answer.headers["x-correlation-id"]) == tuple(ids.values())
    assert answer.headers["ocpi-from-country-code"] + answer.headers["ocpi-from-party-id"] == "NLMS1"
    assert answer.headers["ocpi-to-country-code"] + answer.headers["ocpi-to-party-id"] == "DECP1"
    (seen,) = results_at(shared.p3, content["response_url"])
    assert (seen.method, seen.sender, seen.receiver) == ("POST", CP1, MS1)
    assert shared.p3.connection is not None
    assert token_in(seen) == shared.p3.connection.own_token
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-request-id"] not in {"", "request-of-cp1"}
    assert seen.headers["x-correlation-id"] == "correlation-of-cp1"
    assert seen.body == body


@pytest.mark.proves("CM-04", "CM-05")
async def test_a_cpo_that_posts_without_routing_headers_is_understood(shared: Bench, command: Command) -> None:
    """It was given an URL and nothing else."""
    content = command("UNLOCK_CONNECTOR", shared.p3)
    callback = await accepted(shared, "UNLOCK_CONNECTOR", content)
    answer = await post_result(shared, callback, {"result": "ACCEPTED"}, sender=None, receiver=None)
    assert result_of(answer) == (200, 1000)
    (seen,) = results_at(shared.p3, content["response_url"])
    assert (seen.sender, seen.receiver) == (CP1, MS1)


@pytest.mark.proves("CM-05", "X-25")
@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param({"status_code": 1000, "timestamp": "2026-01-15T12:00:00Z"}, id="a whole envelope"),
        pytest.param({"status_code": 1000, "status_message": "done"}, id="an envelope without timestamp"),
    ],
)
async def test_a_result_in_an_envelope_arrives_bare(shared: Bench, command: Command, wrapped: Object) -> None:
    content = command("START_SESSION", shared.p3)
    callback = await accepted(shared, "START_SESSION", content)
    result = {"result": "EVSE_OCCUPIED", "message": [{"language": "nl", "text": "Bezet"}]}
    assert result_of(await post_result(shared, callback, {**wrapped, "data": result})) == (200, 1000)
    (seen,) = results_at(shared.p3, content["response_url"])
    assert seen.content == result


@pytest.mark.proves("CM-06")
@pytest.mark.parametrize("result", RESULTS)
async def test_all_results_are_passed_on(shared: Bench, command: Command, result: str) -> None:
    content = command("RESERVE_NOW", shared.p3)
    callback = await accepted(shared, "RESERVE_NOW", content)
    assert result_of(await post_result(shared, callback, {"result": result})) == (200, 1000)
    (seen,) = results_at(shared.p3, content["response_url"])
    assert seen.content == {"result": result}


@pytest.mark.proves("CM-07")
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(says("REJECTED"), id="REJECTED"),
        pytest.param(says("NOT_SUPPORTED"), id="NOT_SUPPORTED"),
        pytest.param(says("UNKNOWN_SESSION"), id="UNKNOWN_SESSION"),
        pytest.param(
            Fault(body=envelope('{"result": "REJECTED", "timeout": 0}', 2003)), id="CM-12: REJECTED beside a code"
        ),
        pytest.param(Fault(status_code=2001), id="an error without a response object"),
        pytest.param(web_page(), id="CM-11: no OCPI answer at all"),
    ],
)
async def test_after_anything_but_accepted_there_is_no_callback(shared: Bench, command: Command, said: Fault) -> None:
    content = command("STOP_SESSION", shared.p3)
    shared.p1.faults.append(said)
    await ask(shared, "STOP_SESSION", content)
    (asked,) = commands_at(shared.p1)
    late = await post_result(shared, asked.content["response_url"], {"result": "ACCEPTED"})
    assert late.status_code == 404
    assert 2000 <= late.json()["status_code"] < 3000
    assert not results_at(shared.p3, content["response_url"])


@pytest.mark.proves("CM-08", "X-24")
async def test_a_reservation_that_is_cancelled_later_is_told_at_the_same_callback(
    shared: Bench, command: Command
) -> None:
    """After the timeout in the answer has passed: the time until the first result, and not the life of the callback."""
    expiry = datetime.now(UTC) + timedelta(days=3)
    content = command("RESERVE_NOW", shared.p3, expiry_date=f"{expiry:%Y-%m-%dT%H:%M:%SZ}")
    shared.p1.faults.append(says(timeout=1))
    await ask(shared, "RESERVE_NOW", content)
    callback = commands_at(shared.p1)[-1].content["response_url"]
    assert result_of(await post_result(shared, callback, {"result": "ACCEPTED"})) == (200, 1000)
    await asyncio.sleep(1.1)
    assert result_of(await post_result(shared, callback, {"result": "CANCELED_RESERVATION"})) == (200, 1000)
    got = results_at(shared.p3, content["response_url"])
    assert [seen.content["result"] for seen in got] == ["ACCEPTED", "CANCELED_RESERVATION"]
    assert len({seen.headers["x-request-id"] for seen in got}) == 2
    assert dict(await callbacks_kept(shared.world))[content["response_url"]] > expiry + timedelta(hours=1)


@pytest.mark.proves("CM-08", "X-24")
async def test_a_callback_survives_a_restart_of_the_hub(database_url: str, tmp_path: Path, command: Command) -> None:
    """Two hubs, one after the other, on one database."""
    async with AsyncExitStack() as stack, loopback_client() as http:
        cpo = await stack.enter_async_context(DemoPlatform("P1", [role("CPO", "DE/CP1")]).running())
        emsp = await stack.enter_async_context(DemoPlatform("P3", [role("EMSP", "NL/MS1")]).running())
        content = command("RESERVE_NOW", emsp)
        async with running_hub(database_url, tmp_path) as world:
            for platform in (cpo, emsp):
                await platform.join(await world.invite(platform.roles), world.versions_url)
            cpo.faults.append(says())
            hub = Bench(world, cpo, cpo, emsp, emsp, emsp, http)
            assert result_of(await ask(hub, "RESERVE_NOW", content)) == (200, 1000)
            path = urlsplit(commands_at(cpo)[-1].content["response_url"]).path
        emsp.seen.clear()
        async with running_hub(database_url, tmp_path) as again:
            hub = Bench(again, cpo, cpo, emsp, emsp, emsp, http)
            for result in ("ACCEPTED", "CANCELED_RESERVATION"):
                answer = await post_result(hub, again.url + path, {"result": result})
                assert result_of(answer) == (200, 1000)
            got = results_at(emsp, content["response_url"])
    assert [(seen.content["result"], seen.sender) for seen in got] == [("ACCEPTED", CP1), ("CANCELED_RESERVATION", CP1)]
    assert emsp.connection is not None
    assert {token_in(seen) for seen in got} == {emsp.connection.own_token}


# --- who may answer -------------------------------------------------------------------------------


@pytest.mark.proves("CM-09")
async def test_only_the_platform_that_got_the_command_may_answer_it(shared: Bench, command: Command) -> None:
    content = command("START_SESSION", shared.p3)
    callback = await accepted(shared, "START_SESSION", content)
    result = {"result": "ACCEPTED"}
    for platform, party in ((shared.p2, CP2), (shared.p2, MS2), (shared.p3, MS1)):
        for sender in (party, None):
            answer = await post_result(shared, callback, result, platform=platform, sender=sender, receiver=None)
            assert answer.status_code in {401, 404}
            assert 2000 <= answer.json()["status_code"] < 3000
    impostor = await post_result(shared, callback, result, platform=shared.p2, sender=CP1)
    assert impostor.json()["status_code"] >= 2000
    for headers in ({}, {"Authorization": "Token bm9ib2R5"}):
        stranger = await shared.http.post(callback, headers=headers, json=result)
        assert stranger.status_code == 401
        assert 2000 <= stranger.json()["status_code"] < 3000
    assert not results_at(shared.p3, content["response_url"])
    assert result_of(await post_result(shared, callback, result)) == (200, 1000)
    assert len(results_at(shared.p3, content["response_url"])) == 1


def _with_another_end(url: str) -> str:
    return url[:-1] + ("A" if url[-1] != "A" else "B")


def _in_another_case(url: str) -> str:
    base, _, callback_id = url.rpartition("/")
    return f"{base}/{callback_id.swapcase()}"


def _at_random(url: str) -> str:
    return url.rpartition("/")[0] + "/nobody-has-this"


def _of_another_module(url: str) -> str:
    return url.replace("/commands/", "/chargingprofiles/")


@pytest.mark.proves("CM-09")
@pytest.mark.parametrize("spoil", [_with_another_end, _in_another_case, _at_random, _of_another_module])
async def test_an_unknown_callback_is_404(shared: Bench, command: Command, spoil: Callable[[str], str]) -> None:
    content = command("START_SESSION", shared.p3)
    callback = await accepted(shared, "START_SESSION", content)
    answer = await post_result(shared, spoil(callback), {"result": "ACCEPTED"})
    assert answer.status_code == 404
    assert 2000 <= answer.json()["status_code"] < 3000
    assert not results_at(shared.p3, content["response_url"])


# --- when it goes wrong ---------------------------------------------------------------------------


@pytest.mark.proves("CM-10")
@pytest.mark.parametrize(
    ("fault", "http_status", "code"),
    [
        pytest.param(Fault(status_code=2000), 200, 2000, id="2000"),
        pytest.param(Fault(status_code=2001, message="unknown"), 200, 2001, id="2001"),
        pytest.param(Fault(http_status=404, status_code=2000), 404, 2000, id="HTTP 404"),
        pytest.param(Fault(status_code=3000), 200, 3000, id="3000"),
        pytest.param(web_page(), 200, 4000, id="no OCPI answer"),
        pytest.param(Fault(wait_seconds=HASTY_SECONDS + 1), 200, 4002, id="no answer in time", marks=pytest.mark.hasty),
    ],
)
async def test_an_error_of_the_emsp_goes_back_to_the_cpo_and_nothing_is_tried_again(
    shared: Bench, command: Command, fault: Fault, http_status: int, code: int
) -> None:
    content = command("START_SESSION", shared.p3)
    callback = await accepted(shared, "START_SESSION", content)
    shared.p3.faults.append(fault)
    answer = await post_result(shared, callback, {"result": "ACCEPTED"})
    assert result_of(answer) == (http_status, code)
    assert "data" not in answer.json()
    shared.p3.faults.clear()
    await asyncio.sleep(0.3)
    assert len(results_at(shared.p3, content["response_url"])) == 1


@pytest.mark.proves("CM-10")
async def test_a_result_for_an_emsp_that_is_down_is_4003_and_is_never_sent_later(
    bench: Bench, command: Command
) -> None:
    content = command("START_SESSION", bench.p3)
    callback = await accepted(bench, "START_SESSION", content)
    async with bench.p3.down():
        for _ in range(2):
            answer = await post_result(bench, callback, {"result": "FAILED"})
            assert result_of(answer) == (200, 4003)
            assert "data" not in answer.json()
            away = await bench.send(bench.p1, "GET", "sender/tokens", sender=CP1, receiver=MS1)
            assert result_of(away) == (200, 4003)  # from now on it is known to be OFFLINE
    await bench.send(bench.p3, "GET", "sender/hubclientinfo")
    await bench.p1.wait_until_seen(lambda seen: seen.path.endswith("/NL/MS1") and seen.content["status"] == "CONNECTED")
    await asyncio.sleep(0.3)
    assert not results_at(bench.p3, content["response_url"])
    assert result_of(await post_result(bench, callback, {"result": "ACCEPTED"})) == (200, 1000)
    (seen,) = results_at(bench.p3, content["response_url"])
    assert seen.content == {"result": "ACCEPTED"}


@pytest.mark.hasty
@pytest.mark.proves("CM-11")
async def test_a_silent_cpo_is_4002_without_data_and_its_late_result_is_passed_on(
    shared: Bench, command: Command
) -> None:
    """The hub makes up no result of its own."""
    content = command("START_SESSION", shared.p3)
    shared.p1.faults.append(Fault(module_id="commands", wait_seconds=HASTY_SECONDS + 1, once=True))
    answer = await ask(shared, "START_SESSION", content)
    assert result_of(answer) == (200, 4002)
    assert "data" not in answer.json()
    await asyncio.sleep(0.3)
    assert not results_at(shared.p3, content["response_url"])
    (asked,) = commands_at(shared.p1)
    late = await post_result(shared, asked.content["response_url"], {"result": "ACCEPTED"})
    assert result_of(late) == (200, 1000)
    (seen,) = results_at(shared.p3, content["response_url"])
    assert seen.content == {"result": "ACCEPTED"}


@pytest.mark.proves("CM-11")
async def test_a_command_that_found_no_way_is_4001_or_4003_and_leaves_no_callback(
    bench: Bench, command: Command
) -> None:
    content = command("START_SESSION", bench.p3)
    unknown = await ask(bench, "START_SESSION", content, receiver=NOBODY)
    assert result_of(unknown) == (200, 4001)
    async with bench.p1.down():
        for _ in range(2):  # found out, and known
            away = await ask(bench, "START_SESSION", content)
            assert result_of(away) == (200, 4003)
            assert "data" not in away.json()
    assert "data" not in unknown.json()
    assert not await callbacks_kept(bench.world)
    await asyncio.sleep(0.3)
    assert not results_at(bench.p3, content["response_url"])
    await bench.send(bench.p1, "GET", "sender/hubclientinfo")
    await bench.p3.wait_until_seen(lambda seen: seen.path.endswith("/DE/CP1") and seen.content["status"] == "CONNECTED")
    await accepted(bench, "START_SESSION", content)
    assert len(await callbacks_kept(bench.world)) == 1

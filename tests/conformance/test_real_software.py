"""Living with software that is not as the specification says: what each quirk does on the wire, and what is put up with from everybody.

Two published OCPI libraries were run against the hub; most of the odd answers here are theirs.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hub.demo.caller import Heard
from hub.demo.faults import Fault, Seen
from hub.demo.party import DemoPlatform, role
from hub.demo.shelf import key_of
from hub.partners.client import Call
from hub.store.database import Database
from ocpi_modules.catalog import MODULES
from ocpi_modules.headers import authorization, id_headers, read_next_link, routing_headers
from ocpi_modules.message import Reply
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from ocpi_modules.types import encode_json, parse_datetime
from tests.conformance.answers import result_of
from tests.conftest import HUB, World, loopback_client, running_hub
from tests.web.conftest import CP1, CP2, MS1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

OK, CREATED, INVALID, UNROUTED = (200, 1000), (201, 1000), (200, 2001), (200, 4000)
ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS, LOOK_SECONDS = 30.0, 0.05
LOOP_MAX_SECONDS, HOPS_MAX = 60.0, 60
COMMAND_WAIT_SECONDS = 90
NOWHERE = "http://127.0.0.1:9"
NOT_FOUND = b'{"detail":"Not Found"}'


# --- parties of these tests ---------------------------------------------------------------------------------


class RawPlatform(DemoPlatform):
    """It expects tokens as they are, without Base64, and with `sends_raw` it sends its own so."""

    sends_raw = True

    async def _reply(self, seen: Seen) -> Reply:
        token = seen.headers.get("authorization", "").removeprefix("Token ")
        return await super()._reply(replace(seen, headers={**seen.headers, "authorization": authorization(token)}))

    async def _fetch(self, method: str, url: str, token: str, content: Any = None) -> Heard:
        headers = {
            "Authorization": authorization(token, is_raw=self.sends_raw),
            **id_headers("r", "c"),
            "Content-Type": "application/json",
        }
        body = None if content is None else encode_json(content)
        return Heard.of(await self._client.fetch(Call(method=method, url=url, headers=headers, body=body)))


class Slashed(DemoPlatform):
    """Every address that it lists ends in a slash."""

    def url_of(self, module_id: str, interface: Interface) -> str:
        return super().url_of(module_id, interface) + "/"


class Echo(DemoPlatform):
    """It sends each location that it gets back to the hub, with the same parties and correlation id, and answers what the hub answers."""

    is_on = True

    async def _reply(self, seen: Seen) -> Reply:
        if not self.is_on or seen.module_id != "locations" or seen.method != "PUT":
            return await super()._reply(seen)
        headers = {"X-Correlation-ID": seen.headers["x-correlation-id"]}
        url = self.endpoint("locations", Interface.RECEIVER) + seen.path.partition("/receiver/locations")[2]
        heard = await self.call(
            "PUT", url, sender=seen.sender, receiver=seen.receiver, content=seen.content, headers=headers
        )
        return Reply(heard.status_code or 0, heard.message, http_status=heard.http_status)


@asynccontextmanager
async def joined(world: World, it: DemoPlatform) -> AsyncIterator[DemoPlatform]:
    """A platform that is connected while the block lasts."""
    async with it.running():
        await it.join(await world.invite(it.roles), world.versions_url)
        it.seen.clear()
        yield it
        if it.connection is not None:
            await it.leave()


def roles(*named: str) -> list[Object]:
    """``roles("CPO AT/AA1", "EMSP AT/AA2")``."""
    return [role(*one.split(" ")) for one in named]


async def number_of(world: World, it: DemoPlatform) -> int:
    """The number of a partner at the hub."""
    partners = (await world.admin.get("/admin/partners")).json()
    (found,) = [one["id"] for one in partners if one["versions_url"] == it.versions_url]
    return int(found)


async def quirks_of(world: World, it: DemoPlatform) -> Object:
    """What the hub knows of a partner's software, without what is as specified."""
    shown = (await world.admin.get(f"/admin/partners/{await number_of(world, it)}/quirks")).json()
    usual = {"token": "base64", "links": "follow", "unwrap": True, "endpoints": []}
    return {name: value for name, value in shown.items() if value != usual.get(name, False)}


async def set_quirks(world: World, it: DemoPlatform, **quirks: Any) -> None:
    answer = await world.admin.put(f"/admin/partners/{await number_of(world, it)}/quirks", json=quirks)
    assert answer.status_code == 200, answer.text


@asynccontextmanager
async def quirky(bench: Bench, it: DemoPlatform, **quirks: Any) -> AsyncIterator[None]:
    """A platform of which the hub knows these quirks while the block lasts."""
    await set_quirks(bench.world, it, **quirks)
    try:
        yield
    finally:
        await set_quirks(bench.world, it)


async def until(condition: Callable[[], Any]) -> Any:
    """What a condition gives, as soon as it holds; it may be asynchronous."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        found = await found if asyncio.iscoroutine(found) else found
        if found:
            return found
        await asyncio.sleep(LOOK_SECONDS)
    raise AssertionError("it did not happen in time")


def message(answer: httpx.Response) -> str:
    return str(answer.json()["status_message"])


def about(object_id: str, method: str = "") -> Callable[[Seen], bool]:
    """A request that concerns an object."""
    return lambda seen: (
        method in ("", seen.method) and (object_id in seen.path + seen.query or object_id.encode() in seen.body)
    )


async def got(it: DemoPlatform, object_id: str, method: str = "") -> Seen:
    """The one request that a platform got about an object."""
    (seen,) = await it.wait_until_seen(about(object_id, method))
    return seen


def odd(content: Object) -> bytes:
    """JSON text that no writer of the hub would write."""
    return json.dumps(content, indent=3).encode()


def envelope(data: Any = None, status_code: int = 1000) -> bytes:
    filled = {} if data is None else {"data": data}
    return encode_json({"status_code": status_code, "timestamp": "2026-01-15T07:00:00Z", **filled})


async def defects_of(bench: Bench, owner: Party) -> dict[tuple[str, str], tuple[int, int, str]]:
    """By module and kind: how many were kept, how many refused, and the last one."""
    shown = (await bench.world.admin.get("/admin/defects", params={"owner": str(owner)})).json()
    return {(one["module"], one["defect"]): (one["kept"], one["refused"], one["last_id"]) for one in shown}


# --- tokens without Base64 (T-05) -----------------------------------------------------------------------------


@pytest.mark.proves("T-05")
async def test_the_token_of_who_is_flagged_goes_and_comes_as_it_is(
    shared: Bench, location: Object, cdr: Object, unique: Unique
) -> None:
    """In a forward, in a broadcast and with a CDR that is due; Base64 still opens."""
    assert shared.p3.connection is not None
    raw = f"Token {shared.p3.connection.own_token}"
    shared.p3.faults.append(Fault(body=envelope([])))  # this one would refuse them
    name = unique("L")
    async with quirky(shared, shared.p3, token="raw"):
        await shared.send(shared.p1, "GET", f"receiver/locations/DE/CP1/{name}", sender=CP1, receiver=MS1)
        assert (await got(shared.p3, name, "GET")).headers["authorization"] == raw
        pushed = {**location, "id": name}
        await shared.send(
            shared.p1, "PUT", f"receiver/locations/DE/CP1/{name}", sender=CP1, receiver=HUB, content=pushed
        )
        assert (await got(shared.p3, name, "PUT")).headers["authorization"] == raw
        due = {**cdr, "id": unique("C")}
        await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=due)
        assert (await got(shared.p3, due["id"], "POST")).headers["authorization"] == raw
        for sent in (f"Token {shared.p3.connection.token}", authorization(shared.p3.connection.token)):
            answer = await shared.http.get(shared.world.versions_url, headers={"Authorization": sent})
            assert result_of(answer) == OK


@pytest.mark.proves("T-05", "X-03")
async def test_the_raw_token_of_who_is_not_flagged_opens_nothing(
    shared: Bench, location: Object, unique: Unique
) -> None:
    assert shared.p1.connection is not None
    name = unique("L")
    sent = {"Authorization": f"Token {shared.p1.connection.token}"}
    path = f"receiver/locations/DE/CP1/{name}"
    pushed = await shared.send(
        shared.p1, "PUT", path, sender=CP1, receiver=HUB, content={**location, "id": name}, headers=sent
    )
    greeted = await shared.http.get(shared.world.versions_url, headers=sent)
    assert [result_of(answer) for answer in (pushed, greeted)] == [(401, 2000), (401, 2000)]
    read = await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)
    assert result_of(read) == (404, 2003), "nothing was kept"
    async with quirky(shared, shared.p3, token="raw"):  # the flag of one opens the door to no other
        assert (await shared.http.get(shared.world.versions_url, headers=sent)).status_code == 401


@pytest.mark.proves("T-05")
@pytest.mark.parametrize("sends_raw", [pytest.param(True, id="both ways"), pytest.param(False, id="one way")])
async def test_who_is_invited_and_refuses_base64_is_registered_all_the_same(
    shared: Bench, location: Object, unique: Unique, sends_raw: bool
) -> None:
    """By trial and error: what its versions accept is what it is called with from then on."""
    it = RawPlatform("P6", roles("CPO AT/RW1"))
    it.sends_raw = sends_raw
    async with joined(shared.world, it):
        assert (await quirks_of(shared.world, it))["token"] == "raw"
        assert it.connection is not None
        party, name = Party("AT", "RW1"), unique("L")
        content = {**location, "country_code": "AT", "party_id": "RW1", "id": name}
        sent = {"Authorization": authorization(it.connection.token, is_raw=sends_raw)}
        path = f"receiver/locations/AT/RW1/{name}"
        pushed = await shared.send(it, "PUT", path, sender=party, receiver=HUB, content=content, headers=sent)
        assert result_of(pushed) == CREATED
        it.desk.offer("locations", content)
        read = await shared.send(shared.p3, "GET", f"sender/locations/{name}", sender=MS1, receiver=party)
        assert (result_of(read), read.json()["data"]) == (OK, content)
        await it.renew()
        assert (await quirks_of(shared.world, it))["token"] == "raw"
        again = await shared.send(shared.p3, "GET", f"sender/locations/{name}", sender=MS1, receiver=party)
        assert result_of(again) == OK


async def test_who_has_learnt_base64_is_no_longer_called_without_it(shared: Bench) -> None:
    it = DemoPlatform("P6", roles("CPO AT/RW2"))
    async with joined(shared.world, it):
        await set_quirks(shared.world, it, token="raw")
        await it.renew()
        assert "token" not in await quirks_of(shared.world, it)
        read = await shared.send(shared.p3, "GET", "sender/locations", sender=MS1, receiver=Party("AT", "RW2"))
        assert result_of(read) == OK


# --- addresses (X-42) -------------------------------------------------------------------------------------


async def listed(bench: Bench, it: DemoPlatform) -> dict[tuple[str, str], str]:
    """The endpoints that the hub lists for a platform."""
    assert it.connection is not None
    sent = {"Authorization": authorization(it.connection.token)}
    answer = await bench.http.get(f"{bench.world.url}/ocpi/2.2.1", headers=sent)
    return {(one["identifier"], one["role"]): one["url"] for one in answer.json()["data"]["endpoints"]}


@pytest.mark.proves("X-42")
async def test_who_joins_paths_without_a_slash_is_told_addresses_that_end_in_one(
    shared: Bench, location: Object, unique: Unique
) -> None:
    name = unique("L")
    async with quirky(shared, shared.p1, slash=True):
        mine, others = await listed(shared, shared.p1), await listed(shared, shared.p3)
        assert {key: url.removesuffix("/") for key, url in mine.items()} == others
        assert all(url.endswith("/") for url in mine.values())
        below = mine["locations", "RECEIVER"].partition("/ocpi/2.2.1/")[2]
        content = {**location, "id": name}
        pushed = await shared.send(shared.p1, "PUT", f"{below}DE/CP1/{name}", sender=CP1, receiver=HUB, content=content)
        assert result_of(pushed) == CREATED
    assert not any(url.endswith("/") for url in (await listed(shared, shared.p1)).values())


@pytest.mark.proves("X-42")
async def test_whose_own_addresses_all_end_in_a_slash_is_told_ours_so_soon_after_it_joined(shared: Bench) -> None:
    async with joined(shared.world, Slashed("P6", roles("CPO AT/SL1"))) as it:
        await until(lambda: quirks_of(shared.world, it))
        assert await quirks_of(shared.world, it) == {"slash": True}
        assert all(url.endswith("/") for url in (await listed(shared, it)).values())


@pytest.mark.proves("X-42")
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("receiver/locationsDE/CP1/{id}", id="glued"),
        pytest.param("receiver/locations//DE/CP1/{id}", id="two slashes"),
    ],
)
async def test_a_path_that_was_joined_badly_is_understood(
    shared: Bench, location: Object, unique: Unique, path: str
) -> None:
    """For an object, a part of it and a read; whoever it is told to gets it at the right address."""
    name = unique("L")
    at, content = path.format(id=name), {**location, "id": name}
    evse = content["evses"][0]
    pushed = await shared.send(shared.p1, "PUT", at, sender=CP1, receiver=HUB, content=content)
    changed = {"status": "CHARGING", "last_updated": "2026-11-01T00:00:00Z"}
    patched = await shared.send(shared.p1, "PATCH", f"{at}/{evse['uid']}", sender=CP1, receiver=HUB, content=changed)
    read = await shared.send(shared.p1, "GET", at, sender=CP1, receiver=HUB)
    assert [result_of(answer) for answer in (pushed, patched, read)] == [CREATED, OK, OK]
    assert read.json()["data"]["evses"][0]["status"] == "CHARGING"
    seen = await shared.p3.wait_until_seen(about(name), 2)
    right = f"/2.2.1/receiver/locations/DE/CP1/{name}"
    assert [one.path for one in seen] == [right, f"{right}/{evse['uid']}"]


@pytest.mark.parametrize(("module_id", "name"), [("sessions", "session"), ("tariffs", "tariff"), ("tokens", "token")])
async def test_every_module_may_be_glued_to_its_owner(
    shared: Bench, example: Example, unique: Unique, module_id: str, name: str
) -> None:
    owner = MS1 if name == "token" else CP1
    content = example(name, country_code=owner.country_code, party_id=owner.party_id)
    content |= {MODULES[module_id].key: unique("X")}
    if name == "session":
        content["cdr_token"] |= {"country_code": "NL", "party_id": "MS1"}
    path = f"receiver/{module_id}{owner}/{content[MODULES[module_id].key]}"
    it = shared.p3 if name == "token" else shared.p1
    assert result_of(await shared.send(it, "PUT", path, sender=owner, receiver=HUB, content=content)) == CREATED
    read = await shared.send(it, "GET", path.replace(str(owner), f"/{owner}"), sender=owner, receiver=HUB)
    assert read.json()["data"] == content


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("receiver/locationsD1/CP1/L1", id="no country"),
        pytest.param("receiver/locationsDE/CP1", id="no object"),
        pytest.param("receiver/locationsXDE/CP1/L1", id="more than a country"),
        pytest.param("receiver/placesDE/CP1/L1", id="no module"),
        pytest.param("receiver/locations///DE/CP1/L1", id="three slashes"),
        pytest.param("sender//locations", id="two slashes further up"),
    ],
)
async def test_no_more_is_guessed_than_that(shared: Bench, location: Object, path: str) -> None:
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content={**location, "id": "L1"})
    assert result_of(answer) in {(404, 2000), INVALID}


# --- answers: a list around a single object -----------------------------------------------------------------


async def test_a_single_object_is_taken_out_of_the_list_around_it(shared: Bench, unique: Unique) -> None:
    """Number text stays as it is; in a list that was asked for nothing changes."""
    name = unique("L")
    dated = b'"timestamp": "2026-01-15T07:00:00Z"'
    wrapped = b'{"data": [{"id": "%s", "x_price": 1.10}], "status_code": 1000, %s}' % (name.encode(), dated)
    shared.p1.faults.append(Fault(module_id="locations", method="GET", http_status=200, body=wrapped))
    one = await shared.send(shared.p3, "GET", f"sender/locations/{name}", sender=MS1, receiver=CP1)
    assert (result_of(one), one.json()["data"]["id"]) == (OK, name)
    assert b'"x_price":1.10' in one.content
    many = await shared.send(shared.p3, "GET", "sender/locations", sender=MS1, receiver=CP1)
    assert many.content == wrapped
    async with quirky(shared, shared.p1, unwrap=False):
        as_it_came = await shared.send(shared.p3, "GET", f"sender/locations/{name}", sender=MS1, receiver=CP1)
    assert as_it_came.content == wrapped


async def test_the_answer_to_an_authorization_and_to_a_command_may_be_wrapped_too(
    shared: Bench, example: Example, unique: Unique
) -> None:
    name = unique("U")
    info = {"allowed": "ALLOWED", "token": {"uid": name}}
    shared.p3.faults.append(Fault(module_id="tokens", http_status=200, body=envelope([info])))
    said = await shared.send(shared.p1, "POST", f"sender/tokens/{name}/authorize", sender=CP1, receiver=MS1)
    assert (result_of(said), said.json()["data"]) == (OK, info)
    shared.p1.faults.append(Fault(module_id="commands", body=envelope([{"result": "ACCEPTED", "timeout": 30}])))
    asked = start(example, shared.p3.callback_url("commands", name))
    answered = await shared.send(
        shared.p3, "POST", "receiver/commands/START_SESSION", sender=MS1, receiver=CP1, content=asked
    )
    assert (result_of(answered), answered.json()["data"]["result"]) == (OK, "ACCEPTED")
    hub_url = (await got(shared.p1, asked["location_id"], "POST")).content["response_url"]
    result = await tell_result(shared, hub_url)
    assert result_of(result) == OK, "the callback was kept: the answer in the list said ACCEPTED"
    await shared.p3.wait_until(lambda: name in [callback_id for callback_id, _ in shared.p3.desk.results])


@pytest.mark.proves("T-15")
async def test_whatever_is_in_the_answer_to_a_push_goes_back_as_it_came(
    shared: Bench, location: Object, unique: Unique
) -> None:
    """Nobody looks at it; two libraries put the object in a list there."""
    name = unique("L")
    path, content = f"receiver/locations/DE/CP1/{name}", {**location, "id": name}
    for data in ([], [{"id": name}]):
        said = envelope(data)
        shared.p3.faults[:] = [Fault(module_id="locations", http_status=200, body=said)]
        answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=MS1, content=content)
        assert (result_of(answer), answer.content) == (OK, said)


async def test_an_empty_list_in_place_of_a_single_object_is_no_data(shared: Bench, unique: Unique) -> None:
    """What a library answers when it crashed: the code says what it is."""
    shared.p1.faults.append(Fault(module_id="locations", http_status=200, body=envelope([], 3000)))
    answer = await shared.send(shared.p3, "GET", f"sender/locations/{unique('L')}", sender=MS1, receiver=CP1)
    assert (result_of(answer), "data" in answer.json()) == ((200, 3000), False)


# --- what is written anew -----------------------------------------------------------------------------------


async def test_who_wants_nulls_gets_them_and_nobody_else(shared: Bench, location: Object, unique: Unique) -> None:
    """In a whole object, never in a PATCH; the text of numbers stays (Y-07)."""
    name = unique("L")
    lean = {**location, "id": name, "x_price": 1.5}
    for field in ("name", "operator", "images", "time_zone"):
        lean.pop(field, None)
    lean["time_zone"] = location["time_zone"]
    body = odd(lean).replace(b"1.5", b"1.50")
    path = f"receiver/locations/DE/CP1/{name}"
    async with quirky(shared, shared.p3, nulls=True):
        await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=body)
        filled, plain = await got(shared.p3, name, "PUT"), await got(shared.p4, name, "PUT")
        assert plain.body == body
        assert (filled.content["name"], filled.content["operator"]) == (None, None)
        assert "images" not in filled.content, "a list that is absent stays so"
        assert filled.content["evses"][1]["coordinates"] is None
        assert b'"x_price":1.50' in filled.body
        change = odd({"name": "Other", "last_updated": "2026-11-01T00:00:00Z"})
        await shared.send(shared.p1, "PATCH", path, sender=CP1, receiver=HUB, content=change)
        assert (await got(shared.p3, name, "PATCH")).body == change
        read = await shared.send(shared.p3, "GET", f"sender/locations/{name}", sender=MS1, receiver=HUB)
        assert read.json()["data"]["operator"] is None
        assert {one["id"]: one["operator"] for one in await all_locations(shared.p3, MS1)}[name] is None
    assert "operator" not in (await one_location(shared, name))


async def all_locations(it: DemoPlatform, reader: Party) -> list[Object]:
    crawled = await it.get_all("locations", sender=reader, receiver=HUB)
    return crawled.objects


async def one_location(bench: Bench, name: str) -> Object:
    read = await bench.send(bench.p3, "GET", f"sender/locations/{name}", sender=MS1, receiver=HUB)
    found: Object = read.json()["data"]
    return found


async def test_a_cdr_that_is_due_is_written_for_its_payer_and_kept_as_it_came(
    shared: Bench, cdr: Object, unique: Unique
) -> None:
    due = {**cdr, "id": unique("C")}
    del due["remark"]
    body = odd(due)
    async with quirky(shared, shared.p3, nulls=True):
        answer = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=body)
        assert result_of(answer) == CREATED
        posted = await got(shared.p3, due["id"], "POST")
        assert posted.content["remark"] is None
        assert b'"total_energy":14.25' in posted.body
    kept = await shared.http.get(answer.headers["location"], headers=as_cp1(shared))
    assert body in kept.content


def as_cp1(bench: Bench, receiver: Party = HUB) -> dict[str, str]:
    assert bench.p1.connection is not None
    return {"Authorization": authorization(bench.p1.connection.token), **routing_headers(CP1, receiver)}


async def test_who_knows_one_schedule_and_one_impact_gets_the_first(
    shared: Bench, location: Object, unique: Unique
) -> None:
    name = unique("L")
    content = {**location, "id": name}
    path = f"receiver/locations/DE/CP1/{name}"
    async with quirky(shared, shared.p3, singles=True):
        await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
        told, plain = await got(shared.p3, name), await got(shared.p4, name)
    assert plain.content == content
    assert told.content["evses"][0]["status_schedule"] == location["evses"][0]["status_schedule"][0]
    assert told.content["energy_mix"]["environ_impact"] == location["energy_mix"]["environ_impact"][0]
    assert told.content["energy_mix"]["energy_sources"] == location["energy_mix"]["energy_sources"]


@pytest.mark.parametrize(
    ("query", "heard"),
    [
        pytest.param("?type=APP_USER", "type=APP_USER&token_type=APP_USER", id="named"),
        pytest.param("", "token_type=RFID", id="the default"),
    ],
)
async def test_the_type_of_a_token_is_told_under_the_name_that_a_partner_reads(
    shared: Bench, unique: Unique, query: str, heard: str
) -> None:
    name = unique("U")
    path = f"sender/tokens/{name}/authorize{query}"
    async with quirky(shared, shared.p3, token_type=True):
        await shared.send(shared.p1, "POST", path, sender=CP1, receiver=MS1)
        assert (await got(shared.p3, name)).query == heard


async def test_the_type_that_only_a_token_s_body_names_is_told_so_too(
    shared: Bench, token: Object, unique: Unique
) -> None:
    """X-48: two libraries push without `type` and read `token_type`."""
    name = unique("U")
    content = {**token, "uid": name, "type": "APP_USER"}
    async with quirky(shared, shared.p1, token_type=True):
        await shared.send(shared.p3, "PUT", f"receiver/tokens/NL/MS1/{name}", sender=MS1, receiver=HUB, content=content)
        assert (await got(shared.p1, name)).query == "token_type=APP_USER"
        assert (await got(shared.p2, name)).query == ""


@pytest.mark.proves("X-34")
async def test_the_address_in_a_cdr_is_cut_for_who_takes_no_more_and_kept_whole(
    shared: Bench, cdr: Object, unique: Unique
) -> None:
    """Forwarded, and as one that is due."""
    address = "Strosteeg " + "x" * 90
    content = {**cdr, "cdr_location": {**cdr["cdr_location"], "address": address}}
    async with quirky(shared, shared.p3, short_address=True):
        for receiver in (HUB, MS1):
            posted = {**content, "id": unique("C")}
            answer = await shared.send(
                shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=receiver, content=posted
            )
            assert result_of(answer) == CREATED
            told = await got(shared.p3, posted["id"], "POST")
            assert told.content["cdr_location"] == {**posted["cdr_location"], "address": address[:45]}
            kept = await shared.send(shared.p1, "GET", f"receiver/cdrs/DE/CP1/{posted['id']}", sender=CP1, receiver=HUB)
            assert kept.json()["data"] == posted


# --- pages ------------------------------------------------------------------------------------------------


def offered(it: DemoPlatform, location: Object, names: list[str]) -> None:
    for name in names:
        it.desk.offer("locations", {**location, "id": name})


def withdrawn(it: DemoPlatform, location: Object, names: list[str]) -> None:
    for name in names:
        it.desk.owned["locations"].remove(key_of(MODULES["locations"], {**location, "id": name}))


async def followed(bench: Bench, query: str) -> tuple[list[str], list[httpx.Response]]:
    """What NL/MS1 reads of DE/CP1's locations by following every Link, and the pages."""
    assert bench.p3.connection is not None
    sent = {"Authorization": authorization(bench.p3.connection.token), **routing_headers(MS1, CP1)}
    url: str | None = f"{bench.world.url}/ocpi/2.2.1/sender/locations?{query}"
    names: list[str] = []
    pages: list[httpx.Response] = []
    while url is not None and len(pages) < 20:
        answer = await bench.http.get(url, headers=sent)
        assert result_of(answer) == OK, answer.text
        names += [one["id"] for one in answer.json()["data"]]
        pages.append(answer)
        url = read_next_link(answer.headers.get("link"), url)
    return names, pages


@pytest.mark.proves("X-26", "R-08")
@pytest.mark.parametrize(
    ("quirks", "link"),
    [
        pytest.param(
            {"links": "rebuild"}, "{base}/ocpi/cpo/VersionNumber.v_2_2_1/ModuleID.locations/?offset=2", id="broken"
        ),
        pytest.param({"links": "rebuild"}, "", id="none at all"),
        pytest.param({}, "http://127.0.0.1:9/2.2.1/sender/locations?offset=2&limit=2", id="to another server"),
        pytest.param({}, "https://{host}/2.2.1/sender/locations?offset=2&limit=2", id="to another scheme"),
    ],
)
async def test_a_forwarded_list_can_be_read_to_its_end_without_the_partner_s_own_links(
    shared: Bench, location: Object, unique: Unique, quirks: Object, link: str
) -> None:
    """Each next page is asked for by offset and limit, with the dates of the first; the broken address is never called."""
    names = [unique("L") for _ in range(5)]
    offered(shared.p1, location, names)
    filled = link.format(base=shared.p1.base_url, host=urlsplit(shared.p1.base_url).netloc)
    shared.p1.faults.append(Fault(module_id="locations", headers={"Link": f'<{filled}>; rel="next"' if filled else ""}))
    date = "date_from=2026-01-01T00:00:00Z"
    async with quirky(shared, shared.p1, **quirks):
        read, pages = await followed(shared, f"{date}&limit=2")
    asked = [seen for seen in shared.p1.seen if seen.sender == MS1]
    withdrawn(shared.p1, location, names)
    assert (read, len(pages)) == (names, 3)
    assert {seen.path for seen in asked} == {"/2.2.1/sender/locations"}
    assert [parse_qs(seen.query).get("offset", ["0"]) for seen in asked] == [["0"], ["2"], ["4"]]
    assert {(parse_qs(seen.query)["limit"][0], parse_qs(seen.query)["date_from"][0]) for seen in asked} == {
        ("2", "2026-01-01T00:00:00Z")
    }
    assert all(page.headers["x-total-count"] == "5" for page in pages)
    assert not any(urlsplit(shared.p1.base_url).netloc in page.headers.get("link", "") for page in pages)


@pytest.mark.proves("R-08")
async def test_a_link_that_leads_nowhere_makes_nobody_offline(shared: Bench, location: Object, unique: Unique) -> None:
    names = [unique("L") for _ in range(3)]
    offered(shared.p1, location, names)
    shared.p1.faults.append(Fault(module_id="locations", headers={"Link": f'<{NOWHERE}/x?offset=2>; rel="next"'}))
    read, _ = await followed(shared, "limit=2")
    withdrawn(shared.p1, location, names)
    assert read == names
    assert {info["status"] for info in await shared.p3.client_infos() if info["party_id"] == "CP1"} == {"CONNECTED"}


# --- receivers --------------------------------------------------------------------------------------------


@pytest.mark.proves("X-15")
@pytest.mark.parametrize(
    ("quirks", "receivers"),
    [
        pytest.param({}, ["AT/EA1", "AT/EA2", "AT/EA3"], id="each party gets its own"),
        pytest.param({"collapse": True}, ["AT/EA1"], id="the platform wants one"),
    ],
)
async def test_a_platform_with_several_parties_gets_a_copy_for_each_or_one_if_it_wants(
    shared: Bench, location: Object, unique: Unique, quirks: Object, receivers: list[str]
) -> None:
    async with joined(shared.world, DemoPlatform("P6", roles("EMSP AT/EA1", "EMSP AT/EA2", "NSP AT/EA3"))) as it:
        await set_quirks(shared.world, it, **quirks)
        name, last = unique("L"), unique("L")
        for one in (name, last):
            content = {**location, "id": one}
            await shared.send(
                shared.p1, "PUT", f"receiver/locations/DE/CP1/{one}", sender=CP1, receiver=HUB, content=content
            )
        await it.wait_until_seen(about(last), len(receivers))
        seen = [one for one in it.seen if about(name)(one)]
        assert sorted(str(one.receiver) for one in seen) == receivers
        assert len({one.body for one in seen}) == 1
        assert len({one.headers["x-request-id"] for one in seen}) == len(receivers)
        assert (await got(shared.p3, name)).receiver == MS1, "nobody else's copy is spared"
        private = await shared.send(
            shared.p1,
            "PUT",
            f"receiver/locations/DE/CP1/{last}",
            sender=CP1,
            receiver=Party("AT", "EA2"),
            content={**location, "id": last},
        )
        assert result_of(private) in {OK, CREATED}, "each party is still addressed by itself"


async def test_an_endpoint_that_a_partner_s_details_leave_out_can_be_added(
    shared: Bench, example: Example, unique: Unique
) -> None:
    """What a library does with its commands; the addition outlives a new registration."""
    it = DemoPlatform("P6", roles("CPO AT/CM1"))
    it.hidden.add(("commands", Interface.RECEIVER))
    it.desk.command_answer = "ACCEPTED"
    async with joined(shared.world, it):
        party = Party("AT", "CM1")

        async def ask() -> httpx.Response:
            content = start(example, shared.p3.callback_url("commands", unique("c")))
            path = "receiver/commands/START_SESSION"
            return await shared.send(shared.p3, "POST", path, sender=MS1, receiver=party, content=content)

        assert result_of(await ask()) == UNROUTED
        added = {"identifier": "commands", "role": "RECEIVER", "url": it.url_of("commands", Interface.RECEIVER) + "/"}
        await set_quirks(shared.world, it, endpoints=[added])
        assert (await ask()).json()["data"]["result"] == "ACCEPTED"
        await it.renew()
        assert (await ask()).json()["data"]["result"] == "ACCEPTED"
        assert [seen.path for seen in it.seen if seen.module_id == "commands"] == [
            "/2.2.1/receiver/commands/START_SESSION"
        ] * 2


def start(example: Example, response_url: str) -> Object:
    """A START_SESSION with a token of NL/MS1."""
    content = example("start_session", response_url=response_url)
    content["token"] |= {"country_code": "NL", "party_id": "MS1"}
    return content


async def tell_result(bench: Bench, hub_url: str, receiver: Party = MS1) -> httpx.Response:
    """DE/CP1 posts the result of a command to the address that it was given."""
    sent = {**as_cp1(bench, receiver), "Content-Type": "application/json"}
    return await bench.http.post(hub_url, headers=sent, content=b'{"result":"ACCEPTED"}')


# --- objects that are not valid (X-33) ------------------------------------------------------------------------


@pytest.mark.proves("X-33")
async def test_a_reserved_session_is_kept_byte_for_byte_and_passed_on_so(
    shared: Bench, session: Object, unique: Unique
) -> None:
    """For everybody: it is a word of the text."""
    name = unique("S")
    body = odd({**session, "id": name, "status": "RESERVED"})
    path = f"receiver/sessions/DE/CP1/{name}"
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=body)
    assert result_of(answer) == CREATED
    assert (await got(shared.p3, name)).body == body
    read = await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)
    assert body in read.content


@pytest.mark.proves("X-33")
async def test_an_invalid_object_is_refused_and_counted(shared: Bench, session: Object, unique: Unique) -> None:
    name = unique("S")
    body = {**session, "id": name, "status": "CHARGING", "kwh": "1.5"}
    path = f"receiver/sessions/DE/CP1/{name}"
    before = await defects_of(shared, CP1)
    answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=body)
    assert result_of(answer) == INVALID
    after = await defects_of(shared, CP1)
    grown = {key: value for key, value in after.items() if before.get(key, (0, 0, ""))[1] < value[1]}
    assert {defect[:22] for _, defect in grown} == {"status is not one of A", "kwh is not a JSON numb"}
    assert {(kept, last) for kept, _, last in grown.values()} == {(0, name)}
    assert result_of(await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)) == (404, 2001)
    assert not [one for one in shared.p3.seen if about(name)(one)]


@pytest.mark.proves("X-33")
async def test_an_invalid_object_of_who_is_treated_leniently_is_kept_passed_on_and_counted(
    shared: Bench, session: Object, unique: Unique
) -> None:
    """Byte for byte; a strict partner's is refused as ever."""
    name = unique("S")
    body = odd({**session, "id": name, "status": "CHARGING"})
    path = f"receiver/sessions/DE/CP1/{name}"
    async with quirky(shared, shared.p1, lenient=True):
        answer = await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=body)
        assert result_of(answer) == CREATED
        assert (await got(shared.p3, name, "PUT")).body == body
        assert body in (await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)).content
        assert body in (await shared.send(shared.p3, "GET", "sender/sessions", sender=MS1, receiver=HUB)).content
        change = odd({"kwh": "15", "last_updated": "2026-11-01T00:00:00Z"})
        patched = await shared.send(shared.p1, "PATCH", path, sender=CP1, receiver=HUB, content=change)
        assert result_of(patched) == OK
        assert (await got(shared.p3, name, "PATCH")).body == change
        defects = await defects_of(shared, CP1)
        assert [kept for (_, defect), (kept, _, last) in defects.items() if last == name] == [1, 1]
        foreign = {**session, "country_code": "BE", "party_id": "CP2", "id": name, "status": "CHARGING"}
        refused = await shared.send(
            shared.p2, "PUT", f"receiver/sessions/BE/CP2/{name}", sender=CP2, receiver=HUB, content=foreign
        )
        assert result_of(refused) == INVALID


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        pytest.param("2031-05-01T10:00:00+02:00", "2031-05-01T08:00:00Z", id="an offset"),
        pytest.param("2031-05-01 09:00:00", "2031-05-01T09:00:00Z", id="a blank"),
    ],
)
async def test_a_date_with_an_offset_is_found_where_it_belongs(
    shared: Bench, location: Object, unique: Unique, said: str, meant: str
) -> None:
    name = unique("L")
    body = odd({**location, "id": name, "last_updated": said})
    path = f"receiver/locations/DE/CP1/{name}"
    async with quirky(shared, shared.p1, lenient=True):
        assert result_of(await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=body)) == CREATED
    window = f"date_from={meant}&date_to={meant[:-1]}.001Z"
    read = await shared.send(shared.p3, "GET", f"sender/locations?{window}", sender=MS1, receiver=HUB)
    assert body in read.content, "and it is told as it came"
    assert [one["id"] for one in read.json()["data"]] == [name]


async def test_a_cdr_without_the_uid_of_its_evse_reaches_its_payer_and_the_statement(
    shared: Bench, cdr: Object, unique: Unique
) -> None:
    """The models of two libraries have no such field."""
    posted = {**cdr, "id": unique("C")}
    posted["cdr_location"] = {name: value for name, value in cdr["cdr_location"].items() if name != "evse_uid"}
    body = odd(posted)
    async with quirky(shared, shared.p1, lenient=True):
        answer = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=body)
        assert result_of(answer) == CREATED
    assert (await got(shared.p3, posted["id"], "POST")).body == body
    kept = (await defects_of(shared, CP1))["cdrs", "cdr_location.evse_uid is required"]
    assert (kept[0] > 0, kept[2]) == (True, posted["id"])


@pytest.mark.parametrize(
    ("receiver", "lenient", "is_judged"),
    [
        pytest.param(HUB, False, True, id="the hub validated all of it"),
        pytest.param(HUB, True, False, id="its sender is treated leniently"),
        pytest.param(MS1, False, False, id="its receiver judged it"),
    ],
)
async def test_a_claim_tells_whether_the_hub_found_its_cdr_valid(
    shared: Bench, cdr: Object, unique: Unique, receiver: Party, lenient: bool, is_judged: bool
) -> None:
    """A01: what was judged at the door is not validated again by settlement."""
    posted = {**cdr, "id": unique("C")}
    async with quirky(shared, shared.p1, lenient=lenient):
        answer = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=receiver, content=posted)
        assert result_of(answer)[1] == 1000
    database = Database(shared.world.database_url)
    rows = await database.direct.fetch("select is_judged from claim where cdr_id = $1", posted["id"])
    await database.close()
    assert [row["is_judged"] for row in rows] == [is_judged]


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
async def test_nothing_can_be_made_of_parts_without_ids(
    shared: Bench, location: Object, unique: Unique, lenient: bool
) -> None:
    name = unique("L")
    content = {**location, "id": name, "evses": [{"status": "AVAILABLE"}]}
    path = f"receiver/locations/DE/CP1/{name}"
    async with quirky(shared, shared.p1, lenient=lenient):
        assert (
            result_of(await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)) == INVALID
        )
    assert result_of(await shared.send(shared.p1, "GET", path, sender=CP1, receiver=HUB)) == (404, 2003)


# --- requests without headers -------------------------------------------------------------------------------


@pytest.mark.proves("X-41")
async def test_a_push_with_nothing_but_a_token_is_understood_where_only_one_party_can_be_meant(
    shared: Bench, location: Object, unique: Unique
) -> None:
    """Neither parties nor ids, as two libraries push; of a platform with two roles the one that owns such objects speaks."""
    for it, owner in ((shared.p1, CP1), (shared.p2, CP2)):
        name = unique("L")
        content = {**location, "country_code": owner.country_code, "party_id": owner.party_id, "id": name}
        answer = await shared.send(it, "PUT", f"receiver/locations/{owner}/{name}", content=content)
        assert result_of(answer) == CREATED
        assert answer.headers["x-request-id"]
        assert answer.headers["x-correlation-id"]
        assert answer.headers["ocpi-to-party-id"] == owner.party_id
        told = await got(shared.p3, name)
        assert told.headers["x-correlation-id"] == answer.headers["x-correlation-id"]
        assert told.headers["x-request-id"] != answer.headers["x-request-id"]


async def test_of_two_parties_the_owner_of_what_is_pushed_speaks_and_who_only_asks_has_to_say_who_it_is(
    shared: Bench, location: Object, unique: Unique
) -> None:
    async with joined(shared.world, DemoPlatform("P6", roles("CPO AT/TW1", "CPO AT/TW2"))) as it:
        for party_id in ("TW1", "TW2"):
            name = unique("L")
            content = {**location, "country_code": "AT", "party_id": party_id, "id": name}
            answer = await shared.send(it, "PUT", f"receiver/locations/AT/{party_id}/{name}", content=content)
            assert result_of(answer) == CREATED
            assert answer.headers["ocpi-to-party-id"] == party_id
        asked = await shared.send(it, "GET", "sender/tokens")
        assert result_of(asked) == INVALID
        assert "more than one party" in message(asked)


async def test_of_two_parties_the_one_that_was_asked_gives_the_result(shared: Bench, example: Example) -> None:
    """CM-04: the callback knows whom it belongs to."""
    async with joined(shared.world, DemoPlatform("P6", roles("CPO AT/TW1", "CPO AT/TW2"))) as it:
        it.desk.command_answer = "ACCEPTED"
        command = {**example("stop_session"), "response_url": shared.p3.callback_url("commands", "two")}
        asked = await shared.send(
            shared.p3,
            "POST",
            "receiver/commands/STOP_SESSION",
            sender=MS1,
            receiver=Party("AT", "TW2"),
            content=command,
        )
        assert result_of(asked) == OK
        (seen,) = await it.wait_until_seen(lambda one: one.method == "POST")
        path = seen.content["response_url"].partition("/ocpi/2.2.1/")[2]
        answer = await shared.send(it, "POST", path, content={"result": "ACCEPTED"})
        assert result_of(answer) == OK
        (told,) = await shared.p3.wait_until_seen(lambda one: one.method == "POST" and one.path.endswith("/two"))
        assert told.headers["ocpi-from-party-id"] == "TW2"


# --- answers without an envelope ------------------------------------------------------------------------------


@pytest.mark.proves("X-23")
@pytest.mark.parametrize(
    ("http_status", "detail", "expected"),
    [
        pytest.param(403, b'{"detail":"Your authorization token is invalid."}', (200, 4000), id="403"),
        pytest.param(404, NOT_FOUND, (404, 4000), id="404"),
        pytest.param(422, b'{"detail":[{"loc":["body","name"],"msg":"Field required"}]}', (200, 4000), id="422"),
        pytest.param(500, b"Internal Server Error", (200, 4000), id="500"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_an_error_without_an_envelope_gets_one(
    shared: Bench,
    location: Object,
    unique: Unique,
    method: str,
    http_status: int,
    detail: bytes,
    expected: tuple[int, int],
) -> None:
    name = unique("L")
    shared.p3.faults.append(Fault(module_id="locations", http_status=http_status, body=detail))
    content = {**location, "id": name} if method == "PUT" else None
    path = f"receiver/locations/DE/CP1/{name}"
    answer = await shared.send(shared.p1, method, path, sender=CP1, receiver=MS1, content=content)
    assert result_of(answer) == expected
    assert "data" not in answer.json()
    assert answer.headers["ocpi-from-party-id"] == "HUB", "the hub says so itself"
    if http_status not in {403}:
        assert f"HTTP {http_status}" in message(answer)


@pytest.mark.proves("X-02")
@pytest.mark.parametrize("receiver", [pytest.param(MS1, id="addressed"), pytest.param(None, id="open")])
async def test_a_token_that_is_not_found_is_unknown_with_or_without_an_envelope(
    shared: Bench, token: Object, unique: Unique, receiver: Party | None
) -> None:
    name = unique("U")
    content = {**token, "uid": name}
    await shared.send(shared.p3, "PUT", f"receiver/tokens/NL/MS1/{name}", sender=MS1, receiver=HUB, content=content)
    fault = Fault(module_id="tokens", method="POST", http_status=404, body=b'{"detail":"Object not found."}')
    shared.p3.faults.append(fault)
    answer = await shared.send(shared.p1, "POST", f"sender/tokens/{name}/authorize", sender=CP1, receiver=receiver)
    assert result_of(answer) == (404, 2004)
    assert "data" not in answer.json()


# --- addresses that a partner names and that lead nowhere -------------------------------------------------------


@pytest.mark.proves("CD-04")
@pytest.mark.parametrize(
    "place",
    [
        pytest.param("{base}/ocpi/emsp/VersionNumber.v_2_2_1/ModuleID.cdrs/1", id="at the receiver, and nothing there"),
        pytest.param("/cdrs/1", id="relative, and nothing there"),
        pytest.param(f"{NOWHERE}/cdrs/1", id="at another server"),
        pytest.param("not an address", id="no address"),
    ],
)
async def test_a_cdr_is_read_from_the_hub_s_copy_where_its_receiver_s_location_leads_nowhere(
    shared: Bench, cdr: Object, unique: Unique, place: str
) -> None:
    body = odd({**cdr, "id": unique("C")})
    fault = Fault(
        module_id="cdrs", method="POST", headers={"Location": place.format(base=shared.p3.base_url)}, once=True
    )
    shared.p3.faults.append(fault)
    answer = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=MS1, content=body)
    assert result_of(answer) == CREATED
    shared.p3.faults.append(Fault(method="GET", http_status=404, body=NOT_FOUND))
    read = await shared.http.get(answer.headers["location"], headers=as_cp1(shared, MS1))
    assert result_of(read) == OK
    assert body in read.content
    assert {info["status"] for info in await shared.p1.client_infos() if info["party_id"] == "MS1"} == {"CONNECTED"}


@pytest.mark.proves("CM-10")
@pytest.mark.parametrize("where", [f"{NOWHERE}/callback", "http://no-such-host.invalid/callback"])
async def test_a_response_url_where_nobody_is_does_not_make_its_caller_offline(
    shared: Bench, example: Example, location: Object, unique: Unique, where: str
) -> None:
    shared.p1.desk.command_answer = "ACCEPTED"
    asked = start(example, f"{where}/{unique('c')}") | {"location_id": unique("L")}
    path = "receiver/commands/START_SESSION"
    answer = await shared.send(shared.p3, "POST", path, sender=MS1, receiver=CP1, content=asked)
    assert answer.json()["data"]["result"] == "ACCEPTED"
    hub_url = (await got(shared.p1, asked["location_id"], "POST")).content["response_url"]
    told = await tell_result(shared, hub_url)
    assert result_of(told) == (200, 4003)
    assert {info["status"] for info in await shared.p1.client_infos() if info["party_id"] == "MS1"} == {"CONNECTED"}
    name = unique("L")
    content = {**location, "id": name}
    after = await shared.send(
        shared.p1, "PUT", f"receiver/locations/DE/CP1/{name}", sender=CP1, receiver=MS1, content=content
    )
    assert result_of(after) == CREATED


@pytest.mark.proves("T-11")
async def test_an_answer_without_a_date_is_given_one(shared: Bench, unique: Unique) -> None:
    undated = b'{"data": {"id": "L", "x_price": 1.10}, "status_code": 1000, "timestamp": "yesterday"}'
    shared.p1.faults.append(Fault(module_id="locations", method="GET", http_status=200, body=undated))
    answer = await shared.send(shared.p3, "GET", f"sender/locations/{unique('L')}", sender=MS1, receiver=CP1)
    assert (result_of(answer), answer.json()["data"]["id"]) == (OK, "L")
    assert b'"x_price":1.10' in answer.content
    assert parse_datetime(answer.json()["timestamp"]) > parse_datetime("2026-01-01T00:00:00Z")


# --- loops ------------------------------------------------------------------------------------------------


@pytest.mark.proves("R-22", "X-22")
async def test_many_alike_at_once_are_no_loop(shared: Bench) -> None:
    """T-18: a correlation id of a whole batch is no reason to refuse any of it."""
    shared.p1.faults.append(Fault(module_id="locations", method="GET", wait_seconds=0.3))

    async def ask() -> httpx.Response:
        headers = {"X-Correlation-ID": "a-batch"}
        return await shared.send(shared.p3, "GET", "sender/locations", sender=MS1, receiver=CP1, headers=headers)

    answers = await asyncio.gather(*(ask() for _ in range(20)))
    assert [result_of(answer) for answer in answers] == [OK] * 20


@pytest.mark.proves("R-22", "X-22")
async def test_a_message_that_keeps_coming_back_is_cut_off_and_its_caller_gets_an_answer(
    shared: Bench, location: Object, unique: Unique
) -> None:
    it = Echo("P6", roles("CPO AT/LP1", "EMSP AT/LP2"))
    one, other, name, correlation = Party("AT", "LP1"), Party("AT", "LP2"), unique("L"), unique("c")
    async with joined(shared.world, it):
        path = f"receiver/locations/{one}/{name}"
        content = {**location, "country_code": "AT", "party_id": "LP1", "id": name}

        async def send() -> httpx.Response:
            headers = {"X-Correlation-ID": correlation}
            return await shared.send(it, "PUT", path, sender=one, receiver=other, content=content, headers=headers)

        answer = await asyncio.wait_for(send(), LOOP_MAX_SECONDS)
        assert result_of(answer) == UNROUTED
        assert "circle" in message(answer)
        assert answer.headers["x-correlation-id"] == correlation
        seen = [one for one in it.seen if about(name)(one)]
        assert 1 < len(seen) <= HOPS_MAX
        assert len({one.headers["x-request-id"] for one in seen}) == len(seen)
        assert {(one.sender, one.receiver) for one in seen} == {(one, other)}
        it.is_on = False
        assert result_of(await send()) == CREATED, "when it is over nothing is held against anybody"
        assert {info["status"] for info in await shared.p1.client_infos() if info["party_id"] == "LP1"} == {"CONNECTED"}


# --- the operator -----------------------------------------------------------------------------------------

UPKEEP = [
    ("GET", "/admin/partners/{id}/quirks"),
    ("PUT", "/admin/partners/{id}/quirks"),
    ("GET", "/admin/partners/{id}/probe"),
    ("POST", "/admin/partners/{id}/probe"),
    ("GET", "/admin/partners/{id}/pulls"),
    ("PATCH", "/admin/partners/{id}/pulls/locations"),
    ("POST", "/admin/partners/{id}/pulls/locations"),
    ("GET", "/admin/defects"),
]


@pytest.mark.parametrize(("method", "path"), UPKEEP)
async def test_a_partner_s_software_is_the_operator_s_affair_alone(shared: Bench, method: str, path: str) -> None:
    url = f"{shared.world.url}{path.format(id=await number_of(shared.world, shared.p1))}"
    for headers in ({}, as_cp1(shared)):
        answer = await shared.http.request(method, url, headers=headers, json={})
        assert answer.status_code == 401
        assert answer.json()["status_code"] == 2000


@pytest.mark.parametrize(("method", "path"), [one for one in UPKEEP if "{id}" in one[1]])
async def test_what_is_no_partner_has_no_software(shared: Bench, method: str, path: str) -> None:
    content = {"mode": "never"} if method == "PATCH" else {}
    answer = await shared.world.admin.request(method, path.format(id=4711), json=content)
    assert (answer.status_code, message(answer)) == (404, "there is no such partner")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        pytest.param("PUT", "quirks", {"slashes": True}, 400, id="a quirk that is none"),
        pytest.param("PUT", "quirks", {"token": "bearer"}, 400, id="a form that is none"),
        pytest.param("PATCH", "pulls/locations", {"mode": "sometimes"}, 400, id="a mode that is none"),
        pytest.param("PATCH", "pulls/commands", {"mode": "never"}, 404, id="a module that is not pulled"),
        pytest.param("POST", "pulls/nothing", {}, 404, id="a module that is none"),
    ],
)
async def test_what_cannot_be_set_is_refused_and_changes_nothing(
    shared: Bench, method: str, path: str, content: Object, status: int
) -> None:
    base = f"/admin/partners/{await number_of(shared.world, shared.p1)}"
    answer = await shared.world.admin.request(method, f"{base}/{path}", json=content)
    assert answer.status_code == status
    assert answer.json()["status_code"] in {2000, 2001}
    assert await quirks_of(shared.world, shared.p1) == {}


async def test_quirks_are_replaced_as_a_whole_and_count_at_once(shared: Bench) -> None:
    await set_quirks(shared.world, shared.p1, slash=True, nulls=True)
    await set_quirks(shared.world, shared.p1, slash=True)
    assert await quirks_of(shared.world, shared.p1) == {"slash": True}
    assert all(url.endswith("/") for url in (await listed(shared, shared.p1)).values())
    await set_quirks(shared.world, shared.p1)
    assert await quirks_of(shared.world, shared.p1) == {}
    assert not any(url.endswith("/") for url in (await listed(shared, shared.p1)).values())


async def test_a_probe_shows_row_by_row_what_it_saw_and_is_kept(
    shared: Bench, location: Object, unique: Unique
) -> None:
    names = [unique("L") for _ in range(3)]
    offered(shared.p1, location, names)
    path = f"/admin/partners/{await number_of(shared.world, shared.p1)}/probe"
    shared.p1.faults.append(Fault(module_id="versions", headers={"X-Request-ID": "mine"}))
    made = (await shared.world.admin.post(path)).json()
    withdrawn(shared.p1, location, names)
    assert set(made) == {"at", "is_thorough", "rows", "quirks"}
    assert (made["is_thorough"], made["quirks"]) == (True, {})
    assert [(one["row"], one["what"]) for one in made["rows"] if one["verdict"] == "differs"] == [
        ("T-16", "answers repeat both message ids")
    ]
    assert {set_ for one in made["rows"] for set_ in one} == {"row", "what", "verdict", "seen"}
    assert (await shared.world.admin.get(path)).json() == made
    assert parse_datetime(made["at"]).timestamp() == pytest.approx(time.time(), abs=COMMAND_WAIT_SECONDS)


async def test_who_joins_is_probed_gently_by_itself(shared: Bench) -> None:
    async with joined(shared.world, DemoPlatform("P6", roles("CPO AT/PR1"))) as it:
        path = f"/admin/partners/{await number_of(shared.world, it)}/probe"

        async def report() -> Object | None:
            answer = await shared.world.admin.get(path)
            return answer.json() if answer.status_code == 200 else None

        made = await until(report)
        assert (made["is_thorough"], made["quirks"]) == (False, {})
        assert {seen.method for seen in it.seen} == {"GET"}


async def test_defects_are_listed_by_owner(shared: Bench, location: Object, unique: Unique) -> None:
    names = {CP1: unique("L"), CP2: unique("L")}
    for it, owner in ((shared.p1, CP1), (shared.p2, CP2)):
        content = {**location, "country_code": owner.country_code, "party_id": owner.party_id, "id": names[owner]}
        content["city"] = 7
        path = f"receiver/locations/{owner}/{names[owner]}"
        assert result_of(await shared.send(it, "PUT", path, sender=owner, receiver=HUB, content=content)) == INVALID
    everybody = (await shared.world.admin.get("/admin/defects")).json()
    assert {("DE/CP1", names[CP1]), ("BE/CP2", names[CP2])} <= {(one["owner"], one["last_id"]) for one in everybody}
    counts = [one["kept"] + one["refused"] for one in everybody]
    assert counts == sorted(counts, reverse=True)
    of_cp2 = await defects_of(shared, CP2)
    assert of_cp2["locations", "city is not a JSON string"][2] == names[CP2]
    assert {one["owner"] for one in (await shared.world.admin.get("/admin/defects?owner=be/cp2")).json()} == {"BE/CP2"}
    nonsense = await shared.world.admin.get("/admin/defects", params={"owner": "nobody"})
    assert (nonsense.status_code, nonsense.json()["status_code"]) == (400, 2001)


async def command(data_dir: Path, database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m hub …` to its end, on the database and the key of a running hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    settings = {
        "HUB_DATABASE_URL": database_url,
        "HUB_DATA_DIR": str(data_dir),
        "HUB_ALLOW_PRIVATE_PARTNER_URLS": "true",
        "PYTHONPATH": str(ROOT),
    }

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hub", *arguments],
            cwd=data_dir,
            env=kept | settings,
            capture_output=True,
            text=True,
            timeout=COMMAND_WAIT_SECONDS,
        )

    return await asyncio.to_thread(run)


async def test_the_command_probe_says_the_same_in_words(world: World, database_url: str, tmp_path: Path) -> None:
    async with joined(world, Slashed("P1", roles("CPO DE/CP1"))) as it:
        await until(lambda: quirks_of(world, it))
        await set_quirks(world, it)
        text = await command(tmp_path, database_url, "probe", "de/cp1")
        assert text.returncode == 0, text.stderr
        lines = text.stdout.splitlines()
        assert lines[0].split() == ["ROW", "VERDICT", "WHAT", "SEEN"]
        assert any(line.split()[:2] == ["X-42", "differs"] for line in lines)
        assert lines[-1] == "1 differences; quirks set now: slash=True"
        await until(lambda: quirks_of(world, it))  # the hub that runs finds it by itself
        in_json = await command(tmp_path, database_url, "probe", "DE/CP1", "--format", "json")
        report = json.loads(in_json.stdout)
        assert (report["is_thorough"], report["quirks"]) == (True, {})
        assert report == (await world.admin.get(f"/admin/partners/{await number_of(world, it)}/probe")).json()
    unknown = await command(tmp_path, database_url, "probe", "ZZ/ZZZ")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == "ocpi-hub: ZZ/ZZZ belongs to no partner\n"


# --- pulls of software that fails -----------------------------------------------------------------------------


async def test_a_list_that_cannot_be_read_keeps_no_other_waiting(shared: Bench) -> None:
    """Its next attempts come a minute later and more; the other lists of the partner are read meanwhile."""
    it = DemoPlatform("P6", roles("CPO AT/PU1"))
    it.faults.append(Fault(module_id="locations", http_status=500, body=NOT_FOUND))
    async with joined(shared.world, it):
        path = f"/admin/partners/{await number_of(shared.world, it)}/pulls"

        async def all_tried() -> dict[str, Object] | None:
            shown = {one["module"]: one for one in (await shared.world.admin.get(path)).json()}
            return shown if all(one["tried_at"] for one in shown.values() if one["is_offered"]) else None

        shown = await until(all_tried)
        assert shown["locations"]["said"] in {"HTTP 500: no OCPI answer", "not finished"}
        assert shown["locations"]["synced_at"] is None
        assert await until(lambda: all_synced(shared, path, "tariffs"))


async def all_synced(bench: Bench, path: str, module_id: str) -> bool:
    shown = (await bench.world.admin.get(path)).json()
    return any(one["module"] == module_id and one["synced_at"] and not one["said"] for one in shown)


@pytest.mark.proves("T-23")
async def test_the_push_with_which_a_partner_comes_back_is_no_sync(
    database_url: str, tmp_path: Path, location: Object
) -> None:
    """What changed before it is what was missed: the hub asks from the last push or pull before the gap."""
    async with running_hub(database_url, tmp_path, still_alive_seconds=0.5) as world, loopback_client() as http:
        it = await world.join("P1", ("CPO", "DE/CP1"))
        pages = asked_for_pages("locations")
        await until(lambda: next(filter(pages, it.seen), None))
        bench = Bench(world, it, it, it, it, it, http)
        async with it.down():
            await until(lambda: is_listed(world, "OFFLINE"))
            it.seen.clear()
            pushed_at = time.time()
            content = {**location, "last_updated": "2026-11-01T00:00:00Z"}
            answer = await bench.send(
                it, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=HUB, content=content
            )
            assert result_of(answer) == CREATED
        asked = await until(lambda: next(filter(pages, it.seen), None))
        since = parse_datetime(parse_qs(asked.query)["date_from"][0]).timestamp()
        assert since + 3600 < pushed_at


def asked_for_pages(module_id: str) -> Callable[[Seen], bool]:
    """A page as the hub pulls it; a probe asks for two objects only."""
    return lambda seen: (
        seen.method == "GET" and seen.path.endswith(f"/sender/{module_id}") and "limit=100" in seen.query
    )


async def is_listed(world: World, status: str) -> bool:
    partners = (await world.admin.get("/admin/partners")).json()
    return any(party["status"] == status for one in partners for party in one["parties"])

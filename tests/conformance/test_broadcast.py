"""Section 7 of the checklist: what is addressed to the hub is answered by the hub, and told to everybody whom it concerns."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.demo.faults import Fault, Seen
from hub.demo.party import DemoPlatform, role
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conformance.answers import from_to, result_of, ways
from tests.conftest import HUB, World, loopback_client, running_hub
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench, join_everybody

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

NAP, NA2, SC1 = Party("FR", "NAP"), Party("FR", "NA2"), Party("DE", "SC1")
DUO, TWI, NS2, BAR = Party("SE", "DUO"), Party("AT", "TWI"), Party("GB", "NS2"), Party("AT", "BAR")
OFF, SLO, PLN = Party("AT", "OFF"), Party("SE", "SLO"), Party("AT", "PLN")

SETTLE_SECONDS = 0.2
WAIT_TRIES_MAX, WAIT_PAUSE_SECONDS = 1000, 0.02
SLOW_SECONDS = 2.0
SHORT_TIMEOUT_SECONDS, HANGING_SECONDS = 2.5, 4.0


@dataclass
class Wide:
    """The shared hub with more platforms: one for each role and each oddity that decides about a broadcast."""

    bench: Bench
    more: dict[Party, DemoPlatform] = field(default_factory=dict)
    at_bar: list[bytes] = field(default_factory=list)

    @property
    def everybody(self) -> tuple[DemoPlatform, ...]:
        return (*self.bench.everybody, *self.more.values())

    def platform(self, party: Party) -> DemoPlatform:
        five = {CP1: self.bench.p1, CP2: self.bench.p2, MS2: self.bench.p2, MS1: self.bench.p3}
        return (five | {NS1: self.bench.p4, OT1: self.bench.p5} | self.more)[party]

    async def send(
        self, sender: Party, method: str, path: str, content: Any = None, receiver: Party | None = HUB, **ids: str
    ) -> httpx.Response:
        """A request of a party, to the hub where nobody else is named."""
        headers = {f"X-{name.title()}-ID": value for name, value in ids.items()}
        return await self.bench.send(
            self.platform(sender), method, path, sender=sender, receiver=receiver, content=content, headers=headers
        )

    def seen(self, object_id: str) -> list[Seen]:
        """What anybody saw of one object."""
        return [seen for platform in self.everybody for seen in at(platform, object_id)]

    async def copies(self, object_id: str, count: int) -> list[Seen]:
        """What was sent to anybody about one object: at least `count` requests, once it is quiet."""
        for _ in range(WAIT_TRIES_MAX):
            if len(self.seen(object_id)) >= count:
                break
            await asyncio.sleep(WAIT_PAUSE_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        return self.seen(object_id)


@pytest.fixture(scope="module")
async def _wide(_module_bench: Bench) -> Wide:
    world, made = _module_bench.world, Wide(_module_bench)
    made.more = {
        NAP: await world.join("NAP", ("NAP", str(NAP))),
        NA2: await world.join("NA2", ("NAP", str(NA2))),
        SC1: await world.join("SC1", ("SCSP", str(SC1))),
        DUO: await world.join("DUO", ("CPO", str(DUO)), ("EMSP", str(DUO))),
        TWI: await world.join("TWI", ("EMSP", str(TWI)), ("NSP", str(TWI))),
        NS2: await join_without(world, "tariffs", DemoPlatform("NS2", [role("NSP", str(NS2))])),
    }
    await join_bare(world, made.at_bar)
    return made


@pytest.fixture
def wide(shared: Bench, _wide: Wide) -> Iterator[Wide]:
    """The wide bench, with nothing recorded yet."""
    for platform in _wide.more.values():
        platform.seen.clear()
    _wide.at_bar.clear()
    yield _wide
    for platform in _wide.more.values():
        platform.faults.clear()


@pytest.fixture
async def hasty(database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench of one's own whose hub soon gives up waiting."""
    timers = {"forward_timeout_seconds": SHORT_TIMEOUT_SECONDS}
    async with running_hub(database_url, tmp_path, **timers) as world, loopback_client() as client:
        yield await join_everybody(world, client)


async def join_without(world: World, module_id: str, platform: DemoPlatform, *routes: Route) -> DemoPlatform:
    """A platform joins that takes no pushes of a module."""
    platform.hidden.add((module_id, Interface.RECEIVER))
    running = await world.stack.enter_async_context(platform.running(*routes))
    await running.join(await world.invite(running.roles), world.versions_url)
    return running


async def join_bare(world: World, got: list[bytes]) -> None:
    """An eMSP joins that takes CDRs and answers without any header of OCPI."""

    async def take(request: Request) -> Response:
        got.append(await request.body())
        return Response(b'{"status_code": 1000, "timestamp": "2026-01-15T07:00:00Z"}')

    platform = DemoPlatform("BAR", [role("EMSP", str(BAR))])
    platform.hidden |= {("tariffs", Interface.RECEIVER), ("sessions", Interface.RECEIVER)}
    await join_without(world, "locations", platform, Route("/2.2.1/receiver/cdrs", take, methods=["POST"]))


def is_about(object_id: str, seen: Seen) -> bool:
    return object_id in seen.path or object_id.encode() in seen.body


def at(platform: DemoPlatform, object_id: str) -> list[Seen]:
    """What a platform saw of one object."""
    return [seen for seen in platform.seen if is_about(object_id, seen)]


def addressees(copies: list[Seen]) -> list[str]:
    return sorted(ways(seen.headers)[1] for seen in copies)


def names(*parties: Party) -> list[str]:
    return sorted(map(str, parties))


def of(owner: Party, example: Example, name: str, object_id: str) -> Object:
    """An object of this owner; sessions and CDRs are about a token of NL/MS1."""
    key = "uid" if name == "token" else "id"
    content = example(name, country_code=owner.country_code, party_id=owner.party_id, **{key: object_id})
    if "cdr_token" in content:
        content["cdr_token"] = {**content["cdr_token"], "country_code": "NL", "party_id": "MS1"}
    return content


def path_of(name: str, owner: Party, object_id: str) -> str:
    return f"receiver/{name}s/{owner}/{object_id}"


LOCATION_RECEIVERS = names(MS1, MS2, NS1, NS2, OT1, NAP, NA2, DUO, TWI)
TARIFF_RECEIVERS = names(MS1, MS2, NS1, OT1, NAP, NA2, DUO, TWI)
TOKEN_RECEIVERS = names(CP1, CP2, DUO)


# --- the answer of the hub, and the copies --------------------------------------------------------


@pytest.mark.proves("B-01")
@pytest.mark.parametrize(
    ("owner", "name", "changes", "receivers"),
    [
        pytest.param(CP1, "location", {"name": "new"}, LOCATION_RECEIVERS, id="Location"),
        pytest.param(MS1, "token", {"valid": False}, TOKEN_RECEIVERS, id="Token"),
    ],
)
async def test_the_hub_answers_a_push_itself_and_fans_it_out(
    wide: Wide, example: Example, unique: Unique, owner: Party, name: str, changes: Object, receivers: list[str]
) -> None:
    object_id = unique("B")
    path, content = path_of(name, owner, object_id), of(owner, example, name, object_id)
    fields = {**changes, "last_updated": "2027-01-01T00:00:00Z"}
    for method, body, http_status in (("PUT", content, 201), ("PUT", content, 200), ("PATCH", fields, 200)):
        answer = await wide.send(owner, method, path, body)
        assert result_of(answer) == (http_status, 1000)
        assert ways(answer.headers) == from_to(HUB, owner)
        assert "data" not in answer.json()
    patches = [seen for seen in await wide.copies(object_id, 3 * len(receivers)) if seen.method == "PATCH"]
    assert addressees(patches) == receivers
    assert [seen.content for seen in patches] == [fields] * len(receivers)


@pytest.mark.proves("B-02", "R-11", "R-12", "T-17", "T-18")
async def test_each_copy_comes_from_the_hub_and_names_its_one_receiver(
    wide: Wide, example: Example, unique: Unique
) -> None:
    location_id, request_id, correlation_id = unique("L"), unique("r"), unique("c")
    content = of(CP1, example, "location", location_id)
    path = path_of("location", CP1, location_id)
    await wide.send(CP1, "PUT", path, content, request=request_id, correlation=correlation_id)
    copies = await wide.copies(location_id, len(LOCATION_RECEIVERS))
    assert addressees(copies) == LOCATION_RECEIVERS
    for party in map(Party.parse, LOCATION_RECEIVERS):
        platform = wide.platform(party)
        (seen,) = at(platform, location_id)
        assert platform.connection is not None
        token = base64.b64encode(platform.connection.own_token.encode()).decode()
        assert (seen.method, ways(seen.headers)) == ("PUT", from_to(HUB, party))
        assert (
            platform.base_url + seen.path == f"{platform.url_of('locations', Interface.RECEIVER)}/DE/CP1/{location_id}"
        )
        assert seen.headers["authorization"] == f"Token {token}"
        assert seen.headers["x-correlation-id"] == correlation_id
        assert seen.content == content
    assert len({request_id, *(seen.headers["x-request-id"] for seen in copies)}) == 1 + len(copies)


# --- who gets a copy ------------------------------------------------------------------------------


@pytest.mark.proves("B-03", "B-06", "B-07", "X-14")
@pytest.mark.parametrize(
    ("name", "receivers"),
    [
        pytest.param("location", LOCATION_RECEIVERS, id="Location"),
        pytest.param("tariff", TARIFF_RECEIVERS, id="Tariff, for which GB/NS2 has no endpoint"),
    ],
)
async def test_a_push_of_a_cpo_reaches_emsps_navigation_and_others_and_neither_cpos_nor_scsps(
    wide: Wide, example: Example, unique: Unique, name: str, receivers: list[str]
) -> None:
    object_id = unique("B")
    answer = await wide.send(CP1, "PUT", path_of(name, CP1, object_id), of(CP1, example, name, object_id))
    assert result_of(answer) == (201, 1000)
    copies = await wide.copies(object_id, len(receivers))
    assert addressees(copies) == receivers
    assert not at(wide.platform(SC1), object_id)


@pytest.mark.proves("B-04", "B-06")
async def test_a_push_of_an_emsp_reaches_cpos_alone(wide: Wide, example: Example, unique: Unique) -> None:
    uid = unique("U")
    answer = await wide.send(MS1, "PUT", path_of("token", MS1, uid), of(MS1, example, "token", uid))
    assert result_of(answer) == (201, 1000)
    assert addressees(await wide.copies(uid, len(TOKEN_RECEIVERS))) == TOKEN_RECEIVERS


@pytest.mark.proves("B-05")
async def test_a_push_of_other_reaches_cpos_alone(wide: Wide, example: Example, unique: Unique) -> None:
    uid = unique("U")
    answer = await wide.send(OT1, "PUT", path_of("token", OT1, uid), of(OT1, example, "token", uid))
    assert result_of(answer) == (201, 1000)
    assert addressees(await wide.copies(uid, len(TOKEN_RECEIVERS))) == TOKEN_RECEIVERS


@pytest.mark.proves("B-05", "B-06", "X-14")
@pytest.mark.parametrize(
    "sender", [pytest.param(OT1, id="OTHER"), pytest.param(SC1, id="SCSP"), pytest.param(NS1, id="NSP")]
)
async def test_roles_that_own_no_locations_broadcast_none(
    wide: Wide, example: Example, unique: Unique, sender: Party
) -> None:
    location_id = unique("L")
    content = of(sender, example, "location", location_id)
    answer = await wide.send(sender, "PUT", path_of("location", sender, location_id), content)
    assert result_of(answer) in {(200, 2001), (404, 2003)}
    await asyncio.sleep(SETTLE_SECONDS)
    assert not wide.seen(location_id)


@pytest.mark.proves("B-06", "X-14")
@pytest.mark.parametrize(
    ("name", "receivers"),
    [
        pytest.param("location", names(MS1, MS2, NS1, NS2, OT1, DUO, TWI), id="Location"),
        pytest.param("tariff", names(MS1, MS2, NS1, OT1, DUO, TWI), id="Tariff"),
    ],
)
async def test_a_push_of_a_nap_reaches_emsps_navigation_and_others_but_no_other_nap(
    wide: Wide, example: Example, unique: Unique, name: str, receivers: list[str]
) -> None:
    object_id = unique("B")
    answer = await wide.send(NAP, "PUT", path_of(name, NAP, object_id), of(NAP, example, name, object_id))
    assert result_of(answer) == (201, 1000)
    assert addressees(await wide.copies(object_id, len(receivers))) == receivers


@pytest.mark.proves("B-08")
@pytest.mark.parametrize(
    ("sender", "receivers"),
    [
        pytest.param(CP2, LOCATION_RECEIVERS, id="its neighbour BE/MS2 gets one"),
        pytest.param(
            DUO, names(*(set(map(Party.parse, LOCATION_RECEIVERS)) - {DUO})), id="not in its other role either"
        ),
    ],
)
async def test_a_sender_gets_no_copy_and_another_party_on_its_platform_does(
    wide: Wide, example: Example, unique: Unique, sender: Party, receivers: list[str]
) -> None:
    location_id = unique("L")
    content = of(sender, example, "location", location_id)
    await wide.send(sender, "PUT", path_of("location", sender, location_id), content)
    copies = await wide.copies(location_id, len(receivers))
    assert addressees(copies) == receivers
    assert str(sender) not in addressees(copies)


# --- a GET is no broadcast ------------------------------------------------------------------------


@pytest.mark.proves("B-09")
async def test_a_get_to_the_hub_is_answered_from_its_copies_and_goes_nowhere(
    wide: Wide, example: Example, unique: Unique
) -> None:
    location_id, tariff_id, uid, unknown, correlation_id = map(unique, ("L", "T", "U", "N", "c"))
    kept = {
        path_of("location", CP1, location_id): of(CP1, example, "location", location_id),
        path_of("tariff", CP1, tariff_id): of(CP1, example, "tariff", tariff_id),
        path_of("token", MS1, uid): of(MS1, example, "token", uid),
    }
    for path, content in kept.items():
        owner = MS1 if "token" in path else CP1
        await wide.send(owner, "PUT", path, content)
        answer = await wide.send(owner, "GET", path, correlation=correlation_id)
        assert result_of(answer) == (200, 1000)
        assert answer.json()["data"] == content
        assert ways(answer.headers) == from_to(HUB, owner)
    reads = [
        (CP1, path_of("location", CP1, unknown), 404),
        (CP1, path_of("session", CP1, unknown), 404),
        (MS1, f"sender/locations/{location_id}", 200),
        (MS1, f"sender/locations/{unknown}", 404),
        *((MS1, f"sender/{module}", 200) for module in ("locations", "sessions", "cdrs", "tariffs", "tokens")),
    ]
    for reader, path, http_status in reads:
        answer = await wide.send(reader, "GET", path, correlation=correlation_id)
        assert answer.status_code == http_status
        assert ways(answer.headers) == from_to(HUB, reader)
    await asyncio.sleep(SETTLE_SECONDS)
    passed = [seen.headers.get("x-correlation-id") for platform in wide.everybody for seen in platform.seen]
    assert correlation_id not in passed


# --- receivers in trouble -------------------------------------------------------------------------


@pytest.mark.proves("B-10")
async def test_receivers_in_trouble_change_nothing_for_the_sender_and_get_nothing_later(
    hasty: Bench, location: Object
) -> None:
    world = hasty.world
    slow = await world.join("SLO", ("EMSP", str(SLO)))
    gone = await world.join("OFF", ("EMSP", str(OFF)))
    await world.invite([role("EMSP", str(PLN))])
    await hasty.p4.leave()
    hasty.forget_what_was_seen()
    hasty.p3.faults.append(Fault(module_id="locations", http_status=401, status_code=2000))
    hasty.p5.faults.append(Fault(module_id="locations", http_status=500, body=b"oh"))
    slow.faults.append(Fault(module_id="locations", wait_seconds=HANGING_SECONDS, once=True))

    async def push(location_id: str) -> None:
        content, path = {**location, "id": location_id}, f"receiver/locations/DE/CP1/{location_id}"
        started = time.perf_counter()
        answer = await hasty.send(hasty.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
        assert time.perf_counter() - started < SHORT_TIMEOUT_SECONDS
        assert result_of(answer) == (201, 1000)
        assert ways(answer.headers) == from_to(HUB, CP1)
        (copy,) = await hasty.p2.wait_until_seen(partial(is_about, location_id))
        assert ways(copy.headers) == from_to(HUB, MS2)

    async with gone.down():
        await push("L-1")  # refused
        await slow.wait_until_seen(partial(is_about, "L-1"))
        await asyncio.sleep(SETTLE_SECONDS)
        await push("L-2")  # known to be OFFLINE
        await hasty.p3.wait_until_seen(partial(is_about, "L-2"))

    read = await hasty.send(gone, "GET", "sender/locations", sender=OFF, receiver=HUB)
    assert {entry["id"] for entry in read.json()["data"]} == {"L-1", "L-2"}, "it catches up by GET"
    await slow.wait_until_seen(partial(is_about, "L-2"))  # once the hub has given up the first one
    assert not [seen for seen in gone.seen if seen.module_id == "locations"]
    await push("L-3")
    late = await gone.wait_until_seen(partial(is_about, "L-3"))
    assert [seen for seen in gone.seen if seen.module_id == "locations"] == late
    assert not [seen for seen in hasty.p4.seen if seen.module_id == "locations"], "a party that has left is not called"
    await asyncio.sleep(HANGING_SECONDS - SHORT_TIMEOUT_SECONDS)


@pytest.mark.proves("B-10", "X-17")
async def test_a_push_is_stored_and_answered_before_anybody_has_its_copy(
    wide: Wide, example: Example, unique: Unique
) -> None:
    location_id = unique("L")
    for platform in wide.everybody:
        platform.faults.append(Fault(module_id="locations", wait_seconds=SLOW_SECONDS))
    content, path = of(CP1, example, "location", location_id), path_of("location", CP1, location_id)
    started = time.perf_counter()
    answer = await wide.send(CP1, "PUT", path, content)
    assert time.perf_counter() - started < SLOW_SECONDS
    stored = await wide.send(CP1, "GET", path)
    assert result_of(answer) == (201, 1000)
    assert ways(answer.headers) == from_to(HUB, CP1)
    assert stored.json()["data"] == content
    assert addressees(await wide.copies(location_id, len(LOCATION_RECEIVERS))) == LOCATION_RECEIVERS


@pytest.mark.proves("B-14", "X-21")
@pytest.mark.parametrize(
    ("payer", "party_in_headers"),
    [
        pytest.param(MS1, "ZZ/ZZZ", id="strangers"),
        pytest.param(MS1, "/", id="empty"),
        pytest.param(BAR, None, id="none"),
    ],
)
async def test_a_copy_counts_as_delivered_whatever_routing_headers_the_answer_has(
    wide: Wide, example: Example, unique: Unique, payer: Party, party_in_headers: str | None
) -> None:
    """CDRs that are not delivered are offered again, each time with the next one: so it shows what counted."""
    if party_in_headers is not None:
        country_code, _, party_id = party_in_headers.partition("/")
        headers = {f"OCPI-{side}-country-code": country_code for side in ("from", "to")}
        headers |= {f"OCPI-{side}-party-id": party_id for side in ("from", "to")}
        wide.platform(MS1).faults.append(Fault(module_id="cdrs", headers=headers))
    cdr_ids = [unique("C"), unique("C"), unique("C")]
    for count, cdr_id in enumerate(cdr_ids, start=1):
        content = of(CP1, example, "cdr", cdr_id)
        content["cdr_token"] |= {"country_code": payer.country_code, "party_id": payer.party_id}
        assert result_of(await wide.send(CP1, "POST", "receiver/cdrs", content)) == (201, 1000)
        for _ in range(WAIT_TRIES_MAX):
            if len(delivered(wide, payer, cdr_ids)) >= count:
                break
            await asyncio.sleep(WAIT_PAUSE_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
    assert delivered(wide, payer, cdr_ids) == cdr_ids
    infos = await wide.bench.p1.client_infos()
    assert [info["status"] for info in infos if info["party_id"] == payer.party_id] == ["CONNECTED"]


def delivered(wide: Wide, payer: Party, cdr_ids: list[str]) -> list[str]:
    """The ids of the CDRs that came to a payer, in order."""
    bodies = wide.at_bar if payer == BAR else [seen.body for seen in wide.platform(payer).seen]
    return [cdr_id for body in bodies for cdr_id in cdr_ids if cdr_id.encode() in body]


# --- what is not for everybody --------------------------------------------------------------------


@pytest.mark.proves("B-11", "X-46")
async def test_a_cdr_goes_to_the_emsp_of_its_token_and_to_nobody_else(
    wide: Wide, example: Example, unique: Unique
) -> None:
    cdr_id = unique("C")
    content = of(CP1, example, "cdr", cdr_id)
    content["cdr_token"]["contract_id"] = "BE-MS2-C0012345-X"
    answer = await wide.send(CP1, "POST", "receiver/cdrs", content)
    assert result_of(answer) == (201, 1000)
    assert ways(answer.headers) == from_to(HUB, CP1)
    (seen,) = await wide.copies(cdr_id, 1)
    assert (seen.method, ways(seen.headers)) == ("POST", from_to(HUB, MS1))
    assert json.loads(seen.body) == content
    kept = await wide.send(CP1, "GET", answer.headers["location"].partition("/2.2.1/")[2])
    assert kept.json()["data"] == content
    for reader, is_shown in ((MS1, True), (CP1, True), (MS2, False), (CP2, False), (OT1, False)):
        page = await wide.send(reader, "GET", "sender/cdrs?limit=100")
        assert (cdr_id in [cdr["id"] for cdr in page.json()["data"]]) is is_shown


@pytest.mark.proves("B-11", "X-46")
async def test_a_session_and_its_changes_go_to_the_emsp_of_its_token_and_to_nobody_else(
    wide: Wide, example: Example, unique: Unique
) -> None:
    session_id = unique("S")
    content = of(CP1, example, "session", session_id)
    content["cdr_token"]["contract_id"] = "BE-MS2-C0012345-X"
    path = path_of("session", CP1, session_id)
    fields = {"kwh": 20, "last_updated": "2027-01-01T00:00:00Z"}
    assert result_of(await wide.send(CP1, "PUT", path, content)) == (201, 1000)
    assert result_of(await wide.send(CP1, "PATCH", path, fields)) == (200, 1000)
    put, patch = await wide.copies(session_id, 2)
    assert (put.method, patch.method) == ("PUT", "PATCH")
    assert ways(put.headers) == ways(patch.headers) == from_to(HUB, MS1)
    for reader, is_shown in ((MS1, True), (CP1, True), (MS2, False), (SC1, False)):
        page = await wide.send(reader, "GET", "sender/sessions?limit=100")
        assert (session_id in [session["id"] for session in page.json()["data"]]) is is_shown


@pytest.mark.proves("B-11", "X-46")
@pytest.mark.parametrize(
    ("token_party", "expected"),
    [
        pytest.param({"country_code": "ZZ", "party_id": "ZZZ"}, 4001, id="an unknown eMSP"),
        pytest.param({"country_code": "BE", "party_id": "CP2"}, 4001, id="a CPO"),
        pytest.param({"country_code": None, "party_id": None}, 2001, id="nobody, but a contract id of NL/MS1"),
    ],
)
@pytest.mark.parametrize("name", [pytest.param("cdr", id="CDR"), pytest.param("session", id="Session")])
async def test_a_contract_id_never_decides_who_gets_a_cdr_or_a_session(
    wide: Wide, example: Example, unique: Unique, name: str, token_party: Object, expected: int
) -> None:
    object_id = unique("C")
    content = of(CP1, example, name, object_id)
    content["cdr_token"] |= {"contract_id": "NL-MS1-C0012345-X", **token_party}
    method, path = ("POST", "receiver/cdrs") if name == "cdr" else ("PUT", path_of(name, CP1, object_id))
    assert result_of(await wide.send(CP1, method, path, content)) == (200, expected)
    await asyncio.sleep(SETTLE_SECONDS)
    assert not wide.seen(object_id)
    page = await wide.send(CP1, "GET", f"sender/{name}s?limit=100")
    assert object_id not in [entry["id"] for entry in page.json()["data"]]


@pytest.mark.proves("B-11")
async def test_commands_and_authorisations_to_the_hub_reach_one_party_at_most(
    wide: Wide, example: Example, unique: Unique
) -> None:
    location_id, uid = unique("L"), unique("U")
    location, token = of(CP1, example, "location", location_id), of(MS1, example, "token", uid)
    await wide.send(CP1, "PUT", path_of("location", CP1, location_id), location)
    await wide.send(MS1, "PUT", path_of("token", MS1, uid), token)
    await wide.copies(location_id, len(LOCATION_RECEIVERS))
    await wide.copies(uid, len(TOKEN_RECEIVERS))
    for platform in wide.everybody:
        platform.seen.clear()

    command = example("start_session", location_id=location_id, token=token)
    await wide.send(MS1, "POST", "receiver/commands/START_SESSION", command)
    (seen,) = await wide.copies(location_id, 1)
    assert (seen.module_id, ways(seen.headers)) == ("commands", from_to(MS1, CP1))
    for platform in wide.everybody:
        platform.seen.clear()
    await wide.send(CP1, "POST", f"sender/tokens/{uid}/authorize")
    (seen,) = await wide.copies(uid, 1)
    assert (seen.module_id, ways(seen.headers)) == ("tokens", from_to(CP1, MS1))


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.proves("B-12")
@pytest.mark.parametrize(
    ("method", "name", "owner", "change", "expected"),
    [
        pytest.param("PUT", "location", CP1, {"city": None}, {(200, 2001)}, id="a Location without city"),
        pytest.param("PUT", "location", CP1, {"coordinates": "52.1,5.1"}, {(200, 2001)}, id="a wrong type"),
        pytest.param("PUT", "location", CP1, {"last_updated": None}, {(200, 2001)}, id="no last_updated"),
        pytest.param("PUT", "location", CP1, {"id": "other"}, {(200, 2001)}, id="another id than in the URL"),
        pytest.param("PUT", "location", CP1, {"party_id": "CP9"}, {(200, 2001)}, id="another owner than in the URL"),
        pytest.param("PUT", "location", CP2, {}, {(200, 2001), (404, 2003)}, id="somebody else's Location"),
        pytest.param(
            "PATCH", "location", CP1, {"name": "x"}, {(200, 2001), (404, 2003)}, id="a PATCH without last_updated"
        ),
        pytest.param("PUT", "tariff", CP1, {"elements": []}, {(200, 2001)}, id="a Tariff without elements"),
        pytest.param("PUT", "tariff", CP2, {}, {(200, 2001), (404, 2000)}, id="somebody else's Tariff"),
        pytest.param("DELETE", "tariff", CP2, None, {(200, 2001), (404, 2000)}, id="deleting somebody else's Tariff"),
        pytest.param("PUT", "token", MS1, {}, {(200, 2001), (404, 2004)}, id="a Token of an eMSP, pushed by a CPO"),
    ],
)
async def test_faulty_and_foreign_objects_are_refused_before_anybody_sees_them(
    wide: Wide,
    example: Example,
    unique: Unique,
    method: str,
    name: str,
    owner: Party,
    change: Object | None,
    expected: set[tuple[int, int]],
) -> None:
    object_id = unique("B")
    path, content = path_of(name, owner, object_id), of(owner, example, name, object_id)
    body = {"PUT": {**content, **(change or {})}, "PATCH": change, "DELETE": None}[method]
    answer = await wide.send(CP1, method, path, body)
    assert result_of(answer) in expected
    assert "data" not in answer.json()
    await asyncio.sleep(SETTLE_SECONDS)
    assert not wide.seen(object_id)
    assert (await wide.send(owner, "GET", path)).status_code == 404


# --- what is kept ---------------------------------------------------------------------------------


@pytest.mark.proves("B-13", "R-11")
@pytest.mark.parametrize(
    ("owner", "name", "reader"),
    [
        pytest.param(CP1, "location", MS1, id="Location"),
        pytest.param(CP1, "tariff", MS1, id="Tariff"),
        pytest.param(MS1, "token", CP1, id="Token"),
    ],
)
async def test_what_was_broadcast_is_shown_by_get_all_with_its_own_time(
    wide: Wide, example: Example, unique: Unique, owner: Party, name: str, reader: Party
) -> None:
    object_id, key = unique("B"), "uid" if name == "token" else "id"
    content = of(owner, example, name, object_id)
    await wide.send(owner, "PUT", path_of(name, owner, object_id), content)
    page = await wide.send(reader, "GET", f"sender/{name}s?limit=100")
    assert [entry for entry in page.json()["data"] if entry[key] == object_id] == [content]


@pytest.mark.proves("X-16")
async def test_a_deleted_tariff_is_broadcast_and_gone_though_some_never_had_it(
    wide: Wide, example: Example, unique: Unique
) -> None:
    tariff_id = unique("T")
    path = path_of("tariff", CP1, tariff_id)
    wide.platform(MS1).faults.append(Fault(module_id="tariffs", method="PUT", http_status=500, body=b""))
    wide.platform(NS1).faults.append(Fault(module_id="tariffs", method="DELETE", http_status=404, status_code=2001))
    await wide.send(CP1, "PUT", path, of(CP1, example, "tariff", tariff_id))
    answer = await wide.send(CP1, "DELETE", path)
    assert result_of(answer) == (200, 1000)
    assert ways(answer.headers) == from_to(HUB, CP1)
    copies = await wide.copies(tariff_id, 2 * len(TARIFF_RECEIVERS))
    assert addressees([seen for seen in copies if seen.method == "DELETE"]) == TARIFF_RECEIVERS
    assert {ways(seen.headers)[0] for seen in copies} == {str(HUB)}
    assert (await wide.send(CP1, "GET", path)).status_code == 404
    page = await wide.send(MS1, "GET", "sender/tariffs?limit=100")
    assert tariff_id not in [tariff["id"] for tariff in page.json()["data"]]
    assert (await wide.send(CP1, "DELETE", path)).status_code == 404


@pytest.mark.proves("X-31")
@pytest.mark.parametrize("method", [pytest.param("PUT", id="PUT"), pytest.param("PATCH", id="PATCH")])
async def test_an_older_push_is_answered_with_a_message_and_neither_stored_nor_sent(
    wide: Wide, example: Example, unique: Unique, method: str
) -> None:
    location_id = unique("L")
    content, path = of(CP1, example, "location", location_id), path_of("location", CP1, location_id)
    await wide.send(CP1, "PUT", path, content)
    await wide.copies(location_id, len(LOCATION_RECEIVERS))
    older = {"name": "older", "last_updated": "2026-01-15T06:58:00Z"}
    answer = await wide.send(CP1, method, path, {**content, **older} if method == "PUT" else older)
    assert result_of(answer) == (200, 1000)
    assert answer.json()["status_message"]
    await asyncio.sleep(SETTLE_SECONDS)
    assert len(wide.seen(location_id)) == len(LOCATION_RECEIVERS)
    assert (await wide.send(CP1, "GET", path)).json()["data"] == content


@pytest.mark.proves("X-31")
async def test_an_equally_old_push_is_stored_and_a_direct_one_is_forwarded_however_old(
    wide: Wide, example: Example, unique: Unique
) -> None:
    location_id = unique("L")
    content, path = of(CP1, example, "location", location_id), path_of("location", CP1, location_id)
    await wide.send(CP1, "PUT", path, content)
    answer = await wide.send(CP1, "PUT", path, {**content, "name": "again"})
    assert "status_message" not in answer.json()
    assert (await wide.send(CP1, "GET", path)).json()["data"]["name"] == "again"
    older = {**content, "name": "older", "last_updated": "2015-01-01T00:00:00Z"}
    await wide.send(CP1, "PUT", path, {**content, "name": "for MS1"}, receiver=MS1)
    await wide.send(CP1, "PUT", path, older, receiver=MS1)
    last = [seen for seen in at(wide.platform(MS1), location_id) if ways(seen.headers)[0] == str(CP1)][-1]
    assert last.content == older

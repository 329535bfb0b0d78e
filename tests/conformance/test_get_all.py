"""Section 9 of the checklist: lists and objects that are asked of the hub itself, and who may see what in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hub.demo.party import DemoPlatform
from ocpi_modules.parties import Party
from tests.conformance.answers import from_to, result_of, ways
from tests.conftest import HUB
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

SETTLE_SECONDS = 0.2
NAMES = ("location", "session", "cdr", "tariff", "token")


def platform_of(bench: Bench, party: Party) -> DemoPlatform:
    found = {CP1: bench.p1, CP2: bench.p2, MS2: bench.p2, MS1: bench.p3, NS1: bench.p4, OT1: bench.p5}
    return found[party]


def key_of(name: str) -> str:
    return "uid" if name == "token" else "id"


def of(owner: Party, example: Example, name: str, object_id: str, emsp: Party = MS1) -> Object:
    """An object of this owner; sessions and CDRs are about a token of an eMSP."""
    content = example(name, country_code=owner.country_code, party_id=owner.party_id, **{key_of(name): object_id})
    if "cdr_token" in content:
        named = {"country_code": emsp.country_code, "party_id": emsp.party_id}
        content["cdr_token"] = {**content["cdr_token"], **named}
    return content


async def send(
    bench: Bench, sender: Party, method: str, path: str, content: Any = None, receiver: Party | None = HUB
) -> httpx.Response:
    """A request of a party, to the hub where nobody else is named."""
    platform = platform_of(bench, sender)
    return await bench.send(platform, method, path, sender=sender, receiver=receiver, content=content)


async def push(bench: Bench, name: str, content: Object, receiver: Party | None = HUB) -> None:
    """Push a whole object as its owner."""
    owner = Party(content["country_code"], content["party_id"])
    path = "receiver/cdrs" if name == "cdr" else f"receiver/{name}s/{owner}/{content[key_of(name)]}"
    answer = await send(bench, owner, "POST" if name == "cdr" else "PUT", path, content, receiver)
    assert result_of(answer) == (201, 1000)


async def listed(bench: Bench, reader: Party, name: str) -> list[Object]:
    """The whole of a list as GET All shows it to a party; few enough for one page."""
    answer = await send(bench, reader, "GET", f"sender/{name}s?limit=100")
    assert result_of(answer) == (200, 1000)
    assert ways(answer.headers) == from_to(HUB, reader)
    found: list[Object] = answer.json()["data"]
    assert answer.headers["x-total-count"] == str(len(found))
    assert "link" not in answer.headers
    return found


async def shown(bench: Bench, reader: Party, name: str, object_id: str) -> list[Object]:
    """The objects of one id in such a list."""
    return [entry for entry in await listed(bench, reader, name) if entry[key_of(name)] == object_id]


# --- the objects of all, with their owners --------------------------------------------------------


@pytest.mark.proves("G-01", "G-02")
@pytest.mark.parametrize(
    ("name", "owners", "reader"),
    [
        pytest.param("location", (CP1, CP2), MS1, id="Locations of two CPOs"),
        pytest.param("tariff", (CP1, CP2), NS1, id="Tariffs of two CPOs"),
        pytest.param("session", (CP1, CP2), MS1, id="Sessions of two CPOs"),
        pytest.param("cdr", (CP1, CP2), MS1, id="CDRs of two CPOs"),
        pytest.param("token", (MS1, MS2), CP1, id="Tokens of two eMSPs"),
    ],
)
async def test_a_list_of_the_hub_merges_the_objects_of_all_owners_and_says_whose_each_is(
    shared: Bench, example: Example, unique: Unique, name: str, owners: tuple[Party, ...], reader: Party
) -> None:
    """The two owners use one id, so only country code and party id tell them apart."""
    object_id = unique("G")
    pushed = [of(owner, example, name, object_id) for owner in owners]
    for content in pushed:
        await push(shared, name, content)

    everything = await listed(shared, reader, name)

    assert [entry for entry in everything if entry[key_of(name)] == object_id] == pushed
    known = {str(party) for party in (CP1, CP2, MS1, MS2)}
    assert {f"{entry['country_code']}/{entry['party_id']}" for entry in everything} <= known
    mark = {"X-Correlation-ID": unique("c")}
    platform = platform_of(shared, reader)
    await shared.send(platform, "GET", f"sender/{name}s", sender=reader, receiver=HUB, headers=mark)
    passed = [seen.headers.get("x-correlation-id") for other in shared.everybody for seen in other.seen]
    assert mark["X-Correlation-ID"] not in passed


# --- what was meant for one -----------------------------------------------------------------------


@pytest.mark.proves("G-03", "X-12")
@pytest.mark.parametrize(
    ("name", "owner", "receiver", "others"),
    [
        pytest.param("location", CP1, MS1, (MS2, NS1, OT1), id="a Location for one eMSP"),
        pytest.param("location", CP2, NS1, (MS1, MS2, OT1), id="a Location for a navigation provider"),
        pytest.param("tariff", CP1, MS1, (MS2, NS1, OT1), id="a Tariff"),
        pytest.param("token", MS1, CP1, (CP2,), id="a Token for one CPO"),
    ],
)
async def test_what_was_pushed_to_one_party_is_shown_to_nobody_else(
    shared: Bench, example: Example, unique: Unique, name: str, owner: Party, receiver: Party, others: tuple[Party, ...]
) -> None:
    object_id = unique("G")
    content = of(owner, example, name, object_id)
    await push(shared, name, content, receiver)
    assert await shown(shared, receiver, name, object_id) == [content]
    for other in others:
        assert await shown(shared, other, name, object_id) == []
    await asyncio.sleep(SETTLE_SECONDS)
    saw = [platform for platform in shared.everybody for seen in platform.seen if object_id in seen.path]
    assert saw == [platform_of(shared, receiver)], "nor is it broadcast"


@pytest.mark.proves("G-03", "G-06", "X-12")
async def test_one_object_that_was_pushed_to_another_party_is_not_there_for_a_reader(
    shared: Bench, location: Object, unique: Unique
) -> None:
    content = {**location, "id": unique("L")}
    await push(shared, "location", content, MS1)
    path = f"sender/locations/{content['id']}"
    own = await send(shared, MS1, "GET", path)
    assert own.json()["data"] == content
    for reader in (MS2, NS1, OT1):
        for suffix in ("", f"/{location['evses'][0]['uid']}"):
            answer = await send(shared, reader, "GET", path + suffix)
            assert result_of(answer) == (404, 2003)
            assert "data" not in answer.json()


@pytest.mark.proves("G-03", "X-12")
async def test_a_change_that_was_sent_to_one_party_changes_nothing_for_others(
    shared: Bench, location: Object, unique: Unique
) -> None:
    content = {**location, "id": unique("L")}
    await push(shared, "location", content)
    await shared.p3.wait_until_seen(lambda seen: content["id"] in seen.path)
    fields = {"name": "for MS1", "last_updated": "2027-01-01T00:00:00Z"}
    path = f"receiver/locations/{CP1}/{content['id']}"
    assert result_of(await send(shared, CP1, "PATCH", path, fields, MS1)) == (200, 1000)
    for reader in (MS2, NS1, OT1):
        assert await shown(shared, reader, "location", content["id"]) == [content]


@pytest.mark.proves("G-03", "X-12")
async def test_what_is_pushed_to_the_hub_later_is_shown_to_all_and_to_the_one_only_once(
    shared: Bench, location: Object, unique: Unique
) -> None:
    content = {**location, "id": unique("L")}
    await push(shared, "location", {**content, "name": "for MS1"}, MS1)
    await push(shared, "location", content)
    assert await shown(shared, MS2, "location", content["id"]) == [content]
    (own,) = await shown(shared, MS1, "location", content["id"])
    assert own["name"] == "for MS1"


# --- who may see what -----------------------------------------------------------------------------


@pytest.mark.proves("G-04", "X-46")
@pytest.mark.parametrize("name", [pytest.param("cdr", id="CDRs"), pytest.param("session", id="Sessions")])
async def test_cdrs_and_sessions_are_shown_to_their_cpo_and_to_the_emsp_of_their_token(
    bench: Bench, example: Example, name: str
) -> None:
    made = [
        ("C1", CP1, MS1, HUB),
        ("C2", CP1, MS2, MS2),
        ("C3", CP2, MS1, None),
        ("C4", CP2, MS2, HUB),
        ("C5", CP2, MS1, MS1),
    ]
    for object_id, owner, emsp, receiver in made:
        content = of(owner, example, name, object_id, emsp)
        content["cdr_token"]["contract_id"] = "BE-MS2-C0012345-X"
        await push(bench, name, content, receiver)
    expected = {
        CP1: ["C1", "C2"],
        CP2: ["C3", "C4", "C5"],
        MS1: ["C1", "C3", "C5"],
        MS2: ["C2", "C4"],
        NS1: [],
        OT1: [],
    }
    seen = {reader: [entry["id"] for entry in await listed(bench, reader, name)] for reader in expected}
    assert seen == expected


@pytest.mark.proves("G-04")
async def test_tokens_are_shown_to_cpos_and_to_nobody_else_but_their_own_emsp(bench: Bench, example: Example) -> None:
    for uid, owner in (("U1", MS1), ("U2", MS2), ("U3", OT1)):
        await push(bench, "token", of(owner, example, "token", uid))
    expected = {CP1: ["U1", "U2", "U3"], CP2: ["U1", "U2", "U3"], MS1: ["U1"], MS2: ["U2"], OT1: ["U3"], NS1: []}
    seen = {reader: [entry["uid"] for entry in await listed(bench, reader, "token")] for reader in expected}
    assert seen == expected


# --- the five lists -------------------------------------------------------------------------------


@pytest.mark.proves("G-05")
@pytest.mark.parametrize("name", NAMES)
async def test_each_list_of_the_hub_has_pages(shared: Bench, example: Example, unique: Unique, name: str) -> None:
    owner, reader = (MS1, CP1) if name == "token" else (CP1, MS1)
    for _ in range(2):
        await push(shared, name, of(owner, example, name, unique("G")))
    everything = await listed(shared, reader, name)
    answer = await send(shared, reader, "GET", f"sender/{name}s?limit=1")
    assert result_of(answer) == (200, 1000)
    assert answer.json()["data"] == everything[:1]
    assert (answer.headers["x-total-count"], answer.headers["x-limit"]) == (str(len(everything)), "1")
    url, _, relation = answer.headers["link"].partition(">; ")
    assert relation == 'rel="next"'
    assert url.startswith(f"<{shared.world.url}/ocpi/2.2.1/sender/{name}s?")
    following = await send(shared, reader, "GET", url.partition("/ocpi/2.2.1/")[2])
    assert following.json()["data"] == everything[1:2]


@pytest.mark.proves("G-05")
async def test_objects_stay_listed_while_their_owner_is_offline(bench: Bench, example: Example) -> None:
    readers = {name: (CP1 if name == "token" else MS1) for name in NAMES}
    kept = {name: of(MS1 if name == "token" else CP1, example, name, "G1") for name in NAMES}
    for name, content in kept.items():
        await push(bench, name, content)
    await bench.p3.wait_until_seen(lambda seen: seen.module_id == "cdrs")
    for owner, witness, names in ((MS1, CP1, ("token",)), (CP1, MS1, ("location", "session", "cdr", "tariff"))):
        async with platform_of(bench, owner).down():
            module = "tokens" if owner == MS1 else "locations"
            asked = await send(bench, witness, "GET", f"sender/{module}", receiver=owner)
            assert result_of(asked) == (200, 4003)
            infos = await platform_of(bench, witness).client_infos()
            assert [info["status"] for info in infos if info["party_id"] == owner.party_id] == ["OFFLINE"]
            for name in names:
                (entry,) = await listed(bench, readers[name], name)
                assert entry == kept[name]


# --- one object -----------------------------------------------------------------------------------


@pytest.mark.proves("G-06")
@pytest.mark.parametrize(
    "depth", [pytest.param(0, id="Location"), pytest.param(1, id="EVSE"), pytest.param(2, id="Connector")]
)
async def test_an_id_that_one_owner_uses_is_that_object(
    shared: Bench, location: Object, unique: Unique, depth: int
) -> None:
    content = {**location, "id": unique("L")}
    await push(shared, "location", content)
    evse = content["evses"][1]
    parts = [(content, ""), (evse, f"/{evse['uid']}"), (evse["connectors"][0], f"/{evse['uid']}/1")]
    expected, suffix = parts[depth]
    answer = await send(shared, MS1, "GET", f"sender/locations/{content['id'].lower()}{suffix}")
    assert result_of(answer) == (200, 1000)
    assert answer.json()["data"] == expected
    assert ways(answer.headers) == from_to(HUB, MS1)
    assert not [seen for seen in shared.p1.seen if content["id"].lower() in seen.path.lower()]


@pytest.mark.proves("G-06")
@pytest.mark.parametrize("suffix", [pytest.param("", id="Location"), pytest.param("/{evse}", id="EVSE")])
async def test_an_id_that_two_owners_use_is_a_fault_of_the_client(
    shared: Bench, location: Object, unique: Unique, suffix: str
) -> None:
    location_id = unique("L")
    for owner in (CP1, CP2):
        content = {**location, "country_code": owner.country_code, "party_id": owner.party_id, "id": location_id}
        await push(shared, "location", content)
    path = f"sender/locations/{location_id}{suffix.format(evse=location['evses'][0]['uid'])}"
    answer = await send(shared, MS1, "GET", path)
    assert result_of(answer) in {(200, 2001), (404, 2001), (404, 2003)}
    assert "data" not in answer.json()
    assert ways(answer.headers) == from_to(HUB, MS1)
    assert len(await shown(shared, MS1, "location", location_id)) == 2


@pytest.mark.proves("G-06")
async def test_an_object_that_a_reader_may_not_see_makes_no_id_ambiguous(
    shared: Bench, location: Object, unique: Unique
) -> None:
    content = {**location, "id": unique("L")}
    await push(shared, "location", content)
    await push(shared, "location", {**content, "country_code": "BE", "party_id": "CP2"}, NS1)
    path = f"sender/locations/{content['id']}"
    assert (await send(shared, MS1, "GET", path)).json()["data"] == content
    both = await send(shared, NS1, "GET", path)
    assert result_of(both) in {(200, 2001), (404, 2001), (404, 2003)}


@pytest.mark.proves("G-06")
async def test_an_id_that_nobody_uses_is_not_there(shared: Bench, unique: Unique) -> None:
    answer = await send(shared, MS1, "GET", f"sender/locations/{unique('N')}")
    assert result_of(answer) == (404, 2003)
    assert ways(answer.headers) == from_to(HUB, MS1)
    assert "data" not in answer.json()

"""Who may talk to whom, from outside: the rules of the operator, and parties that wait for it (HC-03, HC-07, HC-10, C-25)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.demo.faults import Seen
from hub.demo.party import DemoPlatform, role
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of
from tests.conftest import HUB, loopback_client, running_hub
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench, join_everybody

Object = dict[str, Any]
Example = Callable[..., Object]
Unique = Callable[[str], str]
Place = Callable[..., Object]

BEGINS_SECONDS, LASTS_SECONDS = 2.0, 4.0
LATEST_SECONDS = 2.5  # how long after its date a rule counts at the latest, on a busy machine
MS9 = Party("DE", "MS9")


def moment(seconds: float) -> str:
    """A DateTime so many seconds from now."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def add_rule(hub: Bench, one: str | None, other: str | None, module: str | None, **fields: Any) -> Object:
    """A rule between two parties, made by the operator: it closes unless it says otherwise."""
    asked = {"one": one, "other": other, "module": module, "allowed": False, **fields}
    answer = await hub.world.admin.post("/admin/permissions", json=asked)
    assert answer.status_code == 201, answer.text
    made: Object = answer.json()
    return made


async def end_rule(hub: Bench, rule: Object) -> None:
    assert (await hub.world.admin.delete(f"/admin/permissions/{rule['id']}")).status_code == 204


def at(platform: DemoPlatform, module_id: str, receiver: Party | None = None) -> list[Seen]:
    """What a platform, or a party of it, got of a module, except what the hub asks for itself."""
    return [
        seen
        for seen in platform.seen
        if seen.module_id == module_id
        and receiver in {None, seen.receiver}
        and (seen.sender, seen.method) != (HUB, "GET")
    ]


def about(object_id: str) -> Callable[[Seen], bool]:
    return lambda seen: object_id in seen.path or object_id.encode() in seen.body


def news_of(party: Party) -> Callable[[Seen], bool]:
    return lambda seen: seen.module_id == "hubclientinfo" and seen.path.endswith(f"/{party}")


def told(platform: DemoPlatform, party: Party) -> list[str]:
    """The statuses of a party that a platform was told, in order."""
    is_news = news_of(party)
    return [seen.content["status"] for seen in platform.seen if is_news(seen)]


async def infos(hub: Bench, platform: DemoPlatform, query: str = "") -> dict[Party, Object]:
    """Hub client info as a platform reads it; every party of the bench has one role."""
    answer = await hub.send(platform, "GET", f"sender/hubclientinfo?limit=50{query}")
    assert result_of(answer) == (200, 1000)
    return {Party(info["country_code"], info["party_id"]): info for info in answer.json()["data"]}


async def statuses(hub: Bench, platform: DemoPlatform) -> dict[Party, str]:
    return {party: info["status"] for party, info in (await infos(hub, platform)).items()}


async def listed(
    hub: Bench, platform: DemoPlatform, sender: Party, module: str = "locations"
) -> tuple[set[Party], list[str]]:
    """Owners and ids of GET All, whose count is that of its objects."""
    answer = await hub.send(platform, "GET", f"sender/{module}?limit=50", sender=sender, receiver=HUB)
    assert result_of(answer) == (200, 1000)
    found = answer.json()["data"]
    assert int(answer.headers["x-total-count"]) == len(found)
    return {Party(content["country_code"], content["party_id"]) for content in found}, [c["id"] for c in found]


async def good_rules(hub: Bench) -> list[Object]:
    return [rule for rule in (await hub.world.admin.get("/admin/permissions")).json() if rule["state"] == "GOOD"]


async def put(
    hub: Bench, content: Object, module: str = "locations", *, to: Party | None = HUB, owner: Party = CP1
) -> httpx.Response:
    """A PUT of an object by its CPO; P1 speaks for DE/CP1, P2 for BE/CP2."""
    id_ = content["id"]
    path = f"receiver/{module}/{owner}/{id_}"
    platform = hub.p1 if owner == CP1 else hub.p2
    return await hub.send(platform, "PUT", path, sender=owner, receiver=to, content=content)


@pytest.fixture
def place(location: Object) -> Callable[..., Object]:
    """A location of a CPO: ``place("L1")``, ``place("L2", CP2)``."""

    def made(id_: str, owner: Party = CP1) -> Object:
        return {**location, "country_code": owner.country_code, "party_id": owner.party_id, "id": id_}

    return made


@pytest.fixture
def tariff(example: Example) -> Object:
    """A tariff of DE/CP1 called T1."""
    return example("tariff", country_code="DE", party_id="CP1", id="T1")


# --- one module is closed -------------------------------------------------------------------------


@dataclass(frozen=True)
class Parted:
    """A hub in which the locations of DE/CP1 are closed to NL/MS1, who has seen one of them before; BE/CP2 has another one."""

    hub: Bench
    near: str
    far: str


@pytest.fixture
async def ruled(shared: Bench) -> AsyncIterator[Bench]:
    """The shared hub, in which no rule outlives a test."""
    yield shared
    for rule in (await shared.world.admin.get("/admin/permissions")).json():
        if rule["state"] != "ENDED":
            await end_rule(shared, rule)


@pytest.fixture
async def parted(ruled: Bench, place: Place, unique: Unique) -> Parted:
    near, far = unique("L"), unique("L")
    assert result_of(await put(ruled, place(near))) == (201, 1000)
    assert result_of(await put(ruled, place(far, CP2), owner=CP2)) == (201, 1000)
    for id_ in (near, far):
        for platform in (ruled.p2, ruled.p3, ruled.p4, ruled.p5):
            await platform.wait_until_seen(about(id_))
    await add_rule(ruled, "NL/MS1", "DE/CP1", "locations")
    ruled.forget_what_was_seen()
    return Parted(ruled, near, far)


async def test_a_broadcast_passes_by_whom_the_module_is_closed_to(
    parted: Parted, place: Place, tariff: Object, unique: Unique
) -> None:
    """Tariffs are not meant; this one comes after the location in the lane of NL/MS1."""
    hub, near, far, priced = parted.hub, unique("L"), unique("L"), unique("T")
    assert result_of(await put(hub, place(near))) == (201, 1000)
    assert result_of(await put(hub, tariff | {"id": priced}, "tariffs")) == (201, 1000)
    assert result_of(await put(hub, place(far, CP2), owner=CP2)) == (201, 1000)
    for platform, receiver in ((hub.p2, MS2), (hub.p4, NS1), (hub.p5, OT1)):
        for id_ in (near, far):
            await platform.wait_until_seen(about(id_))
        assert {seen.receiver for seen in at(platform, "locations")} == {receiver}
    await hub.p3.wait_until_seen(about(priced))
    await hub.p3.wait_until_seen(about(far))
    got = [*at(hub.p3, "locations"), *at(hub.p3, "tariffs")]
    assert {seen.path.rpartition("/")[2] for seen in got} == {priced, far}


@pytest.mark.proves("HC-10")
async def test_what_is_closed_is_refused_in_both_directions_and_reaches_nobody(parted: Parted, place: Place) -> None:
    """As to a party that is PLANNED: 4003."""
    hub, near = parted.hub, parted.near
    change = {"name": "For you alone", "last_updated": "2029-01-01T00:00:00Z"}
    own = f"receiver/locations/DE/CP1/{near}"
    for answer in (
        await hub.send(hub.p3, "GET", "sender/locations", sender=MS1, receiver=CP1),
        await hub.send(hub.p3, "GET", f"sender/locations/{near}", sender=MS1, receiver=CP1),
        await put(hub, place(near), to=MS1),
        await hub.send(hub.p1, "PATCH", own, sender=CP1, receiver=MS1, content=change),
        await hub.send(hub.p1, "GET", own, sender=CP1, receiver=MS1),
    ):
        assert result_of(answer) == (200, 4003)
        assert "data" not in answer.json()
    assert not at(hub.p1, "locations")
    assert not at(hub.p3, "locations")
    [rule] = await good_rules(hub)
    await end_rule(hub, rule)
    kept = await hub.send(hub.p3, "GET", f"sender/locations/{near}", sender=MS1, receiver=HUB)
    assert kept.json()["data"]["name"] == place(near)["name"], "nothing was kept of what was refused"


async def test_other_pairs_and_other_modules_go_on(parted: Parted, tariff: Object, unique: Unique) -> None:
    hub = parted.hub
    for sender, platform, receiver, module in (
        (MS2, hub.p2, CP1, "locations"),
        (MS1, hub.p3, CP2, "locations"),
        (MS1, hub.p3, CP1, "tariffs"),
        (MS1, hub.p3, CP1, "sessions"),
        (CP1, hub.p1, MS1, "tokens"),
    ):
        query = "?date_from=2026-01-01T00:00:00Z" if module == "sessions" else ""
        answer = await hub.send(platform, "GET", f"sender/{module}{query}", sender=sender, receiver=receiver)
        assert result_of(answer) == (200, 1000), (sender, receiver, module)
    priced = unique("T")
    assert (await put(hub, tariff | {"id": priced}, "tariffs", to=MS1)).json()["status_code"] == 1000
    assert [seen.sender for seen in hub.p3.seen if about(priced)(seen)] == [CP1]


async def test_lists_and_ids_lack_what_is_closed(parted: Parted, tariff: Object, unique: Unique) -> None:
    """GET All with its count, and the object by its id; the owner and others see what they saw."""
    hub, near, far = parted.hub, parted.near, parted.far
    owners, ids = await listed(hub, hub.p3, MS1)
    assert CP1 not in owners
    assert far in ids
    for platform, reader in ((hub.p2, MS2), (hub.p1, CP1), (hub.p4, NS1)):
        owners, ids = await listed(hub, platform, reader)
        assert {near, far} <= set(ids)
    by_id = await hub.send(hub.p3, "GET", f"sender/locations/{near}", sender=MS1, receiver=HUB)
    unknown = await hub.send(hub.p3, "GET", f"sender/locations/{unique('L')}", sender=MS1, receiver=HUB)
    assert result_of(by_id) == result_of(unknown) == (404, 2003), "as if there were none"
    other = await hub.send(hub.p3, "GET", f"sender/locations/{far}", sender=MS1, receiver=HUB)
    assert (result_of(other), other.json()["data"]["id"]) == ((200, 1000), far)
    priced = unique("T")
    assert result_of(await put(hub, tariff | {"id": priced}, "tariffs")) == (201, 1000)
    assert priced in (await listed(hub, hub.p3, MS1, "tariffs"))[1]


async def test_open_routing_does_not_find_what_is_closed(parted: Parted, unique: Unique) -> None:
    """Without a receiver: not told from an object that nobody has, and DE/CP1 is not asked."""
    hub = parted.hub
    closed = await hub.send(hub.p3, "GET", f"sender/locations/{parted.near}", sender=MS1)
    unknown = await hub.send(hub.p3, "GET", f"sender/locations/{unique('L')}", sender=MS1)
    assert result_of(closed) == result_of(unknown) == (200, 4001)
    assert closed.json()["status_message"] == unknown.json()["status_message"]
    assert not at(hub.p1, "locations")
    await hub.send(hub.p3, "GET", f"sender/locations/{parted.far}", sender=MS1)
    assert [seen.sender for seen in at(hub.p2, "locations", CP2)] == [MS1]
    await hub.send(hub.p2, "GET", f"sender/locations/{parted.near}", sender=MS2)
    assert [seen.sender for seen in at(hub.p1, "locations", CP1)] == [MS2]


async def test_a_rule_that_ended_leaves_everything_as_it_was(parted: Parted, place: Place, unique: Unique) -> None:
    """What was kept meanwhile is shown then; what was broadcast meanwhile is not sent after."""
    hub, meanwhile, later = parted.hub, unique("L"), unique("L")
    assert result_of(await put(hub, place(meanwhile))) == (201, 1000)
    [rule] = await good_rules(hub)
    await end_rule(hub, rule)
    assert {parted.near, parted.far, meanwhile} <= set((await listed(hub, hub.p3, MS1))[1])
    assert result_of(await put(hub, place(later))) == (201, 1000)
    await hub.p3.wait_until_seen(about(later))
    assert not [seen for seen in hub.p3.seen if about(meanwhile)(seen) and seen.method != "GET"]
    assert (await put(hub, place(later), to=MS1)).json()["status_code"] == 1000


async def test_sessions_and_cdrs_of_a_closed_pair_are_refused(
    ruled: Bench, session: Object, cdr: Object, unique: Unique
) -> None:
    """Addressed to the hub, to the eMSP or to nobody: they belong to the eMSP of their token in any case."""
    await add_rule(ruled, "DE/CP1", "NL/MS1", "sessions")
    await add_rule(ruled, "DE/CP1", None, "cdrs")
    charged, billed = unique("S"), unique("C")
    for to in (HUB, MS1, None):
        assert result_of(await put(ruled, session | {"id": charged}, "sessions", to=to)) == (200, 4003)
        content = cdr | {"id": billed}
        posted = await ruled.send(ruled.p1, "POST", "receiver/cdrs", sender=CP1, receiver=to, content=content)
        assert result_of(posted) == (200, 4003)
    assert not [seen for seen in ruled.p3.seen if about(charged)(seen) or about(billed)(seen)]
    for module, id_ in (("sessions", charged), ("cdrs", billed)):
        assert id_ not in (await listed(ruled, ruled.p1, CP1, module))[1]


@pytest.mark.proves("HC-07")
async def test_one_closed_module_is_no_change_of_status(bench: Bench) -> None:
    """Nothing was told, and nothing is newer in the list."""
    before = {platform.name: await infos(bench, platform) for platform in bench.everybody}
    rule = await add_rule(bench, "DE/CP1", "NL/MS1", "locations")
    assert {platform.name: await infos(bench, platform) for platform in bench.everybody} == before
    assert await infos(bench, bench.p3, f"&date_from={rule['starts_at']}") == {}
    await end_rule(bench, rule)
    assert {platform.name: await infos(bench, platform) for platform in bench.everybody} == before
    assert not [platform.name for platform in bench.everybody if told(platform, CP1) or told(platform, MS1)]


async def test_the_rule_that_names_most_counts_and_of_equals_the_newest(bench: Bench, place: Place) -> None:
    """DE/CP1, NL/MS1 and locations, with one rule more at each step."""
    assert result_of(await put(bench, place("L1"))) == (201, 1000)
    for one, other, module, is_open in (
        (None, None, None, False),
        (None, None, "locations", True),
        ("DE/CP1", None, None, False),
        (None, "NL/MS1", None, True),
        (None, None, "locations", True),
        ("NL/MS1", None, "locations", False),
        ("NL/MS1", "DE/CP1", None, True),
        ("DE/CP1", "NL/MS1", "tariffs", True),
        ("DE/CP1", "NL/MS1", "locations", False),
    ):
        await add_rule(bench, one, other, module, allowed=is_open)
        asked = await bench.send(bench.p3, "GET", "sender/locations", sender=MS1, receiver=CP1)
        assert result_of(asked) == (200, 1000 if is_open else 4003), (one, other, module)
        assert ((await listed(bench, bench.p3, MS1))[1] == ["L1"]) is is_open
    await add_rule(bench, None, None, None, allowed=True)
    asked = await bench.send(bench.p3, "GET", "sender/locations", sender=MS1, receiver=CP1)
    assert result_of(asked) == (200, 4003), "the newest rule, but it names nobody"


# --- everything is closed -------------------------------------------------------------------------


@pytest.mark.proves("HC-03", "HC-04", "HC-07")
async def test_who_may_talk_about_nothing_is_planned_to_each_other_and_to_nobody_else(bench: Bench) -> None:
    """One PUT to either side when the pair is closed, one when it is opened again; the others hear nothing."""
    before = {platform.name: await infos(bench, platform) for platform in bench.everybody}
    rule = await add_rule(bench, "DE/CP1", "NL/MS1", None)
    await bench.p1.wait_until_seen(news_of(MS1))
    await bench.p3.wait_until_seen(news_of(CP1))
    for platform, party in ((bench.p1, MS1), (bench.p3, CP1)):
        [seen] = [seen for seen in platform.seen if news_of(party)(seen)]
        assert (seen.method, seen.path.endswith(f"/hubclientinfo/{party}")) == ("PUT", True)
        assert not [name for name in seen.headers if name.startswith("ocpi-")]
        shown = (await infos(bench, platform))[party]
        assert shown == json.loads(seen.body)
        assert shown == {
            **before[platform.name][party],
            "status": "PLANNED",
            "last_updated": rule["starts_at"],
        }
        assert set(await infos(bench, platform, f"&date_from={rule['starts_at']}")) == {party}
        others = {p: info for p, info in before[platform.name].items() if p != party}
        assert {p: info for p, info in (await infos(bench, platform)).items() if p != party} == others
    for platform in (bench.p2, bench.p4, bench.p5):
        assert await infos(bench, platform) == before[platform.name]
    bench.forget_what_was_seen()
    await end_rule(bench, rule)
    await bench.p1.wait_until_seen(news_of(MS1))
    await bench.p3.wait_until_seen(news_of(CP1))
    [ended] = (await bench.world.admin.get("/admin/permissions")).json()
    for platform, party in ((bench.p1, MS1), (bench.p3, CP1)):
        shown = (await infos(bench, platform))[party]
        assert shown == {**before[platform.name][party], "last_updated": ended["ends_at"]}
    assert [told(platform, MS1) for platform in (bench.p1, bench.p2, bench.p4, bench.p5)] == [["CONNECTED"], [], [], []]
    assert [told(platform, CP1) for platform in (bench.p3, bench.p2, bench.p4, bench.p5)] == [["CONNECTED"], [], [], []]


@pytest.mark.proves("HC-03")
async def test_module_after_module_counts_once_the_last_is_closed(bench: Bench) -> None:
    modules = ("locations", "sessions", "cdrs", "tariffs", "tokens", "commands", "chargingprofiles")
    for module in modules[:-1]:
        await add_rule(bench, "DE/CP1", "NL/MS1", module)
    assert (await statuses(bench, bench.p3))[CP1] == "CONNECTED"
    await add_rule(bench, "DE/CP1", "NL/MS1", modules[-1])
    await bench.p3.wait_until_seen(news_of(CP1))
    assert (await statuses(bench, bench.p3))[CP1] == "PLANNED"
    await add_rule(bench, "DE/CP1", "NL/MS1", "tokens", allowed=True)
    await bench.p3.wait_until_seen(news_of(CP1), 2)
    assert told(bench.p3, CP1) == ["PLANNED", "CONNECTED"]
    assert told(bench.p1, MS1)[:1] == ["PLANNED"]


@pytest.mark.proves("HC-03")
async def test_a_platform_sees_whom_any_of_its_parties_may_talk_to(bench: Bench) -> None:
    """P2 has BE/CP2 and BE/MS2: each by itself is closed to DE/CP1, then both."""
    await add_rule(bench, "DE/CP1", "BE/MS2", None)
    assert (await statuses(bench, bench.p2))[CP1] == "CONNECTED"
    seen_by_p1 = await statuses(bench, bench.p1)
    assert (seen_by_p1[MS2], seen_by_p1[CP2]) == ("PLANNED", "CONNECTED")
    await add_rule(bench, "DE/CP1", "BE/CP2", None)
    await bench.p2.wait_until_seen(news_of(CP1))
    assert (await statuses(bench, bench.p2))[CP1] == "PLANNED"
    assert told(bench.p2, CP1) == ["PLANNED"]


@pytest.mark.proves("HC-03", "HC-06")
async def test_a_newcomer_is_planned_to_those_who_have_no_agreement_with_it(bench: Bench) -> None:
    """A hub that is closed by default: nobody hears that it is there before it may be talked to."""
    await add_rule(bench, "FR/NEW", None, None)
    await bench.world.join("P6", ("EMSP", "FR/NEW"))
    new = Party("FR", "NEW")
    assert (await statuses(bench, bench.p1))[new] == "PLANNED"
    assert set((await statuses(bench, bench.world.platforms["P6"])).values()) == {"PLANNED"}
    assert "CONNECTED" not in told(bench.p1, new)
    await add_rule(bench, "FR/NEW", "DE/CP1", None, allowed=True)
    await bench.p1.wait_until_seen(lambda seen: news_of(new)(seen) and seen.content["status"] == "CONNECTED")
    assert (await statuses(bench, bench.world.platforms["P6"]))[CP1] == "CONNECTED"
    assert (await statuses(bench, bench.p2))[new] == "PLANNED"


# --- dates ----------------------------------------------------------------------------------------


@pytest.mark.proves("HC-03", "HC-07")
async def test_a_dated_rule_begins_and_ends_by_itself(bench: Bench, place: Place) -> None:
    assert result_of(await put(bench, place("L1"))) == (201, 1000)
    starts_at, ends_at = moment(BEGINS_SECONDS), moment(BEGINS_SECONDS + LASTS_SECONDS)
    rule = await add_rule(bench, "DE/CP1", "NL/MS1", None, starts_at=starts_at, ends_at=ends_at)
    assert (rule["state"], rule["starts_at"], rule["ends_at"]) == ("COMING", starts_at, ends_at)
    assert (await listed(bench, bench.p3, MS1))[1] == ["L1"]
    assert (await statuses(bench, bench.p3))[CP1] == "CONNECTED"
    await bench.p3.wait_until_seen(news_of(CP1))
    late = datetime.now(UTC) - datetime.fromisoformat(starts_at)
    assert timedelta(0) <= late < timedelta(seconds=LATEST_SECONDS)
    assert (await listed(bench, bench.p3, MS1))[1] == []
    refused = await bench.send(bench.p3, "GET", "sender/locations", sender=MS1, receiver=CP1)
    assert result_of(refused) == (200, 4003)
    assert (await infos(bench, bench.p3))[CP1]["last_updated"] == starts_at
    await bench.p3.wait_until_seen(news_of(CP1), 2)
    assert datetime.now(UTC) >= datetime.fromisoformat(ends_at)
    assert (await listed(bench, bench.p3, MS1))[1] == ["L1"]
    assert (await infos(bench, bench.p3))[CP1]["last_updated"] == ends_at
    await bench.p1.wait_until_seen(news_of(MS1), 2)
    assert told(bench.p3, CP1) == told(bench.p1, MS1) == ["PLANNED", "CONNECTED"]
    [over] = (await bench.world.admin.get("/admin/permissions")).json()
    assert over == rule | {"state": "ENDED"}


@pytest.mark.proves("HC-07")
async def test_rules_survive_a_restart_which_is_no_news(database_url: str, tmp_path: Path, location: Object) -> None:
    async with AsyncExitStack() as stack, loopback_client() as http:
        cpo = await stack.enter_async_context(DemoPlatform("P1", [role("CPO", "DE/CP1")]).running())
        emsp = await stack.enter_async_context(DemoPlatform("P3", [role("EMSP", "NL/MS1")]).running())
        async with running_hub(database_url, tmp_path) as world:
            hub = Bench(world, cpo, cpo, emsp, emsp, emsp, http)
            for platform in (cpo, emsp):
                await platform.join(await world.invite(platform.roles), world.versions_url)
            assert result_of(await put(hub, location)) == (201, 1000)
            await add_rule(hub, "DE/CP1", "NL/MS1", None)
            await emsp.wait_until_seen(news_of(CP1))
            before = await infos(hub, emsp)
            rules = (await world.admin.get("/admin/permissions")).json()
        cpo.seen.clear()
        emsp.seen.clear()
        async with running_hub(database_url, tmp_path) as again:
            hub = Bench(again, cpo, cpo, emsp, emsp, emsp, http)
            assert (await again.admin.get("/admin/permissions")).json() == rules
            assert await infos(hub, emsp) == before
            assert before[CP1]["status"] == "PLANNED"
            assert (await listed(hub, emsp, MS1))[1] == []
            refused = await hub.send(emsp, "GET", "sender/locations", sender=MS1, receiver=CP1)
            assert result_of(refused) == (200, 4003)
            assert not [seen for seen in (*cpo.seen, *emsp.seen) if seen.module_id == "hubclientinfo"]
            await end_rule(hub, rules[0])
            assert (await listed(hub, emsp, MS1))[1] == ["L1"]


# --- parties that a partner adds, in a hub that holds them -----------------------------------------


@pytest.fixture
async def holding(database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """A hub with HUB_NEW_PARTIES=hold, and everybody in it."""
    async with running_hub(database_url, tmp_path, new_parties="hold") as world, loopback_client() as http:
        yield await join_everybody(world, http)


async def put_roles(platform: DemoPlatform, *roles: tuple[str, str]) -> None:
    platform.roles = [role(name, party) for name, party in roles]
    await platform.renew()


async def accept(hub: Bench, path: str) -> None:
    answer = await hub.world.admin.post(f"/admin/parties/{path}/accept")
    assert answer.status_code == 200, answer.text


@pytest.mark.proves("C-25", "HC-03", "HC-10")
async def test_an_added_party_is_planned_until_the_operator_accepts_it(holding: Bench, token: Object) -> None:
    """The PUT succeeds; until then the party gets nothing, may say nothing and shows as PLANNED. Then it is there at once."""
    await put_roles(holding.p3, ("EMSP", "NL/MS1"), ("EMSP", "DE/MS9"))
    others = (holding.p1, holding.p2, holding.p4, holding.p5)
    for platform in others:
        await platform.wait_until_seen(news_of(MS9))
        assert told(platform, MS9) == ["PLANNED"]
        assert (await statuses(holding, platform))[MS9] == "PLANNED"
    asked = await holding.send(holding.p1, "GET", "sender/tokens", sender=CP1, receiver=MS9)
    assert result_of(asked) == (200, 4003)
    spoken = await holding.send(holding.p3, "GET", "sender/locations", sender=MS9, receiver=HUB)
    assert result_of(spoken) == (200, 2001)
    content = token | {"country_code": "DE", "party_id": "MS9", "uid": "U9"}
    pushed = await holding.send(
        holding.p3, "PUT", "receiver/tokens/DE/MS9/U9?type=RFID", sender=MS9, receiver=HUB, content=content
    )
    assert pushed.json()["status_code"] in {2001, 2004}
    assert not at(holding.p3, "tokens")
    still = await holding.send(holding.p3, "GET", "sender/locations", sender=MS1, receiver=HUB)
    assert result_of(still) == (200, 1000), "its other party goes on"
    holding.forget_what_was_seen()
    await put_roles(holding.p3, ("EMSP", "NL/MS1"), ("EMSP", "DE/MS9"))
    assert (await statuses(holding, holding.p1))[MS9] == "PLANNED", "another PUT does not help"
    await accept(holding, "DE/MS9/EMSP")
    for platform in others:
        await platform.wait_until_seen(news_of(MS9))
        assert told(platform, MS9) == ["CONNECTED"]
        assert (await statuses(holding, platform))[MS9] == "CONNECTED"
    asked = await holding.send(holding.p1, "GET", "sender/tokens", sender=CP1, receiver=MS9)
    assert result_of(asked) == (200, 1000)
    assert [(seen.sender, seen.receiver) for seen in at(holding.p3, "tokens")] == [(CP1, MS9)]
    pushed = await holding.send(
        holding.p3, "PUT", "receiver/tokens/DE/MS9/U9?type=RFID", sender=MS9, receiver=HUB, content=content
    )
    assert result_of(pushed) == (201, 1000)


@pytest.mark.proves("C-25")
async def test_a_held_party_gets_no_broadcast_and_what_it_missed_is_there_to_read(holding: Bench, place: Place) -> None:
    await put_roles(holding.p3, ("EMSP", "NL/MS1"), ("EMSP", "DE/MS9"))
    assert result_of(await put(holding, place("L1"))) == (201, 1000)
    await holding.p3.wait_until_seen(about("L1"))
    await holding.p2.wait_until_seen(about("L1"))
    assert {seen.receiver for seen in at(holding.p3, "locations")} == {MS1}
    await accept(holding, "DE/MS9/EMSP")
    assert result_of(await put(holding, place("L2"))) == (201, 1000)
    await holding.p3.wait_until_seen(lambda seen: seen.module_id == "locations" and seen.receiver == MS9)
    assert [seen.path.rpartition("/")[2] for seen in at(holding.p3, "locations", MS9)] == ["L2"]
    assert (await listed(holding, holding.p3, MS9))[1] == ["L1", "L2"]


@pytest.mark.proves("C-25")
async def test_dropping_a_role_is_not_held(holding: Bench) -> None:
    await put_roles(holding.p2, ("CPO", "BE/CP2"))
    await holding.p1.wait_until_seen(news_of(MS2))
    assert told(holding.p1, MS2) == ["SUSPENDED"]
    asked = await holding.send(holding.p1, "GET", "sender/tokens", sender=CP1, receiver=MS2)
    assert result_of(asked) == (200, 4003)
    assert (await statuses(holding, holding.p1))[CP2] == "CONNECTED"


@pytest.mark.proves("C-25")
async def test_a_held_role_of_a_party_that_is_connected_counts_for_nothing(holding: Bench, token: Object) -> None:
    """DE/CP1 wants to be an eMSP too: its tokens are neither taken nor asked for until it is accepted."""
    await put_roles(holding.p1, ("CPO", "DE/CP1"), ("EMSP", "DE/CP1"))
    content = token | {"country_code": "DE", "party_id": "CP1", "uid": "U9"}

    async def push() -> tuple[int, int]:
        path = "receiver/tokens/DE/CP1/U9?type=RFID"
        return result_of(await holding.send(holding.p1, "PUT", path, sender=CP1, receiver=HUB, content=content))

    assert (await push())[1] == 2004
    asked = await holding.send(holding.p2, "GET", "sender/tokens", sender=CP2, receiver=CP1)
    assert result_of(asked) == (200, 4000)
    assert not at(holding.p1, "tokens")
    await accept(holding, "DE/CP1/EMSP")
    assert await push() == (201, 1000)


@pytest.mark.proves("HC-07")
async def test_a_rule_about_a_party_that_has_left_is_no_change_of_its_status(bench: Bench) -> None:
    await bench.p5.leave()
    before = (await infos(bench, bench.p1))[OT1]
    rule = await add_rule(bench, "DE/CP1", "NL/OT1", None)
    assert (await infos(bench, bench.p1))[OT1] == before
    await end_rule(bench, rule)
    assert (await infos(bench, bench.p1))[OT1] == before

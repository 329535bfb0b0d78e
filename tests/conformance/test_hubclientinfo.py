"""Who is there, as the hub lists and tells it, and the still-alive check: section 19 of the checklist (HC-01 to HC-11)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.demo.connection import Connection
from hub.demo.faults import Fault, Seen, web_page
from hub.demo.party import DemoPlatform, role
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party
from tests.conformance.answers import result_of, token_in
from tests.conftest import HUB, loopback_client, running_hub
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench, join_everybody

Object = dict[str, Any]
Unique = Callable[[str], str]

SOON_SECONDS = 0.4  # the still-alive time of hubs with short timers
SILENT_WAIT_SECONDS = 60.0
AFTER_JOINING_SECONDS = 1.2  # by then the hub has begun to ask newcomers for what they have
A_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")

_numbers = itertools.count(100)


def fresh_party() -> Party:
    """A party that nobody in this hub has had yet."""
    return Party("FI", str(next(_numbers)))


def party_in(info: Object) -> Party:
    return Party(info["country_code"], info["party_id"])


def routing_headers_of(headers: Any) -> list[str]:
    return [name for name in headers if name.lower().startswith("ocpi-")]


async def infos(hub: Bench, platform: DemoPlatform, query: str = "") -> list[Object]:
    """The list as a platform reads it, to its end."""
    found: list[Object] = []
    path: str | None = f"sender/hubclientinfo?{query}"
    while path is not None:
        page = await hub.send(platform, "GET", path)
        assert result_of(page) == (200, 1000), page.text
        found += page.json()["data"]
        link = page.headers.get("link", "").partition(">")[0].removeprefix("<")
        path = link.removeprefix(f"{hub.world.url}/ocpi/2.2.1/") or None
    return found


async def info(hub: Bench, party: Party, platform: DemoPlatform | None = None) -> Object:
    """The one entry of a party."""
    (found,) = [entry for entry in await infos(hub, platform or hub.p1) if party_in(entry) == party]
    return found


def news_at(platform: DemoPlatform, party: Party) -> list[Seen]:
    """What a platform was told of a party."""
    return [seen for seen in platform.seen if is_news(seen, party)]


def is_news(seen: Seen, party: Party, status: str = "") -> bool:
    return (
        seen.module_id == "hubclientinfo"
        and seen.path.endswith(f"/{party}")
        and (not status or seen.content["status"] == status)
    )


async def told(platform: DemoPlatform, party: Party, status: str) -> Seen:
    """The moment at which a platform is told that a party has this status."""
    return (await platform.wait_until_seen(lambda seen: is_news(seen, party, status)))[-1]


def statuses_told(platform: DemoPlatform, party: Party) -> list[str]:
    return [seen.content["status"] for seen in news_at(platform, party)]


@asynccontextmanager
async def impatient_hub(
    database_url: str, tmp_path: Path, *, still_alive_seconds: float = SOON_SECONDS
) -> AsyncIterator[Bench]:
    """A hub that soon probes whoever is silent, with everybody in it."""
    async with (
        running_hub(database_url, tmp_path, still_alive_seconds=still_alive_seconds) as world,
        loopback_client() as http,
    ):
        yield await join_everybody(world, http)


async def quiet(hub: Bench) -> None:
    """Return when the hub has told and asked what it had to after everybody joined: probes apart, nobody has been called for a while."""
    await asyncio.sleep(AFTER_JOINING_SECONDS)
    for _ in range(40):
        hub.forget_what_was_seen()
        await asyncio.sleep(0.3)
        if all(seen.path == "/versions" for platform in hub.everybody for seen in platform.seen):
            return
    raise TimeoutError


# --- the list -------------------------------------------------------------------------------------


@pytest.mark.proves("HC-01")
async def test_the_list_comes_in_pages_and_without_routing_headers(shared: Bench) -> None:
    whole = await infos(shared, shared.p1)
    assert len(whole) >= 5
    pages: list[list[Object]] = []
    path = "sender/hubclientinfo?limit=2"
    while path:
        ids = {"X-Request-ID": f"r{len(pages)}", "X-Correlation-ID": "c1"}
        page = await shared.send(shared.p1, "GET", path, headers=ids)
        assert result_of(page) == (200, 1000)
        assert (page.headers["x-total-count"], page.headers["x-limit"]) == (str(len(whole)), "2")
        assert (page.headers["x-request-id"], page.headers["x-correlation-id"]) == tuple(ids.values())
        assert not routing_headers_of(page.headers)
        pages.append(page.json()["data"])
        link = page.headers.get("link", "")
        assert not link or re.fullmatch(rf'<{shared.world.url}/ocpi/2\.2\.1/[^>]+>; rel="next"', link)
        path = link.partition(">")[0].removeprefix(f"<{shared.world.url}/ocpi/2.2.1/")
    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert list(itertools.chain(*pages)) == whole


@pytest.mark.proves("HC-01")
async def test_the_dates_choose_by_last_updated_first_included_last_excluded(shared: Bench) -> None:
    whole = await infos(shared, shared.p1)
    for stamp in {entry["last_updated"] for entry in whole}:
        since = await infos(shared, shared.p1, f"date_from={stamp}")
        until = await infos(shared, shared.p1, f"date_to={stamp}")
        assert since == [entry for entry in whole if entry["last_updated"] >= stamp]
        assert until == [entry for entry in whole if entry["last_updated"] < stamp]
    assert await infos(shared, shared.p1, "date_from=2099-01-01T00:00:00Z") == []


@pytest.mark.proves("HC-01")
@pytest.mark.parametrize("query", ["limit=abc", "offset=-1", "date_from=yesterday", "date_to=2026-13-01T00:00:00Z"])
async def test_a_page_that_cannot_be_meant_is_refused(shared: Bench, query: str) -> None:
    answer = await shared.send(shared.p1, "GET", f"sender/hubclientinfo?{query}")
    assert result_of(answer) == (200, 2001)
    assert "data" not in answer.json()


@pytest.mark.proves("HC-01", "X-51")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"OCPI-from-country-code": "DE", "OCPI-from-party-id": "CP1"}, id="its own party"),
        pytest.param({"OCPI-to-country-code": "NL", "OCPI-to-party-id": "HUB"}, id="the hub"),
        pytest.param({"OCPI-from-country-code": "NL", "OCPI-from-party-id": "MS1"}, id="somebody else's party"),
        pytest.param({"OCPI-to-party-id": "MUCH TOO LONG"}, id="half a pair, and too long"),
    ],
)
async def test_routing_headers_on_the_list_are_ignored(shared: Bench, headers: dict[str, str]) -> None:
    plain = await shared.send(shared.p1, "GET", "sender/hubclientinfo")
    answer = await shared.send(shared.p1, "GET", "sender/hubclientinfo", headers=headers)
    assert result_of(answer) == (200, 1000)
    assert answer.json()["data"] == plain.json()["data"]
    assert not routing_headers_of(answer.headers)


@pytest.mark.proves("HC-02")
async def test_there_is_one_whole_entry_for_each_party_in_each_role(shared: Bench) -> None:
    both = fresh_party()
    await shared.world.join(f"both {both}", ("CPO", str(both)), ("EMSP", str(both)))
    listed = await infos(shared, shared.p1)
    for entry in listed:
        assert set(entry) == {"party_id", "country_code", "role", "status", "last_updated"}
        assert entry["status"] in {"CONNECTED", "OFFLINE", "PLANNED", "SUSPENDED"}
        assert entry["role"] in {"CPO", "EMSP", "HUB", "NAP", "NSP", "OTHER", "SCSP"}
        assert A_DATE_TIME.fullmatch(entry["last_updated"])
    counted = Counter((party_in(entry), entry["role"]) for entry in listed)
    assert set(counted.values()) == {1}
    assert {(CP2, "CPO"), (MS2, "EMSP"), (both, "CPO"), (both, "EMSP")} <= set(counted)


@pytest.mark.proves("HC-03")
async def test_everybody_sees_the_others_and_nobody_itself(shared: Bench) -> None:
    own = {
        shared.p1: {CP1},
        shared.p2: {CP2, MS2},
        shared.p3: {MS1},
        shared.p4: {NS1},
        shared.p5: {OT1},
    }
    everybody = set(itertools.chain(*own.values()))
    for platform, parties in own.items():
        seen = {party_in(entry): entry["status"] for entry in await infos(shared, platform)}
        assert everybody - set(seen) == parties
        assert {seen[party] for party in everybody - parties} == {"CONNECTED"}
        assert HUB not in seen


# --- the news -------------------------------------------------------------------------------------


@pytest.mark.proves("HC-04", "X-40", "X-51")
async def test_a_new_party_is_told_to_every_other_platform_in_each_role(shared: Bench) -> None:
    """By PUT at the party that it is about, with the role in the body, and without routing headers."""
    party = fresh_party()
    newcomer = await shared.world.join(f"new {party}", ("CPO", str(party)), ("EMSP", str(party)))
    requests: set[str] = set()
    for platform in shared.everybody:
        await platform.wait_until_seen(lambda seen: is_news(seen, party, "CONNECTED"), 2)
        news = [seen for seen in news_at(platform, party) if seen.content["status"] == "CONNECTED"]
        assert sorted(seen.content["role"] for seen in news) == ["CPO", "EMSP"]
        for seen in news:
            assert (seen.method, seen.path) == ("PUT", f"/2.2.1/receiver/hubclientinfo/{party}")
            assert set(seen.content) == {"party_id", "country_code", "role", "status", "last_updated"}
            assert party_in(seen.content) == party
            assert A_DATE_TIME.fullmatch(seen.content["last_updated"])
            assert not routing_headers_of(seen.headers)
            assert seen.headers["content-type"] == "application/json"
            assert seen.headers["x-correlation-id"]
            assert platform.connection is not None
            assert token_in(seen) == platform.connection.own_token
        requests |= {seen.headers["x-request-id"] for seen in news}
    assert len(requests) == 2 * len(shared.everybody)
    assert not news_at(newcomer, party)


@pytest.mark.proves("HC-04")
async def test_a_platform_without_the_receiver_interface_is_told_nothing_and_reads_the_list(shared: Bench) -> None:
    party = fresh_party()
    deaf = await shared.world.platform(f"deaf {party}", ("CPO", str(party)))
    deaf.hidden.add(("hubclientinfo", Interface.RECEIVER))
    await deaf.join(await shared.world.invite(deaf.roles), shared.world.versions_url)
    other = fresh_party()
    await shared.world.join(f"new {other}", ("CPO", str(other)))
    await told(shared.p1, other, "CONNECTED")
    await asyncio.sleep(0.1)
    assert not [seen for seen in deaf.seen if seen.method == "PUT"]
    assert (await info(shared, other, deaf))["status"] == "CONNECTED"


@pytest.mark.proves("HC-04", "X-40")
@pytest.mark.parametrize("place", ["/odd/clientinfo", "/odd/clientinfo/"], ids=["no slash", "a slash at the end"])
async def test_news_go_to_the_url_in_the_version_details(shared: Bench, place: str) -> None:
    party = fresh_party()
    odd = await shared.world.platform(f"odd {party}", ("CPO", str(party)))
    endpoints = [
        {"identifier": "hubclientinfo", "role": "RECEIVER", "url": odd.base_url + place},
        {"identifier": "locations", "role": "SENDER", "url": f"{odd.base_url}/2.2.1/sender/locations"},
        {"identifier": "credentials", "role": "SENDER", "url": f"{odd.base_url}/2.2.1/sender/credentials"},
    ]
    envelope = {"status_code": 1000, "timestamp": "2026-01-15T12:00:00Z"}
    details = json.dumps({**envelope, "data": {"version": "2.2.1", "endpoints": endpoints}}).encode()
    odd.faults += [Fault(once=True), Fault(body=details, once=True)]
    await odd.join(await shared.world.invite(odd.roles), shared.world.versions_url)
    other = fresh_party()
    await shared.world.join(f"new {other}", ("CPO", str(other)))
    (seen,) = await odd.wait_until_seen(
        lambda seen: seen.method == "PUT" and seen.content["status"] == "CONNECTED" and party_in(seen.content) == other
    )
    assert seen.path == f"/odd/clientinfo/{other}"


@pytest.mark.proves("HC-05", "HC-07", "X-47")
async def test_who_leaves_is_told_as_suspended_and_stays_listed_until_it_is_back(shared: Bench) -> None:
    party = fresh_party()
    leaver = await shared.world.join(f"leaves {party}", ("CPO", str(party)))
    await told(shared.p1, party, "CONNECTED")
    before = await info(shared, party)
    shared.forget_what_was_seen()
    assert result_of(await shared.send(leaver, "DELETE", "credentials")) == (200, 1000)
    for platform in shared.everybody:
        news = await told(platform, party, "SUSPENDED")
        assert (news.method, news.content["role"]) == ("PUT", "CPO")
        assert statuses_told(platform, party) == ["SUSPENDED"]
    after = await info(shared, party)
    assert (after["status"], after["last_updated"] > before["last_updated"]) == ("SUSPENDED", True)
    assert news_at(shared.p1, party)[0].content == after
    shared.forget_what_was_seen()
    await leaver.join(await shared.world.invite(leaver.roles), shared.world.versions_url)
    await told(shared.p1, party, "CONNECTED")
    back = await info(shared, party)
    assert (back["status"], back["last_updated"] > after["last_updated"]) == ("CONNECTED", True)


@pytest.mark.proves("HC-05", "X-47")
async def test_whom_the_operator_puts_out_is_suspended(shared: Bench) -> None:
    party = fresh_party()
    platform = await shared.world.join(f"is put out {party}", ("CPO", str(party)))
    listed = (await shared.world.admin.get("/admin/partners")).json()
    (found,) = [entry["id"] for entry in listed if entry["versions_url"] == platform.versions_url]
    assert (await shared.world.admin.delete(f"/admin/partners/{found}")).status_code == 204
    await told(shared.p1, party, "SUSPENDED")
    assert (await info(shared, party))["status"] == "SUSPENDED"


@pytest.mark.proves("HC-06", "HC-10", "X-47")
async def test_who_is_invited_is_planned_until_it_joins(shared: Bench) -> None:
    party = fresh_party()
    platform = await shared.world.platform(f"is invited {party}", ("CPO", str(party)))
    token_a = await shared.world.invite(platform.roles)
    await told(shared.p1, party, "PLANNED")
    planned = await info(shared, party)
    assert (planned["role"], planned["status"]) == ("CPO", "PLANNED")
    refused = await shared.send(shared.p3, "GET", "sender/locations", sender=MS1, receiver=party)
    assert result_of(refused) == (200, 4003)
    assert not platform.seen
    await platform.join(token_a, shared.world.versions_url)
    await told(shared.p1, party, "CONNECTED")
    joined = await info(shared, party)
    assert (joined["status"], joined["last_updated"] > planned["last_updated"]) == ("CONNECTED", True)
    assert statuses_told(shared.p1, party) == ["PLANNED", "CONNECTED"]


@pytest.mark.proves("HC-05")
async def test_a_planned_party_whose_invitation_is_taken_back_stays_listed_as_suspended(shared: Bench) -> None:
    """It was told to everybody, and there is no way to tell that it is gone but this."""
    party = fresh_party()
    await shared.world.invite([role("CPO", str(party))])
    await told(shared.p1, party, "PLANNED")
    invitation = (await shared.world.admin.get("/admin/invitations")).json()[0]["id"]
    assert (await shared.world.admin.delete(f"/admin/invitations/{invitation}")).status_code == 204
    assert (await info(shared, party))["status"] == "SUSPENDED"
    await told(shared.p1, party, "SUSPENDED")


@pytest.mark.proves("HC-07")
async def test_a_change_is_found_by_its_date(shared: Bench) -> None:
    party = fresh_party()
    platform = await shared.world.join(f"changes {party}", ("CPO", str(party)))
    stamp = (await info(shared, party))["last_updated"]
    just_after = datetime.fromisoformat(stamp) + timedelta(milliseconds=1)
    query = f"date_from={just_after.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')[:23]}Z"
    assert party not in {party_in(entry) for entry in await infos(shared, shared.p1, query)}
    assert result_of(await shared.send(platform, "DELETE", "credentials")) == (200, 1000)
    (found,) = [entry for entry in await infos(shared, shared.p1, query) if party_in(entry) == party]
    assert found["status"] == "SUSPENDED"


@pytest.mark.proves("HC-07")
async def test_what_changes_no_status_is_told_to_nobody(shared: Bench, location: Object, unique: Unique) -> None:
    """New tokens, a renewed registration, and messages."""
    before = await infos(shared, shared.p3)
    listed = (await shared.world.admin.get("/admin/partners")).json()
    (found,) = [entry["id"] for entry in listed if entry["versions_url"] == shared.p1.versions_url]
    assert (await shared.world.admin.post(f"/admin/partners/{found}/rotate")).status_code == 200
    await shared.p1.renew()
    id_ = unique("L")
    content = {**location, "id": id_}
    put = await shared.send(
        shared.p1, "PUT", f"receiver/locations/DE/CP1/{id_}", sender=CP1, receiver=HUB, content=content
    )
    assert result_of(put) == (201, 1000)
    await shared.p3.wait_until_seen(lambda seen: seen.module_id == "locations")
    await asyncio.sleep(0.1)
    assert await infos(shared, shared.p3) == before
    assert not [seen for platform in shared.everybody for seen in platform.seen if seen.module_id == "hubclientinfo"]


@pytest.mark.proves("HC-04", "HC-07")
async def test_of_many_who_join_at_once_each_is_told_once(shared: Bench) -> None:
    parties = [fresh_party() for _ in range(6)]
    newcomers = [await shared.world.platform(f"one of many {party}", ("CPO", str(party))) for party in parties]
    tokens = await asyncio.gather(*(shared.world.invite(newcomer.roles) for newcomer in newcomers))
    joining = zip(newcomers, tokens, strict=True)
    await asyncio.gather(*(newcomer.join(token, shared.world.versions_url) for newcomer, token in joining))
    for platform, party in itertools.product(shared.everybody, parties):
        await told(platform, party, "CONNECTED")
    await asyncio.sleep(0.2)
    for platform, party in itertools.product(shared.everybody, parties):
        assert statuses_told(platform, party) == ["PLANNED", "CONNECTED"]


@pytest.mark.proves("HC-07")
async def test_a_restart_of_the_hub_is_no_news(database_url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, loopback_client() as http:
        cpo = await stack.enter_async_context(DemoPlatform("P1", [role("CPO", "DE/CP1")]).running())
        emsp = await stack.enter_async_context(DemoPlatform("P3", [role("EMSP", "NL/MS1")]).running())
        async with running_hub(database_url, tmp_path) as world:
            for platform in (cpo, emsp):
                await platform.join(await world.invite(platform.roles), world.versions_url)
            await told(cpo, MS1, "CONNECTED")
            before = await infos(Bench(world, cpo, cpo, emsp, emsp, emsp, http), cpo)
        cpo.seen.clear()
        emsp.seen.clear()
        async with running_hub(database_url, tmp_path) as again:
            hub = Bench(again, cpo, cpo, emsp, emsp, emsp, http)
            assert await infos(hub, cpo) == before
            assert result_of(await hub.send(emsp, "GET", "sender/locations/L1", sender=MS1, receiver=CP1))[1] == 2003
            await asyncio.sleep(0.2)
            assert not [seen for seen in (*cpo.seen, *emsp.seen) if seen.module_id == "hubclientinfo"]


# --- the still-alive check ------------------------------------------------------------------------


def probes_at(platform: DemoPlatform) -> list[Seen]:
    """How often the hub asked whether a platform is still there: it read the versions, and did not go on to their details."""
    looks = [seen for seen in platform.seen if seen.module_id == "versions"]
    pairs = itertools.zip_longest(looks, looks[1:])
    return [look for look, then in pairs if look.path == "/versions" and (then is None or then.path == "/versions")]


@pytest.mark.proves("HC-08", "X-52")
async def test_the_silent_are_asked_for_their_versions_and_the_others_are_not(
    database_url: str, tmp_path: Path
) -> None:
    """P1 talks, P2 does nothing but answer, P4 is silent."""
    async with impatient_hub(database_url, tmp_path, still_alive_seconds=2.5) as hub:
        for platform in (hub.p1, hub.p2, hub.p3):
            await hub.send(platform, "GET", "sender/hubclientinfo")
        await asyncio.sleep(0.1)  # for probes that were under way
        hub.forget_what_was_seen()
        async with asyncio.timeout(SILENT_WAIT_SECONDS):
            while len(probes_at(hub.p4)) < 2:
                asked = await hub.send(hub.p3, "GET", "sender/locations", sender=MS1, receiver=CP2)
                assert result_of(asked) == (200, 1000)
                assert result_of(await hub.send(hub.p1, "GET", "sender/hubclientinfo")) == (200, 1000)
                await asyncio.sleep(0.1)
        assert not probes_at(hub.p1)
        assert not probes_at(hub.p2)
        assert not probes_at(hub.p3)
        probes = probes_at(hub.p4)
    assert len(probes) >= 2
    assert {seen.method for seen in probes} == {"GET"}
    assert hub.p4.connection is not None
    assert {token_in(seen) for seen in probes} == {hub.p4.connection.own_token}
    assert not [name for seen in probes for name in routing_headers_of(seen.headers)]
    assert len({seen.headers["x-request-id"] for seen in probes}) == len(probes)
    assert all(seen.headers["x-correlation-id"] for seen in probes)


@pytest.mark.proves("HC-08")
async def test_who_has_just_registered_has_not_been_silent(database_url: str, tmp_path: Path) -> None:
    """Its registration was a message, however long the hub has been running before."""
    timers = {"still_alive_seconds": 1.6, "pull_settle_seconds": 3600.0}  # nothing but a probe reads its versions
    async with running_hub(database_url, tmp_path, **timers) as world, loopback_client() as http:
        await asyncio.sleep(1.7)
        began = time.monotonic()
        platform = await world.platform("P1", ("CPO", "DE/CP1"))
        token_a, token_b = await world.invite(platform.roles), platform.invite()
        answer = await http.post(
            f"{world.url}/ocpi/2.2.1/credentials",
            headers={"Authorization": f"Token {base64.b64encode(token_a.encode()).decode()}"},
            json=platform.credentials(token_b),
        )
        assert result_of(answer) == (200, 1000)
        platform.connection = Connection(world.versions_url, answer.json()["data"]["token"], token_b)
        platform.seen.clear()
        await platform.wait_until(lambda: bool(probes_at(platform)))
        assert time.monotonic() - began > 1.5


@pytest.mark.proves("HC-09")
async def test_a_failed_probe_takes_all_parties_offline_and_a_later_one_brings_them_back_once(
    database_url: str, tmp_path: Path
) -> None:
    """P2 has BE/CP2 and BE/MS2."""
    async with impatient_hub(database_url, tmp_path) as hub:
        await quiet(hub)
        others = (hub.p1, hub.p3, hub.p4, hub.p5)
        before = {party: await info(hub, party) for party in (CP2, MS2)}
        async with hub.p2.down():
            for platform, party in itertools.product(others, (CP2, MS2)):
                assert (await told(platform, party, "OFFLINE")).method == "PUT"
            away = {party: await info(hub, party) for party in (CP2, MS2)}
            await asyncio.sleep(2 * SOON_SECONDS)
        assert {entry["status"] for entry in away.values()} == {"OFFLINE"}
        assert all(away[party]["last_updated"] > before[party]["last_updated"] for party in away)
        for platform, party in itertools.product(others, (CP2, MS2)):
            await told(platform, party, "CONNECTED")
        await asyncio.sleep(2 * SOON_SECONDS)
        for platform, party in itertools.product(others, (CP2, MS2)):
            assert statuses_told(platform, party) == ["OFFLINE", "CONNECTED"]
            assert (await info(hub, party))["status"] == "CONNECTED"
        reached = await hub.send(hub.p3, "GET", "sender/locations", sender=MS1, receiver=CP2)
        assert result_of(reached) == (200, 1000)


@pytest.mark.proves("HC-09", "X-47")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(module_id="versions", http_status=500, body=b""), id="HTTP 500"),
        pytest.param(Fault(module_id="versions", http_status=401, status_code=2000), id="the token is refused"),
        pytest.param(Fault(module_id="versions", status_code=3000), id="an OCPI error"),
        pytest.param(Fault(module_id="versions", body=b"<html>", headers={"Content-Type": "text/html"}), id="HTML"),
    ],
)
async def test_a_platform_whose_versions_fail_is_offline_until_it_is_heard(
    database_url: str, tmp_path: Path, fault: Fault
) -> None:
    """Any message of its own brings it back, though its versions still fail."""
    async with impatient_hub(database_url, tmp_path) as hub:
        hub.p3.faults.append(fault)
        await told(hub.p1, MS1, "OFFLINE")
        assert (await info(hub, MS1))["status"] == "OFFLINE"
        hub.p1.seen.clear()
        assert result_of(await hub.send(hub.p3, "GET", "sender/locations", sender=MS1, receiver=CP1))[1] == 1000
        await told(hub.p1, MS1, "CONNECTED")


@pytest.mark.proves("HC-09")
async def test_who_could_not_be_reached_by_a_message_is_offline_and_one_message_brings_it_back_once(
    bench: Bench, location: Object
) -> None:
    """Two failures are one piece of news, and so are two messages."""
    await quiet(bench)
    async with bench.p3.down():
        for _ in range(2):
            answer = await bench.send(
                bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, receiver=MS1, content=location
            )
            assert result_of(answer) == (200, 4003)
        await told(bench.p1, MS1, "OFFLINE")
    bench.p3.faults.append(web_page())  # a probe would not help
    for _ in range(2):
        await bench.send(bench.p3, "GET", "sender/hubclientinfo")
    await told(bench.p1, MS1, "CONNECTED")
    await asyncio.sleep(0.2)
    for platform in (bench.p1, bench.p2, bench.p4, bench.p5):
        assert statuses_told(platform, MS1) == ["OFFLINE", "CONNECTED"]


@pytest.mark.proves("HC-10", "HC-09")
async def test_an_offline_party_gets_nothing_but_probes_and_nothing_later(
    database_url: str, tmp_path: Path, location: Object
) -> None:
    """Its server runs, only its versions fail: whatever were sent to it, it would see."""
    async with impatient_hub(database_url, tmp_path) as hub:
        await quiet(hub)
        hub.p3.faults.append(Fault(module_id="versions", http_status=500, body=b""))
        await told(hub.p1, MS1, "OFFLINE")
        hub.p3.seen.clear()
        path = "receiver/locations/DE/CP1/L1"
        direct = await hub.send(hub.p1, "PUT", path, sender=CP1, receiver=MS1, content=location)
        assert result_of(direct) == (200, 4003)
        assert "data" not in direct.json()
        toall = await hub.send(hub.p1, "PUT", path, sender=CP1, receiver=HUB, content=location)
        assert toall.json()["status_code"] == 1000
        other = fresh_party()
        await hub.world.join("P6", ("CPO", str(other)))
        await hub.p4.wait_until_seen(lambda seen: seen.module_id == "locations")
        await told(hub.p4, other, "CONNECTED")
        await hub.p3.wait_until_seen(lambda seen: seen.module_id == "versions", 2)
        assert {(seen.method, seen.path) for seen in hub.p3.seen} == {("GET", "/versions")}
        hub.p3.faults.clear()
        await told(hub.p1, MS1, "CONNECTED")
        await asyncio.sleep(SOON_SECONDS)
        assert {seen.method for seen in hub.p3.seen} == {"GET"}, "nothing is pushed later"
        assert (await info(hub, other, hub.p3))["status"] == "CONNECTED"
        missed = await hub.send(hub.p3, "GET", "sender/locations", sender=MS1, receiver=HUB)
        assert [entry["id"] for entry in missed.json()["data"]] == ["L1"]


@pytest.mark.proves("HC-10")
async def test_who_is_offline_soon_after_it_joined_gets_nothing_but_probes(database_url: str, tmp_path: Path) -> None:
    """Whatever the hub wants to ask a newcomer has to wait."""
    async with running_hub(database_url, tmp_path, still_alive_seconds=0.2) as world:
        cpo = await world.join("P1", ("CPO", "DE/CP1"))
        emsp = await world.join("P3", ("EMSP", "NL/MS1"))
        emsp.faults.append(Fault(module_id="versions", http_status=500, body=b""))
        await told(cpo, MS1, "OFFLINE")
        emsp.seen.clear()
        await asyncio.sleep(2 * AFTER_JOINING_SECONDS)
        assert {(seen.method, seen.path) for seen in emsp.seen} == {("GET", "/versions")}


@pytest.mark.proves("HC-10")
async def test_who_has_left_gets_no_requests(shared: Bench) -> None:
    party = fresh_party()
    leaver = await shared.world.join(f"left {party}", ("CPO", str(party)))
    assert result_of(await shared.send(leaver, "DELETE", "credentials")) == (200, 1000)
    leaver.seen.clear()
    refused = await shared.send(shared.p3, "GET", "sender/locations", sender=MS1, receiver=party)
    assert result_of(refused) == (200, 4003)
    assert not leaver.seen


@pytest.mark.proves("HC-10")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(module_id="hubclientinfo", http_status=500, body=b""), id="HTTP 500"),
        pytest.param(Fault(module_id="hubclientinfo", status_code=2001), id="2001"),
        pytest.param(Fault(module_id="hubclientinfo", http_status=404, status_code=2000), id="HTTP 404"),
    ],
)
async def test_news_that_are_refused_are_told_once_and_the_list_shows_the_truth(shared: Bench, fault: Fault) -> None:
    shared.p4.faults.append(fault)
    party = fresh_party()
    await shared.world.join(f"new {party}", ("CPO", str(party)))
    await told(shared.p4, party, "CONNECTED")
    shared.p4.faults.clear()
    await asyncio.sleep(0.3)
    assert statuses_told(shared.p4, party) == ["PLANNED", "CONNECTED"]
    assert (await info(shared, party, shared.p4))["status"] == "CONNECTED"


@pytest.mark.proves("HC-10")
async def test_news_for_a_platform_that_was_down_are_not_told_later(bench: Bench) -> None:
    party = fresh_party()
    async with bench.p4.down():
        await bench.world.join("P6", ("CPO", str(party)))
        await told(bench.p1, party, "CONNECTED")
        await told(bench.p1, NS1, "OFFLINE")
    assert (await info(bench, party, bench.p4))["status"] == "CONNECTED"
    await told(bench.p1, NS1, "CONNECTED")
    await asyncio.sleep(0.3)
    assert not news_at(bench.p4, party)


@pytest.mark.proves("HC-11")
async def test_the_objects_of_a_new_party_are_accepted_at_once(shared: Bench, location: Object, unique: Unique) -> None:
    party, id_ = fresh_party(), unique("L")
    platform = await shared.world.join(f"brings {party}", ("CPO", str(party)))
    content = {**location, "country_code": party.country_code, "party_id": party.party_id, "id": id_}
    path = f"receiver/locations/{party}/{id_}"
    answer = await shared.send(platform, "PUT", path, sender=party, receiver=HUB, content=content)
    assert result_of(answer) == (201, 1000)
    (seen,) = await shared.p3.wait_until_seen(lambda seen: seen.module_id == "locations")
    assert (seen.path, seen.sender, seen.receiver) == (f"/2.2.1/{path}", HUB, MS1)
    direct = await shared.send(platform, "PUT", path, sender=party, receiver=MS1, content=content)
    assert result_of(direct) in {(200, 1000), (201, 1000)}

"""Three processes of one hub: what one is told, all know; what one thing is to do, one does; order holds across them."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub.demo.faults import Fault
from hub.demo.party import DemoPlatform
from hub.partners import roster
from hub.partners.natsserver import running_server
from hub.partners.peers import TELL_EVERY_SECONDS
from hub.routing.dues import RETRY_SECONDS
from ocpi_modules.headers import authorization
from tests.cluster.conftest import CP1, MS1, PATIENT_SECONDS, Cluster, running_cluster, until
from tests.conftest import HUB

HANGING_SECONDS = 4.0
POLLED_SELDOM_SECONDS = 3600.0

PATH = "receiver/locations/DE/CP1/L1"
PUSHES = itertools.count()


@pytest.fixture
def by_news_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are not read again without a reason: what another process changed is known because it told so."""
    monkeypatch.setattr(roster, "READ_EVERY_SECONDS", POLLED_SELDOM_SECONDS)


@pytest.fixture
async def cpo(cluster: Cluster) -> DemoPlatform:
    return await cluster.hubs[0].join("P1", ("CPO", "DE/CP1"))


@pytest.fixture
async def emsp(cluster: Cluster) -> DemoPlatform:
    joined = await cluster.hubs[1].join("P3", ("EMSP", "NL/MS1"))
    await until(lambda: everywhere(cluster, {"NL/MS1": "CONNECTED"}))
    return joined


async def everywhere(cluster: Cluster, statuses: dict[str, str]) -> bool:
    seen = [await cluster.statuses(at) for at in range(len(cluster.hubs))]
    return all(one.items() >= statuses.items() for one in seen)


def pushed(platform: DemoPlatform, module_id: str = "locations") -> list[tuple[str, Any]]:
    return [(seen.method, seen.content) for seen in platform.seen if seen.module_id == module_id]


# --- one directory ------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_news_alone")
async def test_a_partner_that_joins_at_one_process_is_let_in_at_all(cluster: Cluster, cpo: DemoPlatform) -> None:
    await until(lambda: everywhere(cluster, {"DE/CP1": "CONNECTED"}))
    for at in range(3):
        answer = await cluster.send(at, cpo, "GET", "credentials")
        assert (at, answer.status_code) == (at, 200)


async def test_a_renewed_token_is_dead_in_all_processes_at_once(cluster: Cluster, cpo: DemoPlatform) -> None:
    """C-26, X-05."""
    assert cpo.connection is not None
    await until(lambda: everywhere(cluster, {"DE/CP1": "CONNECTED"}))
    await asyncio.sleep(1.2 * TELL_EVERY_SECONDS)  # until the processes know of each other
    old = cpo.connection.token
    partner = (await cluster.admin(2, "GET", "/admin/partners")).json()[0]["id"]
    assert (await cluster.admin(2, "POST", f"/admin/partners/{partner}/rotate")).status_code == 200
    assert cpo.connection.token != old
    assert [await is_dead(cluster, at, cpo, old) for at in range(3)] == [True] * 3, "known before it was answered"
    assert [(await cluster.send(at, cpo, "GET", "credentials")).status_code for at in range(3)] == [200] * 3


@pytest.mark.usefixtures("by_news_alone")
async def test_a_partner_that_is_dismissed_at_one_process_is_out_at_all(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform
) -> None:
    """C-16."""
    number = await partner_of(cluster, "CP1")
    token = cpo.connection.token if cpo.connection else ""
    assert (await cluster.admin(1, "DELETE", f"/admin/partners/{number}")).status_code == 204

    async def is_out() -> bool:
        answers = [await cluster.send(at, emsp, "GET", "credentials", token=token) for at in range(3)]
        return {answer.status_code for answer in answers} == {401}

    await until(is_out)


# --- one order ----------------------------------------------------------------------------------


async def test_a_patch_at_one_process_never_overtakes_its_put_at_another(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    rounds = 30
    for number in range(rounds):
        content = {**location, "name": f"name {number}", "last_updated": moment(2 * number)}
        answer = await cluster.send(number % 3, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
        assert answer.json()["status_code"] == 1000, answer.text
        change = {"name": f"changed {number}", "last_updated": moment(2 * number + 1)}
        answer = await cluster.send((number + 1) % 3, cpo, "PATCH", PATH, sender=CP1, receiver=HUB, content=change)
        assert answer.json()["status_code"] == 1000, answer.text
    await until(lambda: len(pushed(emsp)) >= 2 * rounds)
    assert [(method, content["name"]) for method, content in pushed(emsp)] == [
        pair for number in range(rounds) for pair in (("PUT", f"name {number}"), ("PATCH", f"changed {number}"))
    ]


async def test_a_push_arrives_byte_for_byte_with_the_headers_of_a_push(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    """R-09, B-10, T-20: nothing is made anew on the way through the stream."""
    odd = '{"x-own": 1.0E+2, "näme" :"\\u00e9 ☃",  ' + json.dumps(location)[1:]
    assert cpo.connection is not None
    for at in range(3):
        head = {"Authorization": cluster_token(cpo), "OCPI-from-country-code": "DE", "OCPI-from-party-id": "CP1"}
        to = {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "HUB", "Content-Type": "application/json"}
        body = odd.replace("L1", f"L%2{at}").encode()
        url = f"{cluster.hubs[at].url}/ocpi/2.2.1/receiver/locations/DE/CP1/L%252{at}"
        answer = await cluster.http.put(url, headers={**head, **to, "X-Correlation-ID": f"c-{at}"}, content=body)
        assert answer.json()["status_code"] == 1000, answer.text
    await until(lambda: len(pushed(emsp)) == 3)
    seen = [one for one in emsp.seen if one.module_id == "locations"]
    assert [one.body for one in seen] == [odd.replace("L1", f"L%2{at}").encode() for at in range(3)]
    assert [one.path.rpartition("/")[2] for one in seen] == [f"L%252{at}" for at in range(3)]
    assert [one.headers["x-correlation-id"] for one in seen] == ["c-0", "c-1", "c-2"]
    assert {(one.sender, one.receiver, one.token) for one in seen} == {(HUB, MS1, seen[0].token)}
    assert len({one.headers["x-request-id"] for one in seen}) == 3


def cluster_token(platform: DemoPlatform) -> str:
    assert platform.connection is not None
    return authorization(platform.connection.token)


async def test_a_slow_receiver_holds_up_nobody_else(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    """B-10."""
    other = await cluster.hubs[2].join("P2", ("EMSP", "BE/MS2"))
    await until(lambda: everywhere(cluster, {"BE/MS2": "CONNECTED"}))
    emsp.faults.append(Fault(module_id="locations", wait_seconds=HANGING_SECONDS))
    for number in range(3):
        content = {**location, "last_updated": moment(number)}
        await cluster.send(number, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
    started = time.monotonic()
    await until(lambda: len(pushed(other)) == 3)
    assert time.monotonic() - started < HANGING_SECONDS
    emsp.faults.clear()
    await until(lambda: len(pushed(emsp)) == 3)


async def test_a_slow_receiver_gets_the_newest_status_of_an_evse_and_not_all_of_them(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    evse = location["evses"][0]["uid"]
    emsp.faults.append(Fault(module_id="locations", method="PUT", wait_seconds=HANGING_SECONDS))
    await cluster.send(0, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=location)
    for number in range(6):
        status = "CHARGING" if number % 2 else "AVAILABLE"
        change = {"status": status, "last_updated": f"2030-01-01T10:00:0{number}Z"}
        answer = await cluster.send(
            number % 3, cpo, "PATCH", f"{PATH}/{evse}", sender=CP1, receiver=HUB, content=change
        )
        assert answer.json()["status_code"] == 1000, answer.text
    await cluster.send(1, cpo, "PATCH", PATH, sender=CP1, receiver=HUB, content=LAST)
    await until(lambda: ("PATCH", LAST) in pushed(emsp))
    assert [content.get("status") for method, content in pushed(emsp) if method == "PATCH"] == ["CHARGING", None]


LAST = {"name": "last", "last_updated": "2030-01-01T11:00:00Z"}


# --- one process does what is to be done once -------------------------------------------------------


async def test_news_of_a_party_is_told_once_however_many_processes_see_it(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform
) -> None:
    """HC-04, HC-07."""
    await cluster.hubs[2].join("P2", ("EMSP", "BE/MS2"), ("CPO", "BE/CP2"))
    await until(lambda: ("CP2", "CPO", "CONNECTED") in told(cpo) and ("CP2", "CPO", "CONNECTED") in told(emsp))
    await asyncio.sleep(1.0)
    expected = {(party, role, status) for party, role in (("MS2", "EMSP"), ("CP2", "CPO")) for status in STATUSES}
    for platform in (cpo, emsp):
        news = Counter(told(platform))
        assert expected <= news.keys()
        assert set(news.values()) == {1}, news


STATUSES = ("PLANNED", "CONNECTED")


def told(platform: DemoPlatform) -> list[tuple[str, str, str]]:
    infos = [content for _, content in pushed(platform, "hubclientinfo")]
    return [(info["party_id"], info["role"], info["status"]) for info in infos]


async def test_a_cdr_that_comes_in_anywhere_reaches_its_payer_once(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, cdr: dict[str, Any]
) -> None:
    """B-11: the process that leads takes it there, on a hint of the others."""
    for at in range(3):
        content = {**cdr, "id": f"CDR{at}"}
        answer = await cluster.send(at, cpo, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=content)
        assert answer.json()["status_code"] == 1000, answer.text
    started = time.monotonic()
    await until(lambda: len(pushed(emsp, "cdrs")) == 3)
    assert time.monotonic() - started < RETRY_SECONDS / 2, "nobody waited for the next look"
    await asyncio.sleep(0.3)
    assert sorted(content["id"] for _, content in pushed(emsp, "cdrs")) == ["CDR0", "CDR1", "CDR2"]


async def test_a_receiver_that_cannot_be_reached_is_offline_everywhere_and_back_when_it_speaks(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    """HC-09, HC-10, T-22: what was in its lane is not sent later."""
    async with emsp.down():
        for number in range(3):
            content = {**location, "last_updated": moment(number)}
            answer = await cluster.send(number, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
            assert answer.json()["status_code"] == 1000
        await until(lambda: everywhere(cluster, {"NL/MS1": "OFFLINE"}))
        await asyncio.sleep(0.3)
    emsp.seen.clear()
    assert (await cluster.send(2, emsp, "GET", "credentials")).status_code == 200
    await until(lambda: everywhere(cluster, {"NL/MS1": "CONNECTED"}))
    content = {**location, "name": "after", "last_updated": moment(100)}
    await cluster.send(0, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
    await until(lambda: pushed(emsp))
    assert [content["name"] for _, content in pushed(emsp)] == ["after"]


async def test_a_list_is_pulled_by_whoever_leads_when_an_operator_asks_another_process(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    cpo.desk.offer("locations", {**location, "id": "OFFERED"})
    number = await partner_of(cluster, "CP1")
    answer = await cluster.admin(2, "POST", f"/admin/partners/{number}/pulls/locations")
    assert answer.status_code == 202
    await until(lambda: pushed(emsp))
    assert [content["id"] for _, content in pushed(emsp)] == ["OFFERED"]
    assert len([seen for seen in cpo.seen if seen.module_id == "locations" and seen.method == "GET"]) == 1


# --- figures ------------------------------------------------------------------------------------


async def test_the_figures_of_all_processes_are_read_at_any_of_them(
    cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]
) -> None:
    for at in range(3):
        content = {**location, "last_updated": moment(at)}
        await cluster.send(at, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
    await until(lambda: len(pushed(emsp)) == 3)
    for at in range(3):
        await until(partial(all_is_counted, cluster, at))
        text = (await cluster.http.get(f"{cluster.hubs[at].url}/metrics")).text
        puts = put_lines(text)
        assert sorted(line.partition('process="')[2].partition('"')[0] for line in puts) == ["hub-0", "hub-1", "hub-2"]
        assert sum(float(line.rpartition(" ")[2]) for line in puts) == 3
        assert text.count("# TYPE hub_requests_total") == 1
        assert text.count('hub_lane_messages{receiver="NL/MS1"}') == 1
        page = (await cluster.http.get(cluster.hubs[at].url)).text
        assert '<td>locations</td><td>PUT</td><td class="n">3</td>' in page


def put_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("hub_requests_total") and 'method="PUT"' in line]


async def all_is_counted(cluster: Cluster, at: int) -> bool:
    """Whether one process knows of the lane, and of a PUT at each of the others."""
    text = (await cluster.http.get(f"{cluster.hubs[at].url}/metrics")).text
    return len(put_lines(text)) == len(cluster.hubs) and 'hub_lane_messages{receiver="NL/MS1"}' in text


async def test_health_tells_of_nats(cluster: Cluster) -> None:
    answer = await cluster.http.get(f"{cluster.hubs[1].url}/health/ready")
    assert answer.json() == {"status": "ready", "nats": "connected"}


def moment(second: int) -> str:
    return f"2026-11-02T10:{second // 60:02}:{second % 60:02}Z"


@pytest.mark.usefixtures("by_news_alone")
async def test_without_nats_requests_are_answered_and_stored_and_all_goes_on_when_it_is_back(
    database_url: str, tmp_path: Path, unused_tcp_port: int, location: dict[str, Any]
) -> None:
    """T-22: what could not be put into a lane is not sent later; partners catch up by GET."""
    nats = partial(running_server, tmp_path / "nats-data", port=unused_tcp_port, token="the-token")
    async with AsyncExitStack() as stack:
        with nats() as url:
            cluster = await stack.enter_async_context(running_cluster(database_url, url, tmp_path))
            cpo = await cluster.hubs[0].join("P1", ("CPO", "DE/CP1"))
            emsp = await cluster.hubs[1].join("P3", ("EMSP", "NL/MS1"))
            await until(lambda: everywhere(cluster, {"NL/MS1": "CONNECTED", "DE/CP1": "CONNECTED"}))
        await until(lambda: are_connected(cluster, "not connected"))
        for at in range(3):
            started = time.monotonic()
            content = {**location, "last_updated": moment(at)}
            answer = await cluster.send(at, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
            assert answer.json()["status_code"] == 1000
            assert time.monotonic() - started < PATIENT_SECONDS, "nobody waits for NATS"
        old = cpo.connection.token if cpo.connection else ""
        number = await partner_of(cluster, "CP1")
        assert (await cluster.admin(2, "POST", f"/admin/partners/{number}/rotate")).status_code == 200
        for at in range(3):
            await until(partial(is_dead, cluster, at, cpo, old))
        assert pushed(emsp) == []
        with nats():
            await until(lambda: are_connected(cluster, "connected"))
            await until(partial(arrives, cluster, cpo, emsp, {**location, "name": "after"}))
            assert {content["name"] for _, content in pushed(emsp)} == {"after"}
            text = (await cluster.http.get(f"{cluster.hubs[0].url}/metrics")).text
            dropped = [line for line in text.splitlines() if line.startswith("hub_lane_dropped_messages{")]
            assert sum(float(line.rpartition(" ")[2]) for line in dropped) >= 3
            await stack.aclose()


async def arrives(cluster: Cluster, cpo: DemoPlatform, emsp: DemoPlatform, location: dict[str, Any]) -> bool:
    """Push it once more, and see whether the eMSP has got it: the lanes are there a moment after NATS is."""
    content = {**location, "last_updated": moment(100 + next(PUSHES))}
    await cluster.send(1, cpo, "PUT", PATH, sender=CP1, receiver=HUB, content=content)
    await asyncio.sleep(0.1)
    return bool(pushed(emsp))


async def are_connected(cluster: Cluster, said: str) -> bool:
    answers = [await cluster.http.get(f"{hub.url}/health/ready") for hub in cluster.hubs]
    return {answer.json()["nats"] for answer in answers} == {said} and {one.status_code for one in answers} == {200}


async def partner_of(cluster: Cluster, party_id: str) -> int:
    partners = (await cluster.admin(1, "GET", "/admin/partners")).json()
    return next(int(one["id"]) for one in partners if one["parties"][0]["party_id"] == party_id)


async def is_dead(cluster: Cluster, at: int, platform: DemoPlatform, token: str) -> bool:
    return (await cluster.send(at, platform, "GET", "credentials", token=token)).status_code == 401

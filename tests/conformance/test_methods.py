"""Section 2 of the checklist: methods that an interface does not offer are 405, name the ones it does, and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hub.demo.faults import Fault, Seen
from hub.demo.party import DemoPlatform
from ocpi_modules.parties import Party
from tests.conftest import HUB
from tests.web.conftest import CP1, MS1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]

ALL = {"GET", "POST", "PUT", "PATCH", "DELETE"}


async def refuses_all_but(
    bench: Bench,
    path: str,
    offered: Iterable[str],
    *,
    caller: tuple[DemoPlatform, Party | None],
    receivers: Iterable[Party | None],
    also_404: Iterable[str] = (),
    content: Object | None = None,
) -> None:
    """Every other method is 405 with the envelope and an Allow header that names the offered ones; `also_404` may be that as well."""
    platform, sender = caller
    bench.forget_what_was_seen()
    for method in sorted(ALL - set(offered)):
        for receiver in receivers:
            body = content or {"status": "REMOVED", "last_updated": "2027-01-01T00:00:00Z"}
            answer = await bench.send(platform, method, path, sender=sender, receiver=receiver, content=body)
            envelope = answer.json()
            expected = {404, 405} if method in also_404 else {405}
            assert answer.status_code in expected, (method, path, answer.text)
            assert 2000 <= envelope["status_code"] < 3000
            assert envelope["timestamp"]
            assert "data" not in envelope
            if answer.status_code == 405:
                assert {name.strip() for name in answer.headers["allow"].split(",")} == set(offered)
    assert not sent_on(bench, path, sender, offered)


def sent_on(bench: Bench, path: str, sender: Party | None, offered: Iterable[str]) -> list[Seen]:
    """What the platforms saw of requests to this address: from the caller, or with a method that is not offered there."""
    came = [seen for each in bench.everybody for seen in each.seen if seen.module_id and seen.module_id in path]
    return [seen for seen in came if seen.method not in offered or (sender is not None and seen.sender == sender)]


async def is_kept(bench: Bench, path: str, content: Object) -> bool:
    """Whether the hub still has the object of DE/CP1 or NL/MS1 at this address as it was pushed."""
    platform, sender = (bench.p3, MS1) if "/NL/MS1/" in path else (bench.p1, CP1)
    answer = await bench.send(platform, "GET", path, sender=sender, receiver=HUB)
    return answer.status_code == 200 and answer.json()["data"] == content


@pytest.mark.proves("M-01")
@pytest.mark.parametrize("path", [pytest.param("../versions", id="versions"), pytest.param("", id="version details")])
async def test_versions_and_their_details_can_only_be_read(shared: Bench, path: str) -> None:
    before = (await shared.send(shared.p1, "GET", path)).json()["data"]
    await refuses_all_but(shared, path, {"GET"}, caller=(shared.p1, None), receivers=(None,))
    assert (await shared.send(shared.p1, "GET", path)).json()["data"] == before


@pytest.mark.proves("M-02")
async def test_credentials_are_not_patched(shared: Bench) -> None:
    """The other four are offered, each where it has its place in the life of a registration: who is registered cannot post again."""
    content = {"token": "x", "url": "http://127.0.0.1:9/versions"}
    answer = await shared.send(shared.p1, "PATCH", "credentials", content=content)
    assert (answer.status_code, answer.json()["status_code"] // 1000) == (405, 2)
    assert answer.headers["allow"] == "DELETE, GET, PUT"
    assert (await shared.send(shared.p1, "GET", "credentials")).json()["status_code"] == 1000
    assert not any(seen.token == "x" for seen in shared.p1.seen), "the hub took up nothing of it"


@pytest.mark.proves("M-03")
@pytest.mark.parametrize("suffix", ["", "/L1", "/L1/E1", "/L1/E1/1"])
async def test_locations_are_only_read_at_the_sender(shared: Bench, suffix: str) -> None:
    await refuses_all_but(
        shared, f"sender/locations{suffix}", {"GET"}, caller=(shared.p3, MS1), receivers=(HUB, CP1, None)
    )


@pytest.mark.proves("M-04")
async def test_locations_are_neither_posted_nor_deleted(shared: Bench, location: Object, unique: Unique) -> None:
    """At any depth; what is there stays readable."""
    name, evse = unique("L"), location["evses"][0]
    path, content = f"receiver/locations/DE/CP1/{name}", {**location, "id": name}
    await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
    await shared.p5.wait_until_seen(lambda seen: name in seen.path)
    deeper = f"{path}/{evse['uid']}"
    for place in (path, deeper, f"{deeper}/{evse['connectors'][0]['id']}"):
        await refuses_all_but(
            shared, place, {"GET", "PUT", "PATCH"}, caller=(shared.p1, CP1), receivers=(HUB, MS1, None)
        )
    assert await is_kept(shared, path, content)
    bare = await shared.send(shared.p1, "POST", "receiver/locations", sender=CP1, receiver=HUB, content=content)
    assert bare.status_code in {404, 405}


@pytest.mark.proves("M-05")
async def test_sessions_are_listed_at_the_sender_and_take_preferences_only(
    shared: Bench, session: Object, unique: Unique
) -> None:
    name = unique("S")
    content = {**session, "id": name}
    await shared.send(shared.p1, "PUT", f"receiver/sessions/DE/CP1/{name}", sender=CP1, receiver=HUB, content=content)
    await shared.p3.wait_until_seen(lambda seen: name in seen.path)
    caller, receivers = (shared.p3, MS1), (HUB, CP1, None)
    await refuses_all_but(shared, "sender/sessions", {"GET"}, caller=caller, receivers=receivers)
    await refuses_all_but(
        shared, f"sender/sessions/{name}/charging_preferences", {"PUT"}, caller=caller, receivers=receivers
    )
    for method in ("PUT", "POST", "PATCH", "DELETE"):
        for receiver in receivers:
            path = f"sender/sessions/{name}"
            answer = await shared.send(shared.p3, method, path, sender=MS1, receiver=receiver, content=content)
            assert answer.status_code in ({404, 405} if method == "PUT" else {405})
            assert answer.json()["status_code"] // 1000 == 2
    assert not [seen for seen in shared.p1.seen if seen.module_id == "sessions" and seen.sender == MS1]
    assert await is_kept(shared, f"receiver/sessions/DE/CP1/{name}", content)


@pytest.mark.proves("M-06")
async def test_sessions_are_neither_posted_nor_deleted_nor_patched_in_parts(
    shared: Bench, session: Object, unique: Unique
) -> None:
    name = unique("S")
    path, content = f"receiver/sessions/DE/CP1/{name}", {**session, "id": name}
    await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
    await shared.p3.wait_until_seen(lambda seen: name in seen.path)
    receivers = (HUB, MS1, None)
    await refuses_all_but(shared, path, {"GET", "PUT", "PATCH"}, caller=(shared.p1, CP1), receivers=receivers)
    period = {"charging_periods": session["charging_periods"], "last_updated": "2027-01-01T00:00:00Z"}
    for deeper in (f"{path}/charging_periods", f"{path}/kwh", f"{path}/charging_periods/0"):
        for receiver in receivers:
            answer = await shared.send(shared.p1, "PATCH", deeper, sender=CP1, receiver=receiver, content=period)
            assert answer.status_code in {404, 405}
            assert answer.json()["status_code"] // 1000 == 2
    assert not [seen for seen in shared.p3.seen if seen.module_id == "sessions" and seen.method == "PATCH"]
    assert await is_kept(shared, path, content)


@pytest.mark.proves("M-07")
async def test_cdrs_are_posted_and_read_and_never_changed(shared: Bench, cdr: Object, unique: Unique) -> None:
    name = unique("C")
    content = {**cdr, "id": name}
    posted = await shared.send(shared.p1, "POST", "receiver/cdrs", sender=CP1, receiver=HUB, content=content)
    assert posted.status_code == 201
    await shared.p3.wait_until_seen(lambda seen: seen.module_id == "cdrs")
    at_hub = posted.headers["location"].partition("/ocpi/2.2.1/")[2]
    other = {**content, "total_energy": 1}
    caller, receivers = (shared.p1, CP1), (HUB, MS1, None)
    await refuses_all_but(shared, "receiver/cdrs", {"POST"}, caller=caller, receivers=receivers, content=other)
    await refuses_all_but(shared, at_hub, {"GET"}, caller=caller, receivers=receivers, content=other)
    await refuses_all_but(
        shared, "sender/cdrs", {"GET"}, caller=(shared.p3, MS1), receivers=(HUB, CP1, None), content=other
    )
    assert await is_kept(shared, at_hub, content)


@pytest.mark.proves("M-08")
async def test_tariffs_are_neither_posted_nor_patched(
    shared: Bench, example: Callable[..., Object], unique: Unique
) -> None:
    name = unique("T")
    path, content = f"receiver/tariffs/DE/CP1/{name}", example("tariff", country_code="DE", party_id="CP1", id=name)
    await shared.send(shared.p1, "PUT", path, sender=CP1, receiver=HUB, content=content)
    await shared.p5.wait_until_seen(lambda seen: name in seen.path)
    await refuses_all_but(shared, path, {"GET", "PUT", "DELETE"}, caller=(shared.p1, CP1), receivers=(HUB, MS1, None))
    await refuses_all_but(
        shared, "sender/tariffs", {"GET"}, caller=(shared.p3, MS1), receivers=(HUB, CP1, None), content=content
    )
    assert await is_kept(shared, path, content)


@pytest.mark.proves("M-09")
async def test_tokens_are_neither_posted_nor_deleted(shared: Bench, token: Object, unique: Unique) -> None:
    """And at the sender they are listed, and an authorization is asked for by POST."""
    name = unique("U")
    path, content = f"receiver/tokens/NL/MS1/{name}", {**token, "uid": name}
    await shared.send(shared.p3, "PUT", path, sender=MS1, receiver=HUB, content=content)
    await shared.p2.wait_until_seen(lambda seen: name in seen.path)
    await refuses_all_but(shared, path, {"GET", "PUT", "PATCH"}, caller=(shared.p3, MS1), receivers=(HUB, CP1, None))
    caller, receivers = (shared.p1, CP1), (HUB, MS1, None)
    await refuses_all_but(shared, "sender/tokens", {"GET"}, caller=caller, receivers=receivers)
    await refuses_all_but(shared, f"sender/tokens/{name}/authorize", {"POST"}, caller=caller, receivers=receivers)
    assert await is_kept(shared, path, content)


@pytest.mark.proves("M-10")
async def test_commands_and_their_results_are_posted_only(
    shared: Bench, example: Callable[..., Object], unique: Unique
) -> None:
    callback = unique("callback")
    command = example("start_session", response_url=shared.p3.callback_url("commands", callback))
    command["token"] |= {"country_code": "NL", "party_id": "MS1"}
    accepted = b'{"data":{"result":"ACCEPTED","timeout":30},"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'
    shared.p1.faults.append(Fault(module_id="commands", body=accepted))
    path = "receiver/commands/START_SESSION"
    await shared.send(shared.p3, "POST", path, sender=MS1, receiver=CP1, content=command)
    asked = next(seen for seen in shared.p1.seen if seen.module_id == "commands")
    at_hub = asked.content["response_url"].partition("/ocpi/2.2.1/")[2]
    await refuses_all_but(shared, path, {"POST"}, caller=(shared.p3, MS1), receivers=(HUB, CP1, None), content=command)
    result = {"result": "ACCEPTED"}
    await refuses_all_but(shared, at_hub, {"POST"}, caller=(shared.p1, CP1), receivers=(HUB, MS1, None), content=result)
    posted = await shared.send(shared.p1, "POST", at_hub, sender=CP1, receiver=MS1, content=result)
    assert posted.json()["status_code"] == 1000, "the callback still waits"


@pytest.mark.proves("M-11")
async def test_charging_profiles_are_neither_posted_nor_patched(shared: Bench) -> None:
    """At the sender an active profile is PUT and a result POSTed, and nothing is read or deleted."""
    await refuses_all_but(
        shared,
        "receiver/chargingprofiles/1",
        {"GET", "PUT", "DELETE"},
        caller=(shared.p3, MS1),
        receivers=(HUB, CP1, None),
    )
    await refuses_all_but(
        shared,
        "sender/chargingprofiles/1",
        {"POST", "PUT"},
        caller=(shared.p1, CP1),
        receivers=(HUB, MS1, None),
    )


@pytest.mark.proves("M-12")
async def test_the_parties_of_the_hub_can_only_be_read(shared: Bench) -> None:
    before = (await shared.send(shared.p1, "GET", "sender/hubclientinfo")).json()["data"]
    await refuses_all_but(
        shared, "sender/hubclientinfo", {"GET"}, caller=(shared.p1, None), receivers=(None,), content=before[0]
    )
    details = (await shared.send(shared.p1, "GET", "")).json()["data"]
    listed = [entry["role"] for entry in details["endpoints"] if entry["identifier"] == "hubclientinfo"]
    assert listed == ["SENDER"]
    for method in sorted(ALL):
        path = f"receiver/hubclientinfo/{before[0]['country_code']}/{before[0]['party_id']}"
        answer = await shared.send(shared.p1, method, path, content={**before[0], "status": "SUSPENDED"})
        assert answer.status_code in {404, 405}
        assert answer.json()["status_code"] // 1000 == 2
    assert (await shared.send(shared.p1, "GET", "sender/hubclientinfo")).json()["data"] == before

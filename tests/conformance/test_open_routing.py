"""Section 8 of the checklist: a request that names no receiver, and whom the hub finds for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from hub.demo.faults import Seen
from hub.demo.party import DemoPlatform
from ocpi_modules.parties import Party
from tests.conformance.answers import from_to, result_of, ways
from tests.conftest import HUB
from tests.web.conftest import CP1, CP2, MS1, MS2, NS1, OT1, Bench

Object = dict[str, Any]
Unique = Callable[[str], str]
Example = Callable[..., Object]

SETTLE_SECONDS = 0.2
WAIT_TRIES_MAX, WAIT_PAUSE_SECONDS = 1000, 0.02
NEWER = "2027-01-01T00:00:00Z"
RESULT_URL = "https://emsp.example/results/1"


def of(owner: Party, example: Example, name: str, object_id: str) -> Object:
    """An object of this owner; sessions and CDRs are about a token of NL/MS1."""
    key = "uid" if name == "token" else "id"
    content = example(name, country_code=owner.country_code, party_id=owner.party_id, **{key: object_id})
    if "cdr_token" in content:
        content["cdr_token"] = {**content["cdr_token"], "country_code": "NL", "party_id": "MS1"}
    return content


@dataclass
class Open:
    """The shared hub, and requests of its parties that name no receiver unless told to."""

    bench: Bench
    unique: Unique

    def platform(self, party: Party) -> DemoPlatform:
        bench = self.bench
        found = {CP1: bench.p1, CP2: bench.p2, MS2: bench.p2, MS1: bench.p3, NS1: bench.p4, OT1: bench.p5}
        return found[party]

    async def send(
        self, sender: Party, method: str, path: str, content: Any = None, receiver: Party | None = None, mark: str = ""
    ) -> httpx.Response:
        """A request; `mark` is its correlation id, by which `passed` finds what came of it."""
        headers = {"X-Correlation-ID": mark or self.unique("c")}
        return await self.bench.send(
            self.platform(sender), method, path, sender=sender, receiver=receiver, content=content, headers=headers
        )

    async def keep(self, example: Example, owner: Party, name: str, object_id: str, **changes: Any) -> Object:
        """Let the hub know an object."""
        content = {**of(owner, example, name, object_id), **changes}
        query = f"?type={content['type']}" if name == "token" else ""
        path = f"receiver/{name}s/{owner}/{object_id}{query}"
        assert result_of(await self.send(owner, "PUT", path, content, HUB)) == (201, 1000)
        return content

    async def passed(self, mark: str, count: int = 0) -> list[Seen]:
        """What anybody saw of one request: at least `count` copies, once it is quiet."""
        for _ in range(WAIT_TRIES_MAX):
            if len(self._seen(mark)) >= count:
                break
            await asyncio.sleep(WAIT_PAUSE_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        return self._seen(mark)

    def at(self, party: Party, mark: str) -> list[Seen]:
        return [seen for seen in self.platform(party).seen if seen.headers.get("x-correlation-id") == mark]

    def _seen(self, mark: str) -> list[Seen]:
        everything = [seen for platform in self.bench.everybody for seen in platform.seen]
        return [seen for seen in everything if seen.headers.get("x-correlation-id") == mark]


@pytest.fixture
def routed(shared: Bench, unique: Unique) -> Open:
    return Open(shared, unique)


async def require_forwarded(routed: Open, answer: httpx.Response, mark: str, sender: Party, found: Party) -> Seen:
    """One request, at the party that was found and nowhere else; and the answer comes from there."""
    (seen,) = await routed.passed(mark, 1)
    assert routed.at(found, mark) == [seen]
    assert ways(seen.headers) == from_to(sender, found)
    assert ways(answer.headers) == from_to(found, sender)
    return seen


async def require_refused(routed: Open, answer: httpx.Response, mark: str, sender: Party) -> None:
    """Nobody was asked, and the hub says so itself."""
    assert "data" not in answer.json()
    assert ways(answer.headers) == from_to(HUB, sender)
    assert not await routed.passed(mark)


# --- one object -----------------------------------------------------------------------------------


@pytest.mark.proves("O-01", "O-02")
@pytest.mark.parametrize(
    ("suffix", "field"),
    [pytest.param("", "name", id="Location"), pytest.param("/{evse}/1", "max_amperage", id="Connector")],
)
async def test_a_read_without_receiver_goes_to_the_owner_whose_answer_names_it(
    routed: Open, example: Example, unique: Unique, suffix: str, field: str
) -> None:
    location_id, mark = unique("L"), unique("c")
    location = await routed.keep(example, CP1, "location", location_id)
    current = of(CP1, example, "location", location_id)
    current["name"] = "as the owner has it now"
    current["evses"][0]["connectors"][0]["max_amperage"] = 63
    routed.bench.p1.desk.offer("locations", current)

    suffix = suffix.format(evse=location["evses"][0]["uid"])
    answer = await routed.send(MS1, "GET", f"sender/locations/{location_id}{suffix}", mark=mark)

    assert result_of(answer) == (200, 1000)
    seen = await require_forwarded(routed, answer, mark, MS1, CP1)
    assert seen.path == f"/2.2.1/sender/locations/{location_id}{suffix}"
    expected = current if not suffix else current["evses"][0]["connectors"][0]
    assert answer.json()["data"][field] == expected[field]


@pytest.mark.proves("O-02", "X-18")
@pytest.mark.parametrize("module_id", ["locations", "sessions", "cdrs", "tariffs", "tokens"])
async def test_a_list_without_receiver_is_get_all(
    routed: Open, example: Example, unique: Unique, module_id: str
) -> None:
    await routed.keep(example, CP1, "location", unique("L"))
    await routed.keep(example, CP2, "location", unique("L"))
    await routed.keep(example, CP1, "session", unique("S"))
    mark = unique("c")
    without, with_hub = [
        await routed.send(MS1, "GET", f"sender/{module_id}?limit=3", receiver=receiver, mark=mark)
        for receiver in (None, HUB)
    ]
    assert result_of(without) == (200, 1000)
    assert without.json()["data"] == with_hub.json()["data"]
    for name in ("x-total-count", "x-limit", "link"):
        assert without.headers.get(name) == with_hub.headers.get(name)
    assert ways(without.headers) == from_to(HUB, MS1)
    assert not await routed.passed(mark)


# --- what decides ---------------------------------------------------------------------------------


@pytest.mark.proves("O-01", "O-02", "O-03", "X-46")
@pytest.mark.parametrize("name", [pytest.param("session", id="Session"), pytest.param("cdr", id="CDR")])
async def test_a_session_and_a_cdr_go_to_the_emsp_of_their_token(
    routed: Open, example: Example, unique: Unique, name: str
) -> None:
    object_id, mark = unique("S"), unique("c")
    content = of(CP1, example, name, object_id)
    content["cdr_token"]["contract_id"] = "BE-MS2-C0012345-X"
    method, path = ("POST", "receiver/cdrs") if name == "cdr" else ("PUT", f"receiver/sessions/{CP1}/{object_id}")
    answer = await routed.send(CP1, method, path, content, mark=mark)
    assert result_of(answer) == (201, 1000)
    seen = await require_forwarded(routed, answer, mark, CP1, MS1)
    assert (seen.method, seen.path) == (method, f"/2.2.1/{path}")


@pytest.mark.proves("O-01", "O-02", "O-03")
async def test_a_patch_of_a_session_goes_to_the_emsp_of_the_session(
    routed: Open, example: Example, unique: Unique
) -> None:
    session_id, mark = unique("S"), unique("c")
    await routed.keep(example, CP1, "session", session_id)
    await routed.bench.p3.wait_until_seen(lambda seen: session_id in seen.path)
    fields = {"kwh": 20, "last_updated": NEWER}
    answer = await routed.send(CP1, "PATCH", f"receiver/sessions/{CP1}/{session_id}", fields, mark=mark)
    assert result_of(answer) == (200, 1000)
    seen = await require_forwarded(routed, answer, mark, CP1, MS1)
    assert seen.content == fields


BY_LOCATION = [
    pytest.param("start_session", id="START_SESSION"),
    pytest.param("reserve_now", id="RESERVE_NOW"),
    pytest.param("unlock_connector", id="UNLOCK_CONNECTOR"),
]


def command(example: Example, name: str, **fields: Any) -> Object:
    """A command of NL/MS1."""
    content = example(name, response_url=RESULT_URL, **fields)
    if "token" in content:
        content["token"] = {**content["token"], "country_code": "NL", "party_id": "MS1"}
    return content


@pytest.mark.proves("O-01", "O-02", "O-03")
@pytest.mark.parametrize("name", BY_LOCATION)
async def test_a_command_goes_to_the_cpo_of_its_location(
    routed: Open, example: Example, unique: Unique, name: str
) -> None:
    location_id, mark = unique("L"), unique("c")
    await routed.keep(example, CP2, "location", location_id)
    await routed.keep(example, CP1, "location", unique("L"))
    content = command(example, name, location_id=location_id.lower())  # ids are compared without case
    answer = await routed.send(MS1, "POST", f"receiver/commands/{name.upper()}", content, mark=mark)
    assert result_of(answer) == (200, 1000)
    seen = await require_forwarded(routed, answer, mark, MS1, CP2)
    assert seen.path == f"/2.2.1/receiver/commands/{name.upper()}"


BY_SESSION = [
    pytest.param("POST", "receiver/commands/STOP_SESSION", "stop_session", id="STOP_SESSION"),
    pytest.param("PUT", "sender/sessions/{id}/charging_preferences", "charging_preferences", id="charging preferences"),
    pytest.param(
        "GET", "receiver/chargingprofiles/{id}?duration=900&response_url={url}", None, id="the active profile"
    ),
    pytest.param("PUT", "receiver/chargingprofiles/{id}", "set_charging_profile", id="setting a profile"),
    pytest.param("DELETE", "receiver/chargingprofiles/{id}?response_url={url}", None, id="clearing the profile"),
]


def about_a_session(example: Example, name: str | None, session_id: str) -> Object | None:
    """The body of a request about a session."""
    if name is None or name == "charging_preferences":
        return example(name) if name else None
    fields = {"session_id": session_id} if name == "stop_session" else {}
    return example(name, response_url=RESULT_URL, **fields)


@pytest.mark.proves("O-01", "O-02", "O-03")
@pytest.mark.parametrize(("method", "path", "name"), BY_SESSION)
async def test_what_is_about_a_session_goes_to_its_cpo(
    routed: Open, example: Example, unique: Unique, method: str, path: str, name: str | None
) -> None:
    session_id, mark = unique("S"), unique("c")
    await routed.keep(example, CP2, "session", session_id)
    await routed.keep(example, CP1, "session", unique("S"))
    path = path.format(id=session_id, url=RESULT_URL)
    answer = await routed.send(MS1, method, path, about_a_session(example, name, session_id), mark=mark)
    assert result_of(answer) == (200, 1000)
    seen = await require_forwarded(routed, answer, mark, MS1, CP2)
    assert (seen.method, seen.path) == (method, f"/2.2.1/{path.partition('?')[0]}")


@pytest.mark.proves("O-01", "O-03", "TK-11")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", MS1, id="without a type it is an RFID token"),
        pytest.param("?type=RFID", MS1, id="the RFID token of one eMSP"),
        pytest.param("?type=APP_USER", MS2, id="the app user of another eMSP"),
    ],
)
async def test_an_authorisation_goes_to_the_emsp_of_uid_and_type(
    routed: Open, example: Example, unique: Unique, query: str, found: Party
) -> None:
    uid, mark = unique("U"), unique("c")
    for emsp, kind in ((MS1, "RFID"), (MS2, "APP_USER")):
        token = await routed.keep(example, emsp, "token", uid, type=kind)
        routed.platform(emsp).desk.offer("tokens", token)
    answer = await routed.send(CP1, "POST", f"sender/tokens/{uid.lower()}/authorize{query}", mark=mark)
    assert result_of(answer) == (200, 1000)
    assert answer.json()["data"]["token"]["party_id"] == found.party_id
    seen = await require_forwarded(routed, answer, mark, CP1, found)
    assert seen.query == query.removeprefix("?")


# --- more than one, or none -----------------------------------------------------------------------


@pytest.mark.proves("O-04", "X-19")
@pytest.mark.parametrize("suffix", [pytest.param("", id="Location"), pytest.param("/{evse}/1", id="Connector")])
async def test_a_location_of_two_owners_is_read_nowhere(
    routed: Open, example: Example, unique: Unique, suffix: str
) -> None:
    location_id, mark = unique("L"), unique("c")
    for owner in (CP1, CP2):
        location = await routed.keep(example, owner, "location", location_id)
        routed.platform(owner).desk.offer("locations", location)
    suffix = suffix.format(evse=location["evses"][0]["uid"])
    path = f"sender/locations/{location_id}{suffix}"
    answer = await routed.send(MS1, "GET", path, mark=mark)
    assert result_of(answer) in {(200, 4001), (200, 2001)}
    await require_refused(routed, answer, mark, MS1)
    named = await routed.send(MS1, "GET", path, receiver=CP2)
    assert result_of(named) == (200, 1000)


@pytest.mark.proves("O-04", "X-19")
@pytest.mark.parametrize("name", BY_LOCATION)
async def test_a_command_at_a_location_of_two_owners_goes_nowhere(
    routed: Open, example: Example, unique: Unique, name: str
) -> None:
    location_id, mark = unique("L"), unique("c")
    await routed.keep(example, CP1, "location", location_id)
    await routed.keep(example, CP2, "location", location_id.lower())
    content = command(example, name, location_id=location_id)
    answer = await routed.send(MS1, "POST", f"receiver/commands/{name.upper()}", content, mark=mark)
    assert result_of(answer) in {(200, 4001), (200, 2001)}
    await require_refused(routed, answer, mark, MS1)


@pytest.mark.proves("O-04", "X-19", "CP-10")
@pytest.mark.parametrize(("method", "path", "name"), BY_SESSION)
async def test_what_is_about_a_session_of_two_cpos_goes_nowhere(
    routed: Open, example: Example, unique: Unique, method: str, path: str, name: str | None
) -> None:
    session_id, mark = unique("S"), unique("c")
    for owner in (CP1, CP2):
        await routed.keep(example, owner, "session", session_id)
    path = path.format(id=session_id, url=RESULT_URL)
    answer = await routed.send(MS1, method, path, about_a_session(example, name, session_id), mark=mark)
    assert result_of(answer) in {(200, 4001), (200, 2001)}
    await require_refused(routed, answer, mark, MS1)


@pytest.mark.proves("O-04", "X-19")
async def test_a_token_of_two_emsps_is_authorised_by_neither(routed: Open, example: Example, unique: Unique) -> None:
    uid, mark = unique("U"), unique("c")
    for emsp in (MS1, MS2):
        await routed.keep(example, emsp, "token", uid)
    answer = await routed.send(CP1, "POST", f"sender/tokens/{uid}/authorize", mark=mark)
    assert result_of(answer) in {(200, 4001), (200, 2001)}
    await require_refused(routed, answer, mark, CP1)


UNKNOWN = [
    pytest.param(MS1, "GET", "sender/locations/{id}", None, id="a Location"),
    pytest.param(MS1, "GET", "sender/locations/{id}/E1", None, id="an EVSE"),
    pytest.param(MS1, "POST", "receiver/commands/START_SESSION", "start_session", id="START_SESSION"),
    pytest.param(MS1, "POST", "receiver/commands/RESERVE_NOW", "reserve_now", id="RESERVE_NOW"),
    pytest.param(MS1, "POST", "receiver/commands/STOP_SESSION", "stop_session", id="STOP_SESSION"),
    pytest.param(MS1, "POST", "receiver/commands/CANCEL_RESERVATION", "cancel_reservation", id="no location in it"),
    pytest.param(MS1, "PUT", "sender/sessions/{id}/charging_preferences", "charging_preferences", id="preferences"),
    pytest.param(MS1, "PUT", "receiver/chargingprofiles/{id}", "set_charging_profile", id="a profile"),
    pytest.param(CP1, "PUT", "receiver/sessions/DE/CP1/{id}", "session", id="a Session of an unknown eMSP"),
    pytest.param(CP1, "POST", "receiver/cdrs", "cdr", id="a CDR of an unknown eMSP"),
    pytest.param(CP1, "PATCH", "receiver/sessions/DE/CP1/{id}", "fields", id="a PATCH of an unknown Session"),
]


@pytest.mark.proves("O-05", "X-19")
@pytest.mark.parametrize(("sender", "method", "path", "name"), UNKNOWN)
async def test_what_belongs_to_nobody_known_is_4001(
    routed: Open, example: Example, unique: Unique, sender: Party, method: str, path: str, name: str | None
) -> None:
    object_id, mark = unique("N"), unique("c")
    content: Object | None = None
    if name == "fields":
        content = {"kwh": 1, "last_updated": NEWER}
    elif name in {"session", "cdr"}:
        content = of(CP1, example, name, object_id)
        content["cdr_token"] |= {"country_code": "ZZ", "party_id": "ZZZ", "contract_id": "NL-MS1-C0012345-X"}
    elif name is not None and "commands" in path:
        ids = {key: object_id for key in ("location_id", "session_id") if key in example(name)}
        content = command(example, name, **ids)
    elif name is not None:
        content = about_a_session(example, name, object_id)
    answer = await routed.send(sender, method, path.format(id=object_id), content, mark=mark)
    assert result_of(answer) == (200, 4001)
    await require_refused(routed, answer, mark, sender)
    for module_id in ("sessions", "cdrs"):
        page = await routed.send(CP1, "GET", f"sender/{module_id}?limit=100", receiver=HUB)
        assert object_id not in [entry["id"] for entry in page.json()["data"]]


@pytest.mark.proves("O-05", "X-19", "TK-10")
async def test_a_token_that_nobody_announced_is_asked_of_nobody(routed: Open, unique: Unique) -> None:
    mark = unique("c")
    answer = await routed.send(CP1, "POST", f"sender/tokens/{unique('U')}/authorize", mark=mark)
    assert result_of(answer) == (404, 2004)
    await require_refused(routed, answer, mark, CP1)


@pytest.mark.proves("O-02", "O-05")
@pytest.mark.parametrize(
    ("owner", "name", "method", "changes", "receivers"),
    [
        pytest.param(CP1, "location", "PUT", {}, {MS1, MS2, NS1, OT1}, id="a Location"),
        pytest.param(CP1, "location", "PATCH", {"name": "new"}, {MS1, MS2, NS1, OT1}, id="a change of a Location"),
        pytest.param(CP1, "tariff", "PUT", {}, {MS1, MS2, NS1, OT1}, id="a Tariff"),
        pytest.param(CP1, "tariff", "DELETE", None, {MS1, MS2, NS1, OT1}, id="the end of a Tariff"),
        pytest.param(MS1, "token", "PUT", {}, {CP1, CP2}, id="a Token"),
        pytest.param(MS1, "token", "PATCH", {"valid": False}, {CP1, CP2}, id="a change of a Token"),
    ],
)
async def test_what_is_for_everybody_is_broadcast_when_it_names_nobody(
    routed: Open,
    example: Example,
    unique: Unique,
    owner: Party,
    name: str,
    method: str,
    changes: Object | None,
    receivers: set[Party],
) -> None:
    object_id, mark = unique("B"), unique("c")
    content: Object | None = of(owner, example, name, object_id)
    if method != "PUT":
        await routed.keep(example, owner, name, object_id)
        content = None if changes is None else {**changes, "last_updated": NEWER}
    answer = await routed.send(owner, method, f"receiver/{name}s/{owner}/{object_id}", content, mark=mark)
    assert result_of(answer) == (201 if method == "PUT" else 200, 1000)
    assert ways(answer.headers) == from_to(HUB, owner)
    copies = await routed.passed(mark, len(receivers))
    assert sorted(ways(seen.headers) for seen in copies) == sorted(from_to(HUB, party) for party in receivers)
    kept = await routed.send(owner, "GET", f"receiver/{name}s/{owner}/{object_id}", receiver=HUB)
    assert kept.status_code == (404 if method == "DELETE" else 200)


# --- the decision can be looked up ----------------------------------------------------------------


@pytest.mark.proves("X-19")
async def test_the_log_says_whom_the_hub_found(routed: Open, example: Example, unique: Unique) -> None:
    location_id = unique("L")
    location = await routed.keep(example, CP1, "location", location_id)
    routed.bench.p1.desk.offer("locations", location)
    with capture_logs() as lines:
        answer = await routed.send(MS1, "GET", f"sender/locations/{location_id}")
    assert result_of(answer) == (200, 1000)
    about = [line for line in lines if line.get("sender") == str(MS1)]
    assert any(str(CP1) in map(str, line.values()) for line in about), about

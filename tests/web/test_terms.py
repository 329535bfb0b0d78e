"""The operator's interface to who may talk to whom, over HTTP: HC-03, HC-05, HC-06, HC-07, C-25, T-12."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hub.clock import SystemClock
from hub.demo.party import DemoPlatform, role
from hub.partners.directory import Directory, Member, Partner, Presence
from hub.partners.permissions import Permissions, Rule
from hub.partners.roster import Roster
from hub.store.copies import Copies
from hub.store.database import Database
from hub.store.partners import Partners
from hub.store.permissions import PermissionRules
from hub.store.secrets import Safe
from hub.store.tables import PermissionRow
from hub.web.errors import on_ocpi_error
from hub.web.terms import (
    NOTE_MAX_CHARACTERS,
    TermsDesk,
    as_connected,
    as_it_stands,
    get_all,
    open_modules,
    rule_state,
    see_parties,
    terms_router,
)
from ocpi_modules.catalog import FUNCTIONAL, MODULES
from ocpi_modules.errors import OcpiError
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import format_datetime, parse_datetime
from tests.conftest import ADMIN_TOKEN, HUB, World, running_hub
from tests.web.conftest import CP1, CP2, MS1, MS2, Bench
from tests.web.test_admin import assert_envelope

Object = dict[str, Any]

EVERY_ROUTE = [
    ("GET", "/admin/permissions"),
    ("POST", "/admin/permissions"),
    ("DELETE", "/admin/permissions/7"),
    ("GET", "/admin/parties"),
    ("GET", "/admin/parties/7/7/view"),
    ("POST", "/admin/parties/7/7/7/accept"),
    ("POST", "/admin/parties/7/7/7/suspend"),
    ("POST", "/admin/parties/7/7/7/resume"),
]
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MODULE_IDS = [module.id for module in FUNCTIONAL]
BETWEEN_CP1_AND_MS1: Object = {"one": "DE/CP1", "other": "NL/MS1", "module": "locations", "allowed": False}


def door(admin_token: str | None, header: dict[str, Any]) -> httpx.AsyncClient:
    """A client of the routes alone, with nothing behind them that could be reached."""
    database, clock = Database("postgresql://nowhere.invalid/none"), SystemClock()
    partners, rules = Partners(database), PermissionRules(database)
    roster = Roster((partners, rules), Safe(b"a key for tests"), HUB, clock)
    app = FastAPI()
    app.include_router(terms_router(TermsDesk(rules, roster, Copies(database.direct), clock, partners), admin_token))
    app.add_exception_handler(OcpiError, on_ocpi_error)
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://hub.example", headers=header)


def at(seconds: float) -> str:
    """A moment, in seconds from the present one."""
    return format_datetime(datetime.now(UTC) + seconds * SECOND)


async def made(world: World, **changes: Any) -> Object:
    """A new rule between DE/CP1 and NL/MS1, with some of its fields changed."""
    response = await world.admin.post("/admin/permissions", json=BETWEEN_CP1_AND_MS1 | changes)
    assert response.status_code == 201, response.text
    shown: Object = response.json()
    return shown


async def listed(world: World) -> list[Object]:
    rules: list[Object] = (await world.admin.get("/admin/permissions")).json()
    return rules


# --- who may -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "header", "http_status"),
    [
        pytest.param(ADMIN_TOKEN, {}, 401, id="no header"),
        pytest.param(ADMIN_TOKEN, {"Authorization": "Bearer another"}, 401, id="another token"),
        pytest.param(None, {"Authorization": "Bearer None"}, 403, id="no token is configured"),
        pytest.param("", {"Authorization": "Bearer "}, 403, id="an empty token is configured"),
    ],
)
async def test_only_the_admin_token_opens(configured: str | None, header: Object, http_status: int) -> None:
    """Asked before anything is read: the body is not even JSON."""
    async with door(configured, header) as client:
        for method, path in EVERY_ROUTE:
            assert_envelope(await client.request(method, path, content=b"{"), http_status, 2000)


async def test_every_route_is_among_those_that_were_tried() -> None:
    async with door(None, {}) as client:
        described = (await client.get("/openapi.json")).json()["paths"]
    tried = {(method, path.replace("/7", "/{}")) for method, path in EVERY_ROUTE}
    assert tried == {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, methods in described.items() for method in methods
    }
    operations = [operation for methods in described.values() for operation in methods.values()]
    assert all(operation["security"] == [{"HTTPBearer": []}] for operation in operations)


# --- rules -------------------------------------------------------------------------------------


async def test_a_rule_is_made_listed_and_ended_but_never_gone(world: World) -> None:
    before = datetime.now(UTC)
    shown = await made(world, one="de/cp1", note="until the contract is signed")
    assert abs(parse_datetime(shown["starts_at"]) - before) < timedelta(minutes=1)
    assert shown == {
        "id": shown["id"],
        "one": "DE/CP1",
        "other": "NL/MS1",
        "module": "locations",
        "allowed": False,
        "starts_at": shown["starts_at"],
        "ends_at": None,
        "note": "until the contract is signed",
        "state": "GOOD",
    }
    assert await listed(world) == [shown]
    path = f"/admin/permissions/{shown['id']}"
    assert (await world.admin.delete(path)).status_code == 204
    [ended] = await listed(world)
    assert ended == shown | {"state": "ENDED", "ends_at": ended["ends_at"]}
    assert parse_datetime(shown["starts_at"]) <= parse_datetime(ended["ends_at"]) <= datetime.now(UTC)
    assert_envelope(await world.admin.delete(path), 404, 2000)
    assert await listed(world) == [ended]


async def test_rules_are_listed_the_oldest_first_with_their_state(world: World) -> None:
    await made(world)
    await made(world, one=None, other=None, module=None, allowed=True, starts_at=at(60), ends_at=at(120))
    rules = await listed(world)
    assert [(rule["one"], rule["other"], rule["module"], rule["allowed"], rule["state"]) for rule in rules] == [
        ("DE/CP1", "NL/MS1", "locations", False, "GOOD"),
        (None, None, None, True, "COMING"),
    ]
    assert (await world.admin.delete(f"/admin/permissions/{rules[1]['id']}")).status_code == 204
    assert [rule["state"] for rule in await listed(world)] == ["GOOD", "ENDED"]


@pytest.mark.parametrize(
    ("number", "http_status"),
    [
        pytest.param("4711", 404, id="none has this number"),
        pytest.param("2147483647", 404, id="the largest number"),
        pytest.param("2147483648", 400, id="a number that none can have"),
        pytest.param("0", 400, id="zero"),
        pytest.param("x", 400, id="no number"),
    ],
)
async def test_a_rule_that_does_not_exist_cannot_be_ended(standing_world: World, number: str, http_status: int) -> None:
    assert (await standing_world.admin.delete(f"/admin/permissions/{number}")).status_code == http_status


WRONG_RULES = [
    pytest.param({"one": None, "other": None}, "module: Field required", id="nothing is guessed: a field is missing"),
    pytest.param({}, "one: Field required", id="an empty body would close everything"),
    pytest.param(
        BETWEEN_CP1_AND_MS1 | {"module": "hovercrafts"}, "module: Value error, is not one of loc", id="module"
    ),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"module": "credentials"}, "is not one of", id="a module that is not routed"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"module": "hubclientinfo"}, "is not one of", id="hub client info"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"module": ""}, "is not one of", id="no module is null"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"other": "de/cp1"}, "DE/CP1 may always talk to itself", id="the same twice"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"other": "nl/hub"}, "NL/HUB is this hub", id="the hub itself"),
    pytest.param({**BETWEEN_CP1_AND_MS1, "one": "NL/HUB", "other": None}, "NL/HUB is this hub", id="the hub and all"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"one": "DECP1"}, "one: is not a party written like DE/ABC", id="no slash"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"one": "DE/CP12"}, "one: is not a party", id="four characters"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"one": ""}, "one: is not a party", id="nobody is null"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"one": 7}, "one: is not a party", id="a number"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"allowed": "no"}, "allowed", id="no boolean"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"starts_at": "2026-01-01"}, "starts_at", id="a date alone"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"starts_at": "2026-01-01T00:00:00Z"}, "starts_at: is in the past", id="past"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"ends_at": "2026-01-01T00:00:00Z"}, "ends_at: is not after", id="an old end"),
    pytest.param(
        BETWEEN_CP1_AND_MS1 | {"starts_at": "2999-01-01T00:00:00Z", "ends_at": "2999-01-01T00:00:00Z"},
        "ends_at: is not after the start",
        id="an end at the start",
    ),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"note": "x" * (NOTE_MAX_CHARACTERS + 1)}, "note", id="a long note"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"note": "two\nlines"}, "note", id="a note of two lines"),
    pytest.param(BETWEEN_CP1_AND_MS1 | {"priority": 7}, "priority", id="a field that does not exist"),
]


@pytest.mark.parametrize(("body", "told"), WRONG_RULES)
async def test_a_wrong_rule_is_refused_and_says_why(body: Object, told: str) -> None:
    """Refused before the database is asked: there is none here."""
    async with door(ADMIN_TOKEN, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        response = await client.post("/admin/permissions", json=body)
    assert told in assert_envelope(response, 400, 2001)


@pytest.mark.parametrize(
    ("starts", "ends", "state"),
    [
        pytest.param(-9, None, "GOOD", id="without end"),
        pytest.param(0, 9, "GOOD", id="at the moment it starts"),
        pytest.param(1, 9, "COMING", id="to come"),
        pytest.param(-9, 0, "ENDED", id="at the moment it ends"),
        pytest.param(-9, -1, "ENDED", id="over"),
        pytest.param(0, 0, "ENDED", id="taken back before it began"),
    ],
)
def test_the_state_of_a_rule(starts: int, ends: int | None, state: str) -> None:
    ends_at = None if ends is None else NOW + ends * SECOND
    row = PermissionRow(is_allowed=True, starts_at=NOW + starts * SECOND, ends_at=ends_at)
    assert rule_state(row, NOW) == state


# --- what a party can see ----------------------------------------------------------------------


async def view(bench: Bench, party: str, query: str = "") -> Object:
    response = await bench.world.admin.get(f"/admin/parties/{party}/view{query}")
    assert response.status_code == 200, response.text
    shown: Object = response.json()
    return shown


def seen_of(shown: Object, party: Party) -> Object:
    """How another party appears in a view."""
    [found] = [
        p for p in shown["parties"] if (p["country_code"], p["party_id"]) == (party.country_code, party.party_id)
    ]
    assert isinstance(found, dict)
    return found


def counts(shown: Object, module_id: str) -> tuple[int, dict[str, int]]:
    """How many objects of a module are seen in all, and by owner."""
    [kept] = [kept for kept in shown["kept"] if kept["module"] == module_id]
    return kept["total"], {f"{o['country_code']}/{o['party_id']}": o["objects"] for o in kept["owners"]}


async def total_for(bench: Bench, platform: DemoPlatform, party: Party, module_id: str) -> int:
    """What GET All says to the party itself."""
    answer = await bench.send(platform, "GET", f"sender/{module_id}?limit=1", sender=party, receiver=HUB)
    return int(answer.headers["x-total-count"])


async def test_a_view_is_what_the_party_sees_itself(
    bench: Bench, location: Object, token: Object, example: Callable[..., Object]
) -> None:
    for owner, platform, id_ in ((CP1, bench.p1, "L1"), (CP1, bench.p1, "L2"), (CP2, bench.p2, "L3")):
        content = location | {"country_code": owner.country_code, "party_id": owner.party_id, "id": id_}
        await platform.push("locations", owner, (id_,), content, receiver=HUB)
    only_for_ms2 = location | {"id": "L4"}
    await bench.p1.push("locations", CP1, ("L4",), only_for_ms2, receiver=MS2)
    await bench.p3.push("tokens", MS1, ("U1",), token, receiver=HUB)
    await made(bench.world, one="DE/CP1", other="NL/MS1", module="locations")
    shown = await view(bench, "nl/ms1")
    assert (shown["country_code"], shown["party_id"]) == ("NL", "MS1")
    assert [f"{p['country_code']}/{p['party_id']}" for p in shown["parties"]] == [
        "BE/CP2",
        "BE/MS2",
        "DE/CP1",
        "GB/NS1",
        "NL/OT1",
    ]
    assert seen_of(shown, CP1)["roles"] == [{"role": "CPO", "status": "CONNECTED"}]
    assert seen_of(shown, CP1)["modules"] == [name for name in MODULE_IDS if name != "locations"]
    assert seen_of(shown, CP2)["modules"] == MODULE_IDS
    assert [kept["module"] for kept in shown["kept"]] == ["locations", "sessions", "cdrs", "tariffs", "tokens"]
    assert counts(shown, "locations") == (1, {"BE/CP2": 1})
    assert counts(shown, "tokens") == (1, {"NL/MS1": 1})
    assert counts(shown, "cdrs") == (0, {})
    assert counts(await view(bench, "BE/MS2"), "locations") == (4, {"DE/CP1": 3, "BE/CP2": 1})
    assert counts(await view(bench, "DE/CP1"), "tokens") == (1, {"NL/MS1": 1})
    for platform, party in ((bench.p3, MS1), (bench.p2, MS2), (bench.p2, CP2), (bench.p1, CP1)):
        mine = await view(bench, str(party))
        for kept in mine["kept"]:
            assert kept["total"] == await total_for(bench, platform, party, kept["module"]), (party, kept)


async def test_a_view_shows_the_rules_of_another_moment(bench: Bench, location: Object) -> None:
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    await made(bench.world, module=None, starts_at=at(60), ends_at=at(120))
    for seconds, status, modules, objects in ((0, "CONNECTED", MODULE_IDS, 1), (90, "PLANNED", [], 0)):
        moment = at(seconds)
        shown = await view(bench, "NL/MS1", f"?at={moment}")
        assert shown["at"] == moment
        assert seen_of(shown, CP1) == {
            "country_code": "DE",
            "party_id": "CP1",
            "roles": [{"role": "CPO", "status": status}],
            "modules": modules,
        }
        assert counts(shown, "locations")[0] == objects
    later = await view(bench, "NL/MS1", f"?at={at(130)}")
    assert seen_of(later, CP1)["modules"] == MODULE_IDS
    assert seen_of(await view(bench, "NL/MS1"), CP1)["modules"] == MODULE_IDS
    wrong = await bench.world.admin.get("/admin/parties/NL/MS1/view?at=tomorrow")
    assert "at: is not a moment" in assert_envelope(wrong, 400, 2001)


@pytest.mark.parametrize("party", ["XX/NIX", "NL/HUB", "DEU/CP1", "DE/%00"])
async def test_there_is_no_view_of_a_party_that_is_not_known(standing_bench: Bench, party: str) -> None:
    assert_envelope(await standing_bench.world.admin.get(f"/admin/parties/{party}/view"), 404, 2000)


async def test_an_invited_party_is_shown_what_it_would_see(bench: Bench, location: Object) -> None:
    await bench.p1.push("locations", CP1, ("L1",), location, receiver=HUB)
    await bench.world.invite([role("EMSP", "FR/NEW")])
    assert counts(await view(bench, "FR/NEW"), "locations") == (1, {"DE/CP1": 1})
    await made(bench.world, one="FR/NEW", other=None, module=None)
    shown = await view(bench, "FR/NEW")
    assert counts(shown, "locations") == (0, {})
    assert seen_of(shown, CP1) == {
        "country_code": "DE",
        "party_id": "CP1",
        "roles": [{"role": "CPO", "status": "PLANNED"}],
        "modules": [],
    }


# --- the pure half of a view -------------------------------------------------------------------


def member(text: str, partner_id: int | None, status: Presence = Presence.CONNECTED) -> Member:
    """``member("CPO DE/CP1", 1)``."""
    name, party = text.split()
    return Member(Party.parse(party), Role(name), text, status, NOW, partner_id)


def picture(*members: Member, rules: tuple[Rule, ...] = ()) -> Directory:
    numbers = {m.partner_id for m in members if m.partner_id is not None and m.status is not Presence.SUSPENDED}
    partners = {n: Partner(n, f"P{n}", "https://p.example", True, b"%d" % n, "token") for n in numbers}
    return Directory(HUB, partners, members, Permissions(rules, NOW))


def closed(one: Party | None, other: Party | None, starts: int = -9) -> Rule:
    return Rule(1, one, other, None, False, NOW + starts * SECOND)


@pytest.mark.parametrize(
    ("own", "partner_id"),
    [
        pytest.param(member("EMSP NL/MS1", None, Presence.PLANNED), 0, id="invited"),
        pytest.param(member("EMSP NL/MS1", 2, Presence.PLANNED), 2, id="held"),
        pytest.param(member("EMSP NL/MS1", 9, Presence.SUSPENDED), 0, id="its platform has left"),
    ],
)
def test_who_is_not_connected_is_looked_at_as_if_it_were(own: Member, partner_id: int) -> None:
    base = picture(member("CPO DE/CP1", 1), own)
    directory = as_connected(base, MS1)
    assert [m for m in directory.members if m.party == MS1] == [
        replace(own, status=Presence.CONNECTED, partner_id=partner_id)
    ]
    assert directory.members[0] == base.members[0]
    assert get_all(directory, MS1, MODULES["locations"]).sees_shared
    [other] = see_parties(directory, MS1)
    assert (other.party_id, other.roles[0].status) == ("CP1", "CONNECTED")


@pytest.mark.parametrize("status", [Presence.CONNECTED, Presence.OFFLINE])
def test_a_connected_party_is_looked_at_as_it_is(status: Presence) -> None:
    """A role that it dropped shows it nothing."""
    dropped = member("CPO NL/MS1", 1, Presence.SUSPENDED)
    directory = picture(dropped, member("EMSP NL/MS1", 2, status), member("CPO DE/CP1", 3), rules=(closed(CP1, MS1),))
    assert as_connected(directory, MS1) is directory
    [other] = see_parties(directory, MS1)
    assert other.roles[0].status == "PLANNED"


def test_the_parties_of_its_own_platform_are_shown_as_they_are() -> None:
    """Hub client info does not tell a platform about itself, and shows others by all of its parties."""
    directory = picture(
        member("CPO BE/CP2", 2), member("EMSP BE/MS2", 2), member("CPO DE/CP1", 1), rules=(closed(MS2, None),)
    )
    seen = {p.party_id: p for p in see_parties(directory, MS2)}
    assert (seen["CP2"].roles[0].status, seen["CP2"].modules) == ("CONNECTED", [])
    assert (seen["CP1"].roles[0].status, seen["CP1"].modules) == ("CONNECTED", []), "BE/CP2 may talk to DE/CP1"


def test_a_party_with_two_roles_is_one_party_of_two_roles() -> None:
    directory = picture(member("EMSP DE/TWO", 1), member("CPO DE/TWO", 1), member("EMSP NL/MS1", 2))
    [other] = see_parties(directory, MS1)
    assert [(shown.role, shown.status) for shown in other.roles] == [("CPO", "CONNECTED"), ("EMSP", "CONNECTED")]


def test_the_open_modules_at_a_moment() -> None:
    directory = picture(member("CPO DE/CP1", 1), member("EMSP NL/MS1", 2), rules=(closed(CP1, None, starts=5),))
    assert open_modules(directory, MS1, CP1) == MODULE_IDS
    assert open_modules(as_it_stands(directory, NOW + 5 * SECOND), MS1, CP1) == []
    assert get_all(as_it_stands(directory, NOW + 5 * SECOND), MS1, MODULES["tariffs"]).closed == {CP1}


# --- parties, and those that are held ----------------------------------------------------------


async def parties(world: World) -> dict[str, Object]:
    """What the operator is shown, by role and party."""
    shown = (await world.admin.get("/admin/parties")).json()
    return {f"{p['role']} {p['country_code']}/{p['party_id']}": p for p in shown}


async def statuses(world: World) -> dict[str, tuple[str, bool]]:
    return {name: (shown["status"], shown["held"]) for name, shown in (await parties(world)).items()}


async def test_every_party_is_listed_with_its_platform(bench: Bench) -> None:
    await bench.world.invite([role("CPO", "AT/NEW")])
    await bench.p5.leave()
    shown = await parties(bench.world)
    assert list(shown) == [
        "CPO AT/NEW",
        "CPO BE/CP2",
        "EMSP BE/MS2",
        "CPO DE/CP1",
        "NSP GB/NS1",
        "EMSP NL/MS1",
        "OTHER NL/OT1",
    ]
    assert shown["CPO DE/CP1"] == {
        "role": "CPO",
        "country_code": "DE",
        "party_id": "CP1",
        "name": "CPO DE/CP1",
        "status": "CONNECTED",
        "last_updated": shown["CPO DE/CP1"]["last_updated"],
        "partner": "CPO DE/CP1",
        "held": False,
        "suspended_by": "",
    }
    assert (shown["EMSP BE/MS2"]["partner"], shown["EMSP BE/MS2"]["name"]) == ("CPO BE/CP2", "EMSP BE/MS2")
    assert [(shown[name]["status"], shown[name]["partner"]) for name in ("CPO AT/NEW", "OTHER NL/OT1")] == [
        ("PLANNED", None),
        ("SUSPENDED", "OTHER NL/OT1"),
    ]
    assert not any(one["held"] for one in shown.values())


async def put_roles(platform: DemoPlatform, *roles: tuple[str, str]) -> None:
    platform.roles = [role(name, party) for name, party in roles]
    await platform.renew()


CPO1, EMSP9 = ("CPO", "DE/CP1"), ("EMSP", "DE/MS9")
ACCEPT_EMSP9 = "/admin/parties/DE/MS9/EMSP/accept"


async def test_without_the_setting_what_a_partner_adds_is_connected(world: World) -> None:
    """C-25."""
    platform = await world.join("P1", CPO1)
    await put_roles(platform, CPO1, EMSP9)
    assert await statuses(world) == {"CPO DE/CP1": ("CONNECTED", False), "EMSP DE/MS9": ("CONNECTED", False)}
    assert_envelope(await world.admin.post(ACCEPT_EMSP9), 404, 2000)


async def test_with_the_setting_what_a_partner_adds_is_held_until_it_is_accepted(
    database_url: str, tmp_path: Path
) -> None:
    """C-25, HC-06, HC-07: over any number of PUTs, and for good once it is in."""
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        platform = await world.join("P1", CPO1)
        assert await statuses(world) == {"CPO DE/CP1": ("CONNECTED", False)}, "it was invited"
        await put_roles(platform, CPO1, EMSP9)
        held = await parties(world)
        assert (held["EMSP DE/MS9"]["status"], held["EMSP DE/MS9"]["held"]) == ("PLANNED", True)
        assert (held["EMSP DE/MS9"]["partner"], held["CPO DE/CP1"]["status"]) == ("CPO DE/CP1", "CONNECTED")
        await put_roles(platform, CPO1, EMSP9)
        assert await parties(world) == held
        accepted = await world.admin.post("/admin/parties/de/ms9/EMSP/accept")
        assert accepted.status_code == 200
        shown = await parties(world)
        assert accepted.json() == shown["EMSP DE/MS9"]
        assert (shown["EMSP DE/MS9"]["status"], shown["EMSP DE/MS9"]["held"]) == ("CONNECTED", False)
        assert shown["EMSP DE/MS9"]["last_updated"] > held["EMSP DE/MS9"]["last_updated"]
        assert shown["CPO DE/CP1"] == held["CPO DE/CP1"]
        await put_roles(platform, CPO1, EMSP9)
        assert await parties(world) == shown
        assert_envelope(await world.admin.post(ACCEPT_EMSP9), 404, 2000)


async def test_a_held_party_stays_held_when_the_setting_is_taken_away(database_url: str, tmp_path: Path) -> None:
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        platform = await world.join("P1", CPO1)
        await put_roles(platform, CPO1, EMSP9)
        async with running_hub(database_url, tmp_path, new_parties="accept") as again:
            assert platform.connection is not None
            await platform.move(again.versions_url)
            assert (await statuses(again))["EMSP DE/MS9"] == ("PLANNED", True)
            await put_roles(platform, CPO1, EMSP9, ("EMSP", "DE/MS8"))
            assert (await statuses(again))["EMSP DE/MS9"] == ("PLANNED", True)
            assert (await statuses(again))["EMSP DE/MS8"] == ("CONNECTED", False)
            assert (await again.admin.post(ACCEPT_EMSP9)).status_code == 200


async def test_a_role_that_was_dropped_and_comes_back_is_held_again(database_url: str, tmp_path: Path) -> None:
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        platform = await world.join("P1", CPO1, EMSP9)
        await put_roles(platform, CPO1)
        assert (await statuses(world))["EMSP DE/MS9"] == ("SUSPENDED", False)
        await put_roles(platform, CPO1, EMSP9)
        assert (await statuses(world))["EMSP DE/MS9"] == ("PLANNED", True)
        await put_roles(platform, CPO1)
        assert (await statuses(world))["EMSP DE/MS9"] == ("SUSPENDED", False)


async def test_a_held_party_leaves_with_its_partner_and_is_free_for_others(database_url: str, tmp_path: Path) -> None:
    """C-16, C-24, HC-05."""
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        platform = await world.join("P1", CPO1)
        await put_roles(platform, CPO1, EMSP9)
        taken = await world.admin.post(
            "/admin/invitations", json={"roles": [{"role": "EMSP", "country_code": "DE", "party_id": "MS9"}]}
        )
        assert "DE/MS9 belongs to another connection" in assert_envelope(taken, 400, 2001)
        await platform.leave()
        assert set((await statuses(world)).values()) == {("SUSPENDED", False)}
        assert_envelope(await world.admin.post(ACCEPT_EMSP9), 404, 2000)
        await world.join("P2", EMSP9)
        assert (await statuses(world))["EMSP DE/MS9"] == ("CONNECTED", False)


async def test_who_is_accepted_while_its_platform_is_away_is_offline(database_url: str, tmp_path: Path) -> None:
    """HC-09."""
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        platform = await world.join("P1", CPO1)
        asker = await world.join("P3", ("EMSP", "NL/MS1"))
        await put_roles(platform, CPO1, EMSP9)
        async with platform.down():
            assert asker.connection is not None
            lost = await asker.get_page(f"{world.url}/ocpi/2.2.1/sender/locations", sender=MS1, receiver=CP1)
            assert lost.status_code == 4003
            assert (await statuses(world))["CPO DE/CP1"] == ("OFFLINE", False)
            assert (await statuses(world))["EMSP DE/MS9"] == ("PLANNED", True)
            assert (await world.admin.post(ACCEPT_EMSP9)).json()["status"] == "OFFLINE"


async def test_registrations_that_the_operator_asked_for_are_not_held(database_url: str, tmp_path: Path) -> None:
    """C-19."""
    async with running_hub(database_url, tmp_path, new_parties="hold") as world:
        platform = await world.platform("P3", ("EMSP", "NL/MS1"))
        asked = {"versions_url": platform.versions_url, "token": platform.invite()}
        assert (await world.admin.post("/admin/partners", json=asked)).status_code == 201
        assert await statuses(world) == {"EMSP NL/MS1": ("CONNECTED", False)}


@pytest.mark.parametrize(
    ("path", "http_status"),
    [
        pytest.param("/admin/parties/DE/CP1/CPO/accept", 404, id="a connected party"),
        pytest.param("/admin/parties/AT/NEW/CPO/accept", 404, id="an invited party: nobody has joined for it"),
        pytest.param("/admin/parties/DE/CP1/EMSP/accept", 404, id="another role"),
        pytest.param("/admin/parties/XX/NIX/CPO/accept", 404, id="an unknown party"),
        pytest.param("/admin/parties/DE/CP1/KING/accept", 400, id="an unknown role"),
    ],
)
async def test_nothing_else_can_be_accepted(world: World, path: str, http_status: int) -> None:
    await world.join("P1", CPO1)
    await world.invite([role("CPO", "AT/NEW")])
    before = await parties(world)
    assert (await world.admin.post(path)).status_code == http_status
    assert await parties(world) == before

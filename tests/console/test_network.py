"""The operator's desk: inviting, watching a handshake, partners, parties, rules, meter keys and health."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import httpx
import pytest

from hub.console.accounts import Role
from hub.demo.party import DemoPlatform
from hub.partners.directory import Presence
from ocpi_modules.errors import UnusableApi
from tests.conftest import World, loopback_client
from tests.console.visitors import Visitor, said, visitor
from tests.settlement.cases import CPO, EMSP, location, token
from tests.web.clearing import Clearing

PUSHES = (("locations", location()), ("tokens", token()))
PAIR: dict[str, Any] = {"role": ["CPO", "EMSP"], "country_code": ["de", "de"], "party_id": ["cp1", "cp1"]}


async def invited(otto: Visitor, **form: Any) -> tuple[str, str]:
    """Token A and the path of the page that follows the handshake."""
    answer = await otto.post("/console/partners/invite", 201, page="/console/partners/invite", **form)
    token = re.search(r'id="token" readonly value="([^"]+)"', answer.text)
    path = re.search(r'href="(/console/partners/invitations/\d+)"', answer.text)
    assert token
    assert path
    return unescape(token[1]), path[1]


async def joined(world: World, otto: Visitor) -> DemoPlatform:
    """A platform that joins by what the wizard handed over."""
    platform = await world.platform("P1", ("CPO", "DE/CP1"), ("EMSP", "DE/CP1"))
    token, path = await invited(otto, **PAIR)
    await platform.join(token, world.versions_url)
    assert "has joined: open it" in said(await otto.get(path))
    return platform


async def partner_path(otto: Visitor) -> str:
    found = re.search(r'href="(/console/partners/\d+)"', await otto.get("/console/partners"))
    assert found
    return found[1]


async def statuses(world: World) -> dict[str, str]:
    return {
        f"{one['role']} {one['country_code']}/{one['party_id']}": one["status"]
        for one in (await world.admin.get("/admin/parties")).json()
    }


# --- inviting ---------------------------------------------------------------------------------------


async def test_rows_of_the_wizard_come_and_go_without_scripts(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    page = "/console/partners/invite"
    more = await otto.post(page, 200, page=page, role="CPO", country_code="de", party_id="", more="yes")
    assert (more.text.count('name="party_id"'), 'value="de"' in more.text) == (2, True)
    less = await otto.post(page, 200, page=page, **PAIR | {"party_id": ["a", "b"], "drop": "0"})
    assert re.findall(r'name="party_id" value="(\w*)"', less.text) == ["b"]
    wrong = await otto.post(page, 400, page=page, **PAIR | {"country_code": ["de", "d"]})
    assert "row 2: country code" in said(wrong.text)
    assert (await world.admin.get("/admin/invitations")).json() == []


async def test_a_partner_joins_by_the_wizard_and_every_step_is_seen(world: World) -> None:
    """C-01 to C-06: what goes wrong is told where it went wrong, and what goes well after it stands in its place."""
    otto = await visitor(world, "otto", Role.OPERATOR)
    token, path = await invited(otto, **PAIR)
    assert token not in await otto.get(path)
    assert "They read the hub's versions …" in said(await otto.get(path))
    stranger = await world.platform("P9", ("CPO", "DE/CP9"))
    with pytest.raises(UnusableApi):
        await stranger.join(token, world.versions_url)
    assert "the invitation does not cover DE/CP9 as CPO" in said(await otto.get(path))
    platform = await world.platform("P1", ("CPO", "DE/CP1"), ("EMSP", "DE/CP1"))
    await platform.join(token, world.versions_url)
    page = said(await otto.get(path))
    assert "does not cover" not in page
    assert "2 times" in page
    assert f"{platform.versions_url}" in page
    assert "has joined: open it" in page
    assert "Joined : by invitation" in said(await otto.get(await partner_path(otto))).replace("Joined:", "Joined :")


async def test_an_invitation_is_taken_back(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    token, path = await invited(otto, **PAIR)
    await otto.post(f"{path}/revoke", page=path)
    assert "Nothing more will happen here." in said(await otto.get(path))
    assert "REVOKED" in said(await otto.get("/console/partners/invitations?state=REVOKED"))
    with pytest.raises(UnusableApi):
        await (await world.platform("P1", ("CPO", "DE/CP1"))).join(token, world.versions_url)


async def test_the_hub_registers_at_a_platform_and_says_how_far_it_is(world: World) -> None:
    """C-19 to C-21."""
    otto = await visitor(world, "otto", Role.OPERATOR)
    platform = await world.platform("P1", ("CPO", "DE/CP1"))
    page = "/console/partners/invite"

    async def errand(token: str, until: str) -> str:
        form: dict[str, Any] = {"versions_url": platform.versions_url, "token": token}
        answer = await otto.post("/console/partners/connect", page=page, **form)
        for _ in range(200):
            shown = said(await otto.get(answer.headers["location"]))
            if until in shown:
                return shown
            await asyncio.sleep(0.05)
        raise AssertionError(f"never said {until!r}: {shown}")

    failed = await errand("not-the-token", "Nothing more will happen here.")
    assert "the token is not accepted" in failed
    await errand(platform.invite(), "has joined: open it")
    wrong = await otto.post("/console/partners/connect", 400, page=page, versions_url="nowhere", token="t")
    assert "versions_url" in said(wrong.text)
    assert "There is no such" in said(await otto.get("/console/partners/errands/nothing", 404)).replace(
        "there", "There"
    )


# --- partners ---------------------------------------------------------------------------------------


async def test_a_suspended_party_is_not_let_in_again_by_its_partner(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    platform = await joined(world, otto)
    path = await partner_path(otto)
    party = "/console/parties/DE/CP1/CPO"
    await otto.post(f"{party}/suspend", page=path, back=path)
    assert "by otto" in said(await otto.get(path))
    await platform.renew()
    assert await statuses(world) == {"CPO DE/CP1": Presence.SUSPENDED, "EMSP DE/CP1": Presence.CONNECTED}
    assert "there is no such party" in said((await otto.post(f"{party}/suspend", 404, page=path)).text)
    await otto.post(f"{party}/resume", page=path, back="https://evil.example/")
    assert await statuses(world) == {"CPO DE/CP1": Presence.CONNECTED, "EMSP DE/CP1": Presence.CONNECTED}
    assert "there is no such" in said((await otto.post(f"{party}/resume", 404, page=path)).text)


async def test_a_suspended_party_neither_speaks_nor_is_spoken_to(world: World) -> None:
    cpo, emsp = await world.join("CPO", ("CPO", str(CPO))), await world.join("MSP", ("EMSP", str(EMSP)))
    otto = await visitor(world, "otto", Role.OPERATOR)
    async with loopback_client() as http:
        desk = Clearing(world, cpo, emsp, emsp, http)

        async def pushed() -> list[int]:
            return [(await desk.push(*what)).json()["status_code"] for what in PUSHES]

        assert await pushed() == [1000, 1000]
        await emsp.wait_until_seen(lambda seen: seen.module_id == "locations" and seen.method == "PUT")
        await cpo.wait_until_seen(lambda seen: seen.module_id == "tokens" and seen.method == "PUT")
        cpo.seen.clear()
        emsp.seen.clear()
        await otto.post(f"/console/parties/{EMSP}/EMSP/suspend")
        assert [code // 1000 for code in await pushed()] == [1, 2]
        await otto.post(f"/console/parties/{CPO}/CPO/suspend")
        assert [code // 1000 for code in await pushed()] == [2, 2]
        told = {seen.module_id for platform in (cpo, emsp) for seen in platform.seen if seen.method != "GET"}
        assert told <= {"hubclientinfo"}
        for path in (f"{EMSP}/EMSP", f"{CPO}/CPO"):
            await otto.post(f"/console/parties/{path}/resume")
        assert await pushed() == [1000, 1000]


async def test_a_partner_is_probed_rotated_and_its_software_described(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    platform = await joined(world, otto)
    path = await partner_path(otto)
    await otto.post(f"{path}/probe", page=path)
    assert "thorough probe" in said(await otto.get(path))
    answer = await otto.http.post(
        f"{path}/probe", data={"csrf": await csrf(otto)}, headers={**otto.origin, "hx-request": "true"}, timeout=60
    )
    events = answer.text.split("\n\n")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert len(events) > 5
    assert "1 observations so far" in said(events[0])
    assert "differ from OCPI" in said(events[-2])
    before = platform.connection
    await otto.post(f"{path}/rotate", page=path)
    assert platform.connection != before
    assert "Tokens rotated" in said(await otto.get(path))
    quirks: dict[str, Any] = {
        "token": "base64",
        "links": "rebuild",
        "lenient": "yes",
        "endpoints": "locations SENDER https://a.example/l",
    }
    await otto.post(f"{path}/quirks", page=path, **quirks)
    (kept,) = [(await world.admin.get(f"/admin/partners/{path.rpartition('/')[2]}/quirks")).json()]
    assert (kept["links"], kept["lenient"], kept["unwrap"], len(kept["endpoints"])) == ("rebuild", True, False, 1)
    refused = await otto.post(f"{path}/quirks", 400, page=path, endpoints="locations https://a.example/l")
    assert "is not a module" in said(refused.text)
    await otto.post(f"{path}/pulls/locations", page=path, mode="never")
    await otto.post(f"{path}/pulls/locations", page=path)
    await otto.post(f"{path}/pulls/locations", 400, page=path, mode="sometimes")


async def test_only_who_types_its_name_disconnects_a_partner(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    await joined(world, otto)
    path = await partner_path(otto)
    name = re.search(r"<strong>([^<]+)</strong> to disconnect", await otto.get(path))
    assert name
    await otto.post(f"{path}/disconnect", page=path, name="something else")
    assert "it stays connected" in said(await otto.get(path))
    await otto.post(f"{path}/disconnect", page=path, name=name[1])
    assert "Nobody is connected yet" in said(await otto.get("/console/partners"))
    await otto.get(path, 404)
    ada = await visitor(world, "ada", Role.ADMIN)
    assert "partner disconnected" in said(await ada.get("/console/audit?actor=otto"))


async def test_a_viewer_sees_the_network_and_changes_nothing(world: World) -> None:
    otto, vera = await visitor(world, "otto", Role.OPERATOR), await visitor(world, "vera", Role.VIEWER)
    await joined(world, otto)
    path = await partner_path(vera)
    page = await vera.get(path)
    assert [form for form in re.findall(r'<form[^>]*action="(/console/pa[^"]*)"', page) if "quirks" not in form] == []
    deeds = ("rotate", "disconnect", "probe", "quirks", "pulls/locations")
    others = ("/console/partners/invite", "/console/partners/connect", "/console/parties/DE/CP1/CPO/suspend")
    for address in (*(f"{path}/{deed}" for deed in deeds), *others, "/console/parties/rules", "/console/meter-keys"):
        form = PAIR | {
            "versions_url": "x",
            "token": "x",
            "owner": "x",
            "meter_id": "x",
            "public_key": "x",
            "valid_from": "x",
        }
        assert "may not do this" in said((await vera.post(address, 403, **form)).text), address
    await vera.get("/console/partners/invite", 403)


async def csrf(somebody: Visitor) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', await somebody.get("/console/me"))
    assert found
    return found[1]


# --- parties and rules ------------------------------------------------------------------------------


async def test_a_rule_is_looked_at_before_it_is_made_and_before_it_ends(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    await world.join("P1", ("CPO", "DE/CP1"))
    await world.join("P2", ("EMSP", "NL/MS1"))
    page = "/console/parties/rules"
    form: dict[str, Any] = {"one": "de/cp1", "other": "nl/ms1", "module": "commands", "allowed": "no"}
    look = said((await otto.post(page, 200, page=page, step="look", **form)).text)
    assert "1 pair can say less to each other." in look
    assert "DE/CP1 NL/MS1 commands" in look
    assert (await world.admin.get("/admin/permissions")).json() == []
    await otto.post(page, page=page, step="add", **form)
    text = await otto.get(page)
    assert 'class="m-some"' in text
    (rule,) = re.findall(r'href="(/console/parties/rules/\d+)"', text)
    assert "1 pair can say more." in said(await otto.get(rule))
    view = said(await otto.get("/console/parties/DE/CP1"))
    assert "NL/MS1 EMSP CONNECTED locations, sessions, cdrs, tariffs, tokens, chargingprofiles commands" in view
    await otto.post(f"{rule}/end", page=rule)
    assert 'class="m-some"' not in (await otto.get(page)).partition("<tbody>")[2]
    refused = await otto.post(page, 400, page=page, step="add", **form | {"other": "de/cp1"})
    assert "may always talk to itself" in said(refused.text)
    refused = await otto.post(page, 400, page=page, step="add", **form | {"starts_at": "soon"})
    assert "a moment is written like" in said(refused.text)


# --- health and what is live ------------------------------------------------------------------------


async def events(client: httpx.AsyncClient, path: str) -> AsyncIterator[str]:
    async with client.stream("GET", path, timeout=30) as answer:
        assert answer.status_code == 200
        text = ""
        async for chunk in answer.aiter_text():
            text += chunk
            *whole, text = text.split("\n\n")
            for one in whole:
                yield one


async def test_a_live_page_sends_what_changed_and_ends_with_the_session(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    _, path = await invited(otto, **PAIR)
    heard = events(otto.http, f"{path}/live")
    assert "They read the hub's versions" in said(await anext(heard))
    assert (await anext(heard)).startswith(":"), "nothing changed"
    other = await visitor(world, "ada", Role.ADMIN)
    await other.post(f"{path}/revoke", page=path)
    changed = [one async for one in _until(heard, "Nothing more will happen here.")]
    assert changed
    await otto.post("/console/sign-out")
    last = [one async for one in _until(heard, "event: over")]
    assert "You are signed out." in "".join(last)


async def _until(heard: AsyncIterator[str], text: str) -> AsyncIterator[str]:
    async for one in heard:
        yield one
        if text in one:
            return


async def test_health_tells_what_is_wrong(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    platform = await world.join("P1", ("CPO", "DE/CP1"))
    page = said(await otto.get("/console/health"))
    assert "All is well" in page
    assert "credentials 1" in page
    await platform.leave()
    assert "comes with the hub" in said(await anext(events(otto.http, "/console/health/live")))


# --- meter keys -------------------------------------------------------------------------------------

KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncD"
    "fYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="
)


async def test_a_meter_key_is_registered_in_the_zone_of_the_person_and_withdrawn(world: World) -> None:
    otto = await visitor(world, "otto", Role.OPERATOR)
    page = "/console/meter-keys"
    form: dict[str, Any] = {
        "owner": "de/abc",
        "meter_id": "METER-1",
        "public_key": KEY,
        "valid_from": "2026-10-01T00:00",
    }
    made = (await otto.post(page, page=page, **form)).headers["location"]
    (kept,) = (await world.admin.get("/settlement/meter-keys")).json()["items"]
    assert datetime.fromisoformat(kept["valid_from"]) == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert (kept["owner"], kept["registered_by"]) == ("DE/ABC", "otto")
    assert "has a key" in said((await otto.post(page, 409, page=page, **form)).text)
    assert "public_key" in said((await otto.post(page, 400, page=page, **form | {"public_key": "none"})).text)
    await otto.post(f"{made}/withdraw", page=made)
    assert "withdrawn" in said(await otto.get(made))
    await otto.post(f"{made}/withdraw", 404, page=made)
    await otto.get(f"{page}/999", 404)

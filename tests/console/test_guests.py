"""The dispute room for a counterparty: what a link opens, for whom, how long, and what it does not open."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.console.accounts import Role
from ocpi_modules.types import decode_json
from tests.console.test_pages import MONTH
from tests.console.visitors import Visitor, said, stranger, visitor
from tests.web.clearing import Clearing, clearing_hub, dear


@dataclass
class Room:
    """A hub with a dispute that Ines raised for the debtor, and links into it."""

    desk: Clearing
    ines: Visitor
    dispute: str

    async def link(self, side: str, days: int = 14) -> str:
        """The path of a new link."""
        form: dict[str, Any] = {"side": side, "days": days}
        answer = await self.ines.post(f"{self.dispute}/links", 201, page=self.dispute, **form)
        return answer.text.partition('value="' + self.desk.world.url)[2].partition('"')[0]

    def guest(self) -> Visitor:
        """Somebody without an account."""
        return stranger(self.desk.world, "Dora")


@pytest.fixture
async def room(database_url: str, tmp_path: Path) -> AsyncIterator[Room]:
    async with clearing_hub(database_url, tmp_path) as desk:
        await desk.bill(dear(1, "28"), dear(2, "28"))
        ines = await visitor(desk.world, "ines", Role.APPROVER)
        (period,) = (await desk.get("periods"))["items"]
        path = f"/console/periods/{period['id']}"
        for step, fields in MONTH[:3]:
            await ines.post(f"{path}/{step}", page=path, **fields)
        form: dict[str, Any] = {
            "creditor": "DE/ABC",
            "cdr_id": "CDR-DEAR-1",
            "reason": "PRICE",
            "excl_vat": "3",
            "incl_vat": "3.57",
        }
        answer = await ines.post("/console/disputes", page="/console/me", **form)
        yield Room(desk, ines, answer.headers["location"])


async def step(guest: Visitor, path: str, status: int = 303, **form: str) -> str:
    """Send a form of the room."""
    answer = await guest.http.post(path, data=form, headers=guest.origin)
    assert answer.status_code == status, said(answer.text)
    return said(answer.text)


async def test_a_link_shows_one_dispute_and_takes_the_steps_of_its_side(room: Room) -> None:
    link, guest = await room.link("creditor"), room.guest()
    page = said(await guest.get(link))
    assert "You speak for DE/ABC , the creditor" in page
    assert "It is your turn until" in page
    assert ("Object" in page, "Insist" in page, "Withdraw" in page) == (True, False, False)
    text = await guest.http.get(link, params={"format": "text"})
    assert decode_json(text.content)["id"] == "CDR-DEAR-1"
    evidence = await guest.http.get(link, params={"format": "evidence"})
    assert zipfile.ZipFile(io.BytesIO(evidence.content)).testzip() is None
    assert "say who you are" in await step(guest, f"{link}/counter", 400, name=" ")
    await step(guest, f"{link}/counter", name="Dora", note="The contract says so.")
    assert "countered Dora (DE/ABC)" in said(await guest.get(link))
    assert "Dora (DE/ABC)" in said(await room.ines.get(room.dispute))
    assert "not for DE/ABC to do now" in await step(guest, f"{link}/insist", 403, name="Dora")
    for elsewhere in (room.dispute, "/console/cdrs", "/console/cdrs/DE/ABC/CDR-DEAR-2"):
        assert (await guest.http.get(elsewhere)).headers["location"].startswith("/console/sign-in")


async def test_one_person_does_not_speak_for_both_sides_under_whatever_link(room: Room) -> None:
    creditor, debtor, guest = await room.link("creditor"), await room.link("debtor"), room.guest()
    assert "another person has to" in await step(guest, f"{creditor}/concede", 409, name="INES")
    await step(guest, f"{creditor}/counter", name="Dora")
    assert "another person has to" in await step(guest, f"{debtor}/insist", 409, name=" dora ")
    await step(guest, f"{debtor}/insist", name="Emil")
    assert "insisted Emil (BE/EMO)" in said(await guest.get(debtor))
    for decided in ("uphold", "dismiss"):
        await step(guest, f"{debtor}/{decided}", 403, name="Emil")


async def test_an_altered_an_expired_and_a_revoked_link_open_nothing_and_say_why(room: Room) -> None:
    link, guest = await room.link("creditor"), room.guest()
    altered = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert "none of ours" in said(await guest.get(altered, 403))
    await guest.get(link)
    await room.ines.post(f"{room.dispute}/links/1/revoke", page=room.dispute)
    assert "taken back" in said(await guest.get(link, 403))
    await step(guest, f"{link}/counter", 403, name="Dora")
    await room.ines.post(f"{room.dispute}/links/1/revoke", 404, page=room.dispute)
    second = await room.link("creditor")
    connection = await psycopg.AsyncConnection.connect(room.desk.world.database_url.replace("+psycopg", ""))
    async with connection:
        await connection.execute("update dispute_link set ends_at = now() - interval '1 second' where id = 2")
    assert "was good until" in said(await guest.get(second, 403))
    assert "none of ours" not in said(await guest.get(second, 403))


async def test_a_form_of_another_site_changes_nothing_in_a_room(room: Room) -> None:
    link, guest = await room.link("creditor"), room.guest()
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {}):
        answer = await guest.http.post(f"{link}/concede", data={"name": "Dora"}, headers=headers)
        assert answer.status_code == 403
    assert "It is your turn" in said(await guest.get(link))


async def test_who_made_opened_and_used_a_link_stands_in_the_audit_log(room: Room) -> None:
    link, guest = await room.link("creditor"), room.guest()
    await guest.get(link)
    await guest.get(link)
    await step(guest, f"{link}/counter", name="Dora")
    page = said(await (await visitor(room.desk.world, "ada", Role.ADMIN)).get("/console/audit?target=1"))
    assert page.count("dispute link opened") == 1
    assert "ines dispute link made 1 side: creditor, days: 14" in page
    assert "Dora (DE/ABC) dispute step 1 step: counter, link: 1" in page
    assert link.rpartition("/")[2] not in page


async def test_a_link_is_good_for_a_bounded_time(room: Room) -> None:
    for days in ("0", "61", "soon"):
        await room.ines.post(f"{room.dispute}/links", 400, page=room.dispute, side="creditor", days=days)


async def test_who_only_looks_makes_no_links(room: Room) -> None:
    vera = await visitor(room.desk.world, "vera", Role.VIEWER)
    await vera.post(f"{room.dispute}/links", 403, side="creditor")
    await vera.post(f"{room.dispute}/links/1/revoke", 403)

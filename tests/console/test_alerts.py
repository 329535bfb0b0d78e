"""The pages of alerts, and a hub that tells a real webhook what is wrong."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from hub.console.accounts import Role
from hub.console.alerting import Silent
from hub.console.alertwatch import silent_partners
from hub.console.telling import NoAddress, Teller, read_address, shown_address
from hub.demo.server import LoopbackServer
from hub.partners.directory import Directory, Member, Partner, Presence
from hub.store.alerts import AlertBook
from hub.store.database import Database
from hub.store.rotation import WrongKey, require_key, reseal_tokens, resealing
from hub.store.secrets import Safe
from hub.store.stepfailures import NewStepFailure, StepFailures
from ocpi_modules.parties import Party
from ocpi_modules.parties import Role as PartyRole
from tests.conftest import HUB, World, running_hub
from tests.console.test_stepping import PERIOD, a_period
from tests.console.visitors import Visitor, said, visitor
from tests.web.clearing import until

RULES = "/console/alerts/rules"
SECRET = "T0ken-in-the-path"
AT = datetime(2026, 11, 5, 12, tzinfo=UTC)


@dataclass
class Hook:
    """A webhook that keeps what it is sent; it answers with `status`."""

    status: int = 200
    messages: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        self.messages.append(json.loads(body) | {"path": scope["path"], "query": scope["query_string"].decode()})
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{SECRET}?key=k3y"


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    made = Hook()
    server = LoopbackServer(made)
    made.port = server.port
    await server.start()
    yield made
    await server.stop()


@pytest.fixture
async def world(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A hub that looks ten times a second."""
    monkeypatch.setattr("hub.app.LOOK_SECONDS", 0.1)
    async with running_hub(database_url, tmp_path) as made:
        yield made


async def with_channel(world: World, hook: Hook) -> Visitor:
    otto = await visitor(world, "otto", Role.OPERATOR)
    await otto.post("/console/alerts/channels", page=RULES, name="On call", address=hook.url, zone="UTC", again_hours=4)
    return otto


async def decide(database: Database, **when: datetime) -> None:
    """A decision that waits for a second person, or does not any more."""
    values = (datetime.now(UTC) - timedelta(days=2), when.get("revoked_at"))
    async with database.direct.transaction() as connection:
        await connection.execute(
            "insert into decision (scope, target, action, reason, note, at_risk, actor, decided_at, confirmed_by, revoked_at, "
            "revoked_by) values ('cause', 'x', 'accept', 'PRICE', '', '{}', 'ines', $1, '', $2, '')",
            *values,
        )


async def test_what_is_wrong_is_raised_told_acknowledged_and_told_to_be_over(
    world: World, database: Database, hook: Hook
) -> None:
    otto, ines = await with_channel(world, hook), await visitor(world, "ines", Role.CLERK)
    assert "Nothing is open." in said(await ines.get("/console/alerts"))
    await decide(database)

    async def told() -> bool:
        return bool(hook.messages)

    await until(told)
    (message,) = hook.messages
    assert message["title"] == "OCPI hub: 1 new"
    assert message["message"].startswith("ALERT: 1 decision waits for a second person (since ")
    assert f"{world.url}/console/decisions?state=waiting" in message["message"]
    assert (message["path"], message["query"]) == (f"/hooks/{SECRET}", "key=k3y")

    async def is_noted() -> bool:
        return "On call told just now" in said(await ines.get("/console/alerts"))

    await until(is_noted)
    assert 'aria-label="1 open alert"' in await ines.get("/console/alerts")

    async def is_counted() -> bool:
        return 'aria-label="1 open alert"' in await ines.get("/console/alerts/badge")

    await until(is_counted)
    await ines.post("/console/alerts/1/acknowledge", page="/console/alerts", note="asked Amara")
    assert "ines takes care of it, just now : asked Amara" in said(await otto.get("/console/alerts"))
    await otto.post("/console/alerts/1/acknowledge", page="/console/alerts")
    assert "somebody takes care of it already" in said(await otto.get("/console/alerts"))
    async with database.direct.transaction() as connection:
        await connection.execute("update decision set revoked_at = now(), revoked_by = 'ines'")

    async def is_over() -> bool:
        return len(hook.messages) == 2

    await until(is_over)
    assert hook.messages[1]["title"] == "OCPI hub: 1 over"
    page = said(await otto.get("/console/alerts?state=over"))
    assert "Nothing is open." in page
    assert "1 decision waits for a second person" in page
    assert "alert_acknowledged" not in page
    files = await otto.get("/console/alerts?format=csv")
    assert "asked Amara" in files


async def test_a_decision_that_is_exceeded_waits_for_a_second_person_too(world: World, database: Database) -> None:
    amara = await visitor(world, "amara", Role.APPROVER)
    await decide(database)
    async with database.direct.transaction() as connection:
        await connection.execute("update decision set stands_since = decided_at, most = 1000")
    assert "Nothing is open." in said(await amara.get("/console/alerts"))
    assert "No row is like that" in said(await amara.get("/console/decisions?state=waiting"))
    async with database.direct.transaction() as connection:
        await connection.execute("insert into decision_limit select id, $1, $1 from decision", AT - timedelta(days=400))

    async def is_raised() -> bool:
        return "1 decision waits for a second person" in said(await amara.get("/console/alerts"))

    await until(is_raised)
    assert "exceeded" in said(await amara.get("/console/decisions?state=waiting"))
    assert "waits" not in said(await amara.get("/console/decisions?state=proposed")).partition("Reason")[2]
    page = said(await amara.get("/console/decisions/1"))
    assert "CDRs that came before 2025-10-01" in page
    assert "Confirm" in page
    await amara.post("/console/decisions/1/confirm", page="/console/decisions/1")

    async def is_over() -> bool:
        return "Nothing is open." in said(await amara.get("/console/alerts"))

    await until(is_over)


async def test_a_step_that_failed_behind_the_page_is_an_alert_until_it_goes_through(
    world: World, database: Database
) -> None:
    amara = await visitor(world, "amara", Role.APPROVER)
    await a_period(database)
    now = datetime.now(UTC)
    await StepFailures(database.direct).note(
        NewStepFailure(period=PERIOD, step="Draft statements", actor="Amara", said="the hub failed", failed_at=now)
    )

    async def is_raised() -> bool:
        return f"Draft statements of {PERIOD}, taken by Amara, came to nothing" in said(
            await amara.get("/console/alerts?state=open")
        )

    await until(is_raised)
    path = f"/console/periods/{PERIOD}"
    assert re.search("Draft statements, by Amara at [^:]+:[^:]+: the hub failed", said(await amara.get(path)))
    await amara.post("/console/alerts/1/acknowledge", page="/console/alerts", note="I look")
    await amara.post(f"{path}/draft", page=path)
    assert "the hub failed" not in said(await amara.get(path))

    async def is_over() -> bool:
        return "Nothing is open." in said(await amara.get("/console/alerts"))

    await until(is_over)


async def test_what_could_not_be_told_says_why_and_a_test_does_too(
    world: World, database: Database, hook: Hook
) -> None:
    hook.status = 500
    otto = await with_channel(world, hook)
    await decide(database)

    async def tried() -> bool:
        return "On call was not told" in said(await otto.get("/console/alerts"))

    await until(tried)
    assert len(hook.messages) == 1
    answer = await otto.post("/console/alerts/channels/1/test", page=RULES)
    shown = said(await otto.get(answer.headers["location"]))
    assert "On call was not told:" in shown
    hook.status = 200
    await otto.post("/console/alerts/channels/1/test", page=RULES)
    assert "On call took the test." in said(await otto.get(RULES))


async def test_an_address_is_sealed_and_shown_to_nobody(
    world: World, database: Database, hook: Hook, tmp_path: Path
) -> None:
    otto = await with_channel(world, hook)
    await otto.post(
        "/console/alerts/channels/1", page=RULES, name="Night", zone="Europe/Berlin", quiet="daily 22:00-07:00"
    )
    page = await otto.get(RULES)
    assert SECRET not in page
    assert "webhook at 127.0.0.1" in page
    assert "told nothing" in page
    rows = await database.direct.fetch(
        "select c::text from alert_channel c union all select a::text from audit_entry a"
    )
    assert not [row for row in rows if SECRET in str(row["c"])]
    key = (tmp_path / "secret.key").read_bytes()
    (channel,) = await AlertBook(database.direct).channels()
    assert SECRET in Safe(key).open(channel.address_sealed)
    assert await reseal_tokens(database, resealing(key, b"another key")) == 1
    await require_key(database, b"another key")
    with pytest.raises(WrongKey):
        await require_key(database, key)
    await otto.post("/console/alerts/channels/1/test", page=RULES)
    assert "sealed with another key" in said(await otto.get(RULES))
    await otto.post("/console/alerts/channels/1/remove", page=RULES)
    assert "Nobody is told yet" in said(await otto.get(RULES))


@pytest.mark.parametrize(
    ("path", "form", "says"),
    [
        pytest.param("channels", {"address": "nonsense://x"}, "address:", id="no address"),
        pytest.param("channels", {"zone": "Mars/Olympus"}, "zone:", id="no zone"),
        pytest.param("channels", {"quiet": "always"}, "quiet hours:", id="no hours"),
        pytest.param("channels", {"name": " "}, "name:", id="no name"),
        pytest.param("rules", {"threshold": "-1"}, "threshold:", id="a figure below zero"),
        pytest.param("rules", {"threshold": "much"}, "threshold:", id="no figure"),
        pytest.param("rules", {"currency": "EURO"}, "currency", id="no currency"),
        pytest.param("rules", {"kind": "weather"}, "kind", id="nothing that is watched"),
    ],
)
async def test_a_form_that_makes_no_sense_changes_nothing(
    standing_world: World, path: str, form: dict[str, str], says: str
) -> None:
    otto = await visitor(standing_world, f"otto{abs(hash(says + str(form)))}", Role.OPERATOR)
    good = {"name": "x", "address": "https://hooks.example.com/x", "zone": "UTC", "kind": "held", "threshold": "5"}
    answer = await otto.post(f"/console/alerts/{path}", 400, page=RULES, **{"currency": "EUR", **good, **form})
    assert says in said(answer.text)
    assert "Nobody is told yet" in said(await otto.get(RULES))


async def test_rules_are_set_by_operators_and_read_by_everybody(world: World) -> None:
    otto, vera = await visitor(world, "otto", Role.OPERATOR), await visitor(world, "vera", Role.VIEWER)
    await otto.post(RULES, page=RULES, kind="held", currency="sek", threshold="2500.50", is_active="yes")
    page = await vera.get(RULES)
    assert 'value="2500.5"' in page
    assert "SEK" in page
    assert ">Save<" not in page
    for path in (RULES, "/console/alerts/channels", "/console/alerts/channels/1/test", "/console/alerts/1/acknowledge"):
        form = {"kind": "held", "threshold": "1", "name": "x", "address": "json://localhost"}
        assert "may not do this" in said((await vera.post(path, 403, **form)).text)
    await otto.post(f"{RULES}/remove", page=RULES, kind="held", currency="SEK")
    assert "SEK" not in (await vera.get(RULES)).replace('placeholder="SEK"', "")


# --- pieces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        pytest.param(
            "https://hooks.example.com/services/T00/SECRET?token=x", "webhook at hooks.example.com", id="webhook"
        ),
        pytest.param("mailtos://me:SECRET@mail.example.com?to=ops@example.com", "mail to ops@example.com", id="mail"),
        pytest.param(
            "tgram://123456789:SECRETabcdefghijklmnopqrstuvwxyz/12315544/", "tgram://1...z/12315544/", id="a chat"
        ),
    ],
)
def test_an_address_is_shown_without_its_secrets(typed: str, shown: str) -> None:
    assert shown_address(read_address(typed)) == shown


@pytest.mark.parametrize("typed", ["ops@example.com", "nonsense://x", "json://", "", "https://" + "x" * 2000])
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(NoAddress):
        read_address(typed)


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message has a bound, and what a plugin raises is not told: it may hold the address."""
    teller = Teller()
    monkeypatch.setattr("hub.console.telling._send", lambda *_: 1 / 0)
    assert await teller.tell("json://x", "", "") == "it failed (ZeroDivisionError)"
    gate = threading.Event()
    monkeypatch.setattr("hub.console.telling.TELL_MAX_SECONDS", 0.05)
    monkeypatch.setattr("hub.console.telling._send", lambda *_: gate.wait(10))
    assert await teller.tell("json://x", "", "") == "no answer within 0 seconds"
    gate.set()
    teller.close()


def test_a_partner_is_offline_since_its_first_party_is() -> None:
    def member(party: str, status: Presence, minutes: int, partner: int = 1) -> Member:
        at = AT - timedelta(minutes=minutes)
        return Member(Party.parse(party), PartyRole.CPO, "x", status, at, partner)

    partners = {number: Partner(number, f"P{number}", "", True, b"", "") for number in (1, 2)}
    members = (
        member("DE/DEF", Presence.OFFLINE, 9),
        member("DE/ABC", Presence.OFFLINE, 10),
        member("NL/MSP", Presence.CONNECTED, 99, 2),
        member("NL/OLD", Presence.SUSPENDED, 99),
    )
    directory = Directory(HUB, partners, members)
    assert silent_partners(directory) == [Silent(1, "P1", ["DE/ABC", "DE/DEF"], AT - timedelta(minutes=10))]


async def test_each_of_two_that_fail_at_once_says_its_own_reason(hook: Hook) -> None:
    """And nothing of another's address, nor of its own."""
    hook.status = 500
    teller = Teller()
    addresses = (read_address(hook.url), read_address(f"http://127.0.0.1:9/{SECRET}-2"))
    said = await asyncio.gather(*(teller.tell(one, "x", "y") for one in addresses))
    assert "500" in said[0]
    assert "Connection error" in said[1]
    assert not [one for one in said if SECRET in one or "k3y" in one]
    teller.close()


class MailServer:
    """A mail server that keeps one message."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.text = ""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with self._server, connection, connection.makefile("rwb") as lines:
            lines.write(b"220 ready\r\n")
            lines.flush()
            is_text = False
            for line in lines:
                self.text += line.decode() if is_text else ""
                answer = b"" if is_text and line != b".\r\n" else _ANSWERS.get(line[:4].upper(), b"250 ok\r\n")
                is_text = line[:4].upper() == b"DATA" or (is_text and line != b".\r\n")
                lines.write(answer)
                lines.flush()


_ANSWERS = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


async def test_mail_is_sent_as_plain_text() -> None:
    server, teller = MailServer(), Teller()
    address = read_address(f"mailto://localhost:{server.port}?from=hub@example.com&to=ops@example.com&mode=insecure")
    assert await teller.tell(address, "Hub: 1 new", "ALERT: <P1> & others") == ""
    assert 'Content-Type: text/plain; charset="utf-8"' in server.text
    assert "Subject: Hub: 1 new" in server.text
    assert "ALERT: <P1> & others" in server.text
    teller.close()

"""The journal of messages, over real HTTP: every hop stands in it, no secret does, and it never holds anybody up."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.console.accounts import Role
from hub.console.messages import hops_of
from hub.demo.faults import Fault
from hub.store.database import Database
from hub.store.exchanges import Exchanges, Head, Kept, Wanted, line_of
from hub.web.messages import Message
from tests.conftest import loopback_client, running_hub
from tests.console.visitors import Visitor, said, visitor
from tests.web.conftest import CP1, MS1, Bench, join_everybody

LOOKS_MAX, LOOK_EVERY_SECONDS = 200, 0.1
NOON = 1_791_806_400.0
STATUS = {"status": "CHARGING", "last_updated": "2026-10-12T10:00:00Z"}


@pytest.fixture
async def bench(database_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(running_hub(database_url, tmp_path, pull_settle_seconds=3600.0))
        yield await join_everybody(world, await stack.enter_async_context(loopback_client()))


async def journal(bench: Bench, count: int = 1, **wanted: Any) -> list[Kept]:
    """Messages of the journal, once there are so many: they are written a moment after they passed."""
    database = Database(bench.world.database_url)
    found: list[Kept] = []
    for _ in range(LOOKS_MAX):
        found = (await Exchanges(database.direct).listed(Wanted(**wanted), 1000)).messages
        if len(found) >= count:
            break
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    await database.close()
    assert len(found) >= count
    return found


async def push_and_patch(bench: Bench, location: Any) -> None:
    path = "receiver/locations/DE/CP1/L1"
    await bench.send(bench.p1, "PUT", path, sender=CP1, receiver=MS1, content=location)
    ids = {"X-Request-ID": "r-1", "X-Correlation-ID": "c-1"}
    await bench.send(bench.p1, "PATCH", path, sender=CP1, receiver=MS1, content=STATUS, headers=ids)


async def otto_of(bench: Bench) -> Visitor:
    return await visitor(bench.world, "otto", Role.OPERATOR)


async def test_a_forwarded_patch_is_two_hops_under_one_correlation_id(bench: Bench, example: Any) -> None:
    """T-17, T-19: each hop has a request id of its own, all have the same correlation id."""
    await push_and_patch(bench, example("location", country_code="DE", party_id="CP1", id="L1"))
    await journal(bench, 2, correlation_id="c-1")
    otto = await otto_of(bench)
    page = await otto.get("/console/trace/c-1")
    assert "2 hops under one correlation id" in said(page)
    assert said(page).index("CPO DE/CP1 → hub") < said(page).index("hub → EMSP NL/MS1")
    first, second = re.findall(r'href="(/console/messages/[\d-]+)"', page)
    inward, outward = await otto.get(first), await otto.get(second)
    assert "/ocpi/2.2.1/receiver/locations/DE/CP1/L1" in inward
    assert f"{bench.p3.base_url}/" in outward
    for hop in (inward, outward):
        assert '"status": "CHARGING"' in said(hop)
        assert "200 · 1000" in said(hop)
    assert "r-1" in inward
    assert "r-1" not in outward


async def test_the_journal_is_searched_by_what_one_knows(bench: Bench, example: Any) -> None:
    await push_and_patch(bench, example("location", country_code="DE", party_id="CP1", id="L1"))
    await bench.send(bench.p1, "PUT", "receiver/locations/DE/CP1/L2", sender=CP1, receiver=MS1, content=b"{no json")
    stranger = {"Authorization": "Token bm9ib2R5"}
    await bench.http.get(f"{bench.world.url}/ocpi/2.2.1/nowhere?token=shown-to-nobody", headers=stranger)
    await journal(bench, 2, http_from=400)
    otto = await otto_of(bench)
    wanted = {
        "party=de/cp1&direction=in&method=PATCH": 1,
        "outcome=http 4xx": 2,
        "party=nl/ms1&module=locations&outcome=http 4xx": 1,
        "code=1000&correlation_id=c-1": 2,
        "code=2001&correlation_id=c-1": 0,
        "correlation_id=c-1": 2,
        "date_to=2020-01-01T00:00": 0,
    }
    for query, rows in wanted.items():
        text = (await otto.http.get(f"/console/messages?{query}&format=csv")).text
        assert len(text.splitlines()) == 1 + rows, query
        assert "shown-to-nobody" not in text
    assert "No row is like that" in said(await otto.get("/console/messages?date_to=2020-01-01T00:00"))
    assert "date_from" in said(await otto.get("/console/messages?date_from=yesterday", 400))


async def test_no_token_stands_in_the_journal(bench: Bench) -> None:
    """Handshake, its answers and what came later: neither a token nor its Base64 is written down."""
    found = await journal(bench, 10)
    assert {"credentials", "versions"} <= {kept.line.module for kept in found}
    database = Database(bench.world.database_url)
    exchanges = Exchanges(database.direct)
    wholes = [await exchanges.whole(kept.place) for kept in found]
    await database.close()
    bodies = [(body or b"").decode() for whole in wholes if whole for body in whole.bodies]
    text = "\n".join([*bodies, *(str(kept.line) for kept in found)])
    assert '"token":"…"' in text
    for platform in bench.everybody:
        assert platform.connection is not None
        for token in (platform.connection.token, platform.connection.own_token):
            assert token not in text
            assert base64.b64encode(token.encode()).decode() not in text


async def test_bodies_vanish_after_their_time_and_heads_stay(bench: Bench, example: Any) -> None:
    await push_and_patch(bench, example("location", country_code="DE", party_id="CP1", id="L1"))
    (kept, *_) = await journal(bench, 2, correlation_id="c-1")
    database = Database(bench.world.database_url)
    exchanges = Exchanges(database.direct)
    otto = await otto_of(bench)
    path = f"/console/messages/{kept.place[0]}-{kept.place[1]}"
    assert "CHARGING" in await otto.get(path)
    await exchanges.drop_bodies(kept.line.at + timedelta(days=365))
    page = said(await otto.get(path))
    assert "CHARGING" not in page
    assert "Not kept any more: bodies are kept for 72 hours." in page
    while await exchanges.drop_old(kept.line.at + timedelta(days=365), 10):
        pass
    assert "has it no more" in said(await otto.get(path, 404))
    await database.close()


async def test_a_partner_that_is_down_is_seen_in_its_lane_with_its_last_error(bench: Bench, example: Any) -> None:
    location = example("location", country_code="DE", party_id="CP1", id="L1")
    async with bench.p3.down():
        await bench.send(bench.p1, "PUT", "receiver/locations/DE/CP1/L1", sender=CP1, content=location)
        await journal(bench, 1, is_inbound=False, is_failed=True)
        otto = await otto_of(bench)
        page = said(await otto.get("/console/lanes"))
        trouble = page[page.index("EMSP NL/MS1 OFFLINE NL/MS1") : page.index("CPO BE/CP2")]  # it stands first
        assert "The receiving party is not connected." in trouble
        failed = said(await otto.get("/console/messages?direction=out&outcome=unanswered"))
        assert "no answer" in failed


async def test_a_slow_partner_is_seen_with_what_waits_for_it_and_since_when(bench: Bench, example: Any) -> None:
    otto = await otto_of(bench)
    bench.p4.faults.append(Fault(wait_seconds=60.0))
    location = example("location", country_code="DE", party_id="CP1", id="L1")
    for number in range(3):
        path = f"receiver/locations/DE/CP1/L{number}"
        await bench.send(bench.p1, "PUT", path, sender=CP1, content={**location, "id": f"L{number}"})
    page = said(await otto.get("/console/lanes"))
    assert re.search(r"NSP GB/NS1 CONNECTED GB/NS1 [12] \d+ s 0", page), page


async def test_messages_and_lanes_are_for_operators(bench: Bench) -> None:
    vera = await visitor(bench.world, "vera", Role.VIEWER)
    for path in ("messages", "messages/1-0", "trace/c-1", "lanes"):
        assert "may not do this" in said(await vera.get(f"/console/{path}", 403))
    otto = await otto_of(bench)
    for name in ("0-0", "x", "1-99999", "9" * 30 + "-0"):
        await otto.get(f"/console/messages/{name}", 404)


def hop(after_seconds: float, microseconds: int, *, is_inbound: bool = True, is_failed: bool = False) -> Message:
    what = (is_inbound, "locations", "PATCH", "/ocpi", "", 1, "", "", 500 if is_failed else 200, 1000, ("r", "c"))
    line = line_of(NOON, Head(after_seconds, microseconds / 1e6, *what, 0, 0))
    return Message(name="1-0", line=line, partner_name="P1")


def test_hops_stand_on_the_line_of_time_that_they_span() -> None:
    hops = hops_of([hop(0.0, 1_000_000), hop(0.25, 500_000, is_inbound=False, is_failed=True)])
    assert [(one.left_percent, one.width_percent, one.tone) for one in hops] == [(0, 100, "in"), (25, 50, "failed")]
    assert hops_of([]) == []
    assert hops_of([hop(0.0, 0)])[0].width_percent > 0

"""Who is there: checklist HC-07 to HC-10, X-47, X-52, T-20."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import httpx
import pytest

from hub.clock import SystemClock
from hub.partners.directory import Directory, Partner
from hub.partners.presence import Outage, PresenceWatch
from tests.partners.conftest import (
    START,
    Bench,
    Platform,
    failure,
    party_role,
    success,
)

STILL_ALIVE_SECONDS = 60.0
WAIT_MAX_SECONDS = 20.0
CP1 = party_role("CPO", "DE/CP1")
MS1 = party_role("EMSP", "NL/MS1")
DOWN = httpx.ConnectError("down")


@pytest.fixture
async def partner(bench: Bench, cp1: Platform) -> Partner:
    """A partner with two roles, right after it joined."""
    joined = await bench.join(cp1, CP1, MS1)
    cp1.requests.clear()
    return joined


@pytest.fixture
async def watch(bench: Bench) -> AsyncIterator[PresenceWatch]:
    """A watch whose loop does not run: a test looks when it wants to."""
    made = PresenceWatch(
        bench.partners, bench.roster, bench.client, bench.clock, still_alive_seconds=STILL_ALIVE_SECONDS
    )
    made.lead()
    yield made
    await made.close()


@pytest.fixture
def changes(bench: Bench) -> list[str]:
    """What the listeners of the roster are told: the status of DE/CP1 after each change of it."""
    told: list[str] = []

    def listener(before: Directory, now: Directory) -> None:
        old, new = ({(m.party, m.role): m for m in picture.members} for picture in (before, now))
        key = (CP1.party, CP1.role)
        if key in old and key in new and old[key].status != new[key].status:
            told.append(new[key].status.value)

    bench.roster.listen(listener)
    return told


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(WAIT_MAX_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def look(watch: PresenceWatch) -> None:
    """One look, and all that comes of it."""
    await watch.look()
    await until(lambda: not watch.is_busy)


async def test_a_silent_partner_is_asked_for_its_versions(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-08, T-20: with its token and fresh ids, without routing headers."""
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    assert (cp1.seen, cp1.tokens_seen) == (["GET /versions"], ["token-B"])
    [request] = cp1.requests
    assert request.headers["x-request-id"] != request.headers["x-correlation-id"]
    assert not [name for name in request.headers if name.startswith("ocpi-")]
    assert bench.status(CP1) == "CONNECTED"
    assert watch.heard_at(partner.id) == bench.clock.now()


async def test_a_partner_that_speaks_is_not_probed(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-08, X-52: whatever it says or answers restarts the timer."""
    for _ in range(3):
        bench.clock.advance(STILL_ALIVE_SECONDS - 1)
        watch.heard(partner)
        await look(watch)
    assert cp1.seen == []
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    assert cp1.seen == ["GET /versions"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(DOWN, id="nobody listens"),
        pytest.param(httpx.ReadTimeout("slow"), id="no answer in time"),
        pytest.param(httpx.Response(502, html="<h1>bad gateway</h1>"), id="a gateway answers"),
        pytest.param(failure(2000, 401), id="our token is refused"),
        pytest.param(failure(3000), id="a refusal in the envelope"),
    ],
)
async def test_a_failed_probe_takes_all_roles_offline(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch, answer: httpx.Response | Exception
) -> None:
    """HC-09, HC-10, HC-07, X-47."""
    cp1.answers["/versions"] = answer
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    assert (bench.status(CP1), bench.status(MS1)) == ("OFFLINE", "OFFLINE")
    assert bench.member(CP1).last_updated == bench.clock.now()
    assert bench.roster.directory.partner_of(CP1.party) is None


async def test_an_offline_partner_is_probed_ever_more_rarely(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-09: after 2, 4, 8, 16, 32 seconds and then once a still-alive period."""
    cp1.answers["/versions"] = failure(3000)
    await watch.lost(partner)
    begun, probed_at = bench.clock.now(), []
    for _ in range(190):
        bench.clock.advance(1)
        before = len(cp1.seen)
        await look(watch)
        if len(cp1.seen) > before:
            probed_at.append((bench.clock.now() - begun).total_seconds())
    assert probed_at == [2, 6, 14, 30, 62, 122, 182]


async def test_an_offline_partner_comes_back_when_a_probe_succeeds(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch, changes: list[str]
) -> None:
    """HC-09: CONNECTED is told once; the next outage begins with short waits again."""
    await watch.lost(partner)
    bench.clock.advance(2)
    await look(watch)
    assert (bench.status(CP1), bench.status(MS1)) == ("CONNECTED", "CONNECTED")
    await look(watch)
    assert changes == ["OFFLINE", "CONNECTED"]
    cp1.requests.clear()
    await watch.lost(partner)
    bench.clock.advance(2)
    await look(watch)
    assert cp1.seen == ["GET /versions"]


async def test_an_offline_partner_comes_back_when_it_is_heard(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch, changes: list[str]
) -> None:
    """HC-09: any inbound message will do, and many at once are told once."""
    await watch.lost(partner)
    before = len(asyncio.all_tasks())
    for _ in range(10):
        watch.heard(partner)
    assert len(asyncio.all_tasks()) == before + 1
    await until(lambda: not watch.is_busy)
    assert bench.status(CP1) == "CONNECTED"
    assert changes == ["OFFLINE", "CONNECTED"]
    assert cp1.seen == []


async def test_many_failures_at_once_are_one_outage(
    bench: Bench, partner: Partner, watch: PresenceWatch, changes: list[str]
) -> None:
    """HC-09, HC-07."""
    await asyncio.gather(*(watch.lost(partner) for _ in range(10)))
    assert changes == ["OFFLINE"]


async def test_a_partner_that_is_renewed_while_offline_can_be_lost_again(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-09, X-47: a PUT makes it CONNECTED; what was known of the outage before does not count any more."""
    await watch.lost(partner)
    await bench.handshake.update(partner, cp1.credentials(CP1, MS1))
    assert bench.status(CP1) == "CONNECTED"
    cp1.answers["/versions"] = DOWN
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    assert bench.status(CP1) == "OFFLINE"


async def test_a_partner_that_spoke_during_a_failing_probe_stays(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-09, X-52."""

    def speak(_: httpx.Request) -> httpx.Response:
        watch.heard(partner)
        return httpx.Response(503)

    cp1.router.routes.clear()
    cp1.router.route(host=cp1.host).mock(side_effect=speak)
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    assert bench.status(CP1) == "CONNECTED"


async def test_one_slow_partner_is_probed_once_at_a_time(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-08."""
    go_on = asyncio.Event()

    async def wait(_: httpx.Request) -> httpx.Response:
        asked.append("GET /versions")
        await go_on.wait()
        return success([])

    asked: list[str] = []
    cp1.router.routes.clear()
    cp1.router.route(host=cp1.host).mock(side_effect=wait)
    bench.clock.advance(STILL_ALIVE_SECONDS)
    for _ in range(3):
        await watch.look()
        await asyncio.sleep(0.02)
    go_on.set()
    await until(lambda: not watch.is_busy)
    assert asked == ["GET /versions"]


async def test_who_left_is_neither_probed_nor_moved(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """C-16, HC-05."""
    await bench.handshake.unregister(partner)
    await watch.lost(partner)
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    watch.heard(partner)
    await until(lambda: not watch.is_busy)
    assert cp1.seen == []
    assert bench.status(CP1) == "SUSPENDED"


async def heard_in_database(bench: Bench) -> datetime | None:
    [row] = (await bench.partners.load()).partners
    return row.heard_at


async def test_signs_of_life_are_written_in_batches(bench: Bench, partner: Partner, watch: PresenceWatch) -> None:
    """HC-08: every ten seconds, not at each message."""
    bench.clock.advance(4)
    watch.heard(partner)
    await look(watch)
    assert await heard_in_database(bench) == START
    bench.clock.advance(6)
    await look(watch)
    assert await heard_in_database(bench) == START + timedelta(seconds=4)


async def test_signs_of_life_are_written_at_the_end(bench: Bench, partner: Partner, watch: PresenceWatch) -> None:
    """HC-08."""
    bench.clock.advance(4)
    watch.heard(partner)
    await watch.close()
    assert await heard_in_database(bench) == START + timedelta(seconds=4)


async def test_the_loop_notices_an_outage_and_its_end_by_itself(bench: Bench, cp1: Platform, partner: Partner) -> None:
    """HC-08, HC-09, with real time."""
    watch = PresenceWatch(bench.partners, bench.roster, bench.client, SystemClock(), still_alive_seconds=0.2)
    good = cp1.answers["/versions"]
    async with watch:
        watch.lead()
        cp1.answers["/versions"] = failure(3000)
        await until(lambda: bench.status(CP1) == "OFFLINE")
        cp1.answers["/versions"] = good
        await until(lambda: bench.status(CP1) == "CONNECTED")
    cp1.requests.clear()
    await asyncio.sleep(0.3)
    assert cp1.seen == []


async def test_closing_ends_a_probe_that_waits(bench: Bench, cp1: Platform, partner: Partner) -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    asked = asyncio.Event()
    cp1.router.routes.clear()
    cp1.router.route(host=cp1.host).mock(side_effect=never)
    watch = PresenceWatch(bench.partners, bench.roster, bench.client, SystemClock(), still_alive_seconds=0.1)
    async with asyncio.timeout(WAIT_MAX_SECONDS):
        async with watch:
            watch.lead()
            await asked.wait()
    assert bench.status(CP1) == "CONNECTED"


async def test_only_the_process_that_leads_probes(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-08, with several processes."""
    watch.follow()
    bench.clock.advance(STILL_ALIVE_SECONDS)
    await look(watch)
    assert cp1.seen == []
    watch.lead()
    bench.clock.advance(STILL_ALIVE_SECONDS - 1)
    await look(watch)
    assert cp1.seen == [], "whoever begins to lead has heard nobody yet, and waits as long as at a start"
    bench.clock.advance(1)
    await look(watch)
    assert cp1.seen == ["GET /versions"]


async def test_whom_another_process_heard_is_not_silent(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-08, X-52, with several processes."""
    other = PresenceWatch(bench.partners, bench.roster, bench.client, bench.clock, still_alive_seconds=60.0)
    bench.clock.advance(STILL_ALIVE_SECONDS)
    other.heard(partner)
    watch.heard_elsewhere(other.untold())
    await look(watch)
    assert (cp1.seen, other.untold()) == ([], {})
    await other.close()


async def test_an_older_sign_of_life_does_not_take_the_place_of_a_newer_one(
    bench: Bench, partner: Partner, watch: PresenceWatch
) -> None:
    watch.heard(partner)
    now = bench.clock.now()
    watch.heard_elsewhere({partner.id: now - timedelta(seconds=5)})
    assert watch.heard_at(partner.id) == now
    await bench.partners.heard({partner.id: now})
    await bench.partners.heard({partner.id: now - timedelta(seconds=5)})
    [row] = (await bench.partners.load()).partners
    assert row.heard_at == now


async def test_who_was_lost_by_another_process_is_given_the_same_time(
    bench: Bench, cp1: Platform, partner: Partner, watch: PresenceWatch
) -> None:
    """HC-09: a probe at once would bring a partner back whose lanes have just failed."""
    bench.roster.listen(watch.on_change)
    other = PresenceWatch(bench.partners, bench.roster, bench.client, bench.clock, still_alive_seconds=60.0)
    await other.lost(partner)
    assert bench.status(CP1) == "OFFLINE"
    await look(watch)
    assert cp1.seen == []
    bench.clock.advance(2)
    await look(watch)
    assert (cp1.seen, bench.status(CP1)) == (["GET /versions"], "CONNECTED")
    await other.close()


@pytest.mark.parametrize(
    ("wait_max_seconds", "waits"),
    [
        pytest.param(300.0, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300], id="doubling up to the period"),
        pytest.param(1.5, [1.5, 1.5], id="never longer than a short period"),
    ],
)
def test_the_waits_of_an_outage_double_up_to_a_bound(wait_max_seconds: float, waits: list[float]) -> None:
    """HC-09."""
    outage, seen = Outage(START, 2.0), []
    for _ in waits:
        outage = outage.after_failure(START, wait_max_seconds)
        seen.append((outage.retry_at - START).total_seconds())
    assert seen == waits

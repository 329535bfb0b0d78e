"""Where a name leads: looked up once, judged as a whole, connected to as judged (T-08, R-16)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from hub.partners import guard as guard_module
from hub.partners.client import Call, PartnerClient
from hub.partners.guard import AddressInfo, Guard
from ocpi_modules.errors import ReceiverNotConnected
from tests.partners.raw import Partner, address_info

PUBLIC, OTHER = "93.184.215.14", "1.1.1.1"
HANGS_SECONDS = 20.0


class Resolver:
    """A resolver that answers what it is told, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.fault: Exception | None = None
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> list[AddressInfo]:
        self.asked.append(host)
        if self.fault is not None:
            raise self.fault
        return [address_info(address, port) for address in self.addresses]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    told = Resolver(PUBLIC)
    monkeypatch.setattr(guard_module, "look_up", told)
    return told


@pytest.fixture
async def guard() -> AsyncIterator[Guard]:
    made = Guard(allow_private=False)
    yield made
    made.close()


async def found(guard: Guard) -> list[str]:
    return [str(entry[4][0]) for entry in await guard.addresses("partner.example", 443)]


async def test_a_name_is_looked_up_once_and_connected_to_as_it_was_judged(resolver: Resolver, guard: Guard) -> None:
    """Rebinding: what the name says a moment later is not asked."""
    assert await asyncio.gather(*(found(guard) for _ in range(5))) == [[PUBLIC]] * 5
    resolver.addresses = ["127.0.0.1"]
    assert await found(guard) == [PUBLIC]
    assert resolver.asked == ["partner.example"]


async def test_a_name_that_moved_is_followed_without_waiting_for_it(
    resolver: Resolver, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "ADDRESS_FRESH_SECONDS", 0.0)
    assert await found(guard) == [PUBLIC]
    resolver.addresses = [OTHER]
    assert await found(guard) == [PUBLIC], "judged before, and still good while it is looked up again"
    await settled(guard)
    assert await found(guard) == [OTHER]


async def test_a_name_that_moved_to_what_is_not_public_is_refused(
    resolver: Resolver, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "ADDRESS_FRESH_SECONDS", 0.0)
    await found(guard)
    resolver.addresses = [PUBLIC, "10.0.0.1"]
    await found(guard)
    await settled(guard)
    with pytest.raises(OSError, match="not public"):
        await found(guard)


async def test_a_name_server_that_fails_does_not_take_a_partner_away_at_once(
    resolver: Resolver, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "ADDRESS_FRESH_SECONDS", 0.0)
    await found(guard)
    resolver.fault = OSError("no answer")
    for _ in range(2):
        assert await found(guard) == [PUBLIC]
        await settled(guard)
    monkeypatch.setattr(guard_module, "ADDRESS_STALE_SECONDS", 0.0)
    with pytest.raises(OSError, match="no answer"):
        await found(guard)


@pytest.mark.parametrize(
    "fault", [OSError("unknown"), UnicodeError("label too long")], ids=["unknown", "no name at all"]
)
async def test_a_name_that_leads_nowhere_is_asked_again_the_next_time(
    fault: Exception, resolver: Resolver, guard: Guard
) -> None:
    resolver.fault = fault
    for _ in range(2):
        with pytest.raises(OSError, match=str(fault)):
            await found(guard)
    assert len(resolver.asked) == 2


async def test_no_address_at_all_is_refused(resolver: Resolver, guard: Guard) -> None:
    resolver.addresses = []
    with pytest.raises(OSError, match="not public"):
        await found(guard)


async def test_a_name_server_that_hangs_holds_up_neither_the_loop_nor_other_names(
    monkeypatch: pytest.MonkeyPatch, guard: Guard
) -> None:
    """B-10."""
    released = threading.Event()

    def look_up(host: str, port: int) -> list[AddressInfo]:
        if host == "hangs.example":
            released.wait(HANGS_SECONDS)
        return [address_info(PUBLIC, port)]

    monkeypatch.setattr(guard_module, "look_up", look_up)
    hanging = [asyncio.create_task(guard.addresses("hangs.example", 443)) for _ in range(50)]
    async with asyncio.timeout(HANGS_SECONDS / 2):
        assert await found(guard) == [PUBLIC]
    assert not any(task.done() for task in hanging)
    released.set()
    await asyncio.gather(*hanging)


async def test_the_next_address_is_tried_when_one_does_not_answer(resolver: Resolver) -> None:
    """Many partners have an IPv6 address that leads nowhere; nothing was sent to it, so nothing is sent twice."""
    client = PartnerClient(allow_private=True, timeout_seconds=5)
    resolver.addresses = ["127.0.0.2", "127.0.0.1"]
    async with Partner().running() as partner:
        for way in (client.send, client.fetch):
            call = Call(method="PUT", url=f"http://partner.example:{partner.port}/l", headers={}, body=b"{}")
            assert (await way(call)).body == b"ok"
        assert len(partner.requests) == 2
        await client.close()


async def test_after_a_connection_that_failed_the_name_is_looked_up_anew(resolver: Resolver) -> None:
    client = PartnerClient(allow_private=True, timeout_seconds=5)
    resolver.addresses = ["127.0.0.2"]
    async with Partner().running() as partner:
        call = Call(method="GET", url=f"http://partner.example:{partner.port}/l", headers={})
        with pytest.raises(ReceiverNotConnected):
            await client.send(call)
        resolver.addresses = ["127.0.0.1"]
        assert (await client.send(call)).body == b"ok"
        await client.close()


async def settled(guard: Guard) -> None:
    """Wait until no name is being looked up."""
    async with asyncio.timeout(HANGS_SECONDS):
        while guard._under_way:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)

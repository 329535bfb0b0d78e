"""Behind proxies a request comes from where the outermost trusted one says, and from nowhere that a client made up."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from hub.console.accounts import Role
from hub.web.proxies import client_of
from tests.conftest import loopback_client, running_hub
from tests.console.visitors import make_account, said, stranger

BOX = "/nav/v1/locations?bbox=13,52,14,53"
REQUESTS = 40


@pytest.mark.parametrize(
    ("lines", "proxies", "address"),
    [
        pytest.param(["192.0.2.7"], 1, "192.0.2.7", id="one proxy"),
        pytest.param(["198.51.100.1, 192.0.2.7"], 1, "192.0.2.7", id="what a client made up stands before that"),
        pytest.param(["192.0.2.7, 10.0.0.2"], 2, "192.0.2.7", id="two proxies"),
        pytest.param(
            ["203.0.113.9, 192.0.2.7", "10.0.0.2"], 2, "192.0.2.7", id="two proxies, each with a line of its own"
        ),
        pytest.param(["192.0.2.7"], 2, None, id="fewer than there are"),
        pytest.param([], 1, None, id="nobody wrote anything"),
        pytest.param(["192.0.2.7"], 0, None, id="nobody is believed"),
        pytest.param(["192.0.2.7:4711"], 1, "192.0.2.7", id="with a port"),
        pytest.param(["2001:DB8::7"], 1, "2001:db8::7", id="IPv6, in one form"),
        pytest.param(["[2001:db8::7]:4711"], 1, "2001:db8::7", id="IPv6 with a port"),
        pytest.param(["unknown"], 1, None, id="a word"),
        pytest.param(["192.0.2.7, "], 1, None, id="nothing behind a comma"),
    ],
)
def test_the_address_that_the_outermost_trusted_proxy_saw(lines: list[str], proxies: int, address: str | None) -> None:
    assert client_of(lines, proxies) == address


async def statuses(reader: httpx.AsyncClient, addresses: list[str]) -> set[int]:
    """What is answered where each of some addresses asks at the same time, through one proxy, saying that it came from elsewhere."""
    asked = (reader.get(BOX, headers={"X-Forwarded-For": f"198.51.100.{n}, {one}"}) for n, one in enumerate(addresses))
    return {answer.status_code for answer in await asyncio.gather(*asked)}


@pytest.mark.parametrize(
    ("proxies", "is_paced"),
    [
        pytest.param(1, False, id="each reader behind a trusted proxy has a pace of its own"),
        pytest.param(0, True, id="where none is trusted they share one"),
    ],
)
async def test_the_pace_counts_for_each_reader(database_url: str, tmp_path: Path, proxies: int, is_paced: bool) -> None:
    slow = {"navigation": True, "map_anonymous_per_second": 1, "trusted_proxies": proxies}
    async with running_hub(database_url, tmp_path, **slow) as world, loopback_client() as reader:
        reader.base_url = httpx.URL(world.url)
        assert (429 in await statuses(reader, [f"192.0.2.{n}" for n in range(REQUESTS)])) == is_paced
        assert 429 in await statuses(reader, ["192.0.2.200"] * REQUESTS)


async def test_the_audit_log_says_where_somebody_behind_a_proxy_signed_in(database_url: str, tmp_path: Path) -> None:
    async with running_hub(database_url, tmp_path, trusted_proxies=1) as world:
        await make_account(world, "ada", Role.ADMIN)
        ada = stranger(world, "ada")
        ada.http.headers["X-Forwarded-For"] = "198.51.100.1, 192.0.2.7"
        await ada.sign_in()
        log = said(await ada.get("/console/audit"))
    assert "192.0.2.7" in log
    assert "198.51.100.1" not in log

"""The hub is killed in the middle of a stream: what was answered 1000 is there, nothing is half there, no process is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.demo.party import DemoPlatform, role
from hub.demo.server import free_port
from ocpi_modules.errors import RoutingFault
from ocpi_modules.parties import Party
from tests.conftest import ADMIN_TOKEN, HUB, loopback_client

pytestmark = pytest.mark.kill

CP1, MS1 = Party("DE", "CP1"), Party("NL", "MS1")
ROUNDS = 4
START_WAIT_SECONDS = 300.0
END_WAIT_SECONDS = 60.0
WRITERS = 8


class HubProcess:
    """`python -m hub serve` on a fixed port and data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_ADMIN_TOKEN": ADMIN_TOKEN,
            "HUB_ALLOW_PRIVATE_PARTNER_URLS": "true",
            "HUB_LOG_FORMAT": "json",
        }
        with (self.data_dir / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hub", "serve", "--port", str(self.port)],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + START_WAIT_SECONDS
        while not self._is_ready():
            assert self.process.poll() is None, (self.data_dir / "hub.log").read_text()[-3000:]
            assert time.monotonic() < deadline, "the hub did not become ready"
            time.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(END_WAIT_SECONDS)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(END_WAIT_SECONDS * 2)

    def leftovers(self) -> list[str]:
        """Command lines of processes that still work on the data folder, after some time to end."""
        deadline = time.monotonic() + END_WAIT_SECONDS
        while (found := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _processes(self) -> list[str]:
        listed = subprocess.run(
            ["ps", "axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
        ).stdout
        return [line for line in listed.splitlines() if str(self.data_dir) in line]

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready").status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    made = HubProcess(tmp_path)
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


async def join(hub: HubProcess, platform: DemoPlatform, *roles: tuple[str, str]) -> None:
    wanted = [{k: role(*entry)[k] for k in ("role", "country_code", "party_id")} for entry in roles]
    async with loopback_client() as http:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = await http.post(f"{hub.url}/admin/invitations", json={"roles": wanted}, headers=headers)
    await platform.join(answer.json()["token"], answer.json()["versions_url"])


async def stream(
    platform: DemoPlatform, writer: int, location: Any, cdr: Any, acknowledged: set[tuple[str, str]]
) -> None:
    """PUT locations and POST CDRs until the hub is gone, and note what it acknowledged."""
    for number in range(100_000):
        name = f"{writer}-{time.monotonic_ns()}"
        try:
            if number % 2:
                heard = await platform.push("locations", CP1, (name,), {**location, "id": name}, receiver=HUB)
                kind = "locations"
            else:
                heard = await platform.post_cdr({**cdr, "id": name}, receiver=HUB)
                kind = "cdrs"
        except RoutingFault:
            return
        if heard.is_success:
            acknowledged.add((kind, name))


async def test_what_was_acknowledged_outlives_a_kill(hub: HubProcess, example: Any) -> None:
    location = example("location", country_code="DE", party_id="CP1")
    cdr = example("cdr", country_code="DE", party_id="CP1")
    cdr["cdr_token"] |= {"country_code": "NL", "party_id": "MS1"}
    acknowledged: set[tuple[str, str]] = set()
    cpo = DemoPlatform("P1", [role("CPO", "DE/CP1")])
    emsp = DemoPlatform("P3", [role("EMSP", "NL/MS1")])
    async with cpo.running(), emsp.running():
        await join(hub, cpo, ("CPO", "DE/CP1"))
        await join(hub, emsp, ("EMSP", "NL/MS1"))
        for round_ in range(ROUNDS):
            writers = [asyncio.create_task(stream(cpo, w, location, cdr, acknowledged)) for w in range(WRITERS)]
            await asyncio.sleep(0.4 + 0.37 * round_)
            hub.kill()
            await asyncio.gather(*writers)
            assert hub.leftovers() == []
            hub.start()
            for kind in ("locations", "cdrs"):
                crawl = await emsp.get_all(kind, sender=MS1, receiver=HUB, query="limit=1000")
                kept = {entry["id"] for entry in crawl.objects}
                assert {name for wanted, name in acknowledged if wanted == kind} <= kept
                model = location if kind == "locations" else cdr
                assert all(
                    json.loads(json.dumps({**model, "id": e["id"]}, default=str)).keys() == e.keys()
                    for e in crawl.objects
                )
        assert len(acknowledged) > 50
    assert hub.stop() == 0
    assert hub.leftovers() == []

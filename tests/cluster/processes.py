"""Real processes to kill: hubs on one database and one cluster of NATS servers, and a CPO that writes to whichever hub answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from hub.demo.party import DemoPlatform, role
from hub.demo.server import listen
from hub.partners.natsserver import find_program
from ocpi_modules.headers import authorization, routing_headers
from ocpi_modules.parties import Party
from tests.conftest import ADMIN_TOKEN, HUB, loopback_client

CP1, MS1 = Party("DE", "CP1"), Party("NL", "MS1")
START_WAIT_SECONDS = 300.0
END_WAIT_SECONDS = 60.0
ANSWER_WAIT_SECONDS = 8.0
RETRY_PAUSE_SECONDS = 0.05
SECRET_KEY = "the secret key of all the hubs of a test"
NATS_TOKEN = "the-token-of-the-tests"


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        return [int(stack.enter_context(listen(0)).getsockname()[1]) for _ in range(count)]


class Process:
    """A program with a log, that can be started again and killed."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.command, self.log = command, log
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | (environment or {})
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(END_WAIT_SECONDS)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(END_WAIT_SECONDS)

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None


class HubProcess(Process):
    """`python -m hub serve` on a port of its own."""

    def __init__(self, folder: Path, port: int, *arguments: str, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url, self.folder = f"http://127.0.0.1:{port}", folder
        environment = {
            "HUB_DATA_DIR": str(folder),
            "HUB_ADMIN_TOKEN": ADMIN_TOKEN,
            "HUB_ALLOW_PRIVATE_PARTNER_URLS": "true",
            "HUB_LOG_FORMAT": "json",
            "HUB_PULL_SETTLE_SECONDS": "3600",
            **settings,
        }
        command = [sys.executable, "-m", "hub", "serve", "--port", str(port), *arguments]
        super().__init__(command, folder / "hub.log", environment)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_WAIT_SECONDS
        while not self._is_ready():
            assert not self.has_ended, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one kind."""
        found = []
        for line in self.log.read_text().splitlines():
            with suppress(ValueError):
                content = json.loads(line)
                if content.get("event") == event:
                    found.append(content)
        return found


@contextmanager
def nats_cluster(folder: Path, servers: int = 3) -> Iterator[list[Process]]:
    """A cluster of NATS servers on loopback; `url_of` says where it is."""
    folder.mkdir(parents=True)
    ports = free_ports(2 * servers)
    clients, routes = ports[:servers], ports[servers:]
    others = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)
    processes = []
    for number in range(servers):
        configured = folder / f"{number}.conf"
        configured.write_text(
            f'server_name: "n{number}"\nlisten: "127.0.0.1:{clients[number]}"\nmax_payload: 8388608\n'
            f'authorization {{ token: "{NATS_TOKEN}" }}\n'
            f'jetstream {{ store_dir: "{folder}/store{number}" }}\n'
            f'cluster {{ name: "c", listen: "127.0.0.1:{routes[number]}", routes: [{others}] }}\n'
        )
        process = Process([str(find_program()), "-c", str(configured)], folder / f"{number}.log")
        process.environment["NATS_URL"] = f"nats://{NATS_TOKEN}@127.0.0.1:{clients[number]}"
        processes.append(process)
    for process in processes:
        process.start()
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def url_of(cluster: Iterable[Process]) -> str:
    """Where a cluster is."""
    return ",".join(process.environment["NATS_URL"] for process in cluster)


@dataclass
class Writer:
    """A CPO that writes to one of several hubs after another, repeats what was not acknowledged, and notes what was."""

    platform: DemoPlatform
    urls: list[str]
    location: dict[str, Any]
    cdr: dict[str, Any]
    acknowledged: dict[str, int] = field(default_factory=dict)
    cdrs: dict[str, bytes] = field(default_factory=dict)
    repeated: int = 0
    is_stopping: bool = False

    async def run(self, tasks: int) -> None:
        """Write until stopped: each task PUTs and PATCHes a Location of its own, and posts CDRs in between."""
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=ANSWER_WAIT_SECONDS, limits=limits) as http:
            await asyncio.gather(*(self._write(http, number) for number in range(tasks)))

    async def _write(self, http: httpx.AsyncClient, task: int) -> None:
        version, name = 0, f"L{task}"
        path = f"receiver/locations/DE/CP1/{name}"
        while not self.is_stopping:
            version += 1
            at = f"2026-11-02T{version // 3600:02}:{version // 60 % 60:02}:{version % 60:02}Z"
            change = {"name": str(version), "last_updated": at}
            if version % 5 == 1:
                await self._send(http, task + version, "PUT", path, {**self.location, "id": name, **change})
            else:
                await self._send(http, task + version, "PATCH", path, change)
            self.acknowledged[name] = version
            if version % 4 == 0:
                body = await self._send(
                    http, task + version, "POST", "receiver/cdrs", {**self.cdr, "id": f"C{task}-{version}"}
                )
                self.cdrs[f"C{task}-{version}"] = body

    async def _send(self, http: httpx.AsyncClient, start: int, method: str, path: str, content: Any) -> bytes:
        """Send until somebody acknowledges; returns the bytes that were sent."""
        assert self.platform.connection is not None
        body = json.dumps(content, indent=1).encode()
        headers = {
            "Authorization": authorization(self.platform.connection.token),
            "Content-Type": "application/json",
            **routing_headers(CP1, HUB),
        }
        for attempt in range(1000):
            url = f"{self.urls[(start + attempt) % len(self.urls)]}/ocpi/2.2.1/{path}"
            with suppress(httpx.HTTPError, ValueError):
                answer = await http.request(method, url, headers=headers, content=body)
                said = answer.json()
                if said["status_code"] == 1000:
                    return body
                assert 3000 <= said["status_code"] < 4000, answer.text
            self.repeated += 1
            await asyncio.sleep(RETRY_PAUSE_SECONDS)
        raise AssertionError("nobody acknowledges")


async def join(url: str, platform: DemoPlatform, *roles: tuple[str, str]) -> None:
    """A platform joins through one hub."""
    wanted = [{k: role(*entry)[k] for k in ("role", "country_code", "party_id")} for entry in roles]
    async with loopback_client() as http:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        answer = await http.post(f"{url}/admin/invitations", json={"roles": wanted}, headers=headers)
    await platform.join(answer.json()["token"], answer.json()["versions_url"])


async def until(holds: Callable[[], Any], wait_seconds: float) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + wait_seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    listed = subprocess.run(["ps", "axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if line.split()[1] == str(pid)]


def workers_of(hub: HubProcess) -> list[int]:
    """The process ids of the workers of a hub."""
    assert hub.process is not None
    listed = subprocess.run(["ps", "axwwo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return [int(pid) for pid, parent, said in rows if parent == str(hub.process.pid) and "--listen-fd" in said]


def processes_on(folder: Path) -> list[str]:
    """Command lines that name a folder."""
    listed = subprocess.run(["ps", "axww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)

"""The demo's processes: a hub and the platforms of the world around it, started, joined, and stopped together."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from hub.demo.children import Child, Program
from hub.demo.ports import HUB_PORT, take_ports
from hub.demo.registration import (
    Registration,
    read_json,
    read_registration,
    write_json,
    write_registration,
)
from hub.demo.remote import Remote
from hub.demo.server import LOOPBACK
from hub.demo.world import Cast, read_casts, read_newest
from ocpi_modules.parties import Party
from ocpi_modules.types import format_datetime

PROJECT = Path(__file__).resolve().parents[2]
HUB = Party("NL", "HUB")
REQUEST_WAIT_SECONDS = 30.0
TOKEN_RANDOM_BYTES = 24


class AlreadyRunning(RuntimeError):
    """Another demo uses this data folder."""


class HubRefused(RuntimeError):
    """The hub did not do what its operator wanted."""


@dataclass(slots=True)
class Script:
    """What the demo remembers from one start to the next: the hub's port and admin token, the passwords of the charge points, and whether
    the world has been told.
    """

    port: int
    clock_offset_seconds: float
    admin_token: str = field(repr=False)
    is_seeded: bool = False
    station_secrets: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def in_file(cls, path: Path) -> Script:
        """The one in this file, or a new one."""
        if not path.exists():
            return cls(HUB_PORT, _offset_seconds(), secrets.token_urlsafe(TOKEN_RANDOM_BYTES))
        kept = read_json(path)
        known = (kept["port"], float(kept["clock_offset_seconds"]), kept["admin_token"], kept["is_seeded"])
        return cls(*known, dict(kept.get("station_secrets", {})))

    def write(self, path: Path) -> None:
        """Keep it."""
        write_json(path, asdict(self))


@dataclass(slots=True)
class Hub:
    """The hub of the demo, as its operator sees it."""

    url: str
    admin_token: str = field(repr=False)
    env: dict[str, str] = field(repr=False)

    @property
    def versions_url(self) -> str:
        """Where platforms begin."""
        return f"{self.url}/ocpi/versions"

    async def is_ready(self) -> bool:
        """Whether it and its database answer, and it is this hub."""
        try:
            async with self._client() as client:
                answers = [await client.get("/health/ready"), await client.get("/admin/invitations")]
        except httpx.TransportError:
            return False
        return all(answer.status_code == 200 for answer in answers)

    async def invite(self, cast: Cast) -> str:
        """Token A for a platform."""
        wanted = [{name: role[name] for name in ("role", "country_code", "party_id")} for role in cast.roles]
        async with self._client() as client:
            answer = await client.post("/admin/invitations", json={"roles": wanted})
        answer.raise_for_status()
        return str(answer.json()["token"])

    async def provision(self, content: dict[str, Any]) -> None:
        """Tell it of sites, tariffs and stations of its own. Raises HubRefused."""
        async with self._client() as client:
            answer = await client.post("/admin/sites/import", json=content)
        if not answer.is_success:
            raise HubRefused(f"the hub does not take the charge points: {answer.text[:500]}")

    def _client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, trust_env=False, timeout=REQUEST_WAIT_SECONDS)


class Stage:
    """Everything that runs, with ports of its own from the start. `platforms` by name; `platform_of` finds who plays a party."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.casts = read_casts()
        self.platforms: dict[str, Remote] = {}
        self._children: dict[str, Child] = {}
        self._script_file = data_dir / "demo.json"
        self.script = Script.in_file(self._script_file)
        offsets = [cast.port_offset for cast in self.casts]
        self._ports = take_ports(self.script.port, offsets, is_known=self._script_file.exists())
        self.script.port = self._ports.hub
        self.hub = self._make_hub()

    @property
    def is_first_start(self) -> bool:
        """Whether the world has still to be told to the hub."""
        return not self.script.is_seeded

    def remember(self) -> None:
        """Keep what the script has learned."""
        self.script.write(self._script_file)

    def mark_seeded(self) -> None:
        """The world has been told: the next start need not do it again."""
        self.script.is_seeded = True
        self.script.write(self._script_file)

    def now(self) -> str:
        """The present moment of the demo: never before the newest object of the world, and never backwards from start to start."""
        return format_datetime(datetime.now(UTC) + timedelta(seconds=self.script.clock_offset_seconds))

    def moment(self, seconds_ago: float) -> str:
        """A moment of the demo's past."""
        shift = self.script.clock_offset_seconds - seconds_ago
        return format_datetime(datetime.now(UTC) + timedelta(seconds=shift))

    def platform_of(self, party: Party) -> Remote:
        """The platform that plays a party."""
        return next(remote for remote in self.platforms.values() if party in remote.parties)

    def parties(self, kind: str) -> list[Party]:
        """The parties of all platforms of a kind: CPO, EMSP, NSP."""
        return [party for cast in self.casts if cast.kind == kind for party in cast.parties]

    def program(self, command: list[str]) -> Program:
        """A command of the hub with the hub's own settings."""
        return Program(command, self.hub.env, self.data_dir)

    def require_alive(self) -> None:
        """Raises ChildFailed when a process has ended; keeps the logs bounded."""
        for child in self._children.values():
            child.require_alive()
            child.trim_log()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Stage]:
        """Start all and join those that have not joined; stop all at the end, the hub first. Raises AlreadyRunning, ChildFailed."""
        with _alone(self.data_dir / "demo.lock"):
            try:
                await self._start_all()
                yield self
            finally:
                await self._stop_all()
                self._ports.give_back()

    async def _start_all(self) -> None:
        self.script.write(self._script_file)
        command = [sys.executable, "-m", "hub", "serve", "--port", str(self.script.port), "--until-stdin-closes"]
        await self._start("hub", Program(command, self.hub.env, self.data_dir))  # first: it takes longest
        moved = {cast.name: self._cast(cast) for cast in self.casts}
        files = [str(self._file_of(cast)) for cast in self.casts]
        command = [sys.executable, "-m", "hub.demo.process", *files]
        await self._start("platforms", Program(command, _environment(), self.data_dir))
        for remote in self.platforms.values():
            await self._children["platforms"].until(remote.answers)
        await self._children["hub"].until(self.hub.is_ready)
        for cast in self.casts:
            await self._join(cast, moved[cast.name])

    async def _stop_all(self) -> None:
        for child in self._children.values():
            await child.stop()
        for remote in self.platforms.values():
            await remote.close()

    async def _start(self, name: str, program: Program) -> None:
        log = self.data_dir / "logs" / f"{name}.log"
        self._children[name] = await Child.start(name, program, log)

    def _cast(self, cast: Cast) -> bool:
        """Prepare a platform; answers whether its address or the hub's is another one than at the last start."""
        path = self._file_of(cast)
        kept = self._kept_registration(path)
        registration = self._registration(cast, kept)
        write_registration(path, registration)
        token = registration.control_token
        self.platforms[cast.name] = Remote(cast.name, cast.parties, registration.port, token)
        return kept is not None and self._is_elsewhere(kept, registration.port)

    def _is_elsewhere(self, kept: Registration, port: int) -> bool:
        known = kept.connection
        return known is not None and (port != kept.port or known.versions_url != self.hub.versions_url)

    async def _join(self, cast: Cast, is_moved: bool) -> None:
        remote = self.platforms[cast.name]
        if read_registration(self._file_of(cast)).connection is None:
            token = await self.hub.invite(cast)
            await remote.act("join", token=token, versions_url=self.hub.versions_url)
        elif is_moved:
            await remote.act("move", versions_url=self.hub.versions_url)

    def _kept_registration(self, path: Path) -> Registration | None:
        try:
            return read_registration(path)
        except (OSError, ValueError, LookupError):
            return None

    def _registration(self, cast: Cast, kept: Registration | None) -> Registration:
        port = self._ports.platform(cast.port_offset)
        if kept is None:
            return Registration(cast.name, cast.roles, port, secrets.token_urlsafe(TOKEN_RANDOM_BYTES))
        return replace(kept, roles=cast.roles, port=port)

    def _file_of(self, cast: Cast) -> Path:
        return self.data_dir / "platforms" / f"{_slug(cast.name)}.json"

    def _make_hub(self) -> Hub:
        url = f"http://{LOOPBACK}:{self.script.port}"
        token = self.script.admin_token
        env = {
            **_environment(),
            "HUB_ADMIN_TOKEN": token,
            "HUB_ALLOW_PRIVATE_PARTNER_URLS": "true",
            "HUB_DEMO_ACCOUNTS": "true",
            "HUB_COUNTRY_CODE": HUB.country_code,
            "HUB_PARTY_ID": HUB.party_id,
            "HUB_DATA_DIR": str(self.data_dir),
            "HUB_PUBLIC_URL": url,
        }
        return Hub(url, token, env)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of the data folder. Raises AlreadyRunning when another demo has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise AlreadyRunning(f"another demo is running in {path.parent}") from exc
        yield


def _environment() -> dict[str, str]:
    """Ours, without settings meant for another hub; modules are found whatever the working folder is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    paths = [str(PROJECT), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths)}


def _slug(name: str) -> str:
    """A name as a file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _offset_seconds() -> float:
    """How far the demo's clock is ahead, so that nothing it says is older than the world."""
    return max(0.0, (read_newest() - datetime.now(UTC)).total_seconds())

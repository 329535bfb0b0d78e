"""The world of the tests: one PostgreSQL server a session, an empty database a test, the hub over real HTTP, and real OCPI parties."""

from __future__ import annotations

import gc
import json
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import structlog
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr

from hub.app import create_app
from hub.chargers import passwords as of_stations
from hub.clock import Clock
from hub.console import kept, passwords
from hub.demo import party as demo_party
from hub.demo.party import DemoPlatform, role
from hub.demo.server import LoopbackServer
from hub.partners import client as partner_client
from hub.partners.natsserver import running_server as running_nats
from hub.settings import Settings
from hub.store import leader
from hub.store.database import Database
from hub.web.protocol import EnvelopeProtocol
from ocpi_modules.errors import UnusableApi
from ocpi_modules.parties import Party
from tests.databases import Databases, migrated, running_server

# what a shell starts in the background ignores Ctrl-C, and so would all hubs that tests start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# tracebacks with all local variables, which structlog writes by default, hold up the loop for seconds
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S"),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# a password costs a tenth of a second on purpose: tests/console/test_signing_in.py looks at that, all others need not pay it
SHIPPED_HASHER = passwords.hasher
passwords.hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
of_stations.hasher = passwords.hasher

YOUNG_OBJECTS_MAX = 20_000
HUB = Party("NL", "HUB")
ADMIN_TOKEN = "the-admin-token-of-the-tests"
LOOPBACK_WAIT_SECONDS = 60.0
ADDED_UP_WAIT_SECONDS = 20.0
DATABASE_WAIT_SECONDS = 30
PATIENT_SECONDS = 20.0
HASTY_SECONDS = 2.0
HASTY = "hasty"
OBJECTS = Path(__file__).parent.parent / "fixtures" / "objects"

# a connection takes seconds when all tests want one
leader.CONNECT_WAIT_SECONDS = DATABASE_WAIT_SECONDS
leader.ANSWER_WAIT_SECONDS = float(DATABASE_WAIT_SECONDS)

# pages that add something up show it at once, however busy the machine is; tests about what is not there yet set a wait of their own
kept.WAIT_SECONDS = ADDED_UP_WAIT_SECONDS

# a machine that is busy for a moment takes no platform offline, and what has to be seen is waited for
partner_client.CONNECT_WAIT_SECONDS = PATIENT_SECONDS
demo_party.SEEN_WAIT_SECONDS = LOOPBACK_WAIT_SECONDS

# a property is no less true on a machine that is busy
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where pictures of the console go (tests/browser)."""
    parser.addoption("--screenshots", default="build/screenshots", help="the folder for pictures of every page")


def patience_seconds(request: pytest.FixtureRequest) -> float:
    """How long a hub waits for the answer of a partner: long, but in a test that is marked as hasty because it lets one be silent."""
    return HASTY_SECONDS if request.node.get_closest_marker(HASTY) else PATIENT_SECONDS


def pytest_collection_finish() -> None:
    """Ten thousand tests stay in memory to the end: the search for garbage leaves them out, and looks as seldom as in a hub that serves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX)


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest) -> Path:
    """The folder for pictures."""
    folder = Path(request.config.rootpath, request.config.getoption("--screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for this worker."""
    with running_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
async def template(postgres_url: str) -> str:
    """The name of a database that has all tables."""
    return await migrated(postgres_url, "tables")


@pytest.fixture(scope="session")
def databases(postgres_url: str, template: str) -> Databases:
    """The empty databases of this worker, for fixtures that want one for longer than a test."""
    return Databases(postgres_url, template)


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """An empty database with all tables."""
    async with databases.lent() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The empty database, opened."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A NATS server of the test's own."""
    with running_nats(tmp_path / "nats-data") as url:
        yield url


@dataclass
class World:
    """A running hub and the platforms that joined it."""

    url: str
    database_url: str
    admin: httpx.AsyncClient
    stack: AsyncExitStack
    app: FastAPI = field(default_factory=FastAPI)
    platforms: dict[str, DemoPlatform] = field(default_factory=dict)

    @property
    def versions_url(self) -> str:
        return f"{self.url}/ocpi/versions"

    def nobody(self) -> httpx.AsyncClient:
        """A client without the admin token."""
        return loopback_client(base_url=self.url)

    async def invite(self, roles: Sequence[dict[str, Any]]) -> str:
        """Token A for these roles."""
        wanted = [{key: entry[key] for key in ("role", "country_code", "party_id")} for entry in roles]
        response = await self.admin.post("/admin/invitations", json={"roles": wanted})
        assert response.status_code == 201, response.text
        return str(response.json()["token"])

    async def platform(self, name: str, *roles: tuple[str, str]) -> DemoPlatform:
        """A platform that runs and has not joined."""
        entries = [role(wanted, party) for wanted, party in roles]
        platform = await self.stack.enter_async_context(DemoPlatform(name, entries).running())
        self.platforms[name] = platform
        return platform

    async def join(self, name: str, *roles: tuple[str, str]) -> DemoPlatform:
        """A platform that runs and has joined the hub."""
        platform = await self.platform(name, *roles)
        entries = [role(wanted, party) for wanted, party in roles]
        try:
            await platform.join(await self.invite(entries), self.versions_url)
        except UnusableApi as exc:
            if "not connected" not in str(exc):
                raise
            await platform.join(await self.invite(entries), self.versions_url)  # the machine was too busy to connect
        return platform


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A hub on a loopback port with short timers, and nobody in it."""
    async with running_hub(database_url, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
async def standing_world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A hub with nobody in it for tests that leave nothing behind, made once for all of a file."""
    async with databases.lent() as url, running_hub(url, tmp_path_factory.mktemp("hub")) as made:
        yield made


NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def loopback_client(**options: Any) -> httpx.AsyncClient:
    """A client for servers of the tests: it reads no certificates of authorities, which takes long, and waits while the machine is busy."""
    return httpx.AsyncClient(**{"verify": NO_AUTHORITIES, "timeout": LOOPBACK_WAIT_SECONDS, **options})


class running_hub:
    """A hub served over HTTP; entering gives its World, leaving stops platforms first and then the hub.

    `settings` are those of the hub, `clock` the one it looks at, and `port` the one that it had before; else it gets a free one.
    """

    def __init__(self, database_url: str, data_dir: Path, **settings: Any) -> None:
        self._clock: Clock | None = settings.pop("clock", None)
        self._port: int = settings.pop("port", 0)
        self._database_url, self._data_dir, self._settings = database_url, data_dir, settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> World:
        try:
            return await self._opened()
        except BaseException:  # nothing of a hub that does not start stays for the tests that follow
            await self._stack.aclose()
            raise

    async def _opened(self) -> World:
        late = _LateApp()
        server = LoopbackServer(late, self._port, EnvelopeProtocol)
        self._stack.push_async_callback(server.stop)  # for a hub that does not start: it gives its port back
        url = f"http://127.0.0.1:{server.port}"
        settings = Settings(
            _env_file=None,
            data_dir=self._data_dir,
            admin_token=SecretStr(ADMIN_TOKEN),
            allow_private_partner_urls=True,
            public_url=url,
            # hubs whose map nobody looks at have none: its readers look at the database several times a second
            **{
                "forward_timeout_seconds": PATIENT_SECONDS,
                "still_alive_seconds": 60.0,
                "navigation": False,
                **self._settings,
            },
        )
        late.inner = app = create_app(settings, self._database_url, self._clock)
        await self._stack.enter_async_context(app.router.lifespan_context(app))
        await server.start()
        self._stack.push_async_callback(server.stop)
        admin = loopback_client(base_url=url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        await self._stack.enter_async_context(admin)
        return World(url, self._database_url, admin, self._stack, app)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()


class _LateApp:
    """Lets the port be known before the application is made."""

    inner: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.inner(scope, receive, send)


@pytest.fixture
def example() -> Callable[..., dict[str, Any]]:
    """A good example of an object, with some of its fields changed: `example("location", id="L1")`."""

    def load(name: str, **changes: Any) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((OBJECTS / f"{name}.json").read_text())
        return {**content, **changes}

    return load

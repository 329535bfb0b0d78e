"""The world of the tests: one PostgreSQL server a session, a fresh database a test, the hub over real HTTP, and real OCPI parties."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import structlog
from pydantic import SecretStr

from hub.app import create_app
from hub.demo.party import DemoPlatform, role
from hub.demo.server import LoopbackServer
from hub.partners.natsserver import running_server
from hub.settings import Settings
from hub.store.database import Database
from hub.store.embedded import attach_or_start
from hub.web.protocol import EnvelopeProtocol
from ocpi_modules.parties import Party

# tracebacks with all local variables, which structlog writes by default, hold up the loop for seconds
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S"),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

HUB = Party("NL", "HUB")
ADMIN_TOKEN = "the-admin-token-of-the-tests"
OBJECTS = Path(__file__).parent.parent / "fixtures" / "objects"


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for this worker, and in it a template database that has all tables."""
    with attach_or_start(tmp_path_factory.mktemp("postgres")) as running:
        yield running.server.url


@pytest.fixture(scope="session")
async def template(postgres_url: str) -> str:
    """The name of a database that has all tables."""
    name = await create_database(postgres_url, "tables", "template0")
    database = Database(named(postgres_url, name))
    await database.migrate()
    await database.close()
    return name


@pytest.fixture
async def database_url(postgres_url: str, template: str) -> AsyncIterator[str]:
    """A fresh database with all tables."""
    name = await create_database(postgres_url, f"test_{uuid.uuid4().hex}", template)
    yield named(postgres_url, name)
    await run_statement(postgres_url, f'drop database "{name}" with (force)')


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The fresh database, opened."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A NATS server of the test's own."""
    with running_server(tmp_path / "nats-data") as url:
        yield url


@dataclass
class World:
    """A running hub and the platforms that joined it."""

    url: str
    database_url: str
    admin: httpx.AsyncClient
    stack: AsyncExitStack
    platforms: dict[str, DemoPlatform] = field(default_factory=dict)

    @property
    def versions_url(self) -> str:
        return f"{self.url}/ocpi/versions"

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
        await platform.join(await self.invite([role(wanted, party) for wanted, party in roles]), self.versions_url)
        return platform


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A hub on a loopback port with short timers, and nobody in it."""
    async with running_hub(database_url, tmp_path) as made:
        yield made


class running_hub:
    """A hub served over HTTP; entering gives its World, leaving stops platforms first and then the hub."""

    def __init__(self, database_url: str, data_dir: Path, **settings: Any) -> None:
        self._database_url, self._data_dir, self._settings = database_url, data_dir, settings
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> World:
        late = _LateApp()
        server = LoopbackServer(late, protocol=EnvelopeProtocol)
        url = f"http://127.0.0.1:{server.port}"
        settings = Settings(
            _env_file=None,
            data_dir=self._data_dir,
            admin_token=SecretStr(ADMIN_TOKEN),
            allow_private_partner_urls=True,
            public_url=url,
            **{"forward_timeout_seconds": 3.0, "still_alive_seconds": 60.0, **self._settings},
        )
        late.inner = app = create_app(settings, self._database_url)
        await self._stack.enter_async_context(app.router.lifespan_context(app))
        await server.start()
        self._stack.push_async_callback(server.stop)
        admin = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
        await self._stack.enter_async_context(admin)
        return World(url, self._database_url, admin, self._stack)

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


def named(url: str, database: str) -> str:
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{database}?{query}"


async def create_database(url: str, name: str, template: str) -> str:
    await run_statement(url, f'create database "{name}" template "{template}"')
    return name


async def run_statement(url: str, statement: str) -> None:
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    async with await psycopg.AsyncConnection.connect(plain, autocommit=True) as connection:
        await connection.execute(statement.encode())

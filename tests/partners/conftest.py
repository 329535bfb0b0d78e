"""The partner side of a hub on a fresh database, and platforms that exist only as recorded HTTP (respx)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import respx

from hub.partners.client import PartnerClient
from hub.partners.directory import Member, Partner
from hub.partners.handshake import Handshake, HubIdentity
from hub.partners.roster import Roster
from hub.store.database import Database
from hub.store.partners import Partners, PartyRole
from hub.store.permissions import PermissionRules
from hub.store.secrets import Safe, token_hash
from ocpi_modules.headers import read_authorization
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import decode_json

HUB = Party("NL", "HUB")
HUB_VERSIONS_URL = "https://hub.example/ocpi/versions"
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Bench:
    """A handshake with everything it works on."""

    partners: Partners
    roster: Roster
    client: PartnerClient
    clock: HandClock
    handshake: Handshake
    safe: Safe

    async def invite(self, token: str, *roles: PartyRole) -> int:
        """An open invitation with this token A."""
        until = self.clock.now() + timedelta(days=1)
        made = await self.partners.invite(token_hash(token), roles, self.clock.now(), until)
        await self.roster.refresh()
        return made

    async def join(self, platform: Platform, *roles: PartyRole) -> Partner:
        """A platform that has registered with these roles."""
        await self.invite(f"A-of-{platform.host}", *roles)
        answer = await self.handshake.register(f"A-of-{platform.host}", platform.credentials(*roles))
        return self.caller(decode_json(answer)["token"])

    def caller(self, token: str) -> Partner:
        """The partner that a token opens for."""
        partner = self.roster.directory.caller(token_hash(token))
        assert partner is not None, "this token opens nothing"
        return partner

    def opens(self, token: str) -> bool:
        """Whether an inbound token is good for anything."""
        return self.roster.directory.caller(token_hash(token)) is not None

    def member(self, role: PartyRole) -> Member:
        """How a party is listed."""
        [found] = [m for m in self.roster.directory.members if (m.party, m.role) == (role.party, role.role)]
        return found

    def status(self, role: PartyRole) -> str:
        """The status of a party."""
        return self.member(role).status.value


@dataclass
class Platform:
    """The platform of a partner at `host`: its answers stand in `answers` by path and can be replaced by a test."""

    host: str
    router: respx.MockRouter
    token: str = "token-B"
    answers: dict[str, httpx.Response | Exception] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers["/versions"] = self.versions_answer()
        self.answers["/2.2.1"] = self.details_answer()
        self.router.route(host=self.host).mock(side_effect=self._answer)

    @property
    def url(self) -> str:
        return f"https://{self.host}/versions"

    @property
    def seen(self) -> list[str]:
        """Methods and paths of the requests so far."""
        return [f"{request.method} {request.url.path}" for request in self.requests]

    @property
    def tokens_seen(self) -> list[str | None]:
        """The credentials tokens of the requests so far."""
        return [read_authorization(request.headers["authorization"]) for request in self.requests]

    def versions_answer(self, *versions: str) -> httpx.Response:
        listed = versions or ("2.1.1", "2.2.1", "3.0")
        return success([{"version": name, "url": f"https://{self.host}/{name}"} for name in listed])

    def details_answer(self, *endpoints: tuple[str, str, str]) -> httpx.Response:
        listed = endpoints or (
            ("credentials", "RECEIVER", "/odd/creds"),
            ("locations", "SENDER", "/a1?k=1"),
            ("tokens", "RECEIVER", "/zz/"),
            ("nltnm-foo", "SENDER", "/foo"),
        )
        entries = [
            {"identifier": module_id, "role": interface, "url": f"https://{self.host}{path}"}
            for module_id, interface, path in listed
        ]
        return success({"version": "2.2.1", "endpoints": entries})

    def credentials(self, *roles: PartyRole, token: str = "") -> dict[str, Any]:
        """Its credentials object with these roles."""
        return {
            "token": token or self.token,
            "url": self.url,
            "roles": [credentials_role(role) for role in roles],
        }

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.get(request.url.path, httpx.Response(404))
        if isinstance(answer, Exception):
            raise answer
        return answer


def success(data: Any = None, http_status: int = 200) -> httpx.Response:
    """A successful answer in the envelope."""
    body = {"status_code": 1000, "timestamp": "2026-11-02T08:00:00Z", "data": data}
    return httpx.Response(http_status, json=body)


def failure(status_code: int, http_status: int = 200) -> httpx.Response:
    """A refusal in the envelope."""
    body = {"status_code": status_code, "status_message": "no", "timestamp": "2026-11-02T08:00:00Z"}
    return httpx.Response(http_status, json=body)


def party_role(role: str, party: str) -> PartyRole:
    """``party_role("CPO", "DE/CP1")``."""
    return PartyRole(Party.parse(party), Role(role))


def credentials_role(role: PartyRole) -> dict[str, Any]:
    """A role as it stands in a credentials object."""
    return {
        "role": role.role.value,
        "country_code": role.party.country_code,
        "party_id": role.party.party_id,
        "business_details": {"name": f"The {role.party.party_id} company", "website": "https://co.example"},
    }


def endpoint_paths(partner: Partner) -> dict[tuple[str, str], str]:
    """The endpoints of a partner, interfaces as text."""
    return {(module_id, interface.value): url for (module_id, interface), url in partner.endpoints.items()}


def listed(members: Sequence[Member]) -> list[str]:
    """Members in one word each, for assertions."""
    return sorted(f"{m.role.value} {m.party} {m.status.value}" for m in members)


@pytest.fixture
def web() -> Iterator[respx.MockRouter]:
    """The web as far as the hub can see it: a host that no test made is a fault of the test."""
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
async def client() -> AsyncIterator[PartnerClient]:
    """The outbound side of a hub that reaches public addresses only."""
    opened = PartnerClient(allow_private=False, timeout_seconds=1.0)
    yield opened
    await opened.close()


@pytest.fixture
async def bench(database: Database, client: PartnerClient) -> Bench:
    """The partner side of a hub, with nobody in it."""
    partners, safe, clock = Partners(database), Safe(b"a key for tests"), HandClock()
    roster = Roster((partners, PermissionRules(database)), safe, HUB, clock)
    identity = HubIdentity(HUB, "The hub", HUB_VERSIONS_URL, "https://hub.example", "https://hub.example/l.svg")
    handshake = Handshake(partners, roster, client, safe, identity, clock)
    await roster.refresh()
    return Bench(partners, roster, client, clock, handshake, safe)


@pytest.fixture
def cp1(web: respx.MockRouter) -> Platform:
    """A platform that answers everything rightly."""
    return Platform("cp1.example", web)

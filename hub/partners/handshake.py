"""How two platforms come to know each other, renew what they know, and part; in both directions.

No transaction is open while the other side is being called: what was learnt is written in one step
afterwards, so a handshake that fails leaves everything as it was (C-06, C-14). Source: credentials,
version_information_endpoint (checklist sections 4 and 5).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

from hub.clock import Clock
from hub.partners.client import Answer, Call, PartnerClient
from hub.partners.directory import Partner
from hub.partners.progress import Note, Step, Tell, of_errand, of_invitation, of_partner, trail, untold
from hub.partners.quirks import Quirks, read_quirks, write_quirks
from hub.partners.roster import Roster
from hub.store.partners import Partners, PartyRole, Registration
from hub.store.secrets import Safe, new_token, token_hash
from ocpi_modules.catalog import MODULES, VERSION
from ocpi_modules.credentials import CREDENTIALS, Credentials
from ocpi_modules.envelope import Envelope, read_envelope
from ocpi_modules.errors import (
    InvalidParameters,
    MethodNotAllowed,
    NoMatchingEndpoints,
    OcpiError,
    RoutingFault,
    Unauthenticated,
    UnsupportedVersion,
    UnusableApi,
)
from ocpi_modules.headers import authorization, id_headers
from ocpi_modules.message import judge_whole
from ocpi_modules.module import Interface
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import encode_json
from ocpi_modules.versions import Endpoint, Version

Endpoints = Mapping[tuple[str, str], str]
Entry = TypeVar("Entry", Version, Endpoint)

CREDENTIALS_ENDPOINT = (CREDENTIALS.id, Interface.SENDER.value)

REGISTRATION_MAX_SECONDS = 600.0  # longer than one of our own calls and the taking back of it may take

LOGO_SIZE_PIXELS = 256  # some platforms refuse a logo without its size

_PULL_ONLY = frozenset({Role.NSP, Role.NAP})


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """What the hub says of itself (C-07): its party, its name, the URL of its versions, and URLs of its
    website and logo, if any."""

    party: Party
    name: str
    versions_url: str
    website: str | None = None
    logo: str | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """The endpoints of a platform by (module id, interface), exactly as it listed them (V-06); only modules
    of the catalog. `is_raw`: it wants tokens as they are, without Base64 (T-05).
    """

    endpoints: Endpoints
    is_raw: bool = False

    @property
    def is_functional(self) -> bool:
        """Whether there is an endpoint of any functional module."""
        return any(MODULES[module_id].is_functional for module_id, _ in self.endpoints)


@dataclass(frozen=True, slots=True)
class Offer:
    """Our credentials on their way: POST or PUT to a credentials endpoint, authenticated by `token`, offering
    `token_b`.
    """

    method: str
    url: str
    token: str = field(repr=False)
    token_b: str = field(repr=False)
    is_raw: bool = False


class TokenRefused(UnusableApi):
    """The other side does not know the token, or seems not to: HTTP 401 or 403, or an error in OCPI."""


class Discovery:
    """Reads the versions and version details of a platform (V-07, C-02, C-19)."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def discover(self, versions_url: str, token: str, *, is_raw: bool = False) -> Discovered:
        """The endpoints behind a versions URL; a token that is refused is tried in its other form too (T-05).

        Raises UnusableApi (3001) when the answers cannot be used, UnsupportedVersion (3002) without 2.2.1.
        """
        try:
            return await self._discover(versions_url, token, is_raw)
        except TokenRefused as refused:
            try:
                return await self._discover(versions_url, token, not is_raw)
            except OcpiError:
                raise refused from None

    async def _discover(self, versions_url: str, token: str, is_raw: bool) -> Discovered:
        details_url = find_version(await self.read(versions_url, token, is_raw=is_raw))
        return Discovered(read_endpoints(await self.read(details_url, token, is_raw=is_raw)), is_raw)

    async def read(self, url: str, token: str, *, is_raw: bool = False) -> Any:
        """The `data` behind a URL of the configuration modules. Raises UnusableApi (3001)."""
        return require_success(await self.call("GET", url, token, is_raw=is_raw), f"GET {url}").data

    async def call(
        self, method: str, url: str, token: str, body: bytes | None = None, *, is_raw: bool = False
    ) -> Answer:
        """One request with fresh ids and no routing headers (T-20, V-08). Raises UnusableApi (3001) when no
        answer came.
        """
        value = authorization(token, is_raw=is_raw)
        headers = {"Authorization": value, **id_headers(str(uuid4()), str(uuid4()))}
        if body is not None:
            headers["Content-Type"] = "application/json"
        call = Call(
            method=method,
            url=url,
            headers=headers,
            body=body,
            module_id="versions" if method == "GET" else "credentials",
        )
        try:
            return await self._client.fetch(call)
        except RoutingFault as exc:
            raise UnusableApi(f"{method} {url} failed: {exc.message}") from exc


class Handshake:
    """Registers, renews and releases partners; after each change the roster shows it."""

    def __init__(
        self,
        partners: Partners,
        roster: Roster,
        client: PartnerClient,
        safe: Safe,
        identity: HubIdentity,
        clock: Clock,
        *,
        holds_new_parties: bool = False,
        tell: Tell = untold,
    ) -> None:
        self._partners = partners
        self._roster = roster
        self._discovery = Discovery(client)
        self._safe = safe
        self._identity = identity
        self._clock = clock
        self._holds_new_parties = holds_new_parties
        self._tell = tell

    # --- what partners ask of the hub ---

    def credentials_for(self, token: str) -> bytes:
        """The hub's credentials object as JSON, with the token that its reader is to use (C-07, C-18, X-06,
        X-07).
        """
        return write_credentials(self._identity, token)

    async def is_invited(self, token: str) -> bool:
        """Whether this is a live token A: it opens versions, version details and credentials (T-07)."""
        return await self._partners.invitation(token_hash(token), self._clock.now()) is not None

    async def was_read(self, token: str, step: Step) -> None:
        """The holder of a token A read the hub's versions or their details."""
        invitation = await self._partners.invitation(token_hash(token), self._clock.now())
        if invitation is not None:
            await self._tell(Note(of_invitation(invitation[0]), step))

    async def register(self, token_a: str, content: Any, *, is_raw: bool = False) -> bytes:
        """POST by an invited platform: returns the hub's credentials object with a new token C (C-01 to
        C-06).

        Raises MethodNotAllowed (405) for the token of a registered one (C-11), Unauthenticated (401) for a
        dead token A, InvalidParameters (2001) for a wrong object or roles that may not be claimed, and what
        discovery raises (3001, 3002, 3003). Token A stays usable then.
        """
        hashed = token_hash(token_a)
        if self._roster.directory.caller(hashed) is not None:
            raise MethodNotAllowed(("DELETE", "GET", "PUT"))
        invitation = await self._partners.invitation(hashed, self._clock.now())
        if invitation is None:
            raise Unauthenticated
        token_c = new_token()
        async with trail(self._tell, of_invitation(invitation[0]), Step.CREDENTIALS) as way:
            said = self._read_credentials(content)
            require_invited(said, invitation[1])
            await way.reached(Step.CREDENTIALS, Step.DISCOVERED, said.url)
            quirks = await self._known_quirks(said.url)
            seen = quirks.model_copy(update={"token": "raw" if is_raw else "base64"})
            registration = await self._registration(said, token_c, seen)
            await way.reached(Step.DISCOVERED, Step.JOINED, told_endpoints(registration.endpoints))
            joined = await self._partners.join(hashed, registration, self._clock.now())
            await self._roster.refresh()
            await way.reached(Step.JOINED, Step.JOINED, str(joined))
        await self._tell(Note(of_partner(joined), Step.JOINED, f"by invitation {invitation[0]}"))
        return self.credentials_for(token_c)

    async def update(self, partner: Partner, content: Any) -> bytes:
        """PUT by a registered platform: everything it said is replaced at once, tokens included (C-12 to
        C-14, C-25, X-05).

        It may name parties that nobody holds and nobody else is invited to bring; where new parties are held,
        those are PLANNED until the operator accepts them. Raises as `register` does; nothing has changed then.
        """
        token_c = new_token()
        async with trail(self._tell, of_partner(partner.id), Step.RENEWED) as way:
            said = self._read_credentials(content)
            require_unreserved(said, await self._reserved_from(partner))
            written = await self._registration(said, token_c, partner.quirks)
            registration = replace(written, holds_new=self._holds_new_parties)
            self._require_current(partner)
            await self._partners.renew(partner.id, registration, self._clock.now(), replaces=partner.token_hash)
            await self._roster.refresh()
            await way.reached(Step.RENEWED, Step.RENEWED, told_endpoints(registration.endpoints))
        return self.credentials_for(token_c)

    async def unregister(self, partner: Partner) -> None:
        """DELETE by a registered platform: both directions stop at once (C-16)."""
        await self._partners.leave(partner.id, self._clock.now())
        await self._roster.refresh()

    # --- what the hub asks of partners ---

    async def discover(self, versions_url: str, token: str) -> Discovered:
        """The endpoints behind a versions URL; raises as `Discovery.discover` does."""
        return await self._discovery.discover(versions_url, token)

    async def register_at(self, versions_url: str, token_a: str, *, errand: str = "") -> Partner:
        """Register the hub at a platform that gave it a token A (C-19 to C-21); how far it is stands under the name of an errand.

        Raises what discovery raises; UnusableApi (3001) when the platform refuses; InvalidParameters (2001)
        when its parties are taken: the registration there is deleted again. Nothing stays behind after a
        failure.
        """
        tell = self._tell if errand else untold
        async with trail(tell, of_errand(errand), Step.DISCOVERED) as way:
            found = await self._discovery.discover(versions_url, token_a)
            require_endpoints(found, frozenset())
            if CREDENTIALS_ENDPOINT not in found.endpoints:
                raise NoMatchingEndpoints("the version details list no credentials endpoint")
            await way.reached(Step.DISCOVERED, Step.CREDENTIALS, told_endpoints(found.endpoints))
            async with self._opened(versions_url) as (opened, token_b):
                url = found.endpoints[CREDENTIALS_ENDPOINT]
                said = await self._offer(Offer("POST", url, token_a, token_b, found.is_raw))
                await way.reached(Step.CREDENTIALS, Step.JOINED, said.url)
                try:
                    self._require_foreign(said)
                    registration = self._write_down(said, found, token_b, await self._known_quirks(versions_url))
                    await self._partners.renew(opened, registration, self._clock.now(), replaces=token_hash(token_b))
                except InvalidParameters:
                    await self._take_back(url, said.token, is_raw=found.is_raw)
                    raise
            directory = await self._roster.refresh()
            await way.reached(Step.JOINED, Step.JOINED, str(opened))
        await self._tell(Note(of_partner(opened), Step.JOINED, "the hub registered there"))
        return directory.partners[opened]

    async def rotate(self, partner: Partner) -> None:
        """PUT the hub's credentials with a fresh token at a partner, and use the token that it answers with
        (C-26).

        The partner's parties and endpoints stay what they are; it changes them by a PUT of its own. Raises
        NoMatchingEndpoints (3003), UnusableApi (3001), InvalidParameters (2001) where there are no tokens; those
        in use stay valid then.
        """
        if partner.is_local:
            raise InvalidParameters("local chargers are a part of this hub: there are no tokens to rotate")
        async with trail(self._tell, of_partner(partner.id), Step.ROTATED) as way:
            url = partner.endpoint(CREDENTIALS, Interface.SENDER)
            if url is None:
                raise NoMatchingEndpoints("the partner lists no credentials endpoint")
            async with self._opened(partner.versions_url) as (opened, token_b):
                is_raw = partner.quirks.token == "raw"
                said = await self._offer(Offer("PUT", url, partner.token, token_b, is_raw))
                self._require_current(partner)
                await self._partners.retoken(partner.id, token_hash(token_b), self._safe.seal(said.token), opened)
            await self._roster.refresh()
            await way.reached(Step.ROTATED, Step.ROTATED)

    async def dismiss(self, partner: Partner) -> None:
        """End a partnership from our side: the partner is told, if it can be reached, and is out in any
        case. Raises InvalidParameters for the part of this hub that is one."""
        if partner.is_local:
            raise InvalidParameters("local chargers are a part of this hub: remove their sites, or suspend their party")
        url = partner.endpoint(CREDENTIALS, Interface.SENDER)
        await self.unregister(partner)
        if url is not None and partner.token:
            await self._take_back(url, partner.token, is_raw=partner.quirks.token == "raw")

    async def discard_unfinished(self, before: datetime) -> None:
        """Forget registrations that were opened before a moment (UTC) and never came about: a process was killed meanwhile.

        Those of a process that lives are younger than REGISTRATION_MAX_SECONDS.
        """
        directory = await self._roster.refresh()
        for partner in directory.partners.values():
            if not partner.is_joined:
                await self._partners.discard(partner.id, before)
        await self._roster.refresh()

    # --- steps ---

    def _read_credentials(self, content: Any) -> Credentials:
        said = read_credentials(content)
        self._require_foreign(said)
        return said

    def _require_foreign(self, said: Credentials) -> None:
        if self._identity.party in {role.party for role in roles_of(said)}:
            raise InvalidParameters(f"{self._identity.party} is this hub")

    def _require_current(self, partner: Partner) -> None:
        now = self._roster.directory.partners.get(partner.id)
        if now is None or now.token_hash != partner.token_hash:
            raise Unauthenticated("the registration was changed meanwhile")

    async def _reserved_from(self, partner: Partner) -> frozenset[Party]:
        reserved = await self._partners.invited_parties(self._clock.now())
        return reserved - self._roster.directory.parties_of(partner)

    async def _known_quirks(self, versions_url: str) -> Quirks:
        """What was known of the platform at an address when it left last."""
        written = await self._partners.last_quirks(versions_url)
        return Quirks() if written is None else read_quirks(written)

    async def _registration(self, said: Credentials, inbound: str, quirks: Quirks) -> Registration:
        found = await self._discovery.discover(said.url, said.token, is_raw=quirks.token == "raw")
        require_endpoints(found, frozenset(role.role for role in said.roles))
        return self._write_down(said, found, inbound, quirks)

    def _write_down(self, said: Credentials, found: Discovered, inbound: str, quirks: Quirks) -> Registration:
        seen = quirks.model_copy(update={"token": "raw" if found.is_raw else "base64"})
        return Registration(
            versions_url=said.url,
            name=said.roles[0].business_details.name,
            roles=roles_of(said),
            endpoints=dict(found.endpoints),
            inbound_hash=token_hash(inbound),
            outbound_sealed=self._safe.seal(said.token),
            quirks=write_quirks(seen),
        )

    @asynccontextmanager
    async def _opened(self, versions_url: str) -> AsyncIterator[tuple[int, str]]:
        """A fresh token B that is good for the configuration modules while our own call is open (C-20, X-05),
        and dead if that fails (C-21).
        """
        token_b = new_token()
        opened = await self._partners.open(versions_url, token_hash(token_b), self._clock.now())
        try:
            await self._roster.refresh()
            yield opened, token_b
        except BaseException:  # a cancelled call leaves no token behind either
            await self._partners.discard(opened)
            await self._roster.refresh()
            raise

    async def _offer(self, offer: Offer) -> Credentials:
        body = self.credentials_for(offer.token_b)
        answer = await self._discovery.call(offer.method, offer.url, offer.token, body, is_raw=offer.is_raw)
        data = require_success(answer, f"{offer.method} {offer.url}").data
        try:
            return read_credentials(data)
        except InvalidParameters as exc:
            token_c = data.get("token") if isinstance(data, dict) else None
            if offer.method == "POST" and isinstance(token_c, str):
                await self._take_back(offer.url, token_c, is_raw=offer.is_raw)
            raise UnusableApi(f"the credentials in the answer are not valid: {exc.message}") from exc

    async def _take_back(self, url: str, token: str, *, is_raw: bool) -> None:
        try:
            await self._discovery.call("DELETE", url, token, is_raw=is_raw)
        except (OcpiError, UnicodeError):
            return  # it cannot be told; the token that it holds opens nothing here


# --- values ---


def told_endpoints(endpoints: Endpoints) -> str:
    """How many interfaces were listed, in words."""
    return f"{len(endpoints)} endpoint{'' if len(endpoints) == 1 else 's'}"


def write_credentials(identity: HubIdentity, token: str) -> bytes:
    """The hub's credentials object as JSON: one role, HUB (C-07)."""
    details: dict[str, Any] = {"name": identity.name}
    if identity.website is not None:
        details["website"] = identity.website
    if identity.logo is not None:
        suffix = PurePosixPath(urlsplit(identity.logo).path).suffix[1:5]
        details["logo"] = {
            "url": identity.logo,
            "thumbnail": identity.logo,
            "category": "NETWORK",
            "type": suffix or "png",
            "width": LOGO_SIZE_PIXELS,
            "height": LOGO_SIZE_PIXELS,
        }
    role = {
        "role": Role.HUB.value,
        "country_code": identity.party.country_code,
        "party_id": identity.party.party_id,
        "business_details": details,
    }
    return encode_json({"token": token, "url": identity.versions_url, "roles": [role]})


def read_credentials(content: Any) -> Credentials:
    """A credentials object. Raises InvalidParameters (C-22, C-23, T-06)."""
    said = judge_whole(Credentials, content)
    assert isinstance(said, Credentials)
    return said


def roles_of(said: Credentials) -> dict[PartyRole, str]:
    """The parties of a platform by role, with their business details as JSON text."""
    return {
        PartyRole(Party.of(role.country_code, role.party_id), role.role): encode_json(role.business_details).decode()
        for role in said.roles
    }


def require_invited(said: Credentials, invited: frozenset[PartyRole]) -> None:
    """A POST claims invited roles only, all of them or some (C-25). Raises InvalidParameters."""
    for claimed in roles_of(said):
        if claimed not in invited:
            raise InvalidParameters(f"the invitation does not cover {claimed.party} as {claimed.role.value}")


def require_unreserved(said: Credentials, reserved: frozenset[Party]) -> None:
    """No party that another platform is invited to bring (C-24). Raises InvalidParameters."""
    for claimed in roles_of(said):
        if claimed.party in reserved:
            raise InvalidParameters(f"{claimed.party} belongs to another invitation")


def require_endpoints(found: Discovered, roles: frozenset[Role]) -> None:
    """A platform offers a functional module, unless all it does is to read: NSP, NAP (C-10, T-24). Raises
    NoMatchingEndpoints (3003).
    """
    is_pull_only = bool(roles) and roles <= _PULL_ONLY
    if not found.is_functional and not is_pull_only:
        raise NoMatchingEndpoints("the version details list no endpoint of any functional module")


def require_success(answer: Answer, what: str) -> Envelope:
    """The envelope of a successful answer. Raises UnusableApi (3001, C-08)."""
    envelope = read_envelope(answer.body)
    if answer.http_status in {401, 403}:
        raise TokenRefused(f"{what} answered HTTP {answer.http_status}: the token is not accepted")
    if envelope is None:
        raise UnusableApi(f"{what} answered HTTP {answer.http_status} without an OCPI envelope")
    if answer.http_status >= 300 or not envelope.is_success:
        told = f": {envelope.status_message}" if envelope.status_message else ""
        kind = TokenRefused if answer.http_status == 200 else UnusableApi
        raise kind(f"{what} answered HTTP {answer.http_status} with {envelope.status_code}{told}")
    return envelope


def find_version(data: Any) -> str:
    """The URL of the details of 2.2.1 in a list of versions; other versions are no fault (V-07).

    Raises UnsupportedVersion (3002), UnusableApi (3001) for an entry without a URL.
    """
    for entry in _objects(data, "versions"):
        if entry.get("version") == VERSION:
            return _usable(Version, entry).url
    raise UnsupportedVersion(f"the versions do not contain {VERSION}")


def read_endpoints(data: Any) -> Endpoints:
    """The endpoints in version details; modules that are not in the catalog are no fault (V-07), the first of
    two entries counts.

    The interface of credentials is ignored: it counts as SENDER (V-05). Raises UnusableApi (3001),
    UnsupportedVersion (3002).
    """
    details = next(iter(_objects(data, "version details")), {})
    if details.get("version", VERSION) != VERSION:
        raise UnsupportedVersion(f"the details of {VERSION} are those of another version")
    endpoints: dict[tuple[str, str], str] = {}
    for entry in _objects(details.get("endpoints"), "endpoints"):
        if _names_a_module(entry):
            endpoint = _read_endpoint(entry)
            endpoints.setdefault((endpoint.identifier, endpoint.role.value), endpoint.url)
    return endpoints


def _names_a_module(entry: dict[str, Any]) -> bool:
    identifier = entry.get("identifier")
    return isinstance(identifier, str) and identifier in MODULES


def _read_endpoint(entry: dict[str, Any]) -> Endpoint:
    is_credentials = entry["identifier"] == CREDENTIALS.id
    return _usable(Endpoint, entry | {"role": Interface.SENDER.value} if is_credentials else entry)


def _objects(data: Any, name: str) -> list[dict[str, Any]]:
    listed = [data] if isinstance(data, dict) else data
    if not isinstance(listed, list):
        raise UnusableApi(f"the {name} are not a list")
    return [entry for entry in listed if isinstance(entry, dict)]


def _usable(model: type[Entry], entry: dict[str, Any]) -> Entry:
    try:
        return cast(Entry, judge_whole(model, entry))
    except InvalidParameters as exc:
        raise UnusableApi(f"an entry cannot be used: {exc.message}") from exc

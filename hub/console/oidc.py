"""An OpenID Connect provider: the code flow with PKCE and a nonce (OpenID Connect Core 1.0 section 3.1, RFC 7636).

Requests are made by the hub's own client for everything that leaves it; what they say is authlib's, what is signed is checked by joserfc.
What a provider publishes of itself is kept for METADATA_FRESH_SECONDS, so that signing in does not ask it twice in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, import_key

from hub.clock import Clock
from hub.console.gate import Forbidden
from hub.console.sign_on import BACK_PATH, Brought, ProviderAway, Ticket
from hub.partners.client import Call, PartnerClient
from ocpi_modules.errors import OcpiError, ReceiverTimeout
from ocpi_modules.types import NotJsonText, decode_json

METADATA_FRESH_SECONDS = 300.0
CLOCKS_APART_MAX_SECONDS = 60
KEYS_MAX = 100
GROUPS_MAX = 1000
TEXT_MAX_CHARACTERS = 1000
ERROR_TOLD_MAX_CHARACTERS = 100

SIGNED_BY = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Only what is signed with a key that the provider alone has: with a shared one, or none, the hub could have signed it itself."""

_KEY_TYPES = frozenset({"RSA", "EC", "OKP"})
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the hub is at a provider. `roles_claim` is the claim that lists groups; dots lead into objects. No secret: a public client."""

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    roles_claim: str
    base_url: str

    @property
    def back_url(self) -> str:
        """Where the provider sends people back to; it has to be registered there."""
        return self.base_url + BACK_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a provider says of itself: its addresses, and how it likes to be asked."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    scopes: tuple[str, ...]
    methods: tuple[str, ...]


class OidcProvider:
    """A provider as the console uses it."""

    def __init__(self, registration: Registration, client: PartnerClient, clock: Clock) -> None:
        self._registration, self._client, self._clock = registration, client, clock
        self._known: tuple[float, Metadata] | None = None
        self.issuer, self.label = registration.issuer, urlsplit(registration.issuer).netloc

    async def begin(self, ticket: Ticket) -> str:
        """Where to send a browser. Raises ProviderAway."""
        metadata = await self._metadata()
        address: str = prepare_grant_uri(
            metadata.authorization,
            self._registration.client_id,
            "code",
            redirect_uri=self._registration.back_url,
            scope=scopes(metadata, self._registration.roles_claim),
            state=ticket.state,
            nonce=ticket.nonce,
            code_challenge=create_s256_code_challenge(ticket.verifier),
            code_challenge_method="S256",
        )
        return address

    async def finish(self, ticket: Ticket, query: Mapping[str, str]) -> Brought:
        """Who came back. Raises ProviderAway, or Forbidden where what came back is not to be trusted."""
        code = require_code(query, self.issuer)
        metadata = await self._metadata()
        tokens = await self._tokens(metadata, ticket, code)
        claims = self._believed(tokens, await self._keys(metadata), ticket)
        more = await self._more(metadata, tokens, claims)
        return brought({**more, **claims}, self._registration.roles_claim)

    async def close(self) -> None:
        """End its connections."""
        await self._client.close()

    async def _metadata(self) -> Metadata:
        now = self._clock.now().timestamp()
        if self._known is None or not 0 <= now - self._known[0] < METADATA_FRESH_SECONDS:
            said = await self._object(_get(get_well_known_url(self.issuer, external=True)))
            self._known = (now, self._read_metadata(said))
        return self._known[1]

    def _read_metadata(self, said: Mapping[str, Any]) -> Metadata:
        try:
            return read_metadata(said, self.issuer)
        except ValueError as exc:
            raise self._away(f"it {exc}") from exc

    async def _tokens(self, metadata: Metadata, ticket: Ticket, code: str) -> Mapping[str, Any]:
        body = prepare_token_request(
            "authorization_code", redirect_uri=self._registration.back_url, code=code, code_verifier=ticket.verifier
        )
        auth = ClientAuth(
            self._registration.client_id, self._registration.client_secret, _method(metadata, self._registration)
        )
        url, headers, body = auth.prepare("POST", metadata.token, dict(_FORM), body)
        status, said = await self._answer(Call(method="POST", url=url, headers=headers, body=body.encode()))
        if status in {400, 401, 403}:
            _log.warning("sign_on_refused", issuer=self.issuer, http_status=status, error=_told(said.get("error")))
            raise Forbidden(f"The identity provider refuses this: {_told(said.get('error'))}. Sign in again.")
        if status != 200:
            raise self._away(f"it answers with status {status}")
        return said

    async def _keys(self, metadata: Metadata) -> KeySet:
        found = (await self._object(_get(metadata.keys))).get("keys")
        return KeySet([*_usable(found if isinstance(found, list) else [])])

    def _believed(self, tokens: Mapping[str, Any], keys: KeySet, ticket: Ticket) -> Mapping[str, Any]:
        """The claims of a signed token that is for this hub, for this browser, and of now. Raises Forbidden."""
        try:
            token = jwt.decode(str(tokens.get("id_token", "")), keys, algorithms=[*SIGNED_BY])
            claims = CodeIDToken(token.claims, token.header, *self._wanted(tokens, ticket))
            claims.validate(now=int(self._clock.now().timestamp()), leeway=CLOCKS_APART_MAX_SECONDS)
        except (JoseError, ValueError, TypeError) as exc:
            _log.warning("sign_on_not_believed", issuer=self.issuer, error=str(exc)[:TEXT_MAX_CHARACTERS])
            raise Forbidden("What the identity provider signed is not good for this sign-in. Sign in again.") from exc
        return dict(claims)

    def _wanted(self, tokens: Mapping[str, Any], ticket: Ticket) -> tuple[Any, Any]:
        """What claims have to be, as authlib takes it: by name, and as parameters."""
        client_id = self._registration.client_id
        options = {"iss": {"essential": True, "value": self.issuer}, "aud": {"essential": True, "value": client_id}}
        access_token = tokens.get("access_token")
        return options, {"nonce": ticket.nonce, "client_id": client_id, "access_token": access_token}

    async def _more(
        self, metadata: Metadata, tokens: Mapping[str, Any], claims: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What the provider says beside the token, where groups are not in it."""
        if metadata.userinfo is None or claim_at(claims, self._registration.roles_claim) is not None:
            return {}
        said = await self._object(_get(metadata.userinfo, Authorization=f"Bearer {tokens.get('access_token', '')}"))
        if said.get("sub") != claims["sub"]:
            raise Forbidden("The identity provider speaks of two people at once. Sign in again.")
        return said

    async def _object(self, call: Call) -> Mapping[str, Any]:
        status, said = await self._answer(call)
        if status != 200:
            raise self._away(f"it answers with status {status}")
        return said

    async def _answer(self, call: Call) -> tuple[int, Mapping[str, Any]]:
        try:
            answer = await self._client.fetch(call)
            said = decode_json(answer.body) if answer.body else {}
        except OcpiError as exc:
            raise self._away(_why(exc)) from exc
        except (NotJsonText, ValueError) as exc:
            raise self._away("what it says is no JSON") from exc
        if not isinstance(said, dict):
            raise self._away("what it says is no JSON object")
        return answer.http_status, said

    def _away(self, why: str) -> ProviderAway:
        _log.warning("sign_on_provider_away", issuer=self.issuer, why=why)
        return ProviderAway(
            f"The identity provider {self.label} cannot be asked now: {why}. Try again later; who has a password here can sign in with it."
        )


def read_metadata(said: Mapping[str, Any], issuer: str) -> Metadata:
    """What a provider says of itself (OpenID Connect Discovery 1.0 section 3). Raises ValueError, a sentence about "it"."""
    if said.get("issuer") != issuer:
        raise ValueError(f"calls itself {_told(said.get('issuer'))}, and not as HUB_OIDC_ISSUER says")
    required = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    addresses = {name: said.get(name) for name in (*required, "userinfo_endpoint")}
    for name, address in addresses.items():
        if (address is not None or name in required) and not _is_as_safe(address, issuer):
            raise ValueError(f"names no usable {name}")
    return Metadata(
        authorization=str(addresses["authorization_endpoint"]),
        token=str(addresses["token_endpoint"]),
        keys=str(addresses["jwks_uri"]),
        userinfo=addresses["userinfo_endpoint"],
        scopes=_texts(said.get("scopes_supported")),
        methods=_texts(said.get("token_endpoint_auth_methods_supported")),
    )


def scopes(metadata: Metadata, roles_claim: str) -> str:
    """What to ask for: who it is, and groups where the provider tells them only to those who ask."""
    asked = roles_claim if roles_claim in metadata.scopes else None
    return " ".join(filter(None, ("openid", "profile", "email", asked)))


def require_code(query: Mapping[str, str], issuer: str) -> str:
    """The code in an address that somebody came back with. Raises Forbidden."""
    if "error" in query:
        raise Forbidden(f"The identity provider did not let you in: {_told(query['error'])}.")
    if query.get("iss", issuer) != issuer:  # RFC 9207
        raise Forbidden("Another identity provider sent you back than the one you went to.")
    if not query.get("code"):
        raise Forbidden("The identity provider sent no code. Sign in again.")
    return query["code"]


def brought(claims: Mapping[str, Any], roles_claim: str) -> Brought:
    """What claims say of somebody. Groups that are no list of texts are none."""
    names = [claims.get(name) for name in ("preferred_username", "email", "sub")]
    return Brought(
        subject=str(claims["sub"]),
        names=tuple(name for name in names if isinstance(name, str)),
        shown_name=_text(claims.get("name")),
        groups=_texts(claim_at(claims, roles_claim))[:GROUPS_MAX],
        zone=_text(claims.get("zoneinfo")),
    )


def claim_at(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the way to it (``realm_access.roles``); None where there is none."""
    if name in claims:
        return claims[name]
    head, _, rest = name.partition(".")
    inner = claims.get(head)
    return claim_at(inner, rest) if rest and isinstance(inner, dict) else None


def _method(metadata: Metadata, registration: Registration) -> str:
    """How the hub shows who it is: by the method that every provider has, unless this one says otherwise."""
    if registration.client_secret is None:
        return "none"
    is_only_post = "client_secret_post" in metadata.methods and "client_secret_basic" not in metadata.methods
    return "client_secret_post" if is_only_post else "client_secret_basic"


def _usable(keys: Iterable[Any]) -> Iterable[Key]:
    """Keys that can check a signature; others stand beside them."""
    for key in [*keys][:KEYS_MAX]:
        if isinstance(key, dict) and key.get("kty") in _KEY_TYPES and key.get("use", "sig") == "sig":
            with suppress(JoseError, ValueError, TypeError):
                yield import_key(key)


def _is_as_safe(address: Any, issuer: str) -> bool:
    """Whether an address is one of https; or of http, where the issuer is one as well."""
    if not isinstance(address, str) or len(address) > TEXT_MAX_CHARACTERS:
        return False
    parts = urlsplit(address)
    return parts.scheme in {"https", urlsplit(issuer).scheme} and bool(parts.hostname)


def _why(error: OcpiError) -> str:
    return "it does not answer in time" if isinstance(error, ReceiverTimeout) else "it cannot be reached"


def _get(url: str, **headers: str) -> Call:
    return Call(method="GET", url=url, headers={"Accept": "application/json", **headers})


def _text(value: Any) -> str:
    return value[:TEXT_MAX_CHARACTERS] if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(one for one in listed if isinstance(one, str))


def _told(value: Any) -> str:
    return str(value)[:ERROR_TOLD_MAX_CHARACTERS] if value else "no reason given"

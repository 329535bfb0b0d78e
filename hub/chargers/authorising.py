"""Who may charge, and who pays: the hub's copies of tokens, and the eMSP itself where a token's whitelist asks for it.

What a token is, its eMSP has pushed; the copy is looked up each time, so that what is pushed counts at once. A real-time authorisation goes
through the hub's own routing, as any CPO's does (mod_tokens, "Real-time authorization" and "WhitelistType"; decision 60).
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Protocol

import structlog

from hub.chargers.events import BY_COMMAND, IdToken, Permit, PermitStatus, Spot
from hub.chargers.places import Place, SiteBook
from hub.clock import Clock
from hub.routing.replies import data_of
from hub.store.chargecommands import ChargeCommands, KeptReservation, KeptToken
from ocpi_modules.errors import OcpiError, UnknownToken
from ocpi_modules.message import Reply
from ocpi_modules.parties import Party
from ocpi_modules.tokens import AllowedType, TokenType, WhitelistType
from ocpi_modules.types import NotJsonText, decode_json, fold, same

ASK_BUDGET_SECONDS = 5.0
REPEATED_SECONDS = 10.0
"""A tap that a station repeats within this time has the same answer."""
RECOGNISED_SECONDS = 900.0
"""A charge that begins within this time of its tap is not asked for again."""
CACHE_MAX_PERMITS = 10_000
KEPT_BY_STATION = timedelta(hours=24)
ASKED_KEPT_BY_STATION = timedelta(minutes=5)
CONCURRENT_MAX_HOURS = 24.0
"""A charge of which nothing was heard for longer stops nobody from charging elsewhere."""
GROUP_MAX_CHARACTERS = 20

INVALID = Permit(status=PermitStatus.INVALID)
RESERVED_STATES = ("ACTIVE", "USED")
CHIP_KINDS = frozenset({"ISO14443", "ISO15693"})
CDR_TOKEN_FIELDS = ("country_code", "party_id", "uid", "type", "contract_id")

_log = structlog.get_logger()

Content = Mapping[str, Any]


class Asking(Protocol):
    """Asks eMSPs (`hub.chargers.voice.Voice`)."""

    @property
    def party(self) -> Party:
        """As whom they are asked."""
        ...

    async def authorize(self, emsp: Party, token: tuple[str, str], place: Content | None) -> Reply:
        """The answer to a real-time authorisation of a token (uid, type). Raises OcpiError."""
        ...


class Advice(Enum):
    """What the whitelist of a token says to do."""

    ACCEPT = "accept"
    BLOCK = "block"
    ASK = "ask"
    ASK_IF_THERE = "ask, and accept where its eMSP cannot be reached"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that a driver may mean."""

    owner: Party
    content: Content

    @property
    def is_valid(self) -> bool:
        """Whether its eMSP calls it valid."""
        return self.content.get("valid") is True

    @property
    def name(self) -> tuple[str, str]:
        """Uid and type, as its eMSP writes them."""
        return str(self.content.get("uid")), str(self.content.get("type"))


@dataclass(frozen=True, slots=True)
class Tap:
    """Somebody shows something at a station: `site` and `evse_uids` are where that may be, empty where the station is not provisioned."""

    identity: str
    token: IdToken
    site: str = ""
    evse_uids: tuple[str, ...] = ()

    @property
    def references(self) -> Content | None:
        """LocationReferences (mod_tokens); None for a place that nobody provisioned."""
        return {"location_id": self.site, "evse_uids": list(self.evse_uids)} if self.site else None


class Authoriser:
    """Decides who may charge. `owns`: whether a party may have tokens that are good here now."""

    def __init__(
        self,
        kept: ChargeCommands,
        asking: Asking,
        book: Callable[[], SiteBook],
        owns: Callable[[Party], bool],
        clock: Clock,
    ) -> None:
        self._kept, self._asking, self._book, self._owns, self._clock = kept, asking, book, owns, clock
        self._cache: OrderedDict[tuple[str, str, str], tuple[datetime, Permit]] = OrderedDict()

    async def authorise(self, identity: str, token: IdToken, spot: Spot | None) -> Permit:
        """Whether somebody who shows an id token may charge. A fault of the database raises."""
        known = self._cached(identity, token, REPEATED_SECONDS)
        if known is not None:
            return known
        found = await self._commanded(token, is_new=True)
        if found is None:
            tap = tapped(self._book(), identity, token, spot)
            found = await self.alone(identity, await self._reserved_for(tap) or await self._judged(tap))
        self._remember(identity, token, found)
        return found

    async def recognise(
        self, identity: str, token: IdToken | None, place: Place | None, remote_start: int | None
    ) -> Permit:
        """Who pays for a transaction that began: whom a command was for, else whoever's token it is."""
        commanded = await self._started(identity, remote_start)
        if token is None:
            return commanded or INVALID
        tap = placed(identity, token, place)
        found = commanded or await self._commanded(token, is_new=False) or await self._reserved_for(tap)
        found = found or self._cached(identity, token, RECOGNISED_SECONDS) or await self._judged(tap)
        self._remember(identity, token, found)
        return found

    async def alone(self, identity: str, permit: Permit) -> Permit:
        """The permit of somebody who charges or is about to, if the token does not charge at another station already."""
        if not permit.is_granted or permit.token is None:
            return permit
        since = self._clock.now() - timedelta(hours=CONCURRENT_MAX_HOURS)
        owner = Party.of(permit.token["country_code"], permit.token["party_id"])
        charging = await self._kept.open_of(owner, permit.token["uid"], since)
        is_elsewhere = any(one.identity != identity for one in charging)
        return replace(permit, status=PermitStatus.CONCURRENT, expires_at=None) if is_elsewhere else permit

    # --- what commands have told ---

    async def _started(self, identity: str, number: int | None) -> Permit | None:
        command = await self._kept.command(number) if number is not None else None
        if command is None or command.identity != identity or not command.token:
            return None
        return by_command(json.loads(command.token), command.reference)

    async def _commanded(self, token: IdToken, *, is_new: bool) -> Permit | None:
        alias = await self._kept.alias(token.uid)
        if alias is None:
            return None
        if is_new and alias.expires_at <= self._clock.now():
            return Permit(status=PermitStatus.EXPIRED)
        return replace(by_command(json.loads(alias.token), alias.reference), expires_at=alias.expires_at)

    async def _reserved_for(self, tap: Tap) -> Permit | None:
        found = await self._reservation(tap)
        return by_command(json.loads(found.token), found.reference) if found is not None else None

    async def _reservation(self, tap: Tap) -> KeptReservation | None:
        if not tap.site:
            return None
        reserved = await self._kept.reserved(tap.site, RESERVED_STATES, self._clock.now())
        fitting = (one for one in reserved if one.identity == tap.identity and same(one.id_token, tap.token.uid))
        return next((one for one in fitting if one.evse_uid in tap.evse_uids), None)

    # --- what tokens tell ---

    async def _judged(self, tap: Tap) -> Permit:
        kept = [one for one in await self._kept.tokens(tap.token.uid, self._asking.party) if self._owns(one.owner)]
        meant = candidates(kept, tap.token.kind)
        owners = {one.owner for one in meant}
        if not meant:
            return INVALID
        if len(owners) > 1:
            return await self._one_of(tap, meant)
        return await self._by_whitelist(tap, meant[0])

    async def _one_of(self, tap: Tap, meant: Sequence[Candidate]) -> Permit:
        """Of several eMSPs with such a token, the only one that says it is its own: each is asked, and nobody guesses."""
        asked = [one for one in meant if one.is_valid or advice(one) is Advice.ASK]
        answers = await asyncio.gather(*(self._ask(tap, one) for one in asked))
        granted = [one for one in answers if one is not None and one.is_granted]
        if len(granted) != 1:
            _log.warning("token_of_several", station=tap.identity, owners=sorted(str(one.owner) for one in meant))
            return INVALID
        return granted[0]

    async def _by_whitelist(self, tap: Tap, one: Candidate) -> Permit:
        advised = advice(one)
        if advised in {Advice.ACCEPT, Advice.BLOCK}:
            return self._known(one, advised is Advice.ACCEPT)
        answer = await self._ask(tap, one)
        if answer is not None:
            return answer
        is_offline = advised is Advice.ASK_IF_THERE
        return self._known(one, one.is_valid) if is_offline else replace(INVALID, token=cdr_token(one))

    def _known(self, one: Candidate, is_good: bool) -> Permit:
        status = PermitStatus.ACCEPTED if is_good else PermitStatus.BLOCKED
        until = self._clock.now() + KEPT_BY_STATION
        return Permit(status=status, token=cdr_token(one), expires_at=until, group=group_of(one.content))

    async def _ask(self, tap: Tap, one: Candidate) -> Permit | None:
        """What the eMSP says within ASK_BUDGET_SECONDS; None where it says nothing that can be used."""
        try:
            async with asyncio.timeout(ASK_BUDGET_SECONDS):
                reply = await self._asking.authorize(one.owner, one.name, tap.references)
        except UnknownToken:
            return replace(INVALID, auth_method="AUTH_REQUEST")
        except (OcpiError, TimeoutError) as exc:
            _log.info("token_not_asked", station=tap.identity, owner=str(one.owner), reason=type(exc).__name__)
            return None
        permit = answered(reply, one, tap.evse_uids)
        until = self._clock.now() + ASKED_KEPT_BY_STATION
        return replace(permit, expires_at=until) if permit is not None and permit.token is not None else permit

    # --- what was said a moment ago ---

    def _cached(self, identity: str, token: IdToken, within_seconds: float) -> Permit | None:
        found = self._cache.get((identity, fold(token.uid), token.kind))
        if found is None or self._clock.now() - found[0] > timedelta(seconds=within_seconds):
            return None
        return found[1]

    def _remember(self, identity: str, token: IdToken, permit: Permit) -> None:
        key = (identity, fold(token.uid), token.kind)
        self._cache[key] = (self._clock.now(), permit)
        self._cache.move_to_end(key)
        while len(self._cache) > CACHE_MAX_PERMITS:
            self._cache.popitem(last=False)


# --- pure ---


def tapped(book: SiteBook, identity: str, token: IdToken, spot: Spot | None) -> Tap:
    """Where a token is shown: at the EVSE of a spot, else at any of the station."""
    place = book.place(identity, spot) if spot is not None and spot.connector else None
    if place is not None:
        return placed(identity, token, place)
    places = book.at(identity)
    if not places:
        return Tap(identity, token)
    uids = dict.fromkeys(one.plug.evse_uid for one in places if one.site.id == places[0].site.id)
    return Tap(identity, token, places[0].site.id, tuple(uids))


def placed(identity: str, token: IdToken, place: Place | None) -> Tap:
    """A token that is shown at a place."""
    return Tap(identity, token, place.site.id, (place.plug.evse_uid,)) if place else Tap(identity, token)


def candidates(kept: Sequence[KeptToken], kind: str) -> list[Candidate]:
    """The tokens that may be meant by what was shown: those of a chip if it was one, then the valid ones, if there are any of either."""
    found = [Candidate(one.owner, content) for one in kept if (content := _object(one.text)) is not None]
    if kind in CHIP_KINDS or not kind:
        found = _if_any(found, lambda one: one.content.get("type") == TokenType.RFID.value)
    return _if_any(found, lambda one: one.is_valid)


def _if_any(found: list[Candidate], fits: Callable[[Candidate], bool]) -> list[Candidate]:
    return [one for one in found if fits(one)] or found


def advice(one: Candidate) -> Advice:
    """What to do with a token (mod_tokens, "WhitelistType"). A whitelist that nobody knows is taken for NEVER."""
    whitelist = one.content.get("whitelist")
    if whitelist in {WhitelistType.ALWAYS.value, WhitelistType.ALLOWED.value}:
        return Advice.ACCEPT if one.is_valid else Advice.BLOCK
    return Advice.ASK_IF_THERE if whitelist == WhitelistType.ALLOWED_OFFLINE.value else Advice.ASK


_STATUSES = {
    AllowedType.ALLOWED.value: PermitStatus.ACCEPTED,
    AllowedType.BLOCKED.value: PermitStatus.BLOCKED,
    AllowedType.NO_CREDIT.value: PermitStatus.BLOCKED,
    AllowedType.EXPIRED.value: PermitStatus.EXPIRED,
    AllowedType.NOT_ALLOWED.value: PermitStatus.INVALID,
}


def answered(reply: Reply, one: Candidate, evse_uids: Collection[str]) -> Permit | None:
    """An AuthorizationInfo as a permit (mod_tokens); None for an answer that says neither yes nor no.

    What is allowed at other EVSEs only is not allowed here.
    """
    if reply.status_code == UnknownToken.status_code:
        return replace(INVALID, auth_method="AUTH_REQUEST")
    info = data_of(reply) if reply.is_success else None
    status = _STATUSES.get(str(info.get("allowed"))) if isinstance(info, dict) else None
    if not isinstance(info, dict) or status is None:
        return None
    if status is PermitStatus.ACCEPTED and not _is_here(info.get("location"), evse_uids):
        status = PermitStatus.INVALID
    return Permit(
        status=status,
        token=cdr_token(_as_told(one, info.get("token"))),
        auth_method="AUTH_REQUEST",
        reference=_text(info.get("authorization_reference")),
        group=group_of(one.content),
    )


def _is_here(location: Any, evse_uids: Collection[str]) -> bool:
    named = location.get("evse_uids") if isinstance(location, dict) else None
    if not isinstance(named, list) or not named or not evse_uids:
        return True
    return any(same(str(told), uid) for told in named for uid in evse_uids)


def _as_told(one: Candidate, token: Any) -> Candidate:
    """The token as the answer has it, if it is the one that was asked for."""
    is_it = isinstance(token, dict) and same(str(token.get("uid")), one.name[0]) and _text(token.get("contract_id"))
    return Candidate(one.owner, {**one.content, **token}) if is_it else one


def cdr_token(one: Candidate) -> Mapping[str, str]:
    """What names a token in Sessions and CDRs (mod_cdrs, "CdrToken class"); its owner is who pushed it."""
    named = {name: str(one.content.get(name, "")) for name in CDR_TOKEN_FIELDS}
    return {**named, "country_code": one.owner.country_code, "party_id": one.owner.party_id}


def by_command(token: Mapping[str, str], reference: str | None) -> Permit:
    """The permit of somebody whose eMSP sent a command."""
    return Permit(status=PermitStatus.ACCEPTED, token=token, auth_method=BY_COMMAND, reference=reference)


def group_of(content: Content) -> str:
    """The group of a token, as far as stations can take it."""
    group = _text(content.get("group_id")) or ""
    return group if len(group) <= GROUP_MAX_CHARACTERS else ""


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _object(text: bytes) -> Content | None:
    try:
        content = decode_json(text)
    except NotJsonText:
        return None
    return content if isinstance(content, dict) else None

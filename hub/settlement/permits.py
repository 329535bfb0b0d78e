"""What let somebody charge: authorisations and commands as the hub passed them on, and which of them are about a CDR.

Sources: mod_tokens ("Real-time authorization", "AuthorizationInfo"), mod_commands ("CommandResponse", "CommandResult"), mod_cdrs
("CDR Object": authorization_reference). A CDR is permitted by what names its reference, else by what its eMSP and CPO said of its
token shortly before its start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from hub.settlement.facts import CdrFact, Object, TokenKey, items_of, key_of, text_of, token_key
from ocpi_modules.parties import Party
from ocpi_modules.types import NOT_AVAILABLE, UNKNOWN_TIME, lenient_datetime

AUTHORIZE, ALLOWED = "AUTHORIZE", "ALLOWED"
RESERVE_NOW = "RESERVE_NOW"
STARTING = frozenset({"START_SESSION", RESERVE_NOW})
"""Commands that let somebody charge."""

REFUSED_RESPONSES = frozenset({"REJECTED", "NOT_SUPPORTED", "UNKNOWN_SESSION"})
REFUSED_RESULTS = frozenset(
    {"REJECTED", "FAILED", "NOT_SUPPORTED", "EVSE_OCCUPIED", "EVSE_INOPERATIVE", "UNKNOWN_RESERVATION"}
)
"""Not TIMEOUT: a charge may start after it."""

BEFORE_START, AFTER_START = timedelta(minutes=15), timedelta(minutes=5)
RESERVED = timedelta(hours=24)
"""For how long a reservation without a readable end is taken to stand."""

BY_REFERENCE, BY_TOKEN = "authorization_reference", "token"
SCORES: Mapping[str, Decimal] = {BY_REFERENCE: Decimal(1), BY_TOKEN: Decimal("0.8")}

_NOBODY = Party("", "")


@dataclass(frozen=True, slots=True)
class Spot:
    """A Location and some of its EVSEs, ids folded; without EVSEs all of it."""

    location_key: str
    evse_uids: frozenset[str] = frozenset()

    def covers(self, cdr: CdrFact) -> bool:
        """Whether a CDR was there; where it names no place, nothing says that it was not."""
        if cdr.location_key and cdr.location_key != self.location_key:
            return False
        return not self.evse_uids or cdr.plug.evse_uid in self.evse_uids | {"", NOT_AVAILABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """An authorisation or command, and what came of it; moments in UTC, ids folded.

    `answer` is `allowed` of an AuthorizationInfo or `result` of a CommandResponse, `result` that of a CommandResult, each empty where none
    came. `asked` is the place that was asked for, `granted` the one that the eMSP allowed; None: none was named.
    """

    kind: str
    cpo: Party
    emsp: Party
    token: TokenKey
    asked_at: datetime
    answered_at: datetime
    answer: str
    result: str = ""
    asked: Spot | None = None
    granted: Spot | None = None
    reference: str = ""
    expires_at: datetime | None = None
    content: Object = field(default_factory=dict)

    @property
    def is_authorisation(self) -> bool:
        """Whether it is one, and no command."""
        return self.kind == AUTHORIZE

    @property
    def is_refused(self) -> bool:
        """Whether somebody said no."""
        if self.is_authorisation:
            return self.answer not in {"", ALLOWED}
        return self.answer in REFUSED_RESPONSES or self.result in REFUSED_RESULTS

    @property
    def is_granted(self) -> bool:
        """Whether it lets somebody charge; a command that nobody answered in time may still have started a charge."""
        return self.answer == ALLOWED if self.is_authorisation else self.kind in STARTING and not self.is_refused

    @property
    def place(self) -> Spot | None:
        """Where it lets somebody charge; None: anywhere."""
        return self.granted or self.asked

    def covers(self, cdr: CdrFact) -> bool:
        """Whether it is for the place of a CDR."""
        return self.place is None or self.place.covers(cdr)


Permits = Mapping[tuple[Party, TokenKey], tuple[Permit, ...]]
"""By CPO and token, in the order in which they were answered."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """A permit that a CDR was matched with, how, and how sure that is (at most 1)."""

    permit: Permit
    method: str
    score: Decimal


def read_permit(content: Object, result: str = "") -> Permit | None:
    """A permit as the hub kept it; None where its moments cannot be read."""
    asked_at, answered_at = lenient_datetime(content.get("asked_at")), lenient_datetime(content.get("answered_at"))
    if asked_at is None or answered_at is None:
        return None
    kind = text_of(content.get("kind"))
    asker, answerer = _party(content.get("asked_by")), _party(content.get("answered_by"))
    return Permit(
        kind=kind,
        cpo=asker if kind == AUTHORIZE else answerer,
        emsp=answerer if kind == AUTHORIZE else asker,
        token=token_key(_object(content.get("cdr_token"))),
        asked_at=asked_at,
        answered_at=answered_at,
        answer=key_of(content.get("allowed") or content.get("response")),
        result=key_of(result),
        asked=_spot(content.get("location")),
        granted=_spot(content.get("allowed_location")),
        reference=key_of(content.get("authorization_reference")),
        expires_at=lenient_datetime(content.get("expiry_date")),
        content={**content, "result": result} if result else content,
    )


def by_charge(permits: Iterable[Permit]) -> Permits:
    """Permits by what they are looked for with."""
    found: defaultdict[tuple[Party, TokenKey], list[Permit]] = defaultdict(list)
    for permit in sorted(permits, key=lambda one: (one.answered_at, one.asked_at, one.kind, one.reference)):
        found[permit.cpo, permit.token].append(permit)
    return {name: tuple(group) for name, group in found.items()}


def permits_of(cdr: CdrFact, permits: Permits) -> tuple[Permit, ...]:
    """What was said of the token of a CDR about its charge, in the order of the answers; nothing where nobody knows its start."""
    if not permits or cdr.start is None or cdr.start == UNKNOWN_TIME:
        return ()
    emsps = {cdr.token_party, cdr.to} - {_NOBODY}
    known = permits.get((cdr.owner, cdr.token), ())
    return tuple(one for one in known if one.emsp in emsps and (_is_named(one, cdr) or _is_near(one, cdr.start)))


def permitted_by(cdr: CdrFact, permits: Iterable[Permit]) -> Permitted | None:
    """The one of some permits of a CDR that it was charged by: what its reference names, else the last that let it, else the last."""
    ranked = sorted(permits, key=lambda one: (_is_named(one, cdr), one.is_granted, one.covers(cdr), one.answered_at))
    if not ranked:
        return None
    method = BY_REFERENCE if _is_named(ranked[-1], cdr) else BY_TOKEN
    return Permitted(ranked[-1], method, SCORES[method])


def refusal_of(cdr: CdrFact, permits: Iterable[Permit]) -> Permit | None:
    """The last no of an eMSP to the charge of a CDR; None where somebody said yes, or the no was about another place."""
    permits = list(permits)
    asked = [one for one in permits if one.is_authorisation and (one.asked is None or one.asked.covers(cdr))]
    is_permitted = any(one.is_granted for one in permits)
    return asked[-1] if asked and asked[-1].is_refused and not is_permitted else None


def _is_named(permit: Permit, cdr: CdrFact) -> bool:
    """Whether a CDR names the reference of a permit; one that came when the charge was over is of another one."""
    is_same = bool(permit.reference) and permit.reference == key_of(cdr.content.get("authorization_reference"))
    return is_same and (cdr.end is None or permit.asked_at - cdr.end <= AFTER_START)


def _is_near(permit: Permit, start: datetime) -> bool:
    """Whether a permit is about what started then: given shortly before it or after it, or a reservation that stood."""
    if permit.kind == RESERVE_NOW and permit.asked_at <= start:
        until = permit.expires_at or permit.asked_at + RESERVED
        return start - permit.asked_at <= RESERVED and start <= until + AFTER_START
    return -BEFORE_START <= permit.answered_at - start <= AFTER_START


def _spot(value: object) -> Spot | None:
    place = _object(value)
    location_key = key_of(place.get("location_id"))
    evse_uids = frozenset(key_of(uid) for uid in items_of(place.get("evse_uids"))) - {""}
    return Spot(location_key, evse_uids) if location_key else None


def _party(value: object) -> Party:
    try:
        return Party.parse(text_of(value))
    except ValueError:
        return _NOBODY


def _object(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}

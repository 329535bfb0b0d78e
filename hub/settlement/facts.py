"""What was said, as settlement needs it: CDRs, sessions, tokens, tariffs and locations with the moments at which they were said.

A fact keeps the decoded object of its owner (numbers as Decimal, nothing left out) beside the few values that nearly every check asks for.
Reading never fails on an odd object: what cannot be read is None, and saying so is the business of a check.
Ids are folded (CiStrings, Y-04), moments are in UTC, energy in kWh, time in hours, money in the currency of the object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from ocpi_modules.parties import Party
from ocpi_modules.types import encode_decoded, fold, lenient_datetime, parse_cdr_datetime

Object = Mapping[str, Any]

NUMBER_MAX_EXPONENT = 100
"""Exact sums of larger or smaller numbers would have endless digits."""

_NOWHERE = Party("", "")


@dataclass(frozen=True, slots=True, order=True)
class TokenKey:
    """What names a token at an eMSP: folded uid, and type."""

    uid: str
    type: str


@dataclass(frozen=True, slots=True, order=True)
class Plug:
    """One connector of one EVSE of an owner, ids folded; what two cars cannot use at the same time."""

    owner: Party
    evse_uid: str
    connector_id: str


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money: `incl_vat` is None where it is not stated."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None

    def __neg__(self) -> Cost:
        return Cost(self.excl_vat.copy_negate(), None if self.incl_vat is None else self.incl_vat.copy_negate())


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrFact:
    """One CDR as it was received: `index` is its place in the input, `to` the party it was sent to.

    `start` and `end` are None where they cannot be read. `credit_of` is the folded id of the CDR that it credits, whose `energy` a credit
    repeats. `text` is its JSON text where that is kept: of a batch, not of a month. `is_judged`: it was found valid by OCPI already, when
    it came.
    """

    index: int
    received_at: datetime
    to: Party
    content: Object
    digest: bytes
    owner: Party
    id: str
    key: str
    start: datetime | None
    end: datetime | None
    currency: str
    total: Cost | None
    energy: Decimal | None
    is_credit: bool
    credit_of: str | None
    session_key: str | None
    token: TokenKey
    token_party: Party
    location_key: str
    plug: Plug
    text: bytes | None = None
    is_judged: bool = False

    @property
    def order(self) -> tuple[datetime, Party, str, bytes, int]:
        """Which of two CDRs is the later: by reception, owner, id and content, so that the order of the input does not matter."""
        return (self.received_at, self.owner, self.key, self.digest, self.index)

    @property
    def name(self) -> tuple[Party, str]:
        """What identifies a CDR: its owner and folded id."""
        return (self.owner, self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFact:
    """The last state of a session."""

    owner: Party
    id: str
    key: str
    content: Object
    status: str
    start: datetime | None
    end: datetime | None
    last_updated: datetime | None
    energy: Decimal | None
    total: Cost | None
    currency: str
    token: TokenKey
    token_party: Party
    plug: Plug


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a token, tariff or location: what it said, and since when (its `last_updated`; None where it cannot be read).

    `known_at` is when the hub learned and acknowledged it; None where nobody says: then it was known all the time.
    """

    owner: Party
    key: str
    since: datetime | None
    content: Object
    known_at: datetime | None = None


def read_cdr(
    index: int, received_at: datetime, to: Party, content: Object, text: bytes | None = None, *, is_judged: bool = False
) -> CdrFact:
    """A CDR as a fact; `text` is its JSON text where that is at hand, `is_judged` as in `CdrFact`."""
    token, location = _mapping(content.get("cdr_token")), _mapping(content.get("cdr_location"))
    owner = party_of(content)
    return CdrFact(
        index=index,
        received_at=received_at,
        to=to,
        content=content,
        digest=sha256(text or encode_decoded(content)).digest(),
        owner=owner,
        id=text_of(content.get("id")),
        key=key_of(content.get("id")),
        start=cdr_moment(content.get("start_date_time")),
        end=cdr_moment(content.get("end_date_time")),
        currency=key_of(content.get("currency")),
        total=cost_of(content.get("total_cost")),
        energy=_energy_of(content),
        is_credit=content.get("credit") is True,
        credit_of=key_of(content.get("credit_reference_id")) or None,
        session_key=key_of(content.get("session_id")) or None,
        token=token_key(token),
        token_party=party_of(token),
        location_key=key_of(location.get("id")),
        plug=Plug(owner, key_of(location.get("evse_uid")), key_of(location.get("connector_id"))),
        text=text,
        is_judged=is_judged,
    )


def _energy_of(content: Object) -> Decimal | None:
    """The energy of a CDR; a credit that negates it with its total (some do, C1) still repeats its original's."""
    energy, total = number_of(content.get("total_energy")), cost_of(content.get("total_cost"))
    is_negated = content.get("credit") is True and total is not None and total.excl_vat < 0
    return energy.copy_abs() if is_negated and energy is not None else energy


def read_session(content: Object) -> SessionFact:
    """A session as a fact."""
    owner, token = party_of(content), _mapping(content.get("cdr_token"))
    return SessionFact(
        owner=owner,
        id=text_of(content.get("id")),
        key=key_of(content.get("id")),
        content=content,
        status=key_of(content.get("status")),
        start=lenient_datetime(content.get("start_date_time")),
        end=lenient_datetime(content.get("end_date_time")),
        last_updated=lenient_datetime(content.get("last_updated")),
        energy=number_of(content.get("kwh")),
        total=cost_of(content.get("total_cost")),
        currency=key_of(content.get("currency")),
        token=token_key(token),
        token_party=party_of(token),
        plug=Plug(owner, key_of(content.get("evse_uid")), key_of(content.get("connector_id"))),
    )


def read_version(content: Object, key: str) -> Version:
    """A token, tariff or location as one of its versions."""
    return Version(party_of(content), key, lenient_datetime(content.get("last_updated")), content)


def token_key(content: Object) -> TokenKey:
    """What names the token of an object."""
    return TokenKey(key_of(content.get("uid")), key_of(content.get("type")))


def party_of(content: Object) -> Party:
    """The party that an object names; one with empty ids where it names none."""
    country_code, party_id = content.get("country_code"), content.get("party_id")
    if isinstance(country_code, str) and isinstance(party_id, str):
        return Party.of(country_code, party_id)
    return _NOWHERE


def cost_of(value: Any) -> Cost | None:
    """A Price; None where it is not there or states no `excl_vat`."""
    price = _mapping(value)
    excl_vat = number_of(price.get("excl_vat"))
    return None if excl_vat is None else Cost(excl_vat, number_of(price.get("incl_vat")))


def number_of(value: Any) -> Decimal | None:
    """A JSON number as Decimal; None for anything else, and for a number beyond all reason."""
    if type(value) is int:
        value = Decimal(value)
    elif type(value) is not Decimal:
        return None
    number: Decimal = value
    return number if number.is_finite() and abs(number.adjusted()) <= NUMBER_MAX_EXPONENT else None


def key_of(value: Any) -> str:
    """An id as it is compared; empty where it is no text."""
    return fold(value) if isinstance(value, str) else ""


def text_of(value: Any) -> str:
    """A text as it stands; empty where it is none."""
    return value if isinstance(value, str) else ""


def cdr_moment(value: Any) -> datetime | None:
    """The start or end of a CDR or of its periods, in UTC; None where it cannot be read. 1970 stands for an unknown time (X-36)."""
    try:
        return parse_cdr_datetime(value)
    except ValueError:
        return lenient_datetime(value)


def periods_of(cdr: CdrFact) -> tuple[Object, ...]:
    """The charging periods of a CDR in the order of the input, those that are objects."""
    return objects_in(cdr.content.get("charging_periods"))


def dimensions_of(period: Object) -> dict[str, Decimal]:
    """The volumes of a period by dimension; of one stated twice they are added up."""
    volumes: dict[str, Decimal] = {}
    for dimension in objects_in(period.get("dimensions")):
        name, volume = key_of(dimension.get("type")), number_of(dimension.get("volume"))
        if name and volume is not None:
            volumes[name] = volumes.get(name, Decimal(0)) + volume
    return volumes


def objects_in(value: Any) -> tuple[Object, ...]:
    """The objects of a list; nothing where it is no list."""
    return tuple([item for item in items_of(value) if isinstance(item, dict)])


def items_of(value: Any) -> Sequence[Any]:
    """The items of a list; nothing where it is none."""
    return value if isinstance(value, list | tuple) else ()


def _mapping(value: Any) -> Object:
    return value if isinstance(value, dict) else {}

"""A bundle: what was said about one period by everybody, as JSON, read into evidence and agreements. No server is asked.

The container is read strictly: every fault of it is told with file, place and field, and nothing is guessed. The OCPI objects in it are
taken as they are: an impossible CDR is a finding of a check, not a fault of the bundle. Moments are ISO 8601, UTC where they name no zone;
parties are `CC-PID` or objects with `country_code` and `party_id`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from hub.settlement.agreements import HUB, Agreement, Agreements
from hub.settlement.evidence import (
    Evidence,
    Held,
    HeldName,
    SettlementPeriod,
    Tolerances,
    View,
    by_token,
    by_version,
    last_states,
    texts_by_owner,
)
from hub.settlement.facts import (
    CdrFact,
    Object,
    SessionFact,
    Version,
    cdr_moment,
    cost_of,
    key_of,
    number_of,
    party_of,
    read_cdr,
    read_session,
    read_version,
    text_of,
)
from hub.settlement.profiles import Profile, Profiles
from hub.settlement.sharing import Sharing
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import fold, lenient_datetime

FAULTS_TOLD_MAX = 20
TOLERANCE_MAX = 100_000  # days, seconds, kWh: far beyond any use, and dates can still be reckoned with
ECHO_MAX_CHARACTERS = 60
NUMBER_MAX_DIGITS = 15
YEARS = range(1000, 9000)
"""Years that dates can be reckoned with."""

HEAD = ("name", "settlement_period", "parties", "tolerances")
"""The members of a bundle that are about the whole; `name` is for people."""

LISTS = ("locations", "tariffs", "tokens", "sessions", "cdrs")
"""The members of `input`; all but `cdrs` may be left out."""

OBJECTS = ("settlement_period", "tolerances", "input", "emsp_view")
"""The members of a bundle that are objects with members of their own."""

ENTRY = ("received_at", "to", "cdr")
"""The members of an entry of `input.cdrs`."""

PARTY = ("country_code", "party_id", "roles", "name")
"""The members of an entry of `parties`; `name` is for people."""

MEMBERS = (*HEAD, "agreements", "profiles", "input", "emsp_view")

_TOLERANCES = {one.name for one in fields(Tolerances)}
_IS_DECIMAL = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})").fullmatch


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a bundle, and where: `month.json: input.cdrs[3].received_at`."""

    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where} {self.reason}"


class MalformedBundle(ValueError):
    """A bundle that cannot be read; the text has a line for each fault, `faults` are those lines as values."""

    def __init__(self, faults: Iterable[Fault], untold: int = 0) -> None:
        self.faults = tuple(faults)
        more = [f"and {untold} more"] if untold else []
        super().__init__("\n".join([*map(str, self.faults), *more]))


@dataclass(slots=True)
class Faults:
    """The faults found so far; the first are kept, the others counted."""

    kept: list[Fault] = field(default_factory=list)
    untold: int = 0

    def add(self, fault: Fault) -> None:
        """Take note of one."""
        if len(self.kept) < FAULTS_TOLD_MAX:
            self.kept.append(fault)
        else:
            self.untold += 1

    def raise_if_any(self) -> None:
        """Raises MalformedBundle when something was found."""
        if self.kept:
            raise MalformedBundle(self.kept, self.untold)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a bundle: a file (or a line of one) and a path in it."""

    faults: Faults
    file: str
    path: str = ""

    def at(self, name: str) -> Spot:
        """A member of the object here."""
        return Spot(self.faults, self.file, f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> Spot:
        """An item of the list here."""
        return Spot(self.faults, self.file, f"{self.path}[{index}]")

    def wrong(self, reason: str) -> None:
        """Tell that what stands here is wrong; the reason completes a sentence that begins with the place."""
        self.faults.add(Fault(f"{self.file}: {self.path}" if self.path else f"{self.file}:", reason))


Section = Iterable[tuple[int, Spot, Any]]
"""The items of one list: the place in the list, where that is for people, and the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A bundle in parts, wherever each of them was found: the head, the lists of `input`, what eMSPs hold, and the agreements."""

    head: Mapping[str, Any]
    spot: Spot
    lists: Mapping[str, Section]
    views: Mapping[str, tuple[Spot, Section]] = field(default_factory=dict)
    agreements: tuple[Agreement, ...] = ()
    agreements_at: Spot | None = None
    """Where the agreements are, when that is another file."""
    profiles: tuple[Profile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was read. `names` are those of the parties, where the bundle has them."""

    name: str
    evidence: Evidence
    agreements: Agreements
    names: Mapping[Party, str]


@dataclass(frozen=True, slots=True)
class More:
    """Agreements and profiles from elsewhere: they may be about other parties too."""

    agreements: tuple[Agreement, ...] = ()
    profiles: tuple[Profile, ...] = ()


NO_MORE = More()


def read_parts(parts: Parts, more: More = NO_MORE) -> Bundle:
    """The evidence and the agreements in a bundle, with more of these from elsewhere. Raises MalformedBundle."""
    spot, head = parts.spot, parts.head
    refuse_unknown(head, HEAD, spot)
    period = _period(head.get("settlement_period"), spot.at("settlement_period"))
    roles, names = _parties(head.get("parties"), spot.at("parties"))
    tolerances = _tolerances(head.get("tolerances", {}), spot.at("tolerances"))
    _refuse_strangers(parts, roles)
    collected = _collected(parts, roles)
    name = _name(head, spot)
    spot.faults.raise_if_any()
    assert period is not None  # else there is a fault
    tariffs = by_version(collected.versions["tariffs"])
    evidence = Evidence(
        period=period,
        tolerances=tolerances,
        parties=roles,
        cdrs=tuple(collected.cdrs),
        sessions=last_states(collected.sessions, period.closes_at),
        tokens=by_token(collected.versions["tokens"]),
        tariffs=tariffs,
        tariff_texts=texts_by_owner(tariffs),
        locations=by_version(collected.versions["locations"]),
        views=collected.views,
    )
    agreements = Agreements(
        (*parts.agreements, *more.agreements), _hub(roles), Profiles.over((*parts.profiles, *more.profiles))
    )
    return Bundle(name=name, evidence=evidence, agreements=agreements, names=names)


def parts_of(content: Any, spot: Spot, terms: More = NO_MORE) -> Parts:
    """The parts of a bundle that is one JSON value. Raises MalformedBundle when it has not even the outline of a bundle."""
    if not isinstance(content, Mapping):
        spot.wrong("it is no JSON object")
        spot.faults.raise_if_any()
    refuse_unknown(content, MEMBERS, spot)
    given = _object(content.get("input"), spot.at("input"))
    refuse_unknown(given, LISTS, spot.at("input"))
    if "input" in content and "cdrs" not in given and isinstance(content["input"], Mapping):
        spot.at("input").at("cdrs").wrong("is missing")
    return Parts(
        head={name: content[name] for name in HEAD if name in content},
        spot=spot,
        lists={name: _section(given[name], spot.at("input").at(name)) for name in LISTS if name in given},
        views=_views(content.get("emsp_view", {}), spot.at("emsp_view")),
        agreements=terms.agreements,
        profiles=terms.profiles,
    )


def refuse_unknown(content: Mapping[str, Any], known: Iterable[str], spot: Spot) -> None:
    """Tell of every member that nobody would look at."""
    for name in content:
        if name not in known:
            spot.at(shown(name)).wrong(f"is not known; known are {', '.join(known)}")


def shown(text: str) -> str:
    """A piece of a bundle as it may be repeated in a sentence."""
    return ascii(text[:ECHO_MAX_CHARACTERS])[1:-1]


def read_party(value: Any) -> Party | None:
    """A party that is written `CC-PID`, `CC/PID`, or as an object; None for anything else."""
    if isinstance(value, Mapping):
        party = party_of(value)
    elif isinstance(value, str) and value[2:3] in {"-", "/"}:
        party = Party.of(value[:2], value[3:])
    else:
        return None
    return party if party.is_well_formed else None


def party_text(party: Party) -> str:
    """A party as bundles and reports write it: `CC-PID`."""
    return f"{party.country_code}-{party.party_id}"


# --- the head ----------------------------------------------------------------------------------


def _name(head: Mapping[str, Any], spot: Spot) -> str:
    name = head.get("name", "")
    if not isinstance(name, str):
        spot.at("name").wrong("is no text")
        return ""
    return name


def _period(value: Any, spot: Spot) -> SettlementPeriod | None:
    content = _object(value, spot)
    if not isinstance(value, Mapping):
        return None
    refuse_unknown(content, ("from", "to", "closes_at"), spot)
    start, end, closes_at = (_moment(content, name, spot) for name in ("from", "to", "closes_at"))
    if start is None or end is None or closes_at is None:
        return None
    if start >= end:
        spot.at("to").wrong("is not after settlement_period.from")
    if closes_at < end:
        spot.at("closes_at").wrong("is before settlement_period.to")
    return SettlementPeriod(start, end, closes_at)


def _parties(value: Any, spot: Spot) -> tuple[dict[Party, frozenset[Role]], dict[Party, str]]:
    roles: dict[Party, frozenset[Role]] = {}
    names: dict[Party, str] = {}
    for index, item in enumerate(_list(value, spot)):
        here = spot.item(index)
        refuse_unknown(item if isinstance(item, Mapping) else {}, PARTY, here)
        party, its_roles = read_party(item), _roles(item, here)
        if party is None:
            here.wrong("names no party: two letters country_code and up to three characters party_id")
        elif party in roles:
            here.wrong(f"is {party_text(party)} again")
        else:
            roles[party] = its_roles
            names |= _name_of(party, item, here)
    return roles, names


def _name_of(party: Party, item: Any, spot: Spot) -> dict[Party, str]:
    """The name of a party where it has one."""
    name = item.get("name") if isinstance(item, Mapping) else None
    if name is not None and not isinstance(name, str):
        spot.at("name").wrong("is no text")
    return {party: name} if isinstance(name, str) else {}


def _roles(item: Any, spot: Spot) -> frozenset[Role]:
    value = item.get("roles") if isinstance(item, Mapping) else None
    if not isinstance(value, list) or not value:
        spot.at("roles").wrong("is missing" if value is None else "is no list of roles")
        return frozenset()
    names = [fold(name) if isinstance(name, str) else "" for name in value]
    if not set(names) <= set(Role):
        spot.at("roles").wrong(f"has a role that is none of {', '.join(Role)}")
    return frozenset(Role(name) for name in names if name in set(Role))


def _tolerances(value: Any, spot: Spot) -> Tolerances:
    content = _object(value, spot)
    refuse_unknown(content, sorted(_TOLERANCES), spot)
    read: dict[str, Any] = {}
    for name in sorted(_TOLERANCES & content.keys()):
        read[name] = _moment(content, name, spot) if name == "as_of" else _tolerance(content[name], spot.at(name))
    return Tolerances(**{name: value for name, value in read.items() if value is not None})


def _tolerance(value: Any, spot: Spot) -> Decimal | None:
    number = decimal_of(value)
    if number is None:
        spot.wrong("is no number and no text of one")
    elif not 0 <= number <= TOLERANCE_MAX:
        spot.wrong(f"is not between 0 and {TOLERANCE_MAX}")
    return number


def decimal_of(value: Any) -> Decimal | None:
    """A JSON number, or a text of one, as Decimal, of at most fifteen digits on each side; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    if isinstance(value, Decimal) and abs(value.adjusted()) > NUMBER_MAX_DIGITS:
        return None  # not even to be written out
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return Decimal(text) if _IS_DECIMAL(text) else None


def _refuse_strangers(parts: Parts, parties: Container[Party]) -> None:
    """Tell of agreements and profiles whose parties are not in the bundle: they would change nothing, and nobody would know why."""
    spot = parts.agreements_at or parts.spot.at("agreements")
    for agreement in parts.agreements:
        for seat, party in (("creditor", agreement.creditor), ("debtor", agreement.debtor)):
            if party is not None and party not in parties:
                spot.wrong(f"has {shown(agreement.id)}, whose {seat} {party_text(party)} is none of the parties")
    for profile in parts.profiles:
        if profile.party not in parties:
            where = parts.agreements_at or parts.spot.at("profiles")
            where.wrong(f"has a profile of {party_text(profile.party)}, which is none of the parties")


def _hub(roles: Mapping[Party, frozenset[Role]]) -> Party:
    return next((party for party in sorted(roles) if Role.HUB in roles[party]), HUB)


# --- the lists ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Collected:
    cdrs: list[CdrFact]
    sessions: list[SessionFact]
    versions: Mapping[str, list[Version]]
    views: Mapping[Party, View]


def _collected(parts: Parts, parties: Container[Party]) -> _Collected:
    """Everything that the lists hold, as facts."""
    lists, sharing = parts.lists, Sharing()
    return _Collected(
        cdrs=list(_cdrs(lists.get("cdrs", ()), sharing)),
        sessions=[read_session(sharing.shared(item)) for item in _named(lists.get("sessions", ()), "id")],
        versions={
            name: [read_version(item, key_of(item[id_field])) for item in _named(lists.get(name, ()), id_field)]
            for name, id_field in (("locations", "id"), ("tariffs", "id"), ("tokens", "uid"))
        },
        views=_held(parts.views, parties),
    )


def _cdrs(section: Section, sharing: Sharing) -> Iterator[CdrFact]:
    """Every entry of `cdrs` that can be read, under its place in the list."""
    for index, spot, item in section:
        entry = _object(item, spot)
        if not isinstance(item, Mapping):
            continue
        refuse_unknown(entry, ENTRY, spot)
        received_at, to = _moment(entry, "received_at", spot), _addressee(entry, spot)
        cdr = entry.get("cdr")
        if not isinstance(cdr, Mapping):
            spot.at("cdr").wrong("is no JSON object" if "cdr" in entry else "is missing")
        elif received_at is not None and to is not None:
            yield read_cdr(index, received_at, to, sharing.shared(cdr))


def _addressee(entry: Mapping[str, Any], spot: Spot) -> Party | None:
    to = read_party(entry.get("to"))
    if to is None:
        spot.at("to").wrong("names no party" if "to" in entry else "is missing")
    return to


def _named(section: Section, id_field: str) -> Iterator[Object]:
    """The objects of a list that have an owner and an id; the others are faults."""
    for _, spot, item in section:
        content = _object(item, spot)
        if not isinstance(item, Mapping):
            continue
        missing = [name for name in ("country_code", "party_id", id_field) if not key_of(content.get(name))]
        for name in missing:
            spot.at(name).wrong("is no text, or empty" if name in content else "is missing")
        if not missing:
            yield content


def _views(value: Any, spot: Spot) -> dict[str, tuple[Spot, Section]]:
    views = {}
    for name, item in _object(value, spot).items():
        here = spot.at(shown(name))
        content = _object(item, here)
        refuse_unknown(content, ("cdrs",), here)
        views[name] = (here, _section(content.get("cdrs"), here.at("cdrs")))
    return views


def _held(views: Mapping[str, tuple[Spot, Section]], parties: Container[Party]) -> dict[Party, View]:
    """What each eMSP holds."""
    held: dict[Party, View] = {}
    for name, (spot, section) in views.items():
        party, view = read_party(name), _view(section)
        if party is None:
            spot.wrong("is no party; parties are written CC-PID")
        elif party not in parties:
            spot.wrong("is none of the parties")
        elif party in held:
            spot.wrong(f"is {party_text(party)} again")
        else:
            held[party] = view
    return held


def read_view(value: Any, spot: Spot) -> View:
    """What an eMSP holds, out of a list of CDRs; what is wrong is told at its spot, also a total that is no amount."""
    section = _section(value, spot)
    for _, here, item in section:
        if isinstance(item, Mapping) and not _is_amount(item.get("total_cost")):
            here.at("total_cost").wrong("is no amount")
    return _view(section)


def _is_amount(price: Any) -> bool:
    """Whether it is a Price, or none at all: an eMSP may hold a CDR without knowing its total."""
    if price is None:
        return True
    amounts = [price.get(name) for name in ("excl_vat", "incl_vat")] if isinstance(price, Mapping) else [None]
    return amounts[0] is not None and all(one is None or number_of(_amount(one)) is not None for one in amounts)


def _view(section: Section) -> View:
    """The CDRs in a store, by owner where it is said, and id; of one that is held twice the first counts."""
    view: dict[HeldName, Held] = {}
    for _, here, item in section:
        content = _object(item, here)
        key = key_of(content.get("id"))
        if key:
            owner = party_of(content)
            view.setdefault((owner if owner.is_well_formed else None, key), _held_cdr(content))
        elif isinstance(item, Mapping):
            here.at("id").wrong("is no text, or empty" if "id" in item else "is missing")
    return view


def _held_cdr(content: Object) -> Held:
    price = content.get("total_cost")
    amounts = {name: _amount(value) for name, value in price.items()} if isinstance(price, Mapping) else {}
    return Held(text_of(content.get("id")), cost_of(amounts), cdr_moment(content.get("end_date_time")))


def _amount(value: Any) -> Any:
    """A text of a number as that number: stores that are not OCPI write amounts so."""
    return decimal_of(value) if isinstance(value, str) else value


# --- values ------------------------------------------------------------------------------------


def _section(value: Any, spot: Spot) -> Section:
    return [(index, spot.item(index), item) for index, item in enumerate(_list(value, spot))]


def _object(value: Any, spot: Spot) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    spot.wrong("is missing" if value is None else "is no JSON object")
    return {}


def _list(value: Any, spot: Spot) -> list[Any]:
    if isinstance(value, list):
        return value
    spot.wrong("is missing" if value is None else "is no list")
    return []


def _moment(content: Mapping[str, Any], name: str, spot: Spot) -> datetime | None:
    moment = lenient_datetime(content.get(name))
    if moment is None:
        spot.at(name).wrong("is no date and time (ISO 8601)" if content.get(name) is not None else "is missing")
    elif moment.year not in YEARS:
        spot.at(name).wrong(f"is not between the years {YEARS.start} and {YEARS.stop}")
        return None
    return moment

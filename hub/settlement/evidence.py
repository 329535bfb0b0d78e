"""All that is known when a period is settled, indexed: what was said about sessions, tokens, tariffs, locations, and what eMSPs hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from hub.metering import MeterKey
from hub.settlement.facts import CdrFact, Cost, Object, SessionFact, TokenKey, Version, key_of, objects_in
from hub.settlement.permits import Permits
from ocpi_modules.parties import Party, Role
from ocpi_modules.types import UNKNOWN_TIME, encode_decoded

Name = tuple[Party, str]
"""Owner and folded id."""

Versions = Mapping[Name, tuple[Version, ...]]
"""The versions of every object, the oldest first."""


@dataclass(frozen=True, slots=True)
class SettlementPeriod:
    """What is settled: CDRs that ended in [start, end) and were received before `closes_at`; all in UTC."""

    start: datetime
    end: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far off is still right. Defaults as in pricing-semantics; `as_of` None means when the period closes."""

    physical_margin: Decimal = Decimal("0.05")
    overlap_seconds: Decimal = Decimal(60)
    session_energy_rel: Decimal = Decimal("0.01")
    session_energy_abs_kwh: Decimal = Decimal("0.05")
    cdr_grace_days: Decimal = Decimal(14)
    bias_min_count: Decimal = Decimal(10)
    bias_mean_minor_units: Decimal = Decimal("0.5")
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A CDR that an eMSP holds, as far as the eMSP says it; `end` is in UTC."""

    id: str
    total: Cost | None = None
    end: datetime | None = None


HeldName = tuple[Party | None, str]
"""Owner, None where the eMSP does not say it, and folded id."""

View = Mapping[HeldName, Held]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a CDR was, as its owner published it: location, EVSE and connector, each None where it is not known."""

    location: Object | None = None
    evse: Object | None = None
    connector: Object | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a run works on. Every collection is complete for the period; nothing is looked up anywhere else."""

    period: SettlementPeriod
    tolerances: Tolerances = Tolerances()
    parties: Mapping[Party, frozenset[Role]] = field(default_factory=dict)
    cdrs: tuple[CdrFact, ...] = ()
    sessions: Mapping[Name, SessionFact] = field(default_factory=dict)
    tokens: Mapping[TokenKey, Mapping[Party, tuple[Version, ...]]] = field(default_factory=dict)
    tariffs: Versions = field(default_factory=dict)
    tariff_texts: Mapping[Party, tuple[bytes, ...]] = field(default_factory=dict)
    """The JSON texts of every version of the tariffs of an owner."""
    locations: Versions = field(default_factory=dict)
    senders: Mapping[str, frozenset[Party]] = field(default_factory=dict)
    """Who sends objects of a module (``tokens``) at all, beside those of whom there are any here."""
    views: Mapping[Party, View] = field(default_factory=dict)
    """What eMSPs hold, for those that were asked."""
    view_spans: Mapping[Party, tuple[SettlementPeriod, ...]] = field(default_factory=dict)
    """Of which periods eMSPs said what they hold, where that is not of the whole period that is settled."""
    meter_keys: Mapping[Name, tuple[MeterKey, ...]] = field(default_factory=dict)
    """Public keys by owner and folded meter id or EVSE uid, the oldest first."""
    permits: Permits = field(default_factory=dict)
    """Authorisations and commands; none where nobody saw them pass."""
    first_asked: Mapping[tuple[Party, str], datetime] = field(default_factory=dict)
    """Since when authorisations (``tokens``) and ``commands`` of a CPO are among them."""

    @property
    def as_of(self) -> datetime:
        """The moment at which the period is looked at."""
        return self.tolerances.as_of or self.period.closes_at

    def session_of(self, cdr: CdrFact) -> SessionFact | None:
        """The session that a CDR names."""
        return self.sessions.get((cdr.owner, cdr.session_key)) if cdr.session_key else None

    def place_of(self, cdr: CdrFact) -> Place:
        """Where a CDR was, as it was published when the session began."""
        location = in_force(self.locations.get((cdr.owner, cdr.location_key), ()), cdr.start)
        if location is None:
            return Place()
        evse = _named(location.content.get("evses"), "uid", cdr.plug.evse_uid)
        connector = _named(evse.get("connectors"), "id", cdr.plug.connector_id) if evse is not None else None
        return Place(location.content, evse, connector)

    def meter_key_of(self, cdr: CdrFact) -> str | None:
        """The key that was registered for the meter of a CDR, or for its EVSE, when the charge began; None where none was."""
        at = cdr.end if cdr.start == UNKNOWN_TIME else cdr.start
        names = (key_of(cdr.content.get("meter_id")), cdr.plug.evse_uid) if self.meter_keys else ()
        keys = (key for name in names if name for key in reversed(self.meter_keys.get((cdr.owner, name), ())))
        return next((key.public_key for key in keys if at is not None and key.valid_from <= at), None)

    def token_of(self, cdr: CdrFact) -> Version | None:
        """The token of a CDR at the party that the CDR names, as it was when the session began."""
        return in_force(self.tokens.get(cdr.token, {}).get(cdr.token_party, ()), cdr.start)


def held_as(view: View, cdr: CdrFact) -> Held | None:
    """What an eMSP holds of a CDR: under its owner, else under its id alone."""
    return view.get((cdr.owner, cdr.key), view.get((None, cdr.key)))


def known_in_force(versions: tuple[Version, ...], at: datetime | None) -> Version | None:
    """The version that counted at a moment by what was known then; None where nothing was."""
    known = [one for one in versions if at is None or one.known_at is None or one.known_at <= at]
    until = [one for one in known if at is None or one.since is None or one.since <= at]
    return until[-1] if until else None


def in_force(versions: tuple[Version, ...], at: datetime | None) -> Version | None:
    """The version that counted at a moment: the last one said until then, else the first one that is known at all."""
    if not versions:
        return None
    until = [version for version in versions if at is None or version.since is None or version.since <= at]
    return until[-1] if until else versions[0]


def by_version(versions: Iterable[Version]) -> dict[Name, tuple[Version, ...]]:
    """The versions of each object, the oldest first; of two with the same date the one that came later counts."""
    found: defaultdict[Name, list[Version]] = defaultdict(list)
    for version in versions:
        found[version.owner, version.key].append(version)
    return {name: _in_order(group) for name, group in found.items()}


def by_token(versions: Iterable[Version]) -> dict[TokenKey, dict[Party, tuple[Version, ...]]]:
    """The versions of each token, by the party whose it is."""
    found: defaultdict[TokenKey, defaultdict[Party, list[Version]]] = defaultdict(lambda: defaultdict(list))
    for version in versions:
        key = TokenKey(version.key, key_of(version.content.get("type")))
        found[key][version.owner].append(version)
    return {key: {party: _in_order(group) for party, group in parties.items()} for key, parties in found.items()}


def texts_by_owner(tariffs: Versions) -> dict[Party, tuple[bytes, ...]]:
    """The JSON texts of all versions of all tariffs, by owner."""
    found: defaultdict[Party, list[bytes]] = defaultdict(list)
    for (owner, _), versions in tariffs.items():
        found[owner] += (encode_decoded(version.content) for version in versions)
    return {owner: tuple(texts) for owner, texts in found.items()}


def last_states(sessions: Iterable[SessionFact], until: datetime | None = None) -> dict[Name, SessionFact]:
    """The last state of each session: of those before a moment, if there are any."""
    sessions = list(sessions)
    known = [one for one in sessions if until is None or one.last_updated is None or one.last_updated < until]
    return {**_last_of(sessions), **_last_of(known)}


def _last_of(sessions: Iterable[SessionFact]) -> dict[Name, SessionFact]:
    found: dict[Name, SessionFact] = {}
    for session in sessions:
        before = found.get((session.owner, session.key))
        if before is None or _moment(session.last_updated) >= _moment(before.last_updated):
            found[session.owner, session.key] = session
    return found


def _in_order(versions: Iterable[Version]) -> tuple[Version, ...]:
    return tuple(sorted(versions, key=lambda version: _moment(version.since)))


def _moment(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else float("-inf")


def _named(items: object, field_name: str, key: str) -> Object | None:
    return next((item for item in objects_in(items) if key_of(item.get(field_name)) == key), None)

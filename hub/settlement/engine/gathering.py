"""Evidence for some CDRs out of the store: their sessions, tokens, tariffs and Locations, and the CDRs that they are related to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hub.metering import MeterKey, glance
from hub.settlement.engine.views import ViewShelf
from hub.settlement.evidence import Evidence, SettlementPeriod, by_token, by_version, last_states, texts_by_owner
from hub.settlement.evidence import Name as SessionName
from hub.settlement.facts import (
    CdrFact,
    Object,
    SessionFact,
    Version,
    key_of,
    objects_in,
    periods_of,
    read_cdr,
    read_session,
    read_version,
)
from hub.settlement.permits import Permits, by_charge, read_permit
from hub.store.aliases import TokenName
from hub.store.meterkeys import KeptMeterKey, MeterKeys
from hub.store.permits import PermitBook, Sought
from hub.store.traces import Lost, Traces, token_text
from hub.store.verdicts import Name, ReceivedCdr, Relating, Surroundings, Verdicts
from hub.store.versions import Said, VersionHistory
from ocpi_modules.parties import Party
from ocpi_modules.types import UNKNOWN_TIME, decode_json

_MODULES = ("locations", "sessions", "tokens")

ALL_TIME = SettlementPeriod(
    datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
)
"""CDRs of all months are looked at together; in which one each counts is decided afterwards."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Evidence with the CDRs in question (`asked`, by index), and those that are only there because they are related to them.

    `seen` are the states in which the CDRs were read, by name; `around` is what was seen around them.
    """

    evidence: Evidence
    asked: frozenset[int]
    seen: Mapping[Name, str] = field(default_factory=dict)
    around: Surroundings | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the hub finds what it saw pass, authorisations and commands, and sessions without their ids; and what eMSPs say they hold."""

    permits: PermitBook
    traces: Traces
    views: ViewShelf


class Gatherer:
    """Reads evidence."""

    def __init__(self, verdicts: Verdicts, history: VersionHistory, meter_keys: MeterKeys, seen: Seen) -> None:
        self._verdicts, self._history, self._meter_keys, self._seen = verdicts, history, meter_keys, seen

    async def gather(self, received: Sequence[ReceivedCdr]) -> Gathered:
        """All that bears on some CDRs and on those related to them: what is related to the latter is there too, to judge them rightly."""
        looks = await self._verdicts.looks()
        reading = _Reading(await self._meter_keys.owners())
        related = await self._related_to(received, received, reading)
        asked = [*received, *related]
        everything = [*asked, *await self._related_to(related, asked, reading)]
        relating = [*map(reading.relating, asked)]
        cdrs = tuple(map(reading.fact, everything))
        senders = {module: await self._verdicts.senders(module) for module in _MODULES}
        named = _session_names(cdrs)
        sessions = await self._sessions(named)
        if candidates := await self._candidates(cdrs, sessions, senders["sessions"]):
            rivals = await self._rivals(everything, candidates)
            asked = [*asked, *rivals]
            cdrs = (*cdrs, *map(reading.fact, rivals))
            sessions |= await self._sessions((_session_names(cdrs) | candidates) - named)
        names = {one.name for one in asked}
        return Gathered(
            await self._evidence(cdrs, sessions, senders),
            frozenset(cdr.index for cdr in cdrs if (str(cdr.owner), cdr.key) in names),
            {one.name: one.seen for one in asked},
            Surroundings(looks, relating, candidates, {(str(cdr.owner), cdr.key) for cdr in cdrs}),
        )

    async def _related_to(
        self, some: Sequence[ReceivedCdr], known: Iterable[ReceivedCdr], reading: _Reading
    ) -> list[ReceivedCdr]:
        """CDRs that are related to some and not known yet."""
        related = await self._verdicts.related([*map(reading.relating, some)])
        return await self._verdicts.cdrs(related - {one.name for one in known})

    async def _candidates(
        self, cdrs: Iterable[CdrFact], sessions: Mapping[SessionName, SessionFact], senders: Collection[Party]
    ) -> set[Name]:
        """Sessions that may be those of charges whose session is not found by its id, of CPOs that send sessions at all."""
        lost = [cdr for cdr in cdrs if cdr.owner in senders and (cdr.owner, cdr.session_key) not in sessions]
        return await self._seen.traces.candidates([one for cdr in lost if (one := _lost(cdr)) is not None])

    async def _rivals(self, known: Iterable[ReceivedCdr], sessions: Collection[Name]) -> list[ReceivedCdr]:
        """Other CDRs that bill these sessions: a session is billed by one."""
        return await self._verdicts.cdrs(await self._verdicts.billing(sessions) - {one.name for one in known})

    async def _permits(self, cdrs: Iterable[CdrFact], first_asked: Mapping[tuple[str, str], datetime]) -> Permits:
        """What let somebody charge, of CPOs of which the hub saw any of it."""
        seen = {cpo for cpo, _ in first_asked}
        sought = [one for cdr in cdrs if str(cdr.owner) in seen and (one := _sought(cdr)) is not None]
        found = await self._seen.permits.about(sought)
        read = (read_permit(decode_json(one.text), one.result) for one in found)
        return by_charge(one for one in read if one is not None)

    async def _sessions(self, names: Collection[Name]) -> dict[SessionName, SessionFact]:
        return last_states(map(read_session, await self._objects("sessions", names)))

    async def _evidence(
        self,
        cdrs: tuple[CdrFact, ...],
        sessions: Mapping[SessionName, SessionFact],
        senders: Mapping[str, frozenset[Party]],
    ) -> Evidence:
        first_asked = await self._seen.permits.first_asked({str(cdr.owner) for cdr in cdrs})
        places = await self._objects(
            "locations", {(str(cdr.owner), cdr.location_key) for cdr in cdrs if cdr.location_key}
        )
        keys = await self._meter_keys.good({name for cdr in cdrs for name in _meter_names(cdr)})
        tokens = await self._history.of_keys(
            "tokens", sorted(_token_keys(cdrs, {Party.parse(one.owner) for one in keys}))
        )
        tariffs = by_version(_versions(await self._tariffs(cdrs, places)))
        viewed = await self._seen.views.viewed({cdr.to for cdr in cdrs})
        return Evidence(
            period=ALL_TIME,
            cdrs=cdrs,
            sessions=sessions,
            tokens=by_token(_versions(tokens)),
            tariffs=tariffs,
            tariff_texts=texts_by_owner(tariffs),
            locations=by_version(read_version(place, key_of(place.get("id"))) for place in places),
            senders=senders,
            views=viewed.views,
            view_spans=viewed.spans,
            meter_keys=_by_meter(keys),
            permits=await self._permits(cdrs, first_asked),
            first_asked={(Party.parse(cpo), module): at for (cpo, module), at in first_asked.items()},
        )

    async def _objects(self, module: str, names: Collection[Name]) -> list[Object]:
        return [decode_json(text) for text in await self._verdicts.copies(module, names)]

    async def _tariffs(self, cdrs: Iterable[CdrFact], places: Iterable[Object]) -> list[Said]:
        """The versions of the tariffs that CDRs name or bring, and of those that connectors offer."""
        cdrs = list(cdrs)
        keys = {key for cdr in cdrs for key in _tariff_keys(cdr)} | {key for place in places for key in _offered(place)}
        owners = {cdr.owner for cdr in cdrs}
        return [said for said in await self._history.of_keys("tariffs", sorted(keys)) if said.owner in owners]


def _session_names(cdrs: Iterable[CdrFact]) -> set[Name]:
    return {(str(cdr.owner), cdr.session_key) for cdr in cdrs if cdr.session_key}


def relating_of(cdr: CdrFact) -> Relating:
    """The values by which others can be related to a CDR."""
    has_times = UNKNOWN_TIME not in {cdr.start, cdr.end}
    seen = glance(None if cdr.is_credit else cdr.content.get("signed_data"))
    return Relating(
        creditor=str(cdr.owner),
        cdr_key=cdr.key,
        session_key=cdr.session_key,
        credit_of=cdr.credit_of,
        plug=""
        if cdr.plug.evse_uid in {"", "#NA"}
        else "|".join(map(str, (cdr.owner, cdr.plug.evse_uid, cdr.plug.connector_id))),
        token=_token_text(cdr),
        starts_at=cdr.start if has_times else None,
        ends_at=cdr.end if has_times else None,
        meter=f"{cdr.owner}|{seen.meter}" if seen.meter else "",
        reading=seen.digest,
    )


def _token_text(cdr: CdrFact) -> str:
    """Its token as indexes have it; empty for none."""
    token = TokenName(cdr.token_party, cdr.token.type, cdr.token.uid)
    return token_text(token) if token.uid else ""


def _lost(cdr: CdrFact) -> Lost | None:
    """What its session is looked for with; None for a credit, and where nobody knows when it was."""
    if cdr.is_credit or cdr.start is None or cdr.end is None or UNKNOWN_TIME in {cdr.start, cdr.end}:
        return None
    return Lost(str(cdr.owner), _reference(cdr), _token_text(cdr), cdr.start, cdr.end)


def _sought(cdr: CdrFact) -> Sought | None:
    """What its permits are looked for with; None where nobody knows when it began."""
    if cdr.start is None or cdr.start == UNKNOWN_TIME:
        return None
    return Sought(str(cdr.owner), _token_text(cdr), _reference(cdr), cdr.start)


def _reference(cdr: CdrFact) -> str:
    return key_of(cdr.content.get("authorization_reference"))


def _meter_names(cdr: CdrFact) -> Iterable[Name]:
    """The names under which a key of its meter may be registered; none where nothing is signed."""
    if cdr.content.get("signed_data") is not None:
        names = (key_of(cdr.content.get("meter_id")), cdr.plug.evse_uid)
        yield from ((str(cdr.owner), name) for name in names if name)


def _token_keys(cdrs: Iterable[CdrFact], metered: Collection[Party]) -> set[str]:
    """The uids of tokens, and those that meters signed for."""
    cdrs = list(cdrs)
    uids = {cdr.token.uid for cdr in cdrs}
    return (uids | {glance(cdr.content.get("signed_data")).token for cdr in cdrs if cdr.owner in metered}) - {""}


def _by_meter(keys: Iterable[KeptMeterKey]) -> dict[tuple[Party, str], tuple[MeterKey, ...]]:
    found: defaultdict[tuple[Party, str], list[MeterKey]] = defaultdict(list)
    for one in sorted(keys, key=lambda one: one.valid_from):
        found[Party.parse(one.owner), one.meter_id].append(MeterKey(one.public_key, one.valid_from))
    return {name: tuple(group) for name, group in found.items()}


def read_received(received: ReceivedCdr) -> CdrFact:
    """A CDR out of its row, alone."""
    return _fact(0, received)


class _Reading:
    """CDRs as facts, each read once; their indexes are in the order in which they are asked for."""

    def __init__(self, metered: Collection[str]) -> None:
        self._metered = metered
        self._facts: dict[Name, CdrFact] = {}
        self._relating: dict[Name, Relating] = {}

    def fact(self, received: ReceivedCdr) -> CdrFact:
        """A CDR that was received."""
        found = self._facts.get(received.name)
        if found is None:
            found = _fact(len(self._facts), received)
            self._facts[received.name] = found
        return found

    def relating(self, received: ReceivedCdr) -> Relating:
        """The values by which others are related to it, by signed data only where somebody verifies those."""
        found = self._relating.get(received.name)
        if found is None:
            one = relating_of(self.fact(received))
            is_whole = one.creditor in self._metered or not (one.meter or one.reading)
            found = one if is_whole else replace(one, meter="", reading="")
            self._relating[received.name] = found
        return found


def _fact(index: int, received: ReceivedCdr) -> CdrFact:
    text, debtor = received.text, received.debtor
    return read_cdr(index, received.received_at, debtor, decode_json(text), text, is_judged=received.is_judged)


def _versions(said: Iterable[Said]) -> Iterable[Version]:
    for one in said:
        if one.text is not None:
            yield Version(one.owner, one.key, one.since, decode_json(one.text), one.known_at)


def _tariff_keys(cdr: CdrFact) -> Iterable[str]:
    yield from (key for period in periods_of(cdr) if (key := key_of(period.get("tariff_id"))))
    yield from (key for tariff in objects_in(cdr.content.get("tariffs")) if (key := key_of(tariff.get("id"))))


def _offered(place: Object) -> Iterable[str]:
    for evse in objects_in(place.get("evses")):
        for connector in objects_in(evse.get("connectors")):
            yield from (key for key in map(key_of, connector.get("tariff_ids") or ()) if key)

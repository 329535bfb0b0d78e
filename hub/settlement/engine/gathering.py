"""Evidence for some CDRs out of the store: their sessions, tokens, tariffs and Locations, and the CDRs that they are related to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hub.metering import MeterKey, glance
from hub.settlement.evidence import Evidence, SettlementPeriod, by_token, by_version, last_states, texts_by_owner
from hub.settlement.facts import (
    CdrFact,
    Object,
    Version,
    key_of,
    objects_in,
    periods_of,
    read_cdr,
    read_session,
    read_version,
)
from hub.store.meterkeys import KeptMeterKey, MeterKeys
from hub.store.verdicts import Name, ReceivedCdr, Relating, Verdicts
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

    `seen` are the states in which the CDRs were read, by name.
    """

    evidence: Evidence
    asked: frozenset[int]
    seen: Mapping[Name, str] = field(default_factory=dict)


class Gatherer:
    """Reads evidence."""

    def __init__(self, verdicts: Verdicts, history: VersionHistory, meter_keys: MeterKeys) -> None:
        self._verdicts, self._history, self._meter_keys = verdicts, history, meter_keys

    async def gather(self, received: Sequence[ReceivedCdr]) -> Gathered:
        """All that bears on some CDRs and on those related to them: what is related to the latter is there too, to judge them rightly."""
        metered = await self._meter_keys.owners()
        asked = await self._with_related(received, metered)
        everything = await self._with_related(asked, metered)
        cdrs = tuple(_fact(index, one) for index, one in enumerate(everything))
        names = {one.name for one in asked}
        evidence = await self._evidence(cdrs)
        return Gathered(
            evidence,
            frozenset(cdr.index for cdr in cdrs if (str(cdr.owner), cdr.key) in names),
            {one.name: one.seen for one in asked},
        )

    async def _with_related(self, received: Sequence[ReceivedCdr], metered: Collection[str]) -> list[ReceivedCdr]:
        """CDRs and those that are related to them, by signed data only where somebody verifies those."""
        known = {one.name for one in received}
        relating = [relating_of(_fact(0, one)) for one in received]
        related = await self._verdicts.related(
            [one if one.creditor in metered else replace(one, meter="", reading="") for one in relating]
        )
        return [*received, *await self._verdicts.cdrs(related - known)]

    async def _evidence(self, cdrs: tuple[CdrFact, ...]) -> Evidence:
        sessions = await self._objects(
            "sessions", {(str(cdr.owner), cdr.session_key) for cdr in cdrs if cdr.session_key}
        )
        places = await self._objects(
            "locations", {(str(cdr.owner), cdr.location_key) for cdr in cdrs if cdr.location_key}
        )
        keys = await self._meter_keys.good({name for cdr in cdrs for name in _meter_names(cdr)})
        tokens = await self._history.of_keys(
            "tokens", sorted(_token_keys(cdrs, {Party.parse(one.owner) for one in keys}))
        )
        tariffs = by_version(_versions(await self._tariffs(cdrs, places)))
        return Evidence(
            period=ALL_TIME,
            cdrs=cdrs,
            sessions=last_states(map(read_session, sessions)),
            tokens=by_token(_versions(tokens)),
            tariffs=tariffs,
            tariff_texts=texts_by_owner(tariffs),
            locations=by_version(read_version(place, key_of(place.get("id"))) for place in places),
            senders={module: await self._verdicts.senders(module) for module in _MODULES},
            meter_keys=_by_meter(keys),
        )

    async def _objects(self, module: str, names: Collection[Name]) -> list[Object]:
        return [decode_json(text) for text in await self._verdicts.copies(module, names)]

    async def _tariffs(self, cdrs: Iterable[CdrFact], places: Iterable[Object]) -> list[Said]:
        """The versions of the tariffs that CDRs name or bring, and of those that connectors offer."""
        cdrs = list(cdrs)
        keys = {key for cdr in cdrs for key in _tariff_keys(cdr)} | {key for place in places for key in _offered(place)}
        owners = {cdr.owner for cdr in cdrs}
        return [said for said in await self._history.of_keys("tariffs", sorted(keys)) if said.owner in owners]


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
        token="|".join((str(cdr.token_party), cdr.token.type, cdr.token.uid)) if cdr.token.uid else "",
        starts_at=cdr.start if has_times else None,
        ends_at=cdr.end if has_times else None,
        meter=f"{cdr.owner}|{seen.meter}" if seen.meter else "",
        reading=seen.digest,
    )


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


def _fact(index: int, received: ReceivedCdr) -> CdrFact:
    return read_cdr(index, received.received_at, received.debtor, decode_json(received.text))


def _versions(said: Iterable[Said]) -> Iterable[Version]:
    for one in said:
        if one.text is not None:
            yield Version(one.owner, one.key, one.since, decode_json(one.text))


def _tariff_keys(cdr: CdrFact) -> Iterable[str]:
    yield from (key for period in periods_of(cdr) if (key := key_of(period.get("tariff_id"))))
    yield from (key for tariff in objects_in(cdr.content.get("tariffs")) if (key := key_of(tariff.get("id"))))


def _offered(place: Object) -> Iterable[str]:
    for evse in objects_in(place.get("evses")):
        for connector in objects_in(evse.get("connectors")):
            yield from (key for key in map(key_of, connector.get("tariff_ids") or ()) if key)

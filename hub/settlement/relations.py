"""How the CDRs of a run stand to each other: which is a copy of which, what credits what, who shares a session, a connector or a token."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from hub.metering import Refusal, SignedReading, read_signed
from hub.settlement.evidence import Evidence, Name
from hub.settlement.facts import CdrFact, Cost, Plug, SessionFact, TokenKey
from hub.settlement.matching import Matches, match_otherwise
from ocpi_modules.parties import Party
from ocpi_modules.types import UNKNOWN_TIME, means_the_same

Key = TypeVar("Key", bound=Hashable)


class Claiming(Protocol):
    """What a CDR says of whom it charges for what, however it is known: `to` is the eMSP, `total` None where it cannot be read."""

    @property
    def to(self) -> Party: ...
    @property
    def is_credit(self) -> bool: ...
    @property
    def currency(self) -> str: ...
    @property
    def total(self) -> Cost | None: ...


_IDS = ("country_code", "party_id", "id")


@dataclass(frozen=True, slots=True)
class Timeline:
    """CDRs in the order in which they start, all with a span; `longest` is how long the longest of them is."""

    cdrs: tuple[CdrFact, ...] = ()
    starts: tuple[datetime, ...] = ()
    longest: timedelta = timedelta()

    def starting(self, first: datetime, last: datetime) -> tuple[CdrFact, ...]:
        """Those that start from one moment to another, both included."""
        return self.cdrs[bisect_left(self.starts, first) : bisect_right(self.starts, last)]

    def before(self, start: datetime) -> CdrFact | None:
        """The last one that started before a moment."""
        place = bisect_left(self.starts, start)
        return self.cdrs[place - 1] if place else None


NO_TIMELINE = Timeline()
SPAN_MAX = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """Relations by the index of a CDR; whatever is 'later' is so by `CdrFact.order`."""

    first_of: Mapping[Name, CdrFact]
    """The CDR that counts under an owner and id: the first that came."""
    copies: Mapping[int, CdrFact]
    """Later CDRs under a known owner and id with the same content, and the one that they repeat."""
    reused: Mapping[int, CdrFact]
    """Later CDRs under a known owner and id with other content, and the one whose id they use."""
    credited_by: Mapping[int, CdrFact]
    """Originals, and the first right credit for each."""
    by_session: Mapping[Name, tuple[CdrFact, ...]]
    by_plug: Mapping[Plug, Timeline]
    by_token: Mapping[tuple[Party, TokenKey], Timeline]
    signed: Mapping[int, SignedReading | Refusal]
    """What signed meter data say, of charges for whose meter a key is registered."""
    by_reading: Mapping[Name, tuple[CdrFact, ...]]
    """CDRs by owner and the signed record that ends them."""
    by_meter: Mapping[Name, Timeline]
    """CDRs by owner and the serial number of the meter."""
    location_senders: frozenset[Party]
    """Who sends Locations at all."""
    token_senders: frozenset[Party]
    """Who sends tokens at all."""
    matches: Matches = field(default_factory=Matches)
    """Sessions of CDRs that do not name them."""

    def is_counted(self, cdr: CdrFact) -> bool:
        """Whether a CDR is the one under its owner and id."""
        return cdr.index not in self.copies and cdr.index not in self.reused

    def is_open(self, cdr: CdrFact) -> bool:
        """Whether a CDR is a counted one that is neither a credit nor credited: what two of cannot be for one charge.

        What names a CDR that it credits is no charge either, whether it calls itself a credit or not (J01).
        """
        return (
            self.is_counted(cdr) and not cdr.is_credit and cdr.credit_of is None and cdr.index not in self.credited_by
        )

    def session_of(self, cdr: CdrFact, evidence: Evidence) -> SessionFact | None:
        """The session that a CDR bills: the one that it names, else the one that was found for it."""
        named, match = evidence.session_of(cdr), self.matches.found.get(cdr.index)
        return named if named is not None or match is None else match.session

    def original_of(self, credit: CdrFact) -> CdrFact | None:
        """The CDR that a credit says it credits; None when it is not there."""
        return _original_of(credit, self.first_of)


def relate(evidence: Evidence) -> Relations:
    """The relations of all CDRs of a run; the order of the input does not matter."""
    first_of: dict[Name, CdrFact] = {}
    said: dict[tuple[Name, bytes], CdrFact] = {}
    copies: dict[int, CdrFact] = {}
    reused: dict[int, CdrFact] = {}
    for cdr in sorted(evidence.cdrs, key=lambda cdr: cdr.order):
        first = first_of.setdefault(cdr.name, cdr)
        same = said.setdefault((cdr.name, cdr.digest), cdr)
        if same is not cdr:
            copies[cdr.index] = same
        elif first is not cdr:
            (copies if means_the_same(_plain(first), _plain(cdr)) else reused)[cdr.index] = first
    counted = sorted(first_of.values(), key=lambda cdr: cdr.order)
    signed = _signed(counted, evidence)
    relations = Relations(
        first_of=first_of,
        copies=copies,
        reused=reused,
        credited_by=_credits((cdr for cdr in counted if cdr.received_at < evidence.period.closes_at), first_of),
        location_senders=_senders(evidence, "locations", (owner for owner, _ in evidence.locations)),
        by_session=_grouped(counted, lambda cdr: (cdr.owner, cdr.session_key) if cdr.session_key else None),
        by_plug=_timelines(counted, lambda cdr: cdr.plug if _is_known(cdr.plug) else None),
        by_token=_timelines(counted, lambda cdr: (cdr.token_party, cdr.token) if cdr.token.uid else None),
        signed=signed,
        by_reading=_grouped(counted, lambda cdr: _reading_name(cdr, signed.get(cdr.index))),
        by_meter=_timelines(counted, lambda cdr: _meter_name(cdr, signed.get(cdr.index))),
        token_senders=_senders(
            evidence, "tokens", (party for parties in evidence.tokens.values() for party in parties)
        ),
    )
    charges = [cdr for cdr in counted if relations.is_open(cdr)]
    return replace(relations, matches=match_otherwise(evidence, charges))


def _signed(counted: Iterable[CdrFact], evidence: Evidence) -> dict[int, SignedReading | Refusal]:
    """Signed meter data of charges; a credit repeats those of its original."""
    found: dict[int, SignedReading | Refusal] = {}
    for cdr in counted:
        key, signed_data = evidence.meter_key_of(cdr), cdr.content.get("signed_data")
        if key is not None and isinstance(signed_data, Mapping) and not cdr.is_credit:
            found[cdr.index] = read_signed(signed_data, key)
    return found


def _reading_name(cdr: CdrFact, signed: SignedReading | Refusal | None) -> Name | None:
    return (cdr.owner, signed.digest) if isinstance(signed, SignedReading) and signed.digest else None


def _meter_name(cdr: CdrFact, signed: SignedReading | Refusal | None) -> Name | None:
    return (cdr.owner, signed.meter) if isinstance(signed, SignedReading) and signed.meter else None


def _senders(evidence: Evidence, module: str, here: Iterable[Party]) -> frozenset[Party]:
    return frozenset(here) | evidence.senders.get(module, frozenset())


def overlapping(cdr: CdrFact, timeline: Timeline, tolerated: timedelta) -> Iterable[CdrFact]:
    """Earlier CDRs (by `order`) whose half-open intervals share more than a tolerated time with that of a CDR."""
    near = timeline.starting(earlier(moment(cdr.start), timeline.longest), moment(cdr.end))
    return (other for other in near if shared_time(cdr, other) > tolerated and other.order < cdr.order)


def shared_time(one: CdrFact, other: CdrFact) -> timedelta:
    """How long the intervals of two CDRs overlap; not above zero where they do not. Both have to have a span."""
    return min(moment(one.end), moment(other.end)) - max(moment(one.start), moment(other.start))


def earlier(known: datetime, length: timedelta) -> datetime:
    """A moment so much earlier, or the first one there is."""
    return known - min(length, known - _FIRST)


def later(known: datetime, length: timedelta) -> datetime:
    """A moment so much later, or the last one there is."""
    return known + min(length, _LAST - known)


_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def moment(known: datetime | None) -> datetime:
    """A moment of a CDR that `has_span`."""
    assert known is not None
    return known


def has_span(cdr: CdrFact) -> bool:
    """Whether a CDR says from when to when it was; one that was impossibly long says nothing of what others did in that time (C06)."""
    return (
        cdr.start is not None
        and cdr.end is not None
        and UNKNOWN_TIME not in {cdr.start, cdr.end}
        and timedelta() < cdr.end - cdr.start <= SPAN_MAX
    )


def _is_known(plug: Plug) -> bool:
    return plug.evse_uid not in {"", "#NA"}


def _plain(cdr: CdrFact) -> dict[str, object]:
    return {**cdr.content, **dict(zip(_IDS, (cdr.owner.country_code, cdr.owner.party_id, cdr.key), strict=True))}


def is_right_credit(credit: Claiming, original: Claiming) -> bool:
    """Whether a CDR credits the one that it names: for the same eMSP, the whole amount, and no credit itself.

    One of another amount credits nothing: it is held, so that its original still stands.
    """
    return (
        credit.is_credit and not original.is_credit and original.to == credit.to and credits_exactly(credit, original)
    )


def credits_exactly(credit: Claiming, original: Claiming) -> bool:
    """Whether nothing is left of a claim and its credit, without and with VAT."""
    if credit.total is None or original.total is None or credit.currency != original.currency:
        return False
    return credit.total == -original.total


def _original_of(credit: CdrFact, first_of: Mapping[Name, CdrFact]) -> CdrFact | None:
    """The CDR of the same owner that a credit names, if it is for the same eMSP: another one was to pay nothing that it could get back."""
    named = first_of.get((credit.owner, credit.credit_of or ""))
    return named if named is not None and named.to == credit.to else None


def _credits(counted: Iterable[CdrFact], first_of: Mapping[Name, CdrFact]) -> dict[int, CdrFact]:
    """Originals and the first right credit for each; what comes after the close credits nothing in this period."""
    credited: dict[int, CdrFact] = {}
    for cdr in counted:
        original = _original_of(cdr, first_of)
        if original is not None and is_right_credit(cdr, original):
            credited.setdefault(original.index, cdr)
    return credited


def _grouped(cdrs: Iterable[CdrFact], key_of: Callable[[CdrFact], Key | None]) -> dict[Key, tuple[CdrFact, ...]]:
    groups: defaultdict[Key, list[CdrFact]] = defaultdict(list)
    for cdr in cdrs:
        key = key_of(cdr)
        if key is not None:
            groups[key].append(cdr)
    return {key: tuple(group) for key, group in groups.items()}


def _timelines(cdrs: Iterable[CdrFact], key_of: Callable[[CdrFact], Key | None]) -> dict[Key, Timeline]:
    groups = _grouped((cdr for cdr in cdrs if has_span(cdr)), key_of)
    return {key: _timeline(group) for key, group in groups.items()}


def _timeline(cdrs: Iterable[CdrFact]) -> Timeline:
    ordered = sorted(cdrs, key=lambda cdr: (moment(cdr.start), cdr.order))
    longest = max(moment(cdr.end) - moment(cdr.start) for cdr in ordered)
    return Timeline(tuple(ordered), tuple(moment(cdr.start) for cdr in ordered), longest)

"""CDRs and sessions that belong together though their ids do not say so, one to one.

The order of evidence is: the id; the authorization_reference; token, EVSE and start. The first that fits exactly one session that nobody
else bills counts. Token, Location and time alone are a hint for people and never count. Ids are never rewritten here, so that there is no
mapping of ids to look at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from hub.settlement.evidence import Evidence, Name
from hub.settlement.facts import CdrFact, SessionFact, key_of
from ocpi_modules.parties import Party
from ocpi_modules.types import NOT_AVAILABLE, UNKNOWN_TIME

COMPLETED = "COMPLETED"
SAME_START = timedelta(seconds=120)
"""How far apart a session and a CDR that does not name it may begin."""

HINT_MIN_SHARE = Decimal("0.8")
"""How much of the longer of two has to be in both."""

BY_ID, BY_REFERENCE = "session_id", "authorization_reference"
BY_START, BY_PLACE = "token, EVSE and start", "token, Location and time"

Key = tuple[Hashable, ...] | None


@dataclass(frozen=True, slots=True)
class Match:
    """A session that a CDR bills, how it was found, and how sure that is (at most 1)."""

    session: SessionFact
    method: str
    score: Decimal


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to find a session: what the two have in common, and how much that is worth."""

    method: str
    score: Decimal
    of_cdr: Callable[[CdrFact], Key]
    of_session: Callable[[SessionFact], Key]


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found for CDRs whose session is not found by its id, by the index of the CDR; `hints` are for people only."""

    found: Mapping[int, Match] = field(default_factory=dict)
    hints: Mapping[int, Match] = field(default_factory=dict)


def match_otherwise(evidence: Evidence, charges: Sequence[CdrFact]) -> Matches:
    """Sessions of CDRs that are not found by their id; `charges` are the CDRs that are neither credited nor credits.

    What is looked for is over (COMPLETED). Of two CDRs that one session fits, the earlier one gets it, whatever the order of the input.
    """
    lost = sorted((cdr for cdr in charges if evidence.session_of(cdr) is None), key=lambda cdr: cdr.order)
    if not lost or not evidence.sessions:
        return Matches()
    taken: set[Name] = {(cdr.owner, cdr.session_key) for cdr in charges if cdr.session_key is not None}
    found: dict[int, Match] = {}
    for way in _WAYS:
        known = _grouped(evidence.sessions.values(), way.of_session)
        for cdr in (one for one in lost if one.index not in found):
            fitting = [
                one for one in known.get(way.of_cdr(cdr), ()) if _fits(one, cdr, way) and _name(one) not in taken
            ]
            if len(fitting) == 1:
                found[cdr.index] = Match(fitting[0], way.method, way.score)
                taken.add(_name(fitting[0]))
    unfound = [cdr for cdr in lost if cdr.index not in found]
    return Matches(found, dict(_hints(unfound, evidence, taken)))


def _hints(cdrs: Iterable[CdrFact], evidence: Evidence, taken: Collection[Name]) -> Iterator[tuple[int, Match]]:
    """For each CDR the session that shares most of its time with it, and token and Location, if that is enough to be worth a look."""
    known = _grouped(evidence.sessions.values(), _token_and_location)
    for cdr in cdrs:
        free = [one for one in known.get(_place_of(cdr), ()) if _name(one) not in taken]
        share, session = max(((_shared(one, cdr), one) for one in free), key=_by_share, default=(_NOTHING, None))
        if session is not None and share >= HINT_MIN_SHARE:
            yield cdr.index, Match(session, BY_PLACE, share)


def _by_share(one: tuple[Decimal, SessionFact]) -> tuple[Decimal, str]:
    return (one[0], one[1].key)


def _grouped(sessions: Iterable[SessionFact], key_in: Callable[[SessionFact], Key]) -> Mapping[Key, list[SessionFact]]:
    groups: defaultdict[Key, list[SessionFact]] = defaultdict(list)
    for session in sessions:
        key = key_in(session)
        if key is not None and session.status == COMPLETED:
            groups[key].append(session)
    return groups


def _fits(session: SessionFact, cdr: CdrFact, way: _Way) -> bool:
    """Whether the times of the two do not speak against it: a charge that was over when the other began is another one."""
    is_near = _begin_together(session.start, cdr.start)
    return not _is_apart(session, cdr) and (is_near or (way.method == BY_REFERENCE and _shared(session, cdr) > 0))


def _is_apart(session: SessionFact, cdr: CdrFact) -> bool:
    before = session.end is not None and cdr.start is not None and session.end < cdr.start
    return before or (cdr.end is not None and session.start is not None and cdr.end < session.start)


def _begin_together(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and UNKNOWN_TIME not in {one, other} and abs(one - other) <= SAME_START


def _shared(session: SessionFact, cdr: CdrFact) -> Decimal:
    """How much of the longer of two is in both; nothing where a time is not known."""
    moments = (session.start, session.end, cdr.start, cdr.end)
    start, end, cdr_start, cdr_end = moments
    if start is None or end is None or cdr_start is None or cdr_end is None or UNKNOWN_TIME in moments:
        return _NOTHING
    longest = max(end - start, cdr_end - cdr_start)
    both = min(end, cdr_end) - max(start, cdr_start)
    if both <= timedelta() or longest <= timedelta():
        return _NOTHING
    return (Decimal(both // _MICROSECOND) / Decimal(longest // _MICROSECOND)).quantize(_HUNDREDTH, ROUND_DOWN)


def _name(session: SessionFact) -> Name:
    return (session.owner, session.key)


def _reference(owner: Party, emsp: Party, content: Mapping[str, object]) -> Key:
    reference = key_of(content.get("authorization_reference"))
    return (owner, emsp, reference) if reference else None


def _token_and_evse(one: CdrFact | SessionFact) -> Key:
    is_known = one.token.uid and one.plug.evse_uid not in {"", NOT_AVAILABLE}
    return (one.owner, one.token_party, one.token, one.plug.evse_uid) if is_known else None


def _token_and_location(session: SessionFact) -> Key:
    location_key = key_of(session.content.get("location_id"))
    return (
        (session.owner, session.token_party, session.token, location_key)
        if session.token.uid and location_key
        else None
    )


def _place_of(cdr: CdrFact) -> Key:
    return (cdr.owner, cdr.token_party, cdr.token, cdr.location_key)


_MICROSECOND, _HUNDREDTH, _NOTHING = timedelta(microseconds=1), Decimal("0.01"), Decimal(0)

_WAYS = (
    _Way(
        BY_REFERENCE,
        Decimal("0.95"),
        lambda cdr: _reference(cdr.owner, cdr.token_party, cdr.content),
        lambda session: _reference(session.owner, session.token_party, session.content),
    ),
    _Way(BY_START, Decimal("0.9"), _token_and_evse, _token_and_evse),
)

"""CDRs of which something became known after they were looked at: their session, news of it, or the result of a command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hub.store.direct import Direct, Record
from hub.store.permits import AFTER_START_MAX_MINUTES, BEFORE_START_MAX_HOURS
from hub.store.traces import SESSION_MAX_HOURS
from hub.store.verdicts import look_again

LOOK_MAX_SECONDS = 60
"""What came so shortly before a look was kept may have come after it read what there was."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """How far a walk through the CDRs is, the newest first: when one came (UTC), its creditor and key."""

    received_at: datetime
    creditor: str = ""
    cdr_key: str = ""


@dataclass(frozen=True, slots=True)
class Walked:
    """A stretch of the walk: where it ended, None at the end of all, and how many CDRs are to be looked at again."""

    to: Place | None
    again: int


class LateBook:
    """Walks through what was looked at."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def walk(self, start: Place, since: datetime, most: int) -> Walked:
        """Have CDRs looked at again that came before a place and not before a moment, `most` of them at once; none that is billed."""
        async with self._direct.transaction() as connection:
            values = (start.received_at, start.creditor, start.cdr_key, since, most)
            rows = await connection.fetch(_LATE, *values)
            again = await look_again(connection, {(row["creditor"], row["cdr_key"]) for row in rows})
            ends = await connection.fetch(_END, *values)
            return Walked(_end(ends[0], most) if ends else None, again)


def _end(row: Record, most: int) -> Place | None:
    """Where a stretch ended; None where it was the last one."""
    return None if row["n"] < most else Place(row["received_at"], row["creditor"], row["cdr_key"])


_STRETCH = (
    "select creditor, cdr_key, received_at{columns} from verdict where received_at <= $1 and received_at >= $4 "
    "and (received_at, creditor, cdr_key) < ($1, $2::text, $3::text) "
    "order by received_at desc, creditor desc, cdr_key desc limit $5"
)

_END = f"select *, count(*) over () as n from ({_STRETCH.format(columns='')}) v order by received_at, creditor, cdr_key limit 1"

_JUST_BEFORE = f"c.examined_at - interval '{LOOK_MAX_SECONDS} seconds'"

# what a look has seen stands in `matches`: that tells what came while it was under way, and what was pulled and not pushed
_SESSION = (
    "exists (select 1 from copy s where s.key = any(array[v.found_session, v.session_key]) and s.module = 'sessions' "
    "and s.country_code = split_part(v.creditor, '/', 1) and s.party_id = split_part(v.creditor, '/', 2) "
    "and s.variant = '' and s.audience = '' and (s.pushed_at > c.examined_at "
    "or s.last_updated > (m.session->>'last_updated')::timestamptz + interval '1 second' "
    f"or (lower(m.session->>'id') is distinct from lower(s.key) and (s.pushed_at is null or s.pushed_at > {_JUST_BEFORE}))))"
)

_TRACE = (
    "(m.session is null and v.token <> '' and exists (select 1 from completed_session s where s.token = v.token "
    f"and s.creditor = v.creditor and s.completed_at > {_JUST_BEFORE} "
    f"and s.starts_at between v.starts_at - interval '{SESSION_MAX_HOURS} hours' and v.ends_at + interval '2 minutes'))"
)

_RESULT = (
    "(v.token <> '' and exists (select 1 from permit p join permit_result r on r.callback = p.callback "
    "where p.token = v.token and p.cpo = v.creditor and p.module = 'commands' and p.callback <> '' "
    f"and p.asked_at between v.starts_at - interval '{BEFORE_START_MAX_HOURS} hours' "
    f"and v.starts_at + interval '{AFTER_START_MAX_MINUTES} minutes' and (r.known_at > c.examined_at "
    f"or (r.known_at > {_JUST_BEFORE} and m.command->>'result' is distinct from r.result))))"
)

_LATE = (
    "select v.creditor, v.cdr_key "
    f"from ({_STRETCH.format(columns=', session_key, found_session, token, starts_at, ends_at, statement, matches')}) v "
    "join claim c using (creditor, cdr_key) cross join lateral (select nullif(v.matches::jsonb->'session', 'null') as session, "
    "nullif(v.matches::jsonb->'command', 'null') as command offset 0) m "
    f"where v.statement is null and c.examined_at is not null and ({_SESSION} or {_TRACE} or {_RESULT})"
)

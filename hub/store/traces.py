"""What a session is found by where its id is not known: its token, EVSE, start, and the reference of its authorisation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hub.store.aliases import TokenName, token_in
from hub.store.direct import Direct
from ocpi_modules.types import decode_json, fold, lenient_datetime

TRACE_MAX_CHARACTERS = 255
FOUND_MAX_SESSIONS = 20
SESSION_MAX_HOURS = 24  # of one that began before the charge that it may be of


class Trace(NamedTuple):
    """Folded ids, empty where there are none; `token` as in `token_text`, `starts_at` in UTC."""

    token: str
    evse: str
    reference: str
    starts_at: datetime | None


class Lost(NamedTuple):
    """What the session of a charge is looked for with: CPO, folded reference and token, and from when to when it was (UTC)."""

    creditor: str
    reference: str
    token: str
    start: datetime
    end: datetime


class Traces:
    """Finds completed sessions by what is known of them."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def candidates(self, lost: Sequence[Lost]) -> set[tuple[str, str]]:
        """Completed sessions, by creditor and folded id, that may be those of some charges: FOUND_MAX_SESSIONS of each way at most."""
        columns = [list(column) for column in zip(*lost, strict=True)]
        rows = await self._direct.fetch(_CANDIDATES, *columns) if lost else ()
        return {(row["creditor"], row["session_key"]) for row in rows}


def trace_of(text: bytes) -> Trace:
    """The trace of a session, by its JSON text; of values that make no sense nothing is left."""
    content: Any = decode_json(text)
    token = token_in(content)
    return Trace(
        token="" if token is None else token_text(token),
        evse=_key(content.get("evse_uid")),
        reference=_key(content.get("authorization_reference")),
        starts_at=lenient_datetime(content.get("start_date_time")),
    )


def token_text(token: TokenName) -> str:
    """A token as it stands in indexes: ``NL/MSP|RFID|UID``."""
    return f"{token.owner}|{token.type}|{token.uid}"


def _key(value: Any) -> str:
    return fold(value)[:TRACE_MAX_CHARACTERS] if isinstance(value, str) else ""


_CANDIDATES = (
    "with k as (select * from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[]) "
    "k(creditor, reference, token, starts_at, ends_at)) "
    "select f.creditor, f.session_key from k cross join lateral (select s.creditor, s.session_key from completed_session s "
    "where s.reference = k.reference and s.reference <> '' and s.creditor = k.creditor "
    f"order by s.completed_at desc limit {FOUND_MAX_SESSIONS}) f union "
    "select f.creditor, f.session_key from k cross join lateral (select s.creditor, s.session_key from completed_session s "
    "where s.token = k.token and s.token <> '' and s.creditor = k.creditor "
    f"and s.starts_at between k.starts_at - interval '{SESSION_MAX_HOURS} hours' and k.ends_at + interval '2 minutes' "
    f"order by s.starts_at desc limit {FOUND_MAX_SESSIONS}) f"
)

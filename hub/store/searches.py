"""Looking for a word in the books: ids by their beginning, sessions, tokens, parties, statements, and what findings say.

Every question is bounded: RESULTS_MAX rows of each kind, and one more where there are more.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hub.store.direct import Direct

RESULTS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrHit:
    """A CDR of which the id begins with the word, or whose session is called so."""

    creditor: str
    debtor: str
    cdr_key: str
    cdr_id: str
    session_key: str | None
    period: str
    disposition: str
    currency: str
    excl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionHit:
    """A session of that id, whether it is complete or not, and whether it has a CDR or not."""

    creditor: str
    debtor: str
    session_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHit:
    """A token with that uid."""

    owner: str
    type: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyHit:
    """A party in which the word occurs: its id, or the name of its business."""

    party: str
    roles: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHit:
    """A statement in whose id the word occurs."""

    id: str
    state: str
    currency: str
    excl_vat: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseHit:
    """A cause in whose key the word occurs, or in the sentence of one of its findings, which is an example."""

    cause: str
    kind: str
    sentence: str
    findings: int


class Searches:
    """Looks for words; `word` is folded where ids are compared."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct

    async def cdrs(self, key: str) -> list[CdrHit]:
        """CDRs by the beginning of their folded id."""
        return [CdrHit(**row) for row in await self._direct.fetch(_CDRS, key)]

    async def of_session(self, key: str) -> list[CdrHit]:
        """CDRs of a session, by its folded id."""
        return [CdrHit(**row) for row in await self._direct.fetch(_OF_SESSION, key)]

    async def sessions(self, key: str) -> list[SessionHit]:
        """Sessions by their folded id."""
        return [SessionHit(**row) for row in await self._direct.fetch(_SESSIONS, key)]

    async def tokens(self, key: str) -> list[TokenHit]:
        """Tokens by their folded uid."""
        return [TokenHit(**row) for row in await self._direct.fetch(_TOKENS, key)]

    async def parties(self, word: str) -> list[PartyHit]:
        """Parties."""
        return [PartyHit(**row) for row in await self._direct.fetch(_PARTIES, word)]

    async def statements(self, word: str) -> list[StatementHit]:
        """Statements, the newest first."""
        return [StatementHit(**row) for row in await self._direct.fetch(_STATEMENTS, word)]

    async def causes(self, word: str) -> list[CauseHit]:
        """Causes of what is so now, those with the most findings first."""
        return [CauseHit(**row) for row in await self._direct.fetch(_CAUSES, word)]


_LIMIT = f"limit {RESULTS_MAX + 1}"
_HIT = "v.creditor, v.debtor, v.cdr_key, v.cdr_id, v.session_key, v.period, v.disposition, v.currency, v.excl_vat"

_CDRS = (
    f"select {_HIT} from verdict v where v.cdr_key ~>=~ $1::text and v.cdr_key ~<~ ($1::text || chr(1114111)) "
    f"order by v.cdr_key using ~<~, v.creditor {_LIMIT}"
)

# for each party by the index of its sessions: an index over all of them would be there for this alone
_OWNERS = "(select distinct country_code || '/' || party_id as creditor from party) p"
_OF_SESSION = (
    f"select v.* from {_OWNERS} cross join lateral (select {_HIT} from verdict v "
    f"where v.creditor = p.creditor and v.session_key = $1 offset 0) v order by v.creditor, v.cdr_key {_LIMIT}"
)
_SESSIONS = (
    "select distinct country_code || '/' || party_id as creditor, addressee as debtor, key as session_key from copy "
    f"where key = $1 and module = 'sessions' order by 1, 2 {_LIMIT}"
)

_TOKENS = (
    "select distinct country_code || '/' || party_id as owner, variant as type, key as uid from copy "
    f"where key = $1 and module = 'tokens' order by 1, 2 {_LIMIT}"
)

_PARTIES = (
    "select country_code || '/' || party_id as party, string_agg(distinct role, ' ' order by role) as roles, min(name) as name from party "
    "where strpos(upper(country_code || '/' || party_id || ' ' || country_code || '-' || party_id || ' ' || name), upper($1)) > 0 "
    f"group by 1 order by 1 {_LIMIT}"
)

_STATEMENTS = (
    "select id, state, currency, excl_vat from settlement_statement where state <> 'superseded' and strpos(upper(id), upper($1)) > 0 "
    f"order by id desc {_LIMIT}"
)

_CAUSES = (
    "select cause, min(kind) as kind, min(sentence) as sentence, count(*) as findings from finding where cleared_at is null "
    "and (strpos(lower(sentence), lower($1)) > 0 or strpos(lower(cause), lower($1)) > 0) "
    f"group by cause order by findings desc, cause {_LIMIT}"
)

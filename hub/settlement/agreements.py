"""What two parties agreed: dated, directional terms as data; without any, a default agreement makes the engine useful at once.

Money terms are decimals in the currency of the agreement, moments of validity are half-open and in UTC, days are calendar days.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from hub.pricing.policy import DEFAULT as DEFAULT_POLICY
from hub.pricing.policy import Policy
from hub.settlement.amounts import EXACT
from hub.settlement.facts import CdrFact, key_of, text_of
from hub.settlement.findings import Disposition, Finding, Severity
from hub.settlement.netting import Amount, Obligation, Pair
from hub.settlement.price_books import AS_CDR, Prices
from hub.settlement.profiles import NO_PROFILES, Profiles
from ocpi_modules.parties import Party

_ZERO = Decimal(0)
_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What one of the two pays for a settled CDR, to the hub or to the other: per session, per kWh, and in percent of `excl_vat`.

    `vat` is a percentage on the fee, None where no VAT applies.
    """

    payer: Literal["creditor", "debtor"]
    payee: Literal["hub", "creditor", "debtor"] = "hub"
    per_session: Decimal = _ZERO
    per_kwh: Decimal = _ZERO
    percent: Decimal = _ZERO
    vat: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """How an agreement changes what a check means; None leaves it as the catalogue has it."""

    severity: Severity | None = None
    disposition: Disposition | None = None


@dataclass(frozen=True, slots=True)
class EvseGroup:
    """Some EVSEs: by id, by what their ids begin with, or all of some Locations; folded, ids without separators. Empty means all EVSEs."""

    evse_ids: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    location_ids: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return not (self.evse_ids or self.prefixes or self.location_ids)

    def holds(self, cdr: CdrFact) -> bool:
        """Whether a CDR is of one of them."""
        evse_id = plain_evse_id(text_of(_location(cdr).get("evse_id")))
        is_named = evse_id in self.evse_ids or any(evse_id.startswith(prefix) for prefix in self.prefixes)
        return self.is_everything or is_named or cdr.location_key in self.location_ids

    def meets(self, other: EvseGroup) -> bool:
        """Whether an EVSE could be in both: which Location an EVSE is at is not known here."""
        if self.is_everything or other.is_everything:
            return True
        is_by_place = bool(self.location_ids), bool(other.location_ids)
        is_by_name = bool(self.evse_ids | self.prefixes), bool(other.evse_ids | other.prefixes)
        is_unknown = (is_by_place[0] and is_by_name[1]) or (is_by_place[1] and is_by_name[0])
        return is_unknown or bool(self.location_ids & other.location_ids) or _share_a_name(self, other)


EVERYWHERE = EvseGroup()


def plain_evse_id(evse_id: str) -> str:
    """An EVSE id as it is compared: in upper case, without the separators that may be left out."""
    return key_of(evse_id).replace("*", "")


def _share_a_name(one: EvseGroup, other: EvseGroup) -> bool:
    return any(
        name.startswith(prefix)
        for names, prefixes in (
            (one.evse_ids | one.prefixes, other.prefixes),
            (other.evse_ids | other.prefixes, one.prefixes),
        )
        for name in names
        for prefix in prefixes
    ) or bool(one.evse_ids & other.evse_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Terms for CDRs of a creditor that a debtor pays; None stands for any party, in the default agreement only.

    `countries` are those of the EVSE (alpha-3), `token_types` those of the token; empty means all. `cdr_deadline_days` is after the end of
    a charge; None, here and for unknown times, means that nothing was agreed. `cutoff` is how long after a period of the hub its CDRs may
    come, where that is sooner than it closes. `exposure_limit` is in `currency`, with VAT. `checks` are by
    id or kind, `tax` is what people noted about VAT.
    """

    id: str = "default"
    version: int = 1
    creditor: Party | None = None
    debtor: Party | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    countries: frozenset[str] = frozenset()
    token_types: frozenset[str] = frozenset()
    evses: EvseGroup = EVERYWHERE
    currency: str | None = None
    prices: Prices = AS_CDR
    policy: Policy = DEFAULT_POLICY
    fees: tuple[Fee, ...] = ()
    allows_unknown_times: bool | None = None
    bills_micro_sessions: bool = True
    cdr_deadline_days: int | None = None
    cutoff: timedelta | None = None
    dispute_window_days: int = 30
    dispute_answer_days: int = 14
    exposure_limit: Decimal | None = None
    needs_signed_data: bool = False
    netting: Literal["gross", "bilateral", "multilateral"] = "multilateral"
    checks: Mapping[str, Override] = field(default_factory=dict)
    tax: Mapping[str, str] = field(default_factory=dict)

    def covers(self, cdr: CdrFact) -> bool:
        """Whether a CDR is between its parties, in its time and within its scope."""
        return (
            self.creditor == cdr.owner
            and self.debtor == cdr.to
            and (self.valid_from is None or (cdr.start is not None and cdr.start >= self.valid_from))
            and (self.valid_to is None or (cdr.start is not None and cdr.start < self.valid_to))
            and (not self.countries or _country(cdr) in self.countries)
            and (not self.token_types or cdr.token.type in self.token_types)
            and self.evses.holds(cdr)
        )

    def overlaps(self, other: Agreement) -> bool:
        """Whether a CDR could be under both."""
        return (
            (self.creditor, self.debtor) == (other.creditor, other.debtor)
            and _share_a_moment(self, other)
            and _share_any(self.countries, other.countries)
            and _share_any(self.token_types, other.token_types)
            and self.evses.meets(other.evses)
        )

    def ended(self, at: datetime) -> Agreement:
        """The same without charges that begin at a moment or later."""
        return replace(self, valid_to=at if self.valid_to is None else min(self.valid_to, at))


DEFAULT = Agreement()
HUB = Party("NL", "HUB")


@dataclass(frozen=True, slots=True)
class Agreements:
    """All agreements of a run, and what its parties are known to be able to do; `hub` receives the fees that are the hub's."""

    known: tuple[Agreement, ...] = ()
    hub: Party = HUB
    profiles: Profiles = NO_PROFILES

    def of(self, cdr: CdrFact) -> Agreement:
        """The agreement that covers a CDR: the one in force last; the default where none does."""
        covering = [one for one in self.known if one.covers(cdr)]
        return max(covering, key=_rank) if covering else DEFAULT

    def has_terms_for(self, cdr: CdrFact) -> bool:
        """Whether the two parties of a CDR have agreed anything at all, for whatever time or scope."""
        return any(one.creditor == cdr.owner and one.debtor == cdr.to for one in self.known)

    def applied(self, finding: Finding) -> Finding:
        """A finding with what the profiles of its parties make of it, and then what the agreement of its CDRs says of its check."""
        finding = self.profiles.applied(finding)
        cdrs = finding.subject.cdrs
        overrides = self.of(cdrs[0]).checks if cdrs else {}
        override = overrides.get(finding.check.kind) or overrides.get(finding.check.id)
        if override is None:
            return finding
        return replace(
            finding,
            severity=override.severity or finding.severity,
            disposition=override.disposition or finding.disposition,
        )

    def fees(self, cdr: CdrFact) -> Iterable[Obligation]:
        """What a settled CDR makes its parties pay beside its claim; a credit gives it back."""
        for fee in self.of(cdr).fees:
            payer, payee = self._party(fee.payer, cdr), self._party(fee.payee, cdr)
            if payer != payee:
                yield Obligation(Pair(payee, payer, cdr.currency), _charged(fee, cdr), cdrs=0)

    def _party(self, seat: str, cdr: CdrFact) -> Party:
        return {"hub": self.hub, "creditor": cdr.owner, "debtor": cdr.to}[seat]


def with_default_before(agreements: Iterable[Agreement]) -> tuple[Agreement, ...]:
    """Agreements, and the default terms for each pair until its first agreement begins: an agreement changes nothing before its date."""
    known = tuple(agreements)
    firsts: dict[tuple[Party | None, Party | None], datetime | None] = {}
    for one in known:
        pair = (one.creditor, one.debtor)
        firsts[pair] = one.valid_from if pair not in firsts else _earlier(firsts[pair], one.valid_from)
    before = (
        replace(DEFAULT, creditor=pair[0], debtor=pair[1], valid_to=first) for pair, first in firsts.items() if first
    )
    return (*known, *before)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two beginnings, None being before all others."""
    return None if one is None or other is None else min(one, other)


def _share_a_moment(one: Agreement, other: Agreement) -> bool:
    begins = [moment for moment in (one.valid_from, other.valid_from) if moment is not None]
    ends = [moment for moment in (one.valid_to, other.valid_to) if moment is not None]
    return not begins or not ends or max(begins) < min(ends)


def _share_any(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two scopes meet; an empty one is everything."""
    return not one or not other or bool(one & other)


def _charged(fee: Fee, cdr: CdrFact) -> Amount:
    sign = Decimal(-1 if cdr.is_credit else 1)
    total = cdr.total.excl_vat if cdr.total is not None else _ZERO
    parts = (
        EXACT.multiply(sign, fee.per_session),
        EXACT.multiply(sign, EXACT.multiply(fee.per_kwh, cdr.energy or _ZERO)),
        EXACT.divide(EXACT.multiply(fee.percent, total), _HUNDRED),
    )
    excl_vat = EXACT.add(EXACT.add(parts[0], parts[1]), parts[2])
    vat = EXACT.divide(EXACT.multiply(excl_vat, fee.vat or _ZERO), _HUNDRED)
    return Amount(excl_vat, EXACT.add(excl_vat, vat))


def _rank(agreement: Agreement) -> tuple[bool, float, int, str]:
    since = agreement.valid_from
    return (since is not None, since.timestamp() if since is not None else 0.0, agreement.version, agreement.id)


def _country(cdr: CdrFact) -> str:
    return text_of(_location(cdr).get("country")).upper()


def _location(cdr: CdrFact) -> Mapping[str, object]:
    location = cdr.content.get("cdr_location")
    return location if isinstance(location, Mapping) else {}

"""Which tariffs drivers may see, and the short price that is shown of them. Pure.

A tariff is **public** when

- its copy is for everybody (audience ""), and the last complete list of its owner still had it (`hub.store.publictariffs`),
- its owner is a member of the hub,
- it is a valid Tariff of OCPI 2.2.1,
- its `type` is AD_HOC_PAYMENT: a tariff without type is a price between companies, and none that a driver without contract pays,
- it is valid at the moment that is asked about (`start_date_time`, `end_date_time`).

Nothing else is shown to everybody. An eMSP that asks in its own name sees tariffs of the other kind: those for everybody and those that
were sent to it alone, without a type or REGULAR (mod_tariffs, TariffType: what counts without a charging preference).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from hub.navigation.location import Connector, PublicLocation
from hub.pricing.exact import PER_ONE, Exact
from hub.pricing.policy import DEFAULT
from hub.pricing.rounding import rounded
from hub.pricing.selection import AD_HOC
from hub.pricing.tariff import EXCL_UNITS, INCL_UNITS, REGULAR, CompiledTariff, Component, NotATariff, compile_tariff
from ocpi_modules.tariffs import Tariff as TariffObject
from ocpi_modules.types import NotJsonText, decode_json, fold, format_datetime

UNIT_PRICE_DECIMALS = 6
HEADLINES_KEPT_MAX = 16_384
UNKNOWN = "unknown"

Content = dict[str, Any]

Name = tuple[str, str]
"""What identifies a tariff: its owner as ``CC/PID``, and its folded id."""

KINDS = {"ENERGY": "kwh", "TIME": "minute", "FLAT": "session", "PARKING_TIME": "parking_minute"}
"""What prices are for, in the order of AFIR (Regulation (EU) 2023/1804, art. 5): per kWh, per minute, per session, anything else."""

_QUANTITIES = {"ENERGY": PER_ONE, "TIME": 60 * PER_ONE, "FLAT": 1, "PARKING_TIME": 60 * PER_ONE}
"""One kWh, minute or session in the units of the pricer."""


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """A Tariff as its owner (``CC/PID``) sent it, and as it is priced with."""

    owner: str
    terms: CompiledTariff
    text: bytes

    @property
    def name(self) -> Name:
        """What identifies it."""
        return self.owner, self.terms.key

    @property
    def ref(self) -> str:
        """What it is called in answers: ``CC/PID/id``."""
        return f"{self.owner}/{self.terms.id}"

    @property
    def version(self) -> str | None:
        """When its owner changed it last."""
        return None if self.terms.last_updated is None else format_datetime(self.terms.last_updated)


def name_of(owner: str, tariff_id: str) -> Name:
    """What identifies the tariff that a Connector of an owner refers to."""
    return owner, fold(tariff_id)


# --- who may see it ---------------------------------------------------------------------------------


def is_tariff(text: bytes) -> bool:
    """Whether a text is a Tariff of OCPI 2.2.1: lenient partners send others too."""
    try:
        TariffObject.model_validate(decode_json(text))
    except (NotJsonText, ValidationError):
        return False
    return True


def read_tariff(owner: str, text: bytes) -> Tariff | None:
    """A text as a tariff, None where it is none, or nothing can be priced with it."""
    if not is_tariff(text):
        return None
    try:
        return Tariff(owner, compile_tariff(text, DEFAULT), text)
    except NotATariff:
        return None


def is_public(tariff: Tariff, moment: datetime) -> bool:
    """Whether everybody may see a tariff whose copy is for everybody."""
    return is_ad_hoc(tariff.terms.type) and is_valid(tariff.terms.start, tariff.terms.end, moment)


def is_contractual(tariff: Tariff, moment: datetime) -> bool:
    """Whether an eMSP pays by a tariff that it may see."""
    return tariff.terms.type in (None, REGULAR) and is_valid(tariff.terms.start, tariff.terms.end, moment)


def is_ad_hoc(kind: str | None) -> bool:
    """Whether a type of tariff is for drivers without contract."""
    return kind == AD_HOC


def is_valid(start: datetime | None, end: datetime | None, moment: datetime) -> bool:
    """Whether a tariff counts at a moment; it does at both ends of its time, as it does for the pricer (T3)."""
    return (start is None or start <= moment) and (end is None or moment <= end)


def chosen(tariffs: Iterable[Tariff]) -> Tariff | None:
    """Of several that would do the one that began last, and of those the first, as the pricer chooses (T3)."""
    return max(tariffs, key=lambda tariff: tariff.terms.start or _LONG_AGO, default=None)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


# --- its short price --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """What a tariff costs in short: exact amounts in `currency`, of one kWh, minute or session; None where that costs nothing extra.

    Of several prices of one kind it is the dearest. `has_vat`: VAT is in the amounts, and nobody knows it otherwise. `varies`: what is
    paid is not simply quantity times these prices.
    """

    currency: str
    has_vat: bool
    varies: bool
    kwh: Fraction | None
    minute: Fraction | None
    session: Fraction | None
    parking_minute: Fraction | None

    @property
    def dearness(self) -> tuple[Fraction, ...]:
        """What headlines are compared by."""
        return tuple(getattr(self, name) or Fraction(0) for name in KINDS.values())


def headline_of(tariff: Tariff, moment: datetime) -> Headline:
    """The headline of a tariff, without what is over everywhere at this moment, or has not begun anywhere."""
    return _headline(tariff.terms, moment.astimezone(UTC).date())


@lru_cache(maxsize=HEADLINES_KEPT_MAX)
def _headline(terms: CompiledTariff, day: date) -> Headline:
    counted = {kind: [*_reachable(_components(terms, kind), day)] for kind in KINDS}
    has_vat = knows_vat(terms)
    prices = {KINDS[kind]: _dearest(components, has_vat) for kind, components in counted.items()}
    is_restricted = any(component.restrictions.stated for components in counted.values() for component in components)
    return Headline(currency=terms.currency, has_vat=has_vat, varies=is_restricted or terms.has_limits, **prices)


def _components(terms: CompiledTariff, kind: str) -> tuple[Component, ...]:
    by_kind = {"ENERGY": terms.energy, "TIME": terms.time, "FLAT": terms.flat, "PARKING_TIME": terms.parking}
    return by_kind[kind]


def _reachable(components: Iterable[Component], day: date) -> Iterator[Component]:
    """Those that may count: what comes after one without restrictions never does (E1)."""
    for component in components:
        if _may_hold(component, day):
            yield component
        if not component.restrictions.stated:
            return


def _may_hold(component: Component, day: date) -> bool:
    """Whether the dates of a component leave anything of a day in UTC, wherever on Earth that is."""
    first, end = (component.restrictions.stated.get(name) for name in ("start_date", "end_date"))
    is_begun = first is None or date.fromisoformat(str(first)) <= day + timedelta(days=1)
    return is_begun and (end is None or day - timedelta(days=1) < date.fromisoformat(str(end)))


def _dearest(components: list[Component], has_vat: bool) -> Fraction | None:
    return max((unit_price(component, has_vat=has_vat) for component in components), default=None)


def unit_price(component: Component, *, has_vat: bool) -> Fraction:
    """What one kWh, minute or session costs, with VAT or without."""
    quantity = _QUANTITIES[component.dimension]
    if has_vat:
        return Fraction(component.rate_incl * quantity, INCL_UNITS)
    return Fraction(component.rate * quantity, EXCL_UNITS)


def quantity_of(component: Component, quantity: Exact) -> Fraction:
    """A quantity of the pricer in kWh, minutes or sessions."""
    return Fraction(quantity, _QUANTITIES[component.dimension])


def knows_vat(terms: CompiledTariff) -> bool:
    """Whether amounts with VAT can be told: some price states a VAT (V2, V3), or everything is free.

    Where one price states a VAT and another one states none, no VAT applies to that one (mod_tariffs, PriceComponent). Where none does,
    feeds leave out what they should say more often than no VAT applies, so that nobody knows.
    """
    if any(component.vat is not None for component in terms.components):
        return True
    least = terms.min_price
    return all(component.rate == 0 for component in terms.components) and (least is None or least.incl is not None)


def brief_of(tariffs: Iterable[Tariff], moment: datetime) -> Content:
    """The property `price` of a Feature: what drivers without contract pay by any of these tariffs, amounts as decimal numbers in text.

    ``{"ad_hoc": "unknown"}`` where nobody said. Where connectors have several, it is the dearest that is shown, and how many there are.
    """
    public = [tariff for tariff in tariffs if is_public(tariff, moment)]
    if not public:
        return {"ad_hoc": UNKNOWN}
    tariff, headline = max(
        ((tariff, headline_of(tariff, moment)) for tariff in public), key=lambda pair: pair[1].dearness
    )
    more = {} if len(public) == 1 else {"varies": True, "tariffs": len(public)}
    return {"ad_hoc": {**headline_json(headline), **more, "tariff": tariff.ref, "tariff_version": tariff.version}}


def headline_json(headline: Headline) -> Content:
    """The amounts of a headline, in the order of AFIR."""
    amounts = {name: getattr(headline, name) for name in KINDS.values()}
    return {
        "currency": headline.currency,
        **{name: None if amount is None else plain(amount) for name, amount in amounts.items()},
        "incl_vat": headline.has_vat,
        **({} if headline.has_vat else {"vat": UNKNOWN}),
        "varies": headline.varies,
    }


def brief_at(connector: Connector, owner: str, known: Mapping[Name, Tariff], moment: datetime) -> Content:
    """The same for one Connector, by what is `known` of tariffs."""
    named = (known.get(name_of(owner, tariff_id)) for tariff_id in connector.tariff_ids)
    tariff = chosen(tariff for tariff in named if tariff is not None and is_public(tariff, moment))
    return brief_of(() if tariff is None else (tariff,), moment)


def briefs_at(location: PublicLocation, known: Mapping[Name, Tariff], moment: datetime) -> dict[str, Content]:
    """The price of every Connector of a Location, by ``EVSE uid/connector id``."""
    return {
        f"{evse.uid}/{connector.id}": brief_at(connector, location.party, known, moment)
        for evse in location.evses
        for connector in evse.connectors
    }


def plain(number: Fraction, decimals: int = UNIT_PRICE_DECIMALS) -> str:
    """A number as text with at most so many decimals, half away from zero, without zeros at its end."""
    text = f"{rounded(number, '', exponent=decimals):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

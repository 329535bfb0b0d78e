"""What the tariff makes of a CDR: the meeting of settlement and pricer.

The embedded tariff prices the CDR, else the version that its owner had published when the session began (T1, T6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from hub.pricing.charge import Charge, NotACharge, read_charge
from hub.pricing.policy import Policy
from hub.pricing.pricer import Priced, price
from hub.pricing.result import Unpriceable
from hub.pricing.selection import BOOKS_KEPT_MAX, TariffBook
from hub.pricing.tariff import NotATariff, compile_tariff
from hub.pricing.zones import UnknownZone, zone_named
from hub.settlement.agreements import Agreement
from hub.settlement.evidence import Evidence, Place
from hub.settlement.facts import CdrFact, Object, Version, items_of, key_of, objects_in, text_of
from hub.settlement.price_books import AS_CDR, Prices
from ocpi_modules.types import encode_decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """A price, or why there is none; `book` and `zone` are what it was priced with. `charge` is None where the CDR cannot be read."""

    charge: Charge | None
    book: TariffBook
    zone: ZoneInfo | None
    result: Priced | Unpriceable | None
    refusal: str = ""

    @property
    def priced(self) -> Priced | None:
        """The price where there is one."""
        return self.result if isinstance(self.result, Priced) else None


def price_agreed(cdr: CdrFact, evidence: Evidence, place: Place, agreement: Agreement) -> Pricing:
    """What a CDR costs by what its two parties agreed; never raises."""
    return price_cdr(cdr, evidence, place, agreement.policy, agreement.prices)


def price_cdr(cdr: CdrFact, evidence: Evidence, place: Place, policy: Policy, prices: Prices = AS_CDR) -> Pricing:
    """What a CDR costs by its tariff, or by other prices that were agreed; never raises."""
    texts = _readable(prices.texts(evidence.tariff_texts.get(cdr.owner, ())), policy)
    offered = _offered(place) if prices.mode != "agreed_book" else None
    book = TariffBook(texts=texts, offered=offered, preference=_preference(evidence.token_of(cdr)))
    try:
        content = prices.content(cdr.content)
        charge = read_charge(cdr.text if cdr.text and content is cdr.content else encode_decoded(content))
    except NotACharge as refused:
        return Pricing(charge=None, book=book, zone=None, result=None, refusal=str(refused))
    zone = _zone(place.location)
    try:
        return Pricing(charge=charge, book=book, zone=zone, result=price(charge, book, policy, zone))
    except NotATariff as refused:
        return Pricing(charge=charge, book=book, zone=zone, result=None, refusal=str(refused))


@lru_cache(maxsize=BOOKS_KEPT_MAX)
def _readable(texts: tuple[bytes, ...], policy: Policy) -> tuple[bytes, ...]:
    """A published tariff that nobody can read is as good as none."""
    return tuple(text for text in texts if _is_tariff(text, policy))


def _is_tariff(text: bytes, policy: Policy) -> bool:
    try:
        compile_tariff(text, policy)
    except NotATariff:
        return False
    return True


def _preference(token: Version | None) -> str | None:
    """The profile that a driver charges with unless another one is asked for (T4)."""
    return text_of(token.content.get("default_profile_type")) or None if token is not None else None


def _zone(location: Object | None) -> ZoneInfo | None:
    """The zone of the Location (E3); where it is not known, the pricer looks what lies at the coordinates in the CDR, if it has to."""
    try:
        return zone_named(text_of(location.get("time_zone")) if location is not None else "")
    except UnknownZone:
        return None


def _offered(place: Place) -> frozenset[str] | None:
    """The tariffs that the connector refers to, or all of its EVSE where the connector is not known."""
    connectors = (place.connector,) if place.connector is not None else _connectors(place.evse)
    named = [key_of(item) for one in connectors for item in items_of(one.get("tariff_ids"))]
    return frozenset(filter(None, named)) or None


def _connectors(evse: Object | None) -> tuple[Object, ...]:
    return objects_in(evse.get("connectors")) if evse is not None else ()

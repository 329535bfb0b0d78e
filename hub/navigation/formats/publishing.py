"""What every open format needs beside the Locations: who publishes, what charging costs there and then, and bytes in good pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from hub.navigation.location import Connector, PublicLocation

CHUNK_MIN_BYTES = 65_536
DECIMALS_OF_A_DEGREE = 7
"""A centimetre, and all that OCPI can write."""

PAYMENT_CAPABILITIES = frozenset(
    {"CREDIT_CARD_PAYABLE", "DEBIT_CARD_PAYABLE", "PED_TERMINAL", "CONTACTLESS_CARD_SUPPORT", "CHIP_CARD_SUPPORT"}
)
"""Capabilities of an EVSE where one can pay with a card of a bank."""

TariffKey = tuple[str, str]
"""A party as ``CC/PID`` and the id of one of its Tariffs."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes: this hub.

    `country` is ISO 3166-1 alpha-2, `identifier` what a national access point knows the publisher by, `language` ISO 639-1: the language
    of texts that do not say theirs. `contact_email` may stand for CPOs that are not in `contacts` (their e-mail, by ``CC/PID``).
    """

    name: str
    country: str
    identifier: str
    language: str = "en"
    website: str | None = None
    licence: str | None = None
    contact_email: str | None = None
    contacts: Mapping[str, str] = field(default_factory=dict)

    def contact_of(self, party: str) -> str | None:
        """The e-mail for questions about what `party` (``CC/PID``) runs."""
        return self.contacts.get(party, self.contact_email)


@dataclass(frozen=True, slots=True)
class AdHocPrice:
    """What a driver without contract pays, VAT included, in `currency` (ISO 4217); None where that part is no part of the price.

    `updated_at` is when it came to that. A part that is zero says that it is free.
    """

    currency: str
    updated_at: datetime
    per_kwh: Decimal | None = None
    per_minute: Decimal | None = None
    per_session: Decimal | None = None

    @property
    def parts(self) -> tuple[tuple[str, Decimal], ...]:
        """What is charged: ``kWh``, ``min`` or ``session`` and the amount for one of it, without what is zero."""
        stated = (("kWh", self.per_kwh), ("min", self.per_minute), ("session", self.per_session))
        return tuple((unit, amount) for unit, amount in stated if amount)

    @property
    def is_stated(self) -> bool:
        """Whether it says anything at all."""
        return any(part is not None for part in (self.per_kwh, self.per_minute, self.per_session))

    @property
    def is_free(self) -> bool:
        """Whether charging costs nothing."""
        return self.is_stated and not self.parts


Prices = Mapping[TariffKey, AdHocPrice]
"""The ad-hoc prices that are known. A roaming price is never one of them (a missing one means unknown)."""


def adhoc_price(location: PublicLocation, connector: Connector, prices: Prices) -> tuple[str, AdHocPrice] | None:
    """The ad-hoc price of a connector and the Tariff that says it: the first of its Tariffs that states one; None where unknown."""
    for tariff_id in connector.tariff_ids:
        price = prices.get((location.party, tariff_id))
        if price is not None and price.is_stated:
            return tariff_id, price
    return None


def in_words(price: AdHocPrice) -> str:
    """A price as a sentence for people, such as ``0.59 EUR/kWh + 0.10 EUR/min incl. VAT``."""
    if price.is_free:
        return "free of charge"
    return " + ".join(f"{amount} {price.currency}/{unit}" for unit, amount in price.parts) + " incl. VAT"


def degrees(value: float) -> float:
    """Degrees to a centimetre, never minus zero."""
    return round(value, DECIMALS_OF_A_DEGREE) + 0.0


_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_bytes(value: Any) -> bytes:
    """`value` as JSON in UTF-8; Decimals are numbers with their digits."""
    return _ENCODER.encode(value)


def joined(parts: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """The parts with the separator between them, one at a time."""
    between = b""
    for part in parts:
        yield between + part
        between = separator


def in_chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of at least CHUNK_MIN_BYTES, but for the last: never more in memory than that and one part."""
    waiting: list[bytes] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= CHUNK_MIN_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)

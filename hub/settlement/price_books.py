"""By which prices two parties settle: those of the CDR, those with a markup, or a book of tariffs that they agreed on.

An agreement changes no claim: what the prices make of a charge is what the claim is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

from hub.settlement.amounts import EXACT
from hub.settlement.facts import Object, key_of, number_of, objects_in
from ocpi_modules.types import decode_json, encode_decoded

Mode = Literal["as_cdr", "markup", "agreed_book"]
BOOKS_KEPT_MAX = 1024

_HUNDRED = Decimal(100)
_LIMITS = ("min_price", "max_price")


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices that count: those of the CDR, the same with `markup_percent` on top of each price and limit, or those of a `book`.

    A book is JSON texts of tariffs.
    """

    mode: Mode = "as_cdr"
    markup_percent: Decimal = Decimal(0)
    book: tuple[bytes, ...] = ()

    def content(self, cdr: Object) -> Object:
        """A CDR as it is to be priced."""
        if self.mode == "markup":
            return {**cdr, "tariffs": [self._marked_up(one) for one in objects_in(cdr.get("tariffs"))]}
        return in_book(cdr, self.book) if self.mode == "agreed_book" else cdr

    def texts(self, published: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The tariffs beside the CDR: what its owner published, with the markup; none where there is a book, which is all that counts."""
        if self.mode == "agreed_book":
            return ()
        return _marked_up_texts(published, self) if self.mode == "markup" else published

    def _marked_up(self, tariff: Object) -> Object:
        factor = EXACT.add(1, EXACT.divide(self.markup_percent, _HUNDRED))
        elements = [_element(one, factor) for one in objects_in(tariff.get("elements"))]
        limits = {name: _scaled(tariff[name], ("excl_vat", "incl_vat"), factor) for name in _LIMITS if name in tariff}
        return {**tariff, "elements": elements, **limits}


AS_CDR = Prices()


def in_book(cdr: Object, book: tuple[bytes, ...]) -> Object:
    """A CDR with the tariffs of a book for its own. A period names its tariff where the book has it, or where the book has only one."""
    tariffs = _decoded(book)
    only = str(tariffs[0].get("id")) if len(tariffs) == 1 else None
    known = {key_of(one.get("id")) for one in tariffs}
    periods = [_period(one, known, only) for one in objects_in(cdr.get("charging_periods"))]
    return {**cdr, "tariffs": list(tariffs), "charging_periods": periods}


def _period(period: Object, known: Iterable[str], only: str | None) -> Object:
    if only is not None:
        return {**period, "tariff_id": only}
    is_known = key_of(period.get("tariff_id")) in known
    return period if is_known else {name: value for name, value in period.items() if name != "tariff_id"}


def _element(element: Object, factor: Decimal) -> Object:
    components = [_scaled(one, ("price",), factor) for one in objects_in(element.get("price_components"))]
    return {**element, "price_components": components}


def _scaled(value: Any, names: Iterable[str], factor: Decimal) -> Any:
    """An object with some of its numbers multiplied; what is no number stays as it is."""
    if not isinstance(value, Mapping):
        return value
    numbers = {name: number_of(value.get(name)) for name in names}
    return {**value, **{name: EXACT.multiply(one, factor) for name, one in numbers.items() if one is not None}}


@lru_cache(maxsize=BOOKS_KEPT_MAX)
def _decoded(book: tuple[bytes, ...]) -> tuple[Object, ...]:
    return tuple(decode_json(text) for text in book)


@lru_cache(maxsize=BOOKS_KEPT_MAX)
def _marked_up_texts(texts: tuple[bytes, ...], prices: Prices) -> tuple[bytes, ...]:
    return tuple(encode_decoded(prices._marked_up(decode_json(text))) for text in texts)

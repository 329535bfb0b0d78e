"""What comes out of the pricer, before anybody asks for words or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import msgspec

from hub.pricing.charge import Charge
from hub.pricing.exact import Exact, plainest
from hub.pricing.policy import Policy
from hub.pricing.tariff import EXCL_UNITS, INCL_UNITS, Component


@dataclass(frozen=True, slots=True)
class Warning:
    """A finding that the pricer alone can make (the kinds are named in `docs/reference`): one sentence for people.

    `period` is the place of a charging period in time order, None where it is about the whole. `facts` are numbers and ids
    that belong to it.
    """

    kind: str
    detail: str
    period: int | None = None
    facts: dict[str, object] = field(default_factory=dict)


class Line(msgspec.Struct, gc=False):
    """A priced quantity: in the units of `charge.Period`, 1 for a FLAT. `is_surplus`: what step_size added (or took away)."""

    period: int
    component: Component
    quantity: Exact
    is_surplus: bool = False


class Lines(msgspec.Struct, gc=False):
    """The lines of a charge by dimension, each list in the order of the periods."""

    flat: list[Line]
    energy: list[Line]
    time: list[Line]
    parking: list[Line]
    reservation: list[Line]

    def __iter__(self) -> Iterator[Line]:
        """All of them: by period, and what step_size added last."""
        return iter(sorted(self.unordered(), key=_place))

    def unordered(self) -> list[Line]:
        """All of them, for sums."""
        return self.flat + self.energy + self.time + self.parking + self.reservation


def _place(line: Line) -> tuple[bool, int]:
    return line.is_surplus, line.period


class LimitApplied(msgspec.Struct, gc=False):
    """A min_price or max_price that changed an amount, in EXCL_UNITS or INCL_UNITS by `side`."""

    limit: str
    tariff: str
    side: str
    before: Exact
    after: Exact
    rule: str


class Money(msgspec.Struct, frozen=True, gc=False):
    """An exact amount in the currency of the charge, counted in EXCL_UNITS and INCL_UNITS."""

    excl: Exact
    incl: Exact | None

    @property
    def excl_vat(self) -> Fraction:
        """Without VAT."""
        return Fraction(self.excl, EXCL_UNITS)

    @property
    def incl_vat(self) -> Fraction | None:
        """With VAT; None where nobody knows it."""
        return None if self.incl is None else Fraction(self.incl, INCL_UNITS)

    @property
    def plain_excl_vat(self) -> Decimal | Fraction:
        """Without VAT, as a Decimal where that has all digits: to compare with what is written."""
        return plainest(self.excl, EXCL_UNITS)

    @property
    def plain_incl_vat(self) -> Decimal | Fraction | None:
        """With VAT likewise; None where nobody knows it."""
        return None if self.incl is None else plainest(self.incl, INCL_UNITS)


@dataclass(frozen=True, slots=True)
class Unpriceable:
    """Why there is no price: a kind of finding, and a sentence."""

    kind: str
    detail: str
    charge: Charge
    policy: Policy
    warnings: tuple[Warning, ...] = ()

"""What a charge would cost under other tariffs: another version, one tariff for all of it, one in place of another, in one period."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from msgspec import structs

from hub.pricing.charge import Charge, Period
from hub.pricing.guess import Case, Guess, guess
from hub.pricing.pricer import Priced
from hub.pricing.tariff import CompiledTariff, NotATariff, compile_tariff

OTHER_TARIFFS_MAX = 200
MIXTURES_MAX = 200
"""So many ways of exchanging some of the tariffs of one charge are tried."""
MIXED_FROM_SMALL_BOOK_MAX = 5
"""Of more tariffs that nothing ties to the charge, one gives nearly any claim in some period."""

Known = tuple[bytes, CompiledTariff]


def other_versions(case: Case, plain: Priced) -> Iterator[Guess]:
    """The same tariff with other prices (T6)."""
    used = _used(plain)
    for text, tariff in _known(case):
        if tariff.key in used and tariff.terms != used[tariff.key].terms:
            updated = f", last updated {tariff.last_updated:%Y-%m-%d %H:%M} UTC," if tariff.last_updated else ""
            yield from guess(
                _with_version(case, text, tariff),
                "TARIFF_CONTENT_MISMATCH",
                "other_tariff_version",
                f"another version of the tariff {tariff.id}{updated} is used",
            )


def other_tariffs(case: Case, plain: Priced) -> Iterator[Guess]:
    """One tariff for everything, one that the CDR names among them where it names several."""
    used = _used(plain)
    for text, tariff in _known(case):
        if tariff.key not in used or len(used) > 1:
            where = "" if tariff.key not in used else " in every period"
            yield from guess(
                _under(case, text, [tariff.key] * len(case.charge.periods)),
                "WRONG_TARIFF",
                f"tariff:{tariff.id}",
                f"the tariff {tariff.id} is used{where}",
            )


def mixed_tariffs(case: Case, plain: Priced) -> Iterator[Guess]:
    """Each tariff in place of another one, then each in one period."""
    yield from islice(_mixtures(case, plain), MIXTURES_MAX)


def _mixtures(case: Case, plain: Priced) -> Iterator[Guess]:
    names = [None if tariff is None else tariff.key for tariff in plain.working.tariffs]
    if len(names) == 1:
        return
    used, known = _used(plain), _likely(case, plain)
    for old in used.values() if len(used) > 1 else ():
        for text, new in known:
            if new.key != old.key:
                mixed = [new.key if name == old.key else name for name in names]
                words = f"the tariff {new.id} is used in place of {old.id}"
                yield from guess(_under(case, text, mixed), "WRONG_TARIFF", f"tariff:{new.id}:for:{old.id}", words)
    for index, name in enumerate(names):
        for text, new in known:
            if new.key != name:
                mixed = [*names[:index], new.key, *names[index + 1 :]]
                words = f"the tariff {new.id} is used in period {index + 1}"
                yield from guess(_under(case, text, mixed), "WRONG_TARIFF", f"tariff:{new.id}:period:{index}", words)


def _likely(case: Case, plain: Priced) -> list[Known]:
    """One version each of the tariffs that something ties to the charge: in the CDR, used, or offered by the connector."""
    near = {*_used(plain), *(case.book.offered or ())}
    near |= {tariff.key for _, tariff in _readable(case.charge.tariffs, case)}
    is_small = case.book.offered is None and len(case.book.texts) <= MIXED_FROM_SMALL_BOOK_MAX
    known = {tariff.key: (text, tariff) for text, tariff in _known(case) if is_small or tariff.key in near}
    return list(known.values())


def _under(case: Case, text: bytes, names: list[str | None]) -> Case:
    """The case with the tariff of this text known, and each period under the tariff that is named for it."""
    periods = [_named(period, name) for period, name in zip(case.charge.periods, names, strict=True)]
    tariff = compile_tariff(text, case.policy)
    return _with_version(replace(case, charge=structs.replace(case.charge, periods=periods)), text, tariff)


def _named(period: Period, name: str | None) -> Period:
    return structs.replace(period, tariff_id=name)


def _with_version(case: Case, text: bytes, tariff: CompiledTariff) -> Case:
    others = tuple(other for other, known in _readable(case.charge.tariffs, case) if known.key != tariff.key)
    charge: Charge = structs.replace(case.charge, tariffs=(text, *others))
    return replace(case, charge=charge)


def _known(case: Case) -> Iterator[Known]:
    """The tariffs that may have priced the charge: of the same owner and currency."""
    texts = tuple(dict.fromkeys((*case.charge.tariffs, *case.book.texts)))[:OTHER_TARIFFS_MAX]
    for text, tariff in _readable(texts, case):
        if tariff.currency == case.charge.currency and tariff.owner in (None, case.charge.owner):
            yield text, tariff


def _readable(texts: tuple[bytes, ...], case: Case) -> Iterator[Known]:
    for text in texts:
        try:
            yield text, compile_tariff(text, case.policy)
        except NotATariff:
            continue


def _used(plain: Priced) -> dict[str, CompiledTariff]:
    return {tariff.key: tariff for tariff in plain.working.tariffs if tariff is not None}

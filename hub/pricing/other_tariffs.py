"""What a charge would cost under other tariffs: another version, one tariff for all of it, one in place of another, in one period."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from msgspec import structs

from hub.pricing.bounds import Bounds
from hub.pricing.charge import Charge, Period
from hub.pricing.comparison import Amount, amount_of
from hub.pricing.guess import Case, Guess, guess
from hub.pricing.pricer import Priced, price_under
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
    for _, tariff in _known(case):
        if tariff.key not in used or len(used) > 1:
            where = "" if tariff.key not in used else " in every period"
            amount = _amount(case, plain, [tariff] * len(case.charge.periods))
            yield Guess("WRONG_TARIFF", f"tariff:{tariff.id}", f"the tariff {tariff.id} is used{where}", amount)


def mixed_tariffs(case: Case, plain: Priced) -> Iterator[Guess]:
    """Each tariff in place of another one, then each in one period."""
    for one in islice(_mixtures(case, plain), MIXTURES_MAX):
        if one is not None:
            yield one


def _mixtures(case: Case, plain: Priced) -> Iterator[Guess | None]:
    """None for those that cannot be what is claimed, which nobody computes."""
    names = [None if tariff is None else tariff.key for tariff in plain.working.tariffs]
    if len(names) == 1:
        return
    used, known = _used(plain), _likely(case, plain)
    bounds = Bounds(plain, case.claim.total.excl_vat, case.policy, case.zone) if _are_named(plain) else None
    for old in used.values() if len(used) > 1 else ():
        for text, new in known:
            if new.key != old.key:
                mixed = [new.key if name == old.key else name for name in names]
                words = f"the tariff {new.id} is used in place of {old.id}"
                yield from _mixture((case, plain, bounds), (text, new), mixed, (f"tariff:{new.id}:for:{old.id}", words))
    for index, name in enumerate(names):
        for text, new in known:
            if new.key != name:
                mixed = [*names[:index], new.key, *names[index + 1 :]]
                words = f"the tariff {new.id} is used in period {index + 1}"
                yield from _mixture(
                    (case, plain, bounds), (text, new), mixed, (f"tariff:{new.id}:period:{index}", words)
                )


Names = Sequence[str | None]
"""What each period is priced by: the keys of tariffs."""


def _are_named(plain: Priced) -> bool:
    """Whether each period names the tariff that prices it: then another one for some periods changes nothing for the others."""
    return all(period.tariff_id is not None for period in plain.charge.periods)


def _amount(case: Case, plain: Priced, tariffs: Sequence[CompiledTariff | None]) -> Amount:
    """The price where it is known which tariff prices each period."""
    return amount_of(price_under(plain, tariffs, case.policy, case.zone).total_cost)


def _mixture(
    about: tuple[Case, Priced, Bounds | None], known: Known, names: Names, said: tuple[str, str]
) -> Iterator[Guess | None]:
    """The price with a tariff among others; where there are bounds, it is known which tariff prices each period."""
    (case, plain, bounds), (text, new) = about, known
    if bounds is None:
        yield from guess(_under(case, text, names), "WRONG_TARIFF", *said)
        return
    used = zip(names, plain.working.tariffs, strict=True)
    tariffs = [new if name == new.key or old is None else old for name, old in used]
    if bounds.may_be_claimed(tariffs):
        yield Guess("WRONG_TARIFF", *said, _amount(case, plain, tariffs))
    else:
        yield None


def _likely(case: Case, plain: Priced) -> list[Known]:
    """One version each of the tariffs that something ties to the charge: in the CDR, used, or offered by the connector."""
    near = {*_used(plain), *(case.book.offered or ())}
    near |= {tariff.key for _, tariff in _readable(case.charge.tariffs, case)}
    is_small = case.book.offered is None and len(case.book.texts) <= MIXED_FROM_SMALL_BOOK_MAX
    known = {tariff.key: (text, tariff) for text, tariff in _known(case) if is_small or tariff.key in near}
    return list(known.values())


def _under(case: Case, text: bytes, names: Names) -> Case:
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

"""Which tariff prices which period (rules T1 to T8, X1).

A tariff that a period names is taken from the CDR, else from what the owner pushed; a CDR that names none gets one tariff for
the whole session (mod_cdrs, ChargingPeriod and CDR object; mod_tariffs, TariffType).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from hub.pricing.charge import Charge
from hub.pricing.policy import DEFAULT, Policy
from hub.pricing.result import Warning
from hub.pricing.tariff import REGULAR, CompiledTariff, NotATariff, compile_tariff
from ocpi_modules.types import fold

BOOKS_KEPT_MAX = 1024
UNREADABLE_TOLD_MAX = 20
AD_HOC = "AD_HOC_PAYMENT"
PROFILE = "PROFILE_"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TariffBook:
    """What is known of tariffs beside the CDR.

    `texts` are the JSON texts that the tariff store holds; `offered` the folded ids that the connector refers to, None where
    the Location is not known; `preference` the driver's charging preference (CHEAP, FAST, GREEN, REGULAR).
    """

    texts: tuple[bytes, ...] = ()
    offered: frozenset[str] | None = None
    preference: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Why no tariff could be found, or none that may be used."""

    kind: str
    detail: str
    warnings: tuple[Warning, ...] = ()


class Selected(msgspec.Struct, gc=False):
    """The tariff of each period, None where it costs nothing, and what was doubtful."""

    tariffs: list[CompiledTariff | None]
    warnings: tuple[Warning, ...]


def select(charge: Charge, book: TariffBook, policy: Policy) -> Selected | Missing:
    """The tariff of every period. Raises tariff.NotATariff for a text that is none and would have priced it."""
    stated = charge.periods[0].tariff_id
    try:
        embedded = [compile_tariff(text, policy) for text in charge.tariffs]
        stored = () if stated is None else _stored(fold(stated), book.texts, policy)
    except NotATariff:  # perhaps one that nobody needs
        return _Search(charge, book, policy).run()
    tariff = None if stated is None else _only(stated, charge, embedded, stored)
    if tariff is not None and _is_beyond_doubt(tariff, charge, book):
        return Selected([tariff] * len(charge.periods), ())
    return _Search(charge, book, policy).run()


def _stored(name: str, texts: tuple[bytes, ...], policy: Policy) -> Sequence[CompiledTariff]:
    """What the tariff store holds under a folded id. Raises NotATariff where any text is none, under any id."""
    if policy is DEFAULT:
        return _compiled_by_name(texts).get(name, ())
    return [compile_tariff(text, policy) for text in _texts_by_name(texts).get(name, ())]


@lru_cache(maxsize=BOOKS_KEPT_MAX)
def _compiled_by_name(texts: tuple[bytes, ...]) -> Mapping[str, Sequence[CompiledTariff]]:
    """The compiled tariffs of a book by folded id; the same book is compiled once."""
    by_name = _texts_by_name(texts).items()
    return {name: [compile_tariff(text, DEFAULT) for text in found] for name, found in by_name}


@lru_cache(maxsize=BOOKS_KEPT_MAX)
def _texts_by_name(texts: tuple[bytes, ...]) -> Mapping[str, Sequence[bytes]]:
    """The texts of a book by folded id: under other policies only those that are asked for are compiled again."""
    found: dict[str, list[bytes]] = {}
    for text in texts:
        found.setdefault(compile_tariff(text, DEFAULT).key, []).append(text)
    return found


# --- the common case -------------------------------------------------------------------------


def _only(
    stated: str, charge: Charge, embedded: Sequence[CompiledTariff], stored: Sequence[CompiledTariff]
) -> CompiledTariff | None:
    """The one tariff that every period names, where there is one version of it; None where there is more to think about."""
    for period in charge.periods:
        if period.tariff_id != stated:
            return None
    name = fold(stated)
    found = [tariff for tariff in embedded if tariff.key == name] or stored
    if len(found) != 1 or (stored and not _is_owned_by(stored[0], charge.owner)):
        return None
    tariff = found[0]
    for version in stored:
        if version is not tariff and version.terms != tariff.terms:
            return None
    return tariff


def _is_beyond_doubt(tariff: CompiledTariff, charge: Charge, book: TariffBook) -> bool:
    """Whether nothing can be said against a tariff that is named, nor about when it was valid."""
    return (
        tariff.is_beyond_doubt
        and tariff.currency == charge.currency
        and charge.start is not None
        and book.preference is None
        and (not book.offered or tariff.key in book.offered)
    )


# --- everything else -------------------------------------------------------------------------


class _Search:
    """One search: the places to look, in their order, and the warnings on the way."""

    def __init__(self, charge: Charge, book: TariffBook, policy: Policy) -> None:
        self.charge, self.book, self.policy = charge, book, policy
        self.embedded, self.unreadable_embedded = _read_all(charge.tariffs, policy, "the CDR")
        pushed, self.unreadable_pushed = _read_all(book.texts, policy, "those beside the CDR")
        self.pushed = [tariff for tariff in pushed if _is_owned_by(tariff, charge.owner)]
        self.names = [None if period.tariff_id is None else fold(period.tariff_id) for period in charge.periods]
        self.warnings: list[Warning] = []

    def run(self) -> Selected | Missing:
        """The tariff of every period, looked up by its name or by rule."""
        names = self.names
        found: dict[str | None, CompiledTariff | Missing | None] = {None: None}
        for name in dict.fromkeys(names):
            found[name] = self._named(name) if name is not None else self._unnamed(names)
        missing = next((item for item in found.values() if isinstance(item, Missing)), None)
        if missing is not None:
            return replace(missing, warnings=tuple(self._unread()))
        return self._checked([found[name] for name in names])  # type: ignore[misc]  # none is Missing

    def _named(self, name: str) -> CompiledTariff | Missing:
        places = ((self.embedded, self.unreadable_embedded), (self.pushed, self.unreadable_pushed))
        for place, unreadable in places:
            versions = [tariff for tariff in place if tariff.key == name]
            if versions:
                return self._version(versions)
            for refused in unreadable:
                if refused.name is not None and fold(refused.name) == name:
                    raise refused
        return Missing("MISSING_TARIFF", f"The tariff {name} is neither in the CDR nor known from its owner.")

    def _version(self, versions: list[CompiledTariff]) -> CompiledTariff:
        """The version in force at the start of the session, else the earliest (T6)."""
        start = self.charge.start
        if start is None or len(versions) == 1:
            return versions[0]
        valid = [tariff for tariff in versions if self._is_valid(tariff, start)] or versions
        known = [tariff for tariff in valid if (tariff.last_updated or _LONG_AGO) <= start]
        return max(known, key=_updated) if known else min(valid, key=_updated)

    def _unnamed(self, names: list[str | None]) -> CompiledTariff | Missing | None:
        has_names = any(name is not None for name in names)
        mode = self.policy.missing_tariff_id
        if mode == "fallback_always" or (mode == "fallback_if_none" and not has_names):
            return self._fallback()
        if not has_names:
            return Missing("MISSING_TARIFF", "No period names a tariff.")
        return None

    def _fallback(self) -> CompiledTariff | Missing:
        candidates = self._candidates()
        unreadable = self.unreadable_embedded or (() if self.embedded else self.unreadable_pushed)
        if not candidates and unreadable:
            raise unreadable[0]
        if not candidates:
            return Missing(
                "MISSING_TARIFF", "No period names a tariff, and none was valid at the start of the session."
            )
        if len(candidates) > 1:
            detail = f"{len(candidates)} tariffs were valid at the start of the session."
            if self.charge.start is None:
                return Missing("AMBIGUOUS_TARIFF", detail)
            self.warnings.append(Warning("AMBIGUOUS_TARIFF", detail))
        return max(candidates, key=_starts)  # the first of those that started last

    def _candidates(self) -> list[CompiledTariff]:
        """What may be the tariff of a session that names none (T3): one version of each, valid, of the fitting type."""
        has_embedded = self.embedded or self.unreadable_embedded
        place = self.embedded if has_embedded else [tariff for tariff in self.pushed if self._is_offered(tariff)]
        start = self.charge.start
        valid = [tariff for tariff in place if start is None or self._is_valid(tariff, start)]
        keys = dict.fromkeys(tariff.key for tariff in valid)
        versions = [self._version([tariff for tariff in valid if tariff.key == key]) for key in keys]
        ranks = [_rank(tariff.type, self.book.preference) for tariff in versions]
        best = min((rank for rank in ranks if rank is not None), default=None)
        return [tariff for tariff, rank in zip(versions, ranks, strict=True) if rank is not None and rank == best]

    def _is_offered(self, tariff: CompiledTariff) -> bool:
        return self.book.offered is None or tariff.key in self.book.offered

    def _is_valid(self, tariff: CompiledTariff, moment: datetime) -> bool:
        if tariff.start is not None and moment < tariff.start:
            return False
        if tariff.end is None:
            return True
        return moment <= tariff.end if self.policy.tariff_end == "inclusive" else moment < tariff.end

    def _checked(self, tariffs: list[CompiledTariff | None]) -> Selected | Missing:
        used = list({tariff.key: tariff for tariff in tariffs if tariff is not None}.values())
        for tariff in used:
            if tariff.currency != self.charge.currency:
                detail = f"The tariff {tariff.id} is in {tariff.currency}, the CDR in {self.charge.currency}."
                return Missing("CURRENCY_MISMATCH", detail)
        self.warnings += self._unnamed_periods()
        self.warnings += [warning for tariff in used for warning in self._doubts(tariff, tariffs)]
        self.warnings += self._unread()
        return Selected(tariffs, tuple(self.warnings))

    def _unnamed_periods(self) -> list[Warning]:
        unnamed = [index for index, period in enumerate(self.charge.periods) if period.tariff_id is None]
        if not unnamed:
            return []
        if len(unnamed) == len(self.charge.periods):
            return [Warning("TARIFF_ID_MISSING", "No period names a tariff.")]
        return [Warning("TARIFF_ID_MISSING", "The period names no tariff, others do.", index) for index in unnamed]

    def _unread(self) -> Iterable[Warning]:
        """The tariffs that nobody can read, and that nobody needed."""
        for refused in [*self.unreadable_embedded, *self.unreadable_pushed][:UNREADABLE_TOLD_MAX]:
            facts: dict[str, object] = {} if refused.name is None else {"tariff_id": refused.name}
            yield Warning(
                "TARIFF_INVALID", f"{str(refused)[:1].upper()}{str(refused)[1:]}; it prices nothing.", facts=facts
            )

    def _doubts(self, tariff: CompiledTariff, tariffs: list[CompiledTariff | None]) -> Iterable[Warning]:
        facts: dict[str, object] = {"tariff_id": tariff.id}
        if tariff.key in self.names:
            for detail in self._wrongs(tariff, tariffs):
                yield Warning("WRONG_TARIFF", detail, facts=facts)
        for detail in tariff.defects:
            yield Warning("TARIFF_INVALID", detail, facts=facts)
        if self._differs_from_the_store(tariff):
            detail = f"The tariff {tariff.id} in the CDR differs from the one in force at the start of the session."
            yield Warning("TARIFF_CONTENT_MISMATCH", detail, facts=facts)

    def _wrongs(self, tariff: CompiledTariff, tariffs: list[CompiledTariff | None]) -> Iterable[str]:
        if _rank(tariff.type, self.book.preference) is None:
            yield f"The tariff {tariff.id} is of type {tariff.type}, which this session was not offered."
        if self.book.offered and tariff.key not in self.book.offered:
            yield f"The tariff {tariff.id} is not one that the connector refers to."
        first = self.charge.periods[tariffs.index(tariff)].start
        moments = [moment for moment in (self.charge.start, first) if moment is not None]
        if moments and not any(self._is_valid(tariff, moment) for moment in moments):
            yield f"The tariff {tariff.id} was not valid at the start of the session."

    def _differs_from_the_store(self, tariff: CompiledTariff) -> bool:
        start = self.charge.start
        if start is None or tariff not in self.embedded:
            return False
        known = [
            version
            for version in self.pushed
            if version.key == tariff.key and (version.last_updated or _LONG_AGO) <= start
        ]
        return bool(known) and max(known, key=_updated).terms != tariff.terms


def _read_all(texts: Iterable[bytes], policy: Policy, whose: str) -> tuple[list[CompiledTariff], list[NotATariff]]:
    """What can be read of several texts, and what cannot."""
    readable: list[CompiledTariff] = []
    refused: list[NotATariff] = []
    for place, text in enumerate(texts, 1):
        try:
            readable.append(compile_tariff(text, policy))
        except NotATariff as exc:
            refused.append(NotATariff(exc.reason, exc.name, f"tariff {place} of {whose}"))
    return readable, refused


def _is_owned_by(tariff: CompiledTariff, owner: tuple[str, str] | None) -> bool:
    return owner is None or tariff.owner is None or tariff.owner == owner


def _rank(kind: str | None, preference: str | None) -> int | None:
    """How well a type of tariff fits a session: less is better, None is not at all (T4)."""
    if preference is None or fold(preference) == REGULAR:
        return 0 if kind in (None, REGULAR) else None
    return {PROFILE + fold(preference): 0, None: 1, REGULAR: 2}.get(kind)


def _starts(tariff: CompiledTariff) -> datetime:
    return tariff.start or _LONG_AGO


def _updated(tariff: CompiledTariff) -> datetime:
    return tariff.last_updated or _LONG_AGO

"""What one push does to the copy of one object. Pure: the stored text goes in, the next text or a refusal comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from hub.store.aliases import is_erased, token_in, without_driver
from ocpi_modules.errors import InvalidParameters, OcpiError, unknown_object
from ocpi_modules.message import judge_whole
from ocpi_modules.module import Module, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.patch import is_before, is_newer, merge_fields, merge_patch
from ocpi_modules.splice import dated, find_place, head_of, put_text
from ocpi_modules.types import (
    NUMBER_DECIMALS_MAX_DIGITS,
    NUMBER_WHOLE_MAX_DIGITS,
    decode_json,
    encode_decoded,
    fold,
    has_rules,
    lenient_datetime,
    means_the_same,
    parse_cdr_datetime,
)

_DATED = "last_updated"
_IDS = ("country_code", "party_id", "id")
_CURRENCY = re.compile("[A-Za-z]{3}")


class Result(Enum):
    """What became of a push."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    STALE = "stale"
    REMOVED = "removed"

    @property
    def is_news(self) -> bool:
        """Whether anybody else should hear of it."""
        return self not in {Result.UNCHANGED, Result.STALE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A push that wants to be kept.

    `ids` are the object's id and those of its parts; `audience` is None for everybody, or the one party it was sent to.
    `addressee` is the eMSP of a session or CDR, `debtor` the party in its `cdr_token`; `payer` is set when the hub itself has to
    deliver a CDR; `remote_url` is where the receiver says that it keeps it. `is_lenient`: an invalid result is kept all the same;
    `is_judged`: the hub found its object valid; `is_pulled`: it was asked for, so it is news only where it differs.
    """

    module: Module
    purpose: Purpose
    owner: Party
    ids: tuple[str, ...]
    variant: str
    content: Any
    text: bytes
    at: datetime
    audience: Party | None = None
    addressee: Party | None = None
    debtor: Party | None = None
    payer: Party | None = None
    remote_url: str | None = None
    is_lenient: bool = False
    is_judged: bool = False
    is_pulled: bool = False

    @property
    def row_key(self) -> tuple[str, str, str, str, str, str]:
        """What identifies the copy: module, owner, folded id, variant, audience."""
        audience = str(self.audience) if self.audience else ""
        return (
            self.module.id,
            self.owner.country_code,
            self.owner.party_id,
            fold(self.ids[0]),
            self.variant,
            audience,
        )

    @property
    def shared_key(self) -> tuple[str, str, str, str, str, str]:
        """What identifies the copy that is meant for everybody."""
        return (*self.row_key[:5], "")

    @property
    def is_partial(self) -> bool:
        """Whether it changes something that has to be there."""
        return self.purpose is Purpose.UPDATE or len(self.ids) > 1

    @property
    def keys(self) -> set[tuple[str, str, str, str, str, str]]:
        """The copies that have to be known to decide it."""
        return {self.row_key, self.shared_key} if self.is_partial else {self.row_key}


@dataclass(frozen=True, slots=True)
class Decision:
    """The next text of a copy: None when the copy goes, the stored text when nothing changes.

    `was_finished`: the stored object had reached its module's last status already (SE-10).
    """

    result: Result
    text: bytes | None
    last_updated: datetime
    addressee: str
    was_finished: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What a CDR says it costs: exact amounts in its own currency; `incl_vat` is None when the CDR gives none."""

    cdr_id: str
    currency: str
    excl_vat: Decimal
    incl_vat: Decimal | None
    is_credit: bool
    end_date_time: datetime


def decide(change: Change, stored: bytes | None, stored_addressee: str = "") -> Decision:
    """What `change` makes of the stored text.

    Raises the module's 404 for a part or a PATCH of something that is not there (L-13, X-32) and InvalidParameters for a result that
    would not be a valid object, or for another CDR under a known id (CD-05).
    """
    if change.module.is_final:
        return _decide_final(change, stored, stored_addressee)
    if change.purpose is Purpose.REMOVE:
        return _decide_removal(change, stored)
    addressee = str(change.addressee) if change.addressee else stored_addressee
    if len(change.ids) > 1:
        return _decide_part(change, stored, addressee)
    if change.purpose is Purpose.UPDATE:
        return _decide_update(change, stored, addressee)
    return _decide_replacement(change, stored, addressee)


def _decide_replacement(change: Change, stored: bytes | None, addressee: str) -> Decision:
    """The whole object in the place of whatever is stored: of that, only its head is read."""
    new_date = _moment_of(change.content.get(_DATED), change.at)
    if stored is None:
        return Decision(Result.CREATED, change.text, new_date, addressee)
    head = head_of(stored)
    if is_before(change.content, head.last_updated):
        return Decision(Result.STALE, stored, _moment_of(head.last_updated, change.at), addressee)
    if change.is_pulled and means_the_same(decode_json(stored), decode_json(change.text)):
        return Decision(Result.UNCHANGED, stored, _moment_of(head.last_updated, change.at), addressee)
    return Decision(Result.UPDATED, change.text, new_date, addressee, _was_finished(change, head.status))


def _decide_update(change: Change, stored: bytes | None, addressee: str) -> Decision:
    """A PATCH of the object itself: rules between its fields have to hold afterwards."""
    if stored is None:
        raise not_there(change.module, change.ids)
    whole = decode_json(stored)
    if is_before(change.content, whole.get(_DATED)):
        return Decision(Result.STALE, stored, _moment_of(whole.get(_DATED), change.at), addressee)
    content = merge_patch(change.module, whole, (), change.content)
    if not change.is_lenient:
        judge_whole(change.module.object_at(0), content)
    date = _moment_of(content.get(_DATED), change.at)
    return Decision(
        Result.UPDATED, encode_decoded(content), date, addressee, _was_finished(change, whole.get("status"))
    )


def _decide_part(change: Change, stored: bytes | None, addressee: str) -> Decision:
    """A PUT or PATCH of a part: only the part is judged and written anew, the text around it stays as it is."""
    place = find_place(change.module, stored, change.ids[1:]) if stored is not None else None
    is_update = change.purpose is Purpose.UPDATE
    if stored is None or place is None or (is_update and place.text is None):
        raise not_there(change.module, change.ids)
    around = place.levels[0].fields
    target = decode_json(place.text) if place.text is not None else None
    if target is not None and is_before(change.content, target.get(_DATED)):
        return Decision(Result.STALE, stored, _moment_of(dated(around), change.at), addressee)
    part, date = change.text, change.content.get(_DATED)
    if is_update:
        merged = _merged_part(change, target)
        part, date = encode_decoded(merged), merged.get(_DATED)
    newest = date if is_newer(date, dated(around)) else dated(around)
    result = Result.UPDATED if target is not None else Result.CREATED
    return Decision(result, put_text(place, part, date), _moment_of(newest, change.at), addressee)


def _merged_part(change: Change, target: Any) -> Any:
    depth = len(change.ids) - 1
    merged = merge_fields(change.module, depth, target, change.content)
    model = change.module.object_at(depth)
    if not change.is_lenient and (has_rules(model) or _merges_parts(change, depth)):
        judge_whole(model, merged)  # else the fields of the PATCH were right, and so were those that stay
    return merged


def _merges_parts(change: Change, depth: int) -> bool:
    """Whether a PATCH brings parts of the part, each of which may be new, and then has to be whole."""
    parts = change.module.parts
    return depth < len(parts) and parts[depth].field in change.content


def _was_finished(change: Change, status: Any) -> bool:
    last_status = change.module.last_status
    return last_status is not None and status == last_status


def claim_of(content: Any) -> Claim | None:
    """The claim of a CDR, or None where it lacks what a claim needs (a CDR that another party judged may)."""
    try:
        cost = content["total_cost"]
        return Claim(
            cdr_id=str(content["id"]),
            currency=_currency(content["currency"]),
            excl_vat=_amount(cost["excl_vat"]),
            incl_vat=None if cost.get("incl_vat") is None else _amount(cost["incl_vat"]),
            is_credit=content.get("credit") is True,
            end_date_time=parse_cdr_datetime(content["end_date_time"]),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ValueError("this is no currency")
    return value.upper()


def _amount(value: Any) -> Decimal:
    amount = Decimal(value)
    decimals = amount.as_tuple().exponent  # a letter for NaN and infinity
    is_reasonable = isinstance(decimals, int) and decimals >= -NUMBER_DECIMALS_MAX_DIGITS
    if isinstance(value, bool) or not is_reasonable or amount.adjusted() >= NUMBER_WHOLE_MAX_DIGITS:
        raise ValueError("this is no amount of money")
    return amount


def _decide_final(change: Change, stored: bytes | None, stored_addressee: str) -> Decision:
    date = _moment_of(change.content.get(_DATED), change.at)
    if stored is None:
        addressee = str(change.addressee) if change.addressee else ""
        return Decision(Result.CREATED, change.text, date, addressee)
    if stored != change.text and not says_the_same(stored, change.content):
        raise InvalidParameters(f"{change.module.id} {change.ids[0]} exists with other contents and never changes")
    return Decision(Result.UNCHANGED, stored, date, stored_addressee)


def says_the_same(stored: bytes, content: Any) -> bool:
    """Whether an object that never changes was sent once more: spelling, empty fields and the case of ids make no difference (CD-05)."""
    before, now = _named(decode_json(stored)), _named(content)
    token = token_in(before)
    if token is not None and is_erased(token.uid):  # whoever sends it again still knows the driver
        before, now = without_driver(before), without_driver(now)
    return means_the_same(before, now)


def _named(content: Any) -> Any:
    """The same object with its owner and id in one case: they are CiStrings (Y-04)."""
    ids = {name: fold(content[name]) for name in _IDS if isinstance(content.get(name), str)}
    return {**content, **ids}


def _decide_removal(change: Change, stored: bytes | None) -> Decision:
    if stored is None:
        raise not_there(change.module, change.ids)
    return Decision(Result.REMOVED, None, change.at, "")


def not_there(module: Module, ids: tuple[str, ...]) -> OcpiError:
    """The 404 for an object or part that the hub has no copy of (S-06)."""
    return unknown_object(module.unknown_code, f"{module.id}: there is no {'/'.join(ids)[:100]}")


def _moment_of(said: Any, otherwise: datetime) -> datetime:
    return lenient_datetime(said) or otherwise.astimezone(UTC)

"""What one push does to the copy of one object. Pure: the stored text goes in, the next text or a refusal comes out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from ocpi_modules.errors import InvalidParameters, OcpiError, unknown_object
from ocpi_modules.message import judge_whole
from ocpi_modules.module import Module, Purpose
from ocpi_modules.parties import Party
from ocpi_modules.patch import find_part, is_older, merge_patch, put_part
from ocpi_modules.types import (
    NUMBER_DECIMALS_MAX_DIGITS,
    NUMBER_WHOLE_MAX_DIGITS,
    decode_json,
    encode_json,
    fold,
    lenient_datetime,
    parse_cdr_datetime,
)

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
    `is_pulled`: it was asked for, so it is news only where it differs.
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
    is_pulled: bool = False

    @property
    def row_key(self) -> tuple[str, ...]:
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The next text of a copy: None when the copy goes, the stored text when nothing changes.

    `was_finished`: the stored object had reached its module's last status already (SE-10).
    """

    result: Result
    text: str | None
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


def decide(change: Change, stored: str | None, stored_addressee: str = "") -> Decision:
    """What `change` makes of the stored text.

    Raises the module's 404 for a part or a PATCH of something that is not there (L-13, X-32) and InvalidParameters for a result that
    would not be a valid object, or for another CDR under a known id (CD-05).
    """
    if change.module.is_final:
        return _decide_final(change, stored, stored_addressee)
    if change.purpose is Purpose.REMOVE:
        return _decide_removal(change, stored)
    whole = decode_json(stored.encode()) if stored is not None else None
    target = find_part(change.module, whole, change.ids[1:]) if whole is not None else None
    if target is not None and is_older(change.content, target):
        return Decision(Result.STALE, stored, _last_updated(whole, change.at), stored_addressee)
    if change.is_pulled and stored is not None and whole == decode_json(change.text):
        return Decision(Result.UNCHANGED, stored, _last_updated(whole, change.at), stored_addressee)
    _require_ground(change, whole, target)
    text, content = _next_text(change, whole)
    addressee = str(change.addressee) if change.addressee else stored_addressee
    result = Result.UPDATED if target is not None else Result.CREATED
    last_status = change.module.last_status
    was_finished = last_status is not None and target is not None and target.get("status") == last_status
    return Decision(result, text, _last_updated(content, change.at), addressee, was_finished)


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


def _decide_final(change: Change, stored: str | None, stored_addressee: str) -> Decision:
    if stored is None:
        addressee = str(change.addressee) if change.addressee else ""
        return Decision(Result.CREATED, change.text.decode(), _last_updated(change.content, change.at), addressee)
    if decode_json(stored.encode()) != change.content:
        raise InvalidParameters(f"{change.module.id} {change.ids[0]} exists with other contents and never changes")
    return Decision(Result.UNCHANGED, stored, _last_updated(change.content, change.at), stored_addressee)


def _decide_removal(change: Change, stored: str | None) -> Decision:
    if stored is None:
        raise not_there(change.module, change.ids)
    return Decision(Result.REMOVED, None, change.at, "")


def _require_ground(change: Change, whole: Any, target: Any) -> None:
    if change.purpose is Purpose.UPDATE:
        missing = target is None
    else:
        missing = len(change.ids) > 1 and (whole is None or find_part(change.module, whole, change.ids[1:-1]) is None)
    if missing:
        raise not_there(change.module, change.ids)


def _next_text(change: Change, whole: Any) -> tuple[str, Any]:
    if change.purpose is Purpose.REPLACE and len(change.ids) == 1:
        return change.text.decode(), change.content
    merge = merge_patch if change.purpose is Purpose.UPDATE else put_part
    content = merge(change.module, whole, change.ids[1:], change.content)
    if not change.is_lenient:
        judge_whole(change.module.object_at(0), content)
    return encode_json(content).decode(), content


def not_there(module: Module, ids: tuple[str, ...]) -> OcpiError:
    """The 404 for an object or part that the hub has no copy of (S-06)."""
    return unknown_object(module.unknown_code, f"{module.id}: there is no {'/'.join(ids)[:100]}")


def _last_updated(content: Any, otherwise: datetime) -> datetime:
    said = content.get("last_updated") if isinstance(content, dict) else None
    return lenient_datetime(said) or otherwise.astimezone(UTC)

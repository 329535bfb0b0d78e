"""Agreements as people write them, in YAML or JSON, and as `agreements.Agreement`.

Whatever is not known is refused by name, so that no clause is lost silently. Amounts and percentages are decimals, as numbers or texts
(both keep all their digits, in YAML too); lengths of time are whole days, written `30` or `30d`; moments are ISO 8601, UTC where they name
no zone. A clause that a run could not honour (a price book, excluded dimensions, rounding of parts) is refused, not ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from hub.pricing.policy import Policy, UnknownSetting
from hub.pricing.tariff import NotATariff, compile_tariff
from hub.settlement.agreements import Agreement, EvseGroup, Fee, Override, plain_evse_id
from hub.settlement.bundle import Spot, decimal_of, read_party, shown
from hub.settlement.catalogue import CATALOGUE
from hub.settlement.countries import alpha_3
from hub.settlement.findings import Disposition, Severity
from hub.settlement.price_books import Mode, Prices
from ocpi_modules.parties import Party
from ocpi_modules.types import NotJsonText, decode_json, encode_decoded, fold, lenient_datetime

AGREEMENTS_MAX_BYTES = 4 * 1024 * 1024
DAYS_MAX = 3660
BOOK_MAX_TARIFFS = 200
MARKUP_MAX_PERCENT = 1000

_IS_DAYS = re.compile(r"(\d{1,4})d?").fullmatch
_IS_CUTOFF = re.compile(r"D\+(\d{1,2})(?:T([01]\d|2[0-3]):([0-5]\d))?").fullmatch
_IS_PAIR = re.compile(r"([A-Za-z]{2})-?([A-Za-z0-9]{1,3})[-_]([A-Za-z]{2})-?([A-Za-z0-9]{1,3})").fullmatch
_CHECKS = {check.id for check in CATALOGUE} | {check.kind for check in CATALOGUE}

_MODES = {
    "half_up": "half_away_from_zero",
    "half_even": "half_even",
    "half_down": "half_towards_zero",
    "up": "away_from_zero",
    "down": "towards_zero",
}
_UNITS = {"1": "0", "0.1": "1", "0.01": "2", "0.001": "3", "0.0001": "4"}
_STEPS = {"ocpi_2_2_1": "session", "per_period": "period", "none": "none"}


class NotAgreements(ValueError):
    """A text that is neither YAML nor JSON, or says something that YAML is better not used for."""


# --- values ------------------------------------------------------------------------------------


def _refused(reason: str) -> PydanticCustomError:
    return PydanticCustomError("agreement", "{reason}", {"reason": reason})


def _decimal(value: Any) -> Decimal:
    number = decimal_of(value)
    if number is None:
        raise _refused("is no number and no text of one")
    return number


def _percentage(value: Any) -> Decimal:
    number = _decimal(value)
    if not 0 <= number <= 100:
        raise _refused("is not between 0 and 100")
    return number


def _days(value: Any) -> int:
    found = _IS_DAYS(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None
    if found is None or int(found[1]) > DAYS_MAX:
        raise _refused(f"is no number of days up to {DAYS_MAX}, written 30 or 30d")
    return int(found[1])


def _moment(value: Any) -> datetime | None:
    moment = lenient_datetime(value)
    if moment is None and value is not None:
        raise _refused("is no date or date and time (ISO 8601)")
    return moment


def _party(value: Any) -> Party | None:
    party = read_party(value)
    if party is None and value is not None:
        raise _refused("is no party; parties are written CC-PID")
    return party


def _country(value: Any) -> str:
    code = alpha_3(value) if isinstance(value, str) else None
    if code is None:
        raise _refused("is no country of two or three letters (ISO 3166-1)")
    return code


def _folded(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _refused("is no text, or empty")
    return fold(value)


def _some_days(value: Any) -> int:
    days = _days(value)
    if not days:
        raise _refused("is no time to answer in")
    return days


def _limit(value: Any) -> Decimal | None:
    amount = None if value is None else _decimal(value)
    if amount is not None and amount <= 0:
        raise _refused("is not above zero")
    return amount


def _markup(value: Any) -> Decimal:
    percent = _decimal(value)
    if not -100 < percent <= MARKUP_MAX_PERCENT:
        raise _refused(f"is not above -100 and up to {MARKUP_MAX_PERCENT}")
    return percent


def _cutoff(value: Any) -> timedelta | None:
    found = _IS_CUTOFF(value) if isinstance(value, str) else None
    if value is None or found is None:
        if value is not None:
            raise _refused("is no time after the end of a period, written D+4 or D+4T18:00")
        return None
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes)


def _evse_id(value: Any) -> str:
    return plain_evse_id(_folded(value))


def _tariff(value: Any) -> Any:
    try:
        compile_tariff(encode_decoded(value), Policy())
    except (NotATariff, TypeError) as error:
        raise _refused(f"is no tariff that anything could be priced by: {error}") from error
    return value


def _unit(value: Any) -> str:
    number = decimal_of(value)
    text = f"{number.normalize():f}" if number is not None else ""
    if text not in _UNITS:
        raise _refused(f"is not one of {', '.join(_UNITS)}")
    return text


def _policy(value: Any) -> Any:
    try:
        Policy.read(value)
    except UnknownSetting as error:
        raise _refused(f"is refused: {error}") from error
    except (AttributeError, TypeError) as error:
        raise _refused("is no object of settings") from error
    return value


Amount = Annotated[Decimal, BeforeValidator(_decimal)]
Percentage = Annotated[Decimal, BeforeValidator(_percentage)]
Days = Annotated[int, BeforeValidator(_days)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
PartyText = Annotated[Party | None, BeforeValidator(_party)]
Note = Annotated[str, Field(max_length=255)]


class Clause(BaseModel):
    """A part of what people write, with nothing in it that nobody would look at."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Validity(Clause):
    """Since when the agreement counts and until when, half-open, by the start of the charge; null or nothing is without end."""

    since: Moment = Field(None, alias="from", description="First moment.")
    until: Moment = Field(None, alias="to", description="First moment after it.")


class Scope(Clause):
    """Which charges it is about; nothing is all."""

    countries: list[Annotated[str, BeforeValidator(_country)]] = Field(
        default_factory=list, description="Countries of the EVSE, in two or three letters."
    )
    token_types: list[Annotated[str, BeforeValidator(_folded)]] = Field(
        default_factory=list, description="Types of the token, such as RFID or APP_USER."
    )
    evse_ids: list[Annotated[str, BeforeValidator(_evse_id)]] = Field(
        default_factory=list,
        description="EVSE ids (`DE*ABC*E1`); these, `evse_id_prefixes` and `location_ids` make one group of EVSEs.",
    )
    evse_id_prefixes: list[Annotated[str, BeforeValidator(_evse_id)]] = Field(
        default_factory=list, description="What the EVSE ids of the group begin with."
    )
    location_ids: list[Annotated[str, BeforeValidator(_folded)]] = Field(
        default_factory=list, description="Locations, with all of their EVSEs."
    )


class FeeClause(Clause):
    """What one of the two pays for every settled CDR; a credit gives it back."""

    per_session: Amount = Field(Decimal(0), description="Once, in the currency of the CDR.")
    per_kwh: Amount = Field(Decimal(0), description="For every kWh of `total_energy`.")
    percent: Percentage = Field(Decimal(0), description="Of the total without VAT.")
    vat: Percentage | None = Field(None, description="VAT on the fee in percent; null for none.")
    payer: Literal["creditor", "debtor"] = Field(description="Who pays.")
    payee: Literal["hub", "creditor", "debtor"] = Field("hub", description="Who gets it.")


class Pricing(Clause):
    """How charges are priced."""

    mode: Mode = Field(
        "as_cdr",
        description="What a claim is compared with: the tariff of the CDR, that tariff with `markup`, or the tariffs in `book`,"
        " whatever the CDR says.",
    )
    markup: Annotated[Decimal, BeforeValidator(_markup)] | None = Field(
        None, description="Percent on top of each price and limit of the tariff; with the mode `markup` only."
    )
    book: list[Annotated[Any, BeforeValidator(_tariff)]] = Field(
        default_factory=list,
        max_length=BOOK_MAX_TARIFFS,
        description="OCPI tariffs of the creditor; with the mode `agreed_book` only. A period is priced by the one that it names, any"
        " period by the only one.",
    )
    fee: FeeClause | None = Field(None, description="A fee beside the price.")
    fees: list[FeeClause] = Field(default_factory=list, description="Several of them.")
    policy: Annotated[Mapping[str, str], BeforeValidator(_policy)] = Field(
        default_factory=dict, description="Any setting of the pricer by its name; it goes before `rounding`."
    )


class Rounding(Clause):
    """The clause that OCPI leaves to contracts."""

    unit: Annotated[str, BeforeValidator(_unit)] | None = Field(
        None, description="The least amount: 1, 0.1, 0.01, 0.001 or 0.0001; nothing is the minor unit of the currency."
    )
    mode: Literal["half_up", "half_even", "half_down", "up", "down"] = Field(
        "half_up", description="half_up is away from zero at one half; up is away from zero, down towards it."
    )
    at: Literal["cdr_total"] = Field("cdr_total", description="What is rounded: the total of the CDR.")
    step: Literal["ocpi_2_2_1", "per_period", "none"] = Field(
        "ocpi_2_2_1", description="Whether step_size counts once a session, in every period, or not."
    )
    parking: Literal["ev_not_requesting"] = Field(
        "ev_not_requesting", description="What parking is: the car asks for no power."
    )


class Tax(Clause):
    """Kept and shown, and part of what is sealed: a run checks no VAT treatment."""

    model: Note | None = Field(None, description="How the chain of supplies is seen, such as commission.")
    treatment: Note | None = Field(None, description="Name of the treatment, such as reverse charge.")
    rate: Percentage | None = Field(None, description="The rate that follows from it, in percent.")
    evidence: Note | None = Field(None, description="Where the proof of the treatment is filed.")
    dealer_evidence: Note | None = Field(None, description="Where the proof of a reseller is filed.")


class Terms(Clause):
    """Time limits and what else was agreed."""

    currency: Annotated[str, BeforeValidator(_folded)] | None = Field(
        None, description="The only currency of its CDRs; nothing allows any."
    )
    cdr_deadline: Days | None = Field(None, description="Days after the charge in which its CDR has to come.")
    dispute_window: Days = Field(30, description="Days in which a CDR may be disputed.")
    dispute_answer: Annotated[int, BeforeValidator(_some_days)] = Field(
        14, description="Days in which a side has to answer in a dispute, before its silence is a yes."
    )
    exposure_limit: Annotated[Decimal | None, BeforeValidator(_limit)] = Field(
        None,
        description="Most that may be owed and not paid, billed or not, with VAT and in `currency`; the hub tells from 80 % on."
        " A run from a file knows no payments.",
    )
    signed_data: Literal["optional", "required"] = Field(
        "optional", description="Whether a charge has to come with signed meter data; what comes without is held."
    )
    netting: Literal["gross", "bilateral", "multilateral"] = Field(
        "multilateral",
        description="How it is paid: every statement by itself, what is left between the two, or all parties against all.",
    )
    allows_unknown_times: bool | None = Field(
        None, description="Whether CDRs may come without known times (1970); nothing was agreed where it is not said."
    )
    bills_micro_sessions: bool = Field(
        True, description="Whether less than 0.1 kWh in less than two minutes is to be paid."
    )
    period: Literal["month"] = Field(
        "month",
        description="Calendar months in UTC are settled; for a run from a file the bundle says which period it is.",
    )
    tz: Note | None = Field(None, description="Kept for people: periods are in UTC.")
    cutoff: Annotated[timedelta | None, BeforeValidator(_cutoff)] = Field(
        None,
        description="From when on its CDRs count in the next period of the hub, in days and UTC after the end of the period (`D+4T18:00`"
        " is after 4 days and 18 hours), where that is sooner than it closes. A run from a file closes when its bundle says.",
    )
    silent_approval: bool | None = Field(None, description="Kept for people.")
    billing: Note | None = Field(None, description="Kept for people: direct or reverse.")
    pay: Days | None = Field(None, description="Kept for people: days until payment.")


class CheckClause(Clause):
    """What a check means between the two, where they see it differently from the catalogue."""

    severity: Severity | None = Field(None, description="INFO, WARNING or ERROR.")
    disposition: Disposition | None = Field(None, description="SETTLE, HOLD, DROP, DEFER or REPORT.")


class AgreementText(Clause):
    """One agreement: the terms on which a debtor pays the CDRs of a creditor. The other direction is another agreement."""

    agreement: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        description="Its id; written `DEABC-NLXYZ` it names creditor and debtor too."
    )
    version: Annotated[int, Field(ge=1)] = Field(1, description="Of two that begin together the higher one counts.")
    creditor: PartyText = Field(None, description="The CPO, as CC-PID; needed where the id does not name it.")
    debtor: PartyText = Field(None, description="The eMSP, as CC-PID; needed where the id does not name it.")
    valid: Validity = Field(default_factory=Validity)
    scope: Scope = Field(default_factory=Scope)
    pricing: Pricing = Field(default_factory=Pricing)
    rounding: Rounding = Field(default_factory=Rounding)
    tax: Tax = Field(default_factory=Tax)
    terms: Terms = Field(default_factory=Terms)
    checks: dict[str, CheckClause] = Field(default_factory=dict, description="By id or kind of the check.")


# --- reading -----------------------------------------------------------------------------------


def read_agreements(content: Any, spot: Spot) -> tuple[Agreement, ...]:
    """The agreements in a list, or in a list called `agreements`; what is wrong is told at the spot of the list."""
    if isinstance(content, Mapping) and set(content) == {"agreements"}:
        content, spot = content["agreements"], spot.at("agreements")
    if not isinstance(content, list):
        spot.wrong("is no list of agreements")
        return ()
    read = [read_agreement(item, spot.item(index)) for index, item in enumerate(content)]
    found = [one for one in read if one is not None]
    _tell_repeated(found, spot)
    return tuple(found)


def decode_terms(text: bytes, *, is_yaml: bool) -> Any:
    """A text of agreements as plain values, numbers as int or Decimal. Raises NotAgreements."""
    if len(text) > AGREEMENTS_MAX_BYTES:
        raise NotAgreements(f"is longer than {AGREEMENTS_MAX_BYTES} bytes")
    try:
        return _decode_yaml(text) if is_yaml else decode_json(text)
    except (NotJsonText, yaml.YAMLError, UnicodeError, RecursionError) as error:
        what = "YAML" if is_yaml else "JSON"
        raise NotAgreements(f"is not {what}: {' '.join(str(error).split())[:255]}") from error


def read_agreement(item: Any, spot: Spot) -> Agreement | None:
    """One agreement; None where something about it is wrong, which is told at its spot."""
    try:
        text = AgreementText.model_validate(item)
    except ValidationError as error:
        tell_faults(error, spot)
        return None
    creditor, debtor = _seats(text)
    if creditor is None or debtor is None or creditor == debtor:
        spot.at("creditor").wrong("and debtor have to be two parties, here or in an id such as DEABC-NLXYZ")
        return None
    for name in text.checks.keys() - _CHECKS:
        spot.at("checks").at(shown(name)).wrong("is no check of the catalogue")
    if text.valid.since is not None and text.valid.until is not None and text.valid.since >= text.valid.until:
        spot.at("valid").at("to").wrong("is not after valid.from")
    for place, reason in _contradictions(text):
        _spot_in(spot, place).wrong(reason)
    return _as_agreement(text, creditor, debtor)


def tell_faults(error: ValidationError, spot: Spot) -> None:
    """Tell what is wrong with something, each fault at its spot."""
    for fault in error.errors(include_url=False, include_input=False):
        _spot_in(spot, fault["loc"]).wrong(_reason(fault))


def _contradictions(text: AgreementText) -> Iterator[tuple[tuple[str, str], str]]:
    """Clauses that say nothing, or nothing clear, beside the others."""
    pricing, terms = text.pricing, text.terms
    if pricing.mode == "markup" and pricing.markup is None:
        yield ("pricing", "mode"), "is refused: markup needs a pricing.markup"
    if pricing.mode == "agreed_book" and not pricing.book:
        yield ("pricing", "mode"), "is refused: agreed_book needs the tariffs of a pricing.book"
    if pricing.markup is not None and pricing.mode != "markup":
        yield ("pricing", "markup"), "belongs to the mode markup only"
    if pricing.book and pricing.mode != "agreed_book":
        yield ("pricing", "book"), "belongs to the mode agreed_book only"
    if terms.exposure_limit is not None and terms.currency is None:
        yield ("terms", "exposure_limit"), "is an amount in terms.currency, which is missing"


def _as_agreement(text: AgreementText, creditor: Party, debtor: Party) -> Agreement:
    terms = text.terms
    return Agreement(
        id=text.agreement,
        version=text.version,
        creditor=creditor,
        debtor=debtor,
        valid_from=text.valid.since,
        valid_to=text.valid.until,
        countries=frozenset(text.scope.countries),
        token_types=frozenset(text.scope.token_types),
        evses=EvseGroup(
            frozenset(text.scope.evse_ids),
            frozenset(text.scope.evse_id_prefixes),
            frozenset(text.scope.location_ids),
        ),
        currency=terms.currency,
        prices=_prices_of(text.pricing, creditor),
        policy=_policy_of(text),
        fees=tuple(_fee(one) for one in (*([text.pricing.fee] if text.pricing.fee else []), *text.pricing.fees)),
        allows_unknown_times=terms.allows_unknown_times,
        bills_micro_sessions=terms.bills_micro_sessions,
        cdr_deadline_days=terms.cdr_deadline,
        cutoff=terms.cutoff,
        dispute_window_days=terms.dispute_window,
        dispute_answer_days=terms.dispute_answer,
        exposure_limit=terms.exposure_limit,
        needs_signed_data=terms.signed_data == "required",
        netting=terms.netting,
        checks={name: Override(one.severity, one.disposition) for name, one in text.checks.items()},
        tax={name: str(value) for name, value in text.tax.model_dump(exclude_none=True).items()},
    )


def _prices_of(pricing: Pricing, creditor: Party) -> Prices:
    owner = {"country_code": creditor.country_code, "party_id": creditor.party_id}
    book = tuple(encode_decoded({**tariff, **owner}) for tariff in pricing.book)
    return Prices(pricing.mode, pricing.markup or Decimal(0), book)


def _policy_of(text: AgreementText) -> Policy:
    rounding = text.rounding
    clause = {"rounding_mode": _MODES[rounding.mode], "step_size": _STEPS[rounding.step]}
    unit = {"rounding_exponent": _UNITS[rounding.unit]} if rounding.unit is not None else {}
    return Policy.read({**clause, **unit, **text.pricing.policy})


def _fee(clause: FeeClause) -> Fee:
    return Fee(
        payer=clause.payer,
        payee=clause.payee,
        per_session=clause.per_session,
        per_kwh=clause.per_kwh,
        percent=clause.percent,
        vat=clause.vat,
    )


def _seats(text: AgreementText) -> tuple[Party | None, Party | None]:
    """Creditor and debtor: those that are named, else those in the id."""
    found = _IS_PAIR(text.agreement)
    named = (Party.of(found[1], found[2]), Party.of(found[3], found[4])) if found else (None, None)
    return text.creditor or named[0], text.debtor or named[1]


def _tell_repeated(agreements: Sequence[Agreement], spot: Spot) -> None:
    seen: set[tuple[str, int]] = set()
    for index, one in enumerate(agreements):
        if (one.id, one.version) in seen:
            spot.item(index).wrong(f"is version {one.version} of {shown(one.id)} again")
        seen.add((one.id, one.version))


def _spot_in(spot: Spot, path: Sequence[int | str]) -> Spot:
    for step in path:
        spot = spot.item(step) if isinstance(step, int) else spot.at(shown(step))
    return spot


_REASONS = {"missing": "is missing", "extra_forbidden": "is not known", "model_type": "is no object"}


def _reason(fault: Any) -> str:
    if fault["type"] == "agreement":
        return str(fault["msg"])
    return _REASONS.get(fault["type"], f"is refused: {fault['msg'][:1].lower()}{fault['msg'][1:]}")


# --- YAML --------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML as JSON means it: no dates, no `NO` for false, decimals with all their digits, no aliases and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as its base has it

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not read")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if len(set(map(str, keys))) < len(keys):
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _exact(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(loader.construct_scalar(node))


_PLAIN = (
    ("null", r"(?:null|~|)", "nN~\0"),
    ("bool", r"(?:true|false)", "tf"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+", "-0123456789"),
)
for _name, _pattern, _firsts in _PLAIN:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^{_pattern}$"), list(_firsts))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])
_Loader.add_constructor("tag:yaml.org,2002:float", _exact)


def _decode_yaml(text: bytes) -> Any:
    return yaml.load(text, Loader=_Loader)  # a SafeLoader

"""What somebody asks of a price, read out of the parameters of a request. Pure; what cannot be meant is a ReadingFault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from hub.navigation.estimate import KWH_MAX, MINUTES_MAX, Question, Spot, check
from hub.navigation.location import Connector, Evse, PublicLocation
from hub.navigation.problems import ReadingFault, missing, wrong
from ocpi_modules.parties import Party
from ocpi_modules.types import fold, lenient_datetime, same

KW_MAX = 10_000
AHEAD_MAX = timedelta(days=366)
BEHIND_MAX = timedelta(days=1)
AD_HOC_NAME = "adhoc"
REF_MAX_CHARACTERS = 80
TOLD_MAX_CONNECTORS = 20

_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", re.ASCII)
_COUNT = re.compile("[0-9]{1,9}", re.ASCII)
_SEPARATORS = str.maketrans("", "", "*- ")

Ref = int | tuple[Party, str]
"""A Location: by its number, or by its owner and its id."""


def read_question(said: Mapping[str, str], now: datetime) -> Question:
    """How much is to be charged, and when; from now on where nothing else is said."""
    question = Question(
        start=_start(said["start"], now) if "start" in said else now.replace(microsecond=0),
        kwh=_decimal(said, "kwh", KWH_MAX),
        minutes=_decimal(said, "minutes", MINUTES_MAX),
        parked_minutes=_decimal(said, "parked_minutes", MINUTES_MAX) or Decimal(0),
        max_kw=_decimal(said, "max_kw", KW_MAX),
    )
    if question.max_kw == 0:
        raise wrong("max_kw", "a car that takes nothing is not charged")
    try:
        check(question)
    except ValueError as exc:
        raise wrong("kwh", str(exc)) from exc
    return question


def _decimal(said: Mapping[str, str], parameter: str, most: int) -> Decimal | None:
    text = said.get(parameter)
    if text is None:
        return None
    number = Decimal(text) if _NUMBER.fullmatch(text) else None
    if number is None or number > most:
        raise wrong(parameter, f"is a number from 0 to {most}, with at most six decimals")
    return number


def _start(text: str, now: datetime) -> datetime:
    moment = lenient_datetime(text.replace(" ", "+"))  # a plus in an address is a blank to those who read it
    if moment is None:
        raise wrong("start", "is not a time like 2026-11-01T18:00:00Z")
    if not now - BEHIND_MAX <= moment <= now + AHEAD_MAX:
        raise wrong("start", f"is more than {BEHIND_MAX.days} day ago, or more than {AHEAD_MAX.days} days ahead")
    return moment


def read_ref(text: str) -> Ref:
    """``CC/PID/id``, or the number of a Location."""
    if _COUNT.fullmatch(text):
        return int(text)
    country_code, _, rest = text.partition("/")
    party_id, _, location_id = rest.partition("/")
    party = Party.of(country_code[:3], party_id[:4])
    if not party.is_well_formed or not location_id or not text.isprintable() or len(text) > REF_MAX_CHARACTERS:
        raise wrong("location", "is CC/PID/id, or the number of a Location")
    return party, location_id


def read_payer(text: str, own: str) -> Party | None:
    """As whom somebody asks: None for a driver without contract. `own` is the eMSP that the reader's key belongs to, or empty.

    Raises ReadingFault (403) for any other party, whether there is one of that name or not.
    """
    if same(text, AD_HOC_NAME):
        return None
    if not own or not same(text, own):
        raise ReadingFault(403, "NOT_YOUR_PARTY", "only a key that belongs to an eMSP may ask as that eMSP", "as")
    return Party.parse(own)


def spot_in(location: PublicLocation, evse: str, connector: str | None) -> Spot:
    """The connector that is asked about; it need not be named where its EVSE has one only. Raises ReadingFault."""
    found = _evse(location, evse)
    if found is None:
        raise missing("EVSE of that name at this Location")
    return Spot(location, found, _connector(found, connector))


def _evse(location: PublicLocation, name: str) -> Evse | None:
    """By its uid, else by its EVSE id, in which separators do not count (eMI3)."""
    by_uid = next((evse for evse in location.evses if same(evse.uid, name)), None)
    if by_uid is not None:
        return by_uid
    wanted = _bare(name)
    return next((evse for evse in location.evses if evse.evse_id and _bare(evse.evse_id) == wanted), None)


def _bare(evse_id: str) -> str:
    return fold(evse_id).translate(_SEPARATORS)


def _connector(evse: Evse, name: str | None) -> Connector:
    if name is None and len(evse.connectors) == 1:
        return evse.connectors[0]
    if name is None:
        ids = ", ".join(connector.id for connector in evse.connectors[:TOLD_MAX_CONNECTORS])
        raise wrong("connector", f"the EVSE has several: say one of {ids}")
    found = next((connector for connector in evse.connectors if same(connector.id, name)), None)
    if found is None:
        raise missing("Connector of that name at this EVSE")
    return found

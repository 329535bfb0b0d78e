"""The command `erase`: forgets a driver, by token or by contract. It says what it found, and asks before it does anything."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from hub.store.aliases import TokenName, plain_contract
from hub.store.forgetting import Forgetting, Traces
from ocpi_modules.parties import Party
from ocpi_modules.types import fold

STATUS_NOT_DONE = 1


@dataclass(frozen=True, slots=True)
class Driver:
    """Whom to forget: one token, or all tokens of a contract."""

    token: TokenName | None = None
    contract: str = ""

    def has(self, token: TokenName) -> bool:
        """Whether a token is this driver's."""
        if self.token is not None:
            return token.identity == self.token.identity
        return token.contract == self.contract


def read_token(text: str) -> Driver:
    """A driver by token, written ``NL/MSP/RFID/UID``. Raises ArgumentTypeError."""
    parts = text.split("/", 3)
    if len(parts) != 4 or not all(parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not written CC/PID/TYPE/UID, like NL/MSP/RFID/04A2B9C1")
    try:
        owner = Party.parse(f"{parts[0]}/{parts[1]}")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return Driver(token=TokenName(owner, fold(parts[2]), fold(parts[3])))


def read_contract(text: str) -> Driver:
    """A driver by contract id; dashes and case make no difference. Raises ArgumentTypeError."""
    if not plain_contract(text):
        raise argparse.ArgumentTypeError("the contract id is empty")
    return Driver(contract=plain_contract(text))


async def run_erase(forgetting: Forgetting, driver: Driver, *, is_sure: bool) -> int:
    """Forget a driver. Returns the exit status: 0 when it is done or there was nothing, 1 when it was not confirmed."""
    traces = await forgetting.find(driver.has, driver.token)
    if not traces.is_anything:
        _say("Nothing that the hub keeps names this driver.")
        return 0
    _say(found_sentence(traces))
    if not is_sure and not _is_confirmed():
        _say("Nothing was changed.")
        return STATUS_NOT_DONE
    await forgetting.forget(traces, driver.has)
    _say("Forgotten. The eMSP still has the driver: a token that it sends again is kept again.")
    return 0


def found_sentence(traces: Traces) -> str:
    """What was found, in one sentence."""
    counts = {
        "token": len({token.identity for token in traces.tokens}),
        "CDR": traces.count("cdrs"),
        "session": traces.count("sessions"),
        "copy of a token": traces.count("tokens"),
        "version of a token": len(traces.versions),
        "refused CDR": len(traces.refused),
        "authorisation or command": len(traces.permits),
        "message": traces.messages,
        "charge at a local charger": traces.charges,
        "order to a local charger": len(traces.at_chargers) - traces.charges,
    }
    return "Found: " + ", ".join(f"{count} × {what}" for what, count in counts.items() if count) + "."


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _is_confirmed() -> bool:
    try:
        return input("Forget this driver? What is erased cannot be brought back. [y/N] ").strip().lower() in {
            "y",
            "yes",
        }
    except EOFError:
        return False

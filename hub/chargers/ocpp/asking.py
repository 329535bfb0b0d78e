"""What a station is asked, in the same steps under every version of OCPP: the version gives the words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from hub.chargers.events import (
    Answered,
    Ask,
    AskSchedule,
    CancelReservation,
    Outcome,
    ReadFeatures,
    RemoteStop,
    SetSecret,
    SetVariables,
    Spot,
    TellStatus,
    TransactionRef,
)
from hub.chargers.ocpp.frames import Words
from hub.chargers.ocpp.link import Call, Link
from hub.chargers.ocpp.words import outcome_of

Answers = dict[str, Any]


class Asker(Link):
    """A station that is asked; its subclasses speak a version of OCPP. A question of several parts ends with the first refusal."""

    secret_name: ClassVar[str]
    """What the password of a station is called among its variables."""

    async def perform(self, ask: Ask, call: Call) -> Outcome:
        """Ask in the words of the version. Raises Refused, Closed, Superseded."""
        match ask:
            case TellStatus(spot):
                return await self._tell_status(spot, call)
            case SetVariables(values):
                return await self._set_all(values.items(), call)
            case SetSecret(secret):
                return await self._set_all([(self.secret_name, secret)], call)
            case AskSchedule():
                return await self.ask_schedule(ask, call)
            case ReadFeatures():
                return await self.read_features(call)
            case RemoteStop(transaction) if said := self.namelessness(transaction):
                return Outcome(Answered.UNKNOWN, said=said)
            case _:
                return self.outcome(ask, await call(*self.question(ask)))

    # --- what a version says for itself ---

    def question(self, ask: Ask) -> tuple[str, Answers]:
        """Action and payload of a question of one part."""
        raise NotImplementedError

    def namelessness(self, transaction: TransactionRef) -> str:
        """Why a transaction cannot be named in this version; empty where it can."""
        raise NotImplementedError

    def place_words(self, spot: Spot) -> Answers:
        """The connector whose status is asked for."""
        raise NotImplementedError

    async def set_variable(self, name: str, value: str, call: Call) -> Outcome:
        """Set one variable, or configuration key."""
        raise NotImplementedError

    async def ask_schedule(self, ask: AskSchedule, call: Call) -> Outcome:
        """The composite schedule."""
        raise NotImplementedError

    async def read_features(self, call: Call) -> Outcome:
        """Have the station say what it can do."""
        raise NotImplementedError

    def outcome(self, ask: Ask, answer: Words) -> Outcome:
        """What the answer to a question of one part comes to; a station that refuses to cancel a reservation does not know it."""
        outcome = outcome_of(answer)
        if isinstance(ask, CancelReservation) and outcome.answered is Answered.REJECTED:
            return Outcome(Answered.UNKNOWN, said=outcome.said)
        return outcome

    # --- questions of several parts ---

    async def _tell_status(self, spot: Spot | None, call: Call) -> Outcome:
        self.trigger("StatusNotification")
        outcome = Outcome(Answered.ACCEPTED)
        for one in self.spots_of(spot):
            where = {} if one is None else self.place_words(one)
            outcome = outcome_of(await call("TriggerMessage", {"requestedMessage": "StatusNotification", **where}))
            if not outcome.is_good:
                return outcome
        return outcome

    async def _set_all(self, pairs: Iterable[tuple[str, str]], call: Call) -> Outcome:
        outcome = Outcome(Answered.ACCEPTED)
        for name, value in pairs:
            outcome = await self.set_variable(name, value, call)
            if not outcome.is_good:
                return Outcome(outcome.answered, said=f"{name}: {outcome.said}")
        return outcome

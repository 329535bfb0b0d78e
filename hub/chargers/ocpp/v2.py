"""OCPP 2.0.1, and 2.1 as far as a core goes: what both say in the same words is said once.

What 2.1 adds for energy that flows back, prices at the station and battery swapping is answered NotSupported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from ocpp.routing import on
from ocpp.v21 import ChargePoint as ChargePoint21
from ocpp.v201 import ChargePoint as ChargePoint201

from hub.chargers.events import (
    Alarm,
    Answered,
    Ask,
    AskSchedule,
    Boot,
    CancelReservation,
    ClearLimit,
    IdToken,
    LimitProfile,
    Metered,
    MeterValue,
    Outcome,
    Permit,
    RemoteStart,
    RemoteStop,
    Reserve,
    Reset,
    Sample,
    SetAvailability,
    SetLimit,
    Spot,
    Started,
    StatusTold,
    Stopped,
    TransactionRef,
    Unlock,
)
from hub.chargers.ocpp.asking import Answers, Asker
from hub.chargers.ocpp.frames import Words
from hub.chargers.ocpp.link import Call
from hub.chargers.ocpp.words import (
    ALARMS_MAX_PER_MESSAGE,
    FEATURES_MAX_ENTRIES,
    POWER_OF_TEN_MAX,
    bounded_features,
    kind_of,
    optional_whole,
    outcome_of,
    permit_words,
    read_schedule,
    read_signed,
    read_time,
    reading_text,
    sample_words,
    schedule_words,
    security_alarm_is_grave,
    spot_of_evse,
    start_of,
    whole,
    written,
)

PURPOSES = {"STATION": "ChargingStationMaxProfile", "DEFAULT": "TxDefaultProfile", "TRANSACTION": "TxProfile"}
CENTRAL = "Central"
"""The kind of an id token that the hub makes."""
GRAVE_SEVERITY = 3
REPORTS_MAX_OPEN = 4


class Link2(Asker):
    """A station that speaks OCPP 2.x."""

    secret_name = "SecurityCtrlr.BasicAuthPassword"

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self._reports: dict[int, dict[str, str]] = {}
        self._report_number = 0

    # --- what it says ---

    @on("BootNotification")
    async def on_boot_notification(self, said: Words) -> Answers:
        """Who is there."""
        answer = await self.desk.booted(self.identity, read_boot(said))
        self.state = answer.state
        return {
            "currentTime": written(answer.now),
            "interval": answer.interval_seconds,
            "status": answer.state.value,
        }

    @on("Heartbeat")
    async def on_heartbeat(self, said: Words) -> Answers:
        """Still there."""
        return {"currentTime": written(await self.desk.heard(self.identity))}

    @on("StatusNotification")
    async def on_status_notification(self, said: Words) -> Answers:
        """How a connector stands."""
        spot = Spot(whole(said["evseId"], "evseId"), whole(said["connectorId"], "connectorId"))
        told = StatusTold(spot=spot, status=said["connectorStatus"], happened_at=read_time(said["timestamp"]))
        await self.desk.told_status(self.identity, told)
        return {}

    @on("Authorize")
    async def on_authorize(self, said: Words) -> Answers:
        """May somebody charge?"""
        token = read_token(said["idToken"])
        permit = await self.desk.authorise(self.identity, token or IdToken(""), None)
        return {"idTokenInfo": token_info(permit)}

    @on("TransactionEvent")
    async def on_transaction_event(self, said: Words) -> Answers:
        """Somebody charges, goes on, or has charged."""
        permit = await self._tell_transaction(said)
        return {"idTokenInfo": token_info(permit)} if permit is not None and "idToken" in said else {}

    @on("MeterValues")
    async def on_meter_values(self, said: Words) -> Answers:
        """What meters say while nobody charges."""
        values = read_values(said["meterValue"], self.clock.now())
        spot = Spot(whole(said["evseId"], "evseId"), 0)
        await self.desk.metered(self.identity, Metered(spot=spot, transaction=TransactionRef(), values=values))
        return {}

    @on("ReservationStatusUpdate")
    async def on_reservation_status_update(self, said: Words) -> Answers:
        """A reservation is over."""
        number = whole(said["reservationId"], "reservationId")
        await self.desk.reservation_ended(self.identity, number, said["reservationUpdateStatus"])
        return {}

    @on("NotifyReport")
    async def on_notify_report(self, said: Words) -> Answers:
        """A part of what it can."""
        found = self._reports.setdefault(said["requestId"], {})
        found.update(bounded_features(read_report(said.get("reportData", ()))))
        if not said.get("tbc", False) or len(found) > FEATURES_MAX_ENTRIES or len(self._reports) > REPORTS_MAX_OPEN:
            del self._reports[said["requestId"]]
            await self.desk.featured(self.identity, bounded_features(found.items()))
        return {}

    @on("NotifyEvent")
    async def on_notify_event(self, said: Words) -> Answers:
        """Something happened in it."""
        for event in said["eventData"][:ALARMS_MAX_PER_MESSAGE]:
            await self.desk.alarmed(self.identity, read_event(event))
        return {}

    @on("SecurityEventNotification")
    async def on_security_event_notification(self, said: Words) -> Answers:
        """Something about security."""
        alarm = Alarm(
            kind=said["type"],
            info=said.get("techInfo", ""),
            at=read_time(said["timestamp"]),
            is_critical=security_alarm_is_grave(said["type"]),
        )
        await self.desk.alarmed(self.identity, alarm)
        return {}

    @on("FirmwareStatusNotification")
    async def on_firmware_status_notification(self, said: Words) -> Answers:
        """How an update goes."""
        return await self._tell_progress("FirmwareStatusNotification", said)

    @on("PublishFirmwareStatusNotification")
    async def on_publish_firmware_status_notification(self, said: Words) -> Answers:
        """How an update of others goes."""
        return await self._tell_progress("PublishFirmwareStatusNotification", said)

    @on("LogStatusNotification")
    async def on_log_status_notification(self, said: Words) -> Answers:
        """How an upload goes."""
        return await self._tell_progress("LogStatusNotification", said)

    @on("NotifyMonitoringReport")
    async def on_notify_monitoring_report(self, said: Words) -> Answers:
        """Nobody asked for it; it is heard."""
        return {}

    @on("NotifyCustomerInformation")
    async def on_notify_customer_information(self, said: Words) -> Answers:
        """Nobody asked for it; it is heard, and not kept."""
        return {}

    @on("NotifyDisplayMessages")
    async def on_notify_display_messages(self, said: Words) -> Answers:
        """Nobody asked for it; it is heard."""
        return {}

    @on("ReportChargingProfiles")
    async def on_report_charging_profiles(self, said: Words) -> Answers:
        """Nobody asked for it; it is heard."""
        return {}

    @on("NotifyChargingLimit")
    async def on_notify_charging_limit(self, said: Words) -> Answers:
        """Somebody else limits the station."""
        evse = optional_whole(said.get("evseId"), "evseId")
        await self.desk.alarmed(self.identity, Alarm(kind="NotifyChargingLimit", info=f"EVSE {evse or 'all'}"))
        return {}

    @on("ClearedChargingLimit")
    async def on_cleared_charging_limit(self, said: Words) -> Answers:
        """Somebody else limits it no longer."""
        await self.desk.alarmed(self.identity, Alarm(kind="ClearedChargingLimit", info=said["chargingLimitSource"]))
        return {}

    @on("NotifyEVChargingNeeds")
    async def on_notify_ev_charging_needs(self, said: Words) -> Answers:
        """A car's own wishes make no schedule."""
        return {"status": "Rejected"}

    @on("NotifyEVChargingSchedule")
    async def on_notify_ev_charging_schedule(self, said: Words) -> Answers:
        """A car's own schedule is no business of the hub."""
        return {"status": "Accepted"}

    @on("DataTransfer")
    async def on_data_transfer(self, said: Words) -> Answers:
        """Nothing of any vendor is known."""
        return {"status": "UnknownVendorId"}

    @on("SignCertificate")
    async def on_sign_certificate(self, said: Words) -> Answers:
        """The hub signs nothing."""
        return {"status": "Rejected"}

    @on("GetCertificateStatus")
    async def on_get_certificate_status(self, said: Words) -> Answers:
        """The hub vouches for nobody's certificate."""
        return {"status": "Failed"}

    @on("Get15118EVCertificate")
    async def on_get_15118_ev_certificate(self, said: Words) -> Answers:
        """The hub has no certificates of cars."""
        return {"status": "Failed", "exiResponse": ""}

    async def _tell_transaction(self, said: Words) -> Permit | None:
        now = self.clock.now()
        match said["eventType"]:
            case "Started":
                return (await self.desk.started(self.identity, read_started(said, now))).permit
            case "Updated":
                return await self.desk.metered(self.identity, read_updated(said, now))
            case _:
                return await self.desk.stopped(self.identity, read_ended(said, now))

    # --- what it is asked ---

    def question(self, ask: Ask) -> tuple[str, Answers]:
        """Action and payload of a question of one part."""
        match ask:
            case RemoteStart():
                return "RequestStartTransaction", self._remote_start_words(ask)
            case RemoteStop(transaction):
                return "RequestStopTransaction", {"transactionId": transaction.id}
            case Reserve():
                return "ReserveNow", reserve_words(ask)
            case CancelReservation(number):
                return "CancelReservation", {"reservationId": number}
            case Unlock(spot):
                return "UnlockConnector", {"evseId": spot.evse, "connectorId": spot.connector or 1}
            case SetLimit():
                profile = self._profile_words(ask.profile, ask.transaction)
                return "SetChargingProfile", {"evseId": ask.spot.evse, "chargingProfile": profile}
            case ClearLimit(number):
                return "ClearChargingProfile", {"chargingProfileId": number}
            case SetAvailability(spot, is_operative):
                kind = "Operative" if is_operative else "Inoperative"
                where = {"evse": evse_words(spot)} if spot.evse else {}
                return "ChangeAvailability", {"operationalStatus": kind, **where}
            case Reset(is_hard):
                return "Reset", {"type": "Immediate" if is_hard else "OnIdle"}
            case _:
                raise TypeError(f"no question of one part: {ask}")

    def namelessness(self, transaction: TransactionRef) -> str:
        """A transaction has an id."""
        return "a transaction has an id under OCPP 2.x" if transaction.id is None else ""

    def place_words(self, spot: Spot) -> Answers:
        """The connector, the first one where nobody knows which."""
        return {"evse": {"id": spot.evse, "connectorId": spot.connector or 1}}

    def outcome(self, ask: Ask, answer: Words) -> Outcome:
        """A remote start may find that a transaction goes on already."""
        return with_transaction(answer) if isinstance(ask, RemoteStart) else super().outcome(ask, answer)

    async def set_variable(self, name: str, value: str, call: Call) -> Outcome:
        """SetVariables, of one."""
        component, _, variable = name.partition(".")
        if not variable:
            return Outcome(Answered.NOT_SUPPORTED, said="a variable is named Component.Variable")
        one = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
        return _set_outcome(await call("SetVariables", {"setVariableData": [one]}))

    async def ask_schedule(self, ask: AskSchedule, call: Call) -> Outcome:
        """GetCompositeSchedule."""
        unit = {"chargingRateUnit": ask.unit} if ask.unit is not None else {}
        asked = {"evseId": ask.spot.evse, "duration": ask.duration_seconds, **unit}
        answer = await call("GetCompositeSchedule", asked)
        outcome = outcome_of(answer)
        if not outcome.is_good:
            return outcome
        schedule = read_schedule(answer.get("schedule"), "scheduleStart", self.clock.now())
        if schedule is None:
            return Outcome(Answered.FAILED, said="the schedule cannot be read")
        return Outcome(Answered.ACCEPTED, schedule=schedule)

    async def read_features(self, call: Call) -> Outcome:
        """GetBaseReport."""
        self.trigger("NotifyReport")
        self._report_number += 1
        asked = {"requestId": self._report_number, "reportBase": "FullInventory"}
        return outcome_of(await call("GetBaseReport", asked))

    def _remote_start_words(self, ask: RemoteStart) -> Answers:
        where = {"evseId": ask.spot.evse} if ask.spot is not None and ask.spot.evse else {}
        profile = (
            {"chargingProfile": self._profile_words(ask.profile, TransactionRef())} if ask.profile is not None else {}
        )
        return {"idToken": token_words(ask.id_token), "remoteStartId": ask.number, **where, **profile}

    def _profile_words(self, profile: LimitProfile, transaction: TransactionRef) -> Answers:
        start_at = start_of(profile, self.clock.now())
        id = {"transactionId": transaction.id} if transaction.id is not None else {}
        return {
            "id": profile.id,
            "stackLevel": profile.stack_level,
            "chargingProfilePurpose": PURPOSES[profile.purpose],
            "chargingProfileKind": kind_of(start_at),
            "chargingSchedule": [{"id": profile.id, **schedule_words(profile, start_at, None)}],
            **id,
        }


class Link201(Link2, ChargePoint201):
    """A station that speaks OCPP 2.0.1."""


class Link21(Link2, ChargePoint21):
    """A station that speaks OCPP 2.1."""


# --- steps ---


def read_boot(said: Words) -> Boot:
    """BootNotification."""
    station = said["chargingStation"]
    return Boot(
        vendor=station["vendorName"],
        model=station["model"],
        serial=station.get("serialNumber", ""),
        firmware=station.get("firmwareVersion", ""),
        reason=said["reason"],
    )


def read_token(said: Words | None) -> IdToken | None:
    """IdTokenType; None where nobody showed one."""
    return IdToken(said["idToken"], said["type"]) if said is not None else None


def read_started(said: Words, now: datetime) -> Started:
    """TransactionEvent Started."""
    info, at = said["transactionInfo"], read_time(said["timestamp"]) or now
    return Started(
        spot=spot_of_evse(said.get("evse")),
        at=at,
        id_token=read_token(said.get("idToken")),
        transaction=TransactionRef(id=info["transactionId"]),
        reservation=optional_whole(said.get("reservationId"), "reservationId"),
        remote_start=optional_whole(info.get("remoteStartId"), "remoteStartId"),
        is_offline=said.get("offline", False),
        sequence=whole(said["seqNo"], "seqNo"),
        values=read_values(said.get("meterValue", ()), at),
        charging_state=info.get("chargingState", ""),
    )


def read_updated(said: Words, now: datetime) -> Metered:
    """TransactionEvent Updated."""
    info, at = said["transactionInfo"], read_time(said["timestamp"]) or now
    return Metered(
        spot=spot_of_evse(said.get("evse")),
        transaction=TransactionRef(id=info["transactionId"]),
        values=read_values(said.get("meterValue", ()), at),
        at=at,
        id_token=read_token(said.get("idToken")),
        remote_start=optional_whole(info.get("remoteStartId"), "remoteStartId"),
        is_offline=said.get("offline", False),
        sequence=whole(said["seqNo"], "seqNo"),
        charging_state=info.get("chargingState", ""),
    )


def read_ended(said: Words, now: datetime) -> Stopped:
    """TransactionEvent Ended."""
    info, at = said["transactionInfo"], read_time(said["timestamp"]) or now
    evse = said.get("evse")
    return Stopped(
        transaction=TransactionRef(id=info["transactionId"]),
        at=at,
        spot=spot_of_evse(evse) if evse is not None else None,
        reason=info.get("stoppedReason", "Local"),
        id_token=read_token(said.get("idToken")),
        is_offline=said.get("offline", False),
        sequence=whole(said["seqNo"], "seqNo"),
        values=read_values(said.get("meterValue", ()), at),
    )


def read_values(said: Any, otherwise: datetime) -> tuple[MeterValue, ...]:
    """Readings; `otherwise` is when those were taken whose time cannot be read."""
    return tuple(
        MeterValue(
            at=read_time(one["timestamp"]) or otherwise,
            samples=tuple(read_sample(sample) for sample in one["sampledValue"]),
        )
        for one in said
    )


def read_sample(said: Words) -> Sample:
    """SampledValueType."""
    unit, signed = said.get("unitOfMeasure", {}), said.get("signedMeterValue")
    multiplier = unit.get("multiplier", 0)
    is_sane = abs(multiplier) <= POWER_OF_TEN_MAX
    return Sample(
        value=reading_text(said["value"]) if is_sane else "",
        multiplier=multiplier if is_sane else 0,
        signed=read_signed(signed) if signed is not None else None,
        **({"unit": unit["unit"]} if "unit" in unit else {}),
        **sample_words(said),
    )


def read_report(said: Iterable[Words]) -> Iterator[tuple[str, str]]:
    """What a station can, by ``Component.Variable``: the actual value, and what stands at an EVSE or an instance under a name with it."""
    for one in said:
        actual = [about for about in one["variableAttribute"] if about.get("type", "Actual") == "Actual"]
        if actual and "value" in actual[0]:
            yield f"{_named(one['component'])}.{_named(one['variable'])}", actual[0]["value"]


def _named(said: Words) -> str:
    name: str = said["name"]
    if (instance := said.get("instance")) is not None:
        name += f"[{instance}]"
    if (evse := said.get("evse")) is not None:
        name += f"@{evse['id']}" + (f".{evse['connectorId']}" if "connectorId" in evse else "")
    return name


def read_event(said: Words) -> Alarm:
    """EventDataType. It is critical where 2.1 says how severe it is, or where a component says that it has a problem."""
    is_problem = said["variable"]["name"] == "Problem" and said["actualValue"].lower() == "true"
    severity = said.get("severity")
    is_critical = severity <= GRAVE_SEVERITY if severity is not None else is_problem
    words = [said["actualValue"], *(said[key] for key in ("techCode", "techInfo") if key in said)]
    return Alarm(
        kind=f"{_named(said['component'])}.{_named(said['variable'])}",
        info="; ".join(words) + ("; cleared" if said.get("cleared", False) else ""),
        at=read_time(said["timestamp"]),
        is_critical=is_critical and not said.get("cleared", False),
    )


def token_info(permit: Permit) -> Answers:
    """IdTokenInfoType; a group is the hub's word about a token, so that its type is Central."""
    group = {"groupIdToken": {"idToken": permit.group, "type": "Central"}} if permit.group else {}
    return permit_words(permit, "cacheExpiryDateTime") | group


def token_words(token: IdToken) -> Answers:
    """IdTokenType."""
    return {"idToken": token.uid, "type": token.kind or CENTRAL}


def evse_words(spot: Spot) -> Answers:
    """EVSEType."""
    return {"id": spot.evse, **({"connectorId": spot.connector} if spot.connector else {})}


def reserve_words(ask: Reserve) -> Answers:
    """ReserveNow."""
    where = {"evseId": ask.spot.evse} if ask.spot is not None and ask.spot.evse else {}
    return {
        "id": ask.number,
        "expiryDateTime": written(ask.expires_at),
        "idToken": token_words(ask.id_token),
        **where,
    }


def with_transaction(answer: Words) -> Outcome:
    """What came of a remote start; `details` name the transaction where one goes on already."""
    outcome, id = outcome_of(answer), answer.get("transactionId")
    return Outcome(outcome.answered, outcome.said, details={"transactionId": id} if isinstance(id, str) else {})


def _set_outcome(answer: Words) -> Outcome:
    results = answer.get("setVariableResult")
    if not isinstance(results, list) or not results or not isinstance(results[0], dict):
        return Outcome(Answered.FAILED, said="the answer has no result")
    return outcome_of(results[0], "attributeStatus")

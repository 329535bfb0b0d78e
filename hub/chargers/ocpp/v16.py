"""OCPP 1.6J: core, firmware management, reservation, smart charging, remote trigger, and the messages of the security white paper."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint

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
    bounded_features,
    kind_of,
    optional_whole,
    outcome_of,
    permit_words,
    read_sample,
    read_schedule,
    read_time,
    register,
    schedule_words,
    security_alarm_is_grave,
    start_of,
    whole,
    written,
)

PURPOSES = {"STATION": "ChargePointMaxProfile", "DEFAULT": "TxDefaultProfile", "TRANSACTION": "TxProfile"}
LIMIT_DECIMALS = 1


class Link16(Asker, ChargePoint):
    """A station that speaks OCPP 1.6."""

    secret_name = "AuthorizationKey"

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
        await self.desk.told_status(self.identity, read_status(said))
        return {}

    @on("Authorize")
    async def on_authorize(self, said: Words) -> Answers:
        """May somebody charge?"""
        permit = await self.desk.authorise(self.identity, IdToken(said["idTag"]), None)
        return {"idTagInfo": tag_info(permit)}

    @on("StartTransaction")
    async def on_start_transaction(self, said: Words) -> Answers:
        """Somebody charges."""
        answer = await self.desk.started(self.identity, self._read_started(said))
        return {"transactionId": answer.number, "idTagInfo": tag_info(answer.permit)}

    @on("MeterValues")
    async def on_meter_values(self, said: Words) -> Answers:
        """What meters say."""
        await self.desk.metered(self.identity, read_metered(said, self.clock.now()))
        return {}

    @on("StopTransaction")
    async def on_stop_transaction(self, said: Words) -> Answers:
        """Somebody has charged."""
        permit = await self.desk.stopped(self.identity, self._read_stopped(said))
        return {} if permit is None else {"idTagInfo": tag_info(permit)}

    @on("DataTransfer")
    async def on_data_transfer(self, said: Words) -> Answers:
        """Nothing of any vendor is known."""
        return {"status": "UnknownVendorId"}

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

    @on("SignCertificate")
    async def on_sign_certificate(self, said: Words) -> Answers:
        """The hub signs nothing."""
        return {"status": "Rejected"}

    @on("FirmwareStatusNotification")
    async def on_firmware_status_notification(self, said: Words) -> Answers:
        """How an update goes."""
        return await self._tell_progress("FirmwareStatusNotification", said)

    @on("SignedFirmwareStatusNotification")
    async def on_signed_firmware_status_notification(self, said: Words) -> Answers:
        """How an update goes."""
        return await self._tell_progress("FirmwareStatusNotification", said)

    @on("DiagnosticsStatusNotification")
    async def on_diagnostics_status_notification(self, said: Words) -> Answers:
        """How an upload goes."""
        return await self._tell_progress("DiagnosticsStatusNotification", said)

    @on("LogStatusNotification")
    async def on_log_status_notification(self, said: Words) -> Answers:
        """How an upload goes."""
        return await self._tell_progress("LogStatusNotification", said)

    def _read_started(self, said: Words) -> Started:
        return Started(
            spot=read_spot(said),
            at=read_time(said["timestamp"]) or self.clock.now(),
            id_token=IdToken(said["idTag"]),
            meter_wh=register(said["meterStart"]),
            reservation=optional_whole(said.get("reservationId"), "reservationId"),
        )

    def _read_stopped(self, said: Words) -> Stopped:
        tag = said.get("idTag")
        at = read_time(said["timestamp"]) or self.clock.now()
        return Stopped(
            transaction=read_transaction(said),
            at=at,
            meter_wh=register(said["meterStop"]),
            reason=said.get("reason", "Local"),
            id_token=IdToken(tag) if tag else None,
            values=read_values(said.get("transactionData", ()), at),
        )

    # --- what it is asked ---

    def question(self, ask: Ask) -> tuple[str, Answers]:
        """Action and payload of a question of one part."""
        match ask:
            case RemoteStart():
                return "RemoteStartTransaction", self._remote_start_words(ask)
            case RemoteStop(transaction):
                return "RemoteStopTransaction", {"transactionId": transaction.number}
            case Reserve():
                return "ReserveNow", reserve_words(ask)
            case CancelReservation(number):
                return "CancelReservation", {"reservationId": number}
            case Unlock(spot):
                return "UnlockConnector", {"connectorId": spot.connector}
            case SetLimit():
                profile = self._profile_words(ask.profile, ask.transaction)
                return "SetChargingProfile", {"connectorId": ask.spot.connector, "csChargingProfiles": profile}
            case ClearLimit(number):
                return "ClearChargingProfile", {"id": number}
            case SetAvailability(spot, is_operative):
                kind = "Operative" if is_operative else "Inoperative"
                return "ChangeAvailability", {"connectorId": spot.connector, "type": kind}
            case Reset(is_hard):
                return "Reset", {"type": "Hard" if is_hard else "Soft"}
            case _:
                raise TypeError(f"no question of one part: {ask}")

    def namelessness(self, transaction: TransactionRef) -> str:
        """A transaction has a number."""
        return "a transaction has a number under OCPP 1.6" if transaction.number is None else ""

    def place_words(self, spot: Spot) -> Answers:
        """The connector."""
        return {"connectorId": spot.connector}

    async def set_variable(self, name: str, value: str, call: Call) -> Outcome:
        """ChangeConfiguration."""
        return outcome_of(await call("ChangeConfiguration", {"key": name, "value": value}))

    async def ask_schedule(self, ask: AskSchedule, call: Call) -> Outcome:
        """GetCompositeSchedule."""
        unit = {"chargingRateUnit": ask.unit} if ask.unit is not None else {}
        asked = {"connectorId": ask.spot.connector, "duration": ask.duration_seconds, **unit}
        answer = await call("GetCompositeSchedule", asked)
        outcome = outcome_of(answer)
        if not outcome.is_good:
            return outcome
        said = answer.get("chargingSchedule")
        start = read_time(answer.get("scheduleStart")) or self.clock.now()
        schedule = read_schedule(said, "startSchedule", start)
        if schedule is None:
            return Outcome(Answered.FAILED, said="the schedule cannot be read")
        return Outcome(Answered.ACCEPTED, schedule=schedule)

    async def read_features(self, call: Call) -> Outcome:
        """GetConfiguration."""
        answer = await call("GetConfiguration", {})
        found = answer.get("configurationKey", ())
        features = bounded_features(read_configuration(found if isinstance(found, list) else ()))
        await self.desk.featured(self.identity, features)
        return Outcome(Answered.ACCEPTED)

    def _remote_start_words(self, ask: RemoteStart) -> Answers:
        where = {"connectorId": ask.spot.connector} if ask.spot is not None and ask.spot.connector else {}
        profile = (
            {"chargingProfile": self._profile_words(ask.profile, TransactionRef())} if ask.profile is not None else {}
        )
        return {"idTag": ask.id_token.uid, **where, **profile}

    def _profile_words(self, profile: LimitProfile, transaction: TransactionRef) -> Answers:
        start_at = start_of(profile, self.clock.now())
        number = {"transactionId": transaction.number} if transaction.number is not None else {}
        return {
            "chargingProfileId": profile.id,
            "stackLevel": profile.stack_level,
            "chargingProfilePurpose": PURPOSES[profile.purpose],
            "chargingProfileKind": kind_of(start_at),
            "chargingSchedule": schedule_words(profile, start_at, LIMIT_DECIMALS),
            **number,
        }


# --- steps ---


def read_boot(said: Words) -> Boot:
    """BootNotification."""
    return Boot(
        vendor=said["chargePointVendor"],
        model=said["chargePointModel"],
        serial=said.get("chargePointSerialNumber") or said.get("chargeBoxSerialNumber", ""),
        firmware=said.get("firmwareVersion", ""),
    )


def read_status(said: Words) -> StatusTold:
    """StatusNotification."""
    error = said["errorCode"]
    info = [one for one in (said.get("info"), said.get("vendorErrorCode")) if one]
    return StatusTold(
        spot=read_spot(said),
        status=said["status"],
        error="" if error == "NoError" else error,
        info="; ".join(info),
        happened_at=read_time(said.get("timestamp")),
    )


def read_metered(said: Words, now: datetime) -> Metered:
    """MeterValues; -1, which some stations say for no transaction, is none."""
    number = optional_whole(said.get("transactionId"), "transactionId")
    return Metered(
        spot=read_spot(said), transaction=TransactionRef(number=number), values=read_values(said["meterValue"], now)
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


def read_spot(said: Words) -> Spot:
    """The connector."""
    return Spot(0, whole(said["connectorId"], "connectorId"))


def read_transaction(said: Words) -> TransactionRef:
    """The transaction; one that was begun without an answer of the hub has a number below zero, or none that counts."""
    return TransactionRef(number=optional_whole(said["transactionId"], "transactionId"))


def reserve_words(ask: Reserve) -> Answers:
    """ReserveNow."""
    return {
        "connectorId": ask.spot.connector if ask.spot is not None else 0,
        "expiryDate": written(ask.expires_at),
        "idTag": ask.id_token.uid,
        "reservationId": ask.number,
    }


def read_configuration(said: Any) -> list[tuple[str, str]]:
    """The configuration keys that have a value."""
    pairs = ((one.get("key"), one.get("value", "")) for one in said if isinstance(one, dict))
    return [(key, value) for key, value in pairs if isinstance(key, str) and isinstance(value, str)]


def tag_info(permit: Permit) -> Answers:
    """IdTagInfo; the group of the token is its parent."""
    group = {"parentIdTag": permit.group} if permit.group else {}
    return permit_words(permit, "expiryDate") | group

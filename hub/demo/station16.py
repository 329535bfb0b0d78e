"""A charge point to play with that speaks OCPP 1.6."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ocpp.routing import after, on
from ocpp.v16 import ChargePoint, call, call_result

from hub.demo.station import (
    ANSWER_WAIT_SECONDS,
    DEFAULT,
    STATION,
    TRANSACTION,
    Address,
    Limits,
    Moment,
    Plug,
    Station,
    Transaction,
)

SUBPROTOCOL = "ocpp1.6"
PURPOSES = {"ChargePointMaxProfile": STATION, "TxDefaultProfile": DEFAULT, "TxProfile": TRANSACTION}

Words = dict[str, Any]


def station16(address: Address, **settings: Any) -> Station:
    """A station of OCPP 1.6; `settings` are those of `Station`."""
    return Station(address, Point, subprotocol=SUBPROTOCOL, **settings)


def written(at: datetime) -> str:
    """A time as OCPP writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_limits(profile: Words, purposes: dict[str, str], schedule: Words) -> Limits:
    """A charging profile, its keys in snake case."""
    start = schedule.get("start_schedule")
    periods = schedule["charging_schedule_period"]
    return Limits(
        id=profile["charging_profile_id"] if "charging_profile_id" in profile else profile["id"],
        purpose=purposes[profile["charging_profile_purpose"]],
        stack_level=profile["stack_level"],
        unit=schedule["charging_rate_unit"],
        periods=tuple((period["start_period"], Decimal(str(period["limit"]))) for period in periods),
        start_at=datetime.fromisoformat(start) if start else None,
        duration_seconds=schedule.get("duration"),
    )


class Point(ChargePoint):
    """The words of OCPP 1.6 for a station."""

    subprotocol = SUBPROTOCOL

    def __init__(self, station: Station, socket: Any) -> None:
        super().__init__(station.address.identity, socket, response_timeout=ANSWER_WAIT_SECONDS)
        self._station = station

    # --- what it says ---

    def boot(self) -> Any:
        """BootNotification."""
        return call.BootNotification(charge_point_vendor="Play", charge_point_model="One", firmware_version="1.0")

    def heartbeat(self) -> Any:
        """Heartbeat."""
        return call.Heartbeat()

    def status(self, plug: int, status: str, at: datetime) -> Any:
        """StatusNotification."""
        return call.StatusNotification(plug, "NoError", status, timestamp=written(at))

    def authorise(self, id_token: str) -> Any:
        """Authorize."""
        return call.Authorize(id_token)

    def began(self, plug: Plug, what: Transaction, at: Moment) -> Any:
        """StartTransaction."""
        return call.StartTransaction(plug.number, what.id_token, int(at.energy_wh), written(at.at))

    def metered(self, plug: Plug, what: Transaction, at: Moment) -> Any:
        """MeterValues."""
        return call.MeterValues(plug.number, [_meter_value(at)], what.number)

    def ended(self, plug: Plug, what: Transaction, at: Moment, reason: str) -> Any:
        """StopTransaction."""
        return call.StopTransaction(int(at.energy_wh), written(at.at), what.number or 0, reason, what.id_token)

    def took(self, answer: Any, what: Transaction) -> bool:
        """Keep the number that the hub gave."""
        if isinstance(answer, call_result.StartTransaction):
            what.number = answer.transaction_id
            return self.is_granted(answer)
        return True

    def is_granted(self, answer: Any) -> bool:
        """Whether somebody may charge."""
        return bool(answer.id_tag_info["status"] == "Accepted")

    # --- what it is asked ---

    @on("RemoteStartTransaction")
    def on_remote_start(self, id_tag: str, connector_id: int | None = None, **more: Any) -> Any:
        """Start soon, where somebody can."""
        place = self._station.plugs.get(connector_id) if connector_id else self._station.free_plug()
        if place is None or place.transaction is not None:
            return call_result.RemoteStartTransaction("Rejected")
        if (profile := more.get("charging_profile")) is not None:
            self._station.obey(place.number, read_limits(profile, PURPOSES, profile["charging_schedule"]))
        self._station.soon(self._station.begin(place.number, id_tag))
        return call_result.RemoteStartTransaction("Accepted")

    @on("RemoteStopTransaction")
    def on_remote_stop(self, transaction_id: int) -> Any:
        """Stop soon."""
        if (place := self._station.plug_of(transaction_id)) is None:
            return call_result.RemoteStopTransaction("Rejected")
        self._station.soon(self._station.unplug(place.number, "Remote"))
        return call_result.RemoteStopTransaction("Accepted")

    @on("ReserveNow")
    def on_reserve(self, connector_id: int, id_tag: str, reservation_id: int, **_: Any) -> Any:
        """Keep a plug for somebody."""
        place = self._station.plugs.get(connector_id) if connector_id else self._station.free_plug()
        if place is None or place.transaction is not None:
            return call_result.ReserveNow("Occupied")
        place.reservation = (reservation_id, id_tag)
        self._station.soon(self._station.set_status(place.number, "Reserved"))
        return call_result.ReserveNow("Accepted")

    @on("CancelReservation")
    def on_cancel(self, reservation_id: int) -> Any:
        """Keep it no longer."""
        for place in self._station.plugs.values():
            if place.reservation is not None and place.reservation[0] == reservation_id:
                place.reservation = None
                self._station.soon(self._station.set_status(place.number, "Available"))
                return call_result.CancelReservation("Accepted")
        return call_result.CancelReservation("Rejected")

    @on("UnlockConnector")
    def on_unlock(self, connector_id: int) -> Any:
        """Let go of the cable."""
        if connector_id not in self._station.plugs:
            return call_result.UnlockConnector("NotSupported")
        self._station.soon(self._station.unplug(connector_id, "UnlockCommand"))
        return call_result.UnlockConnector("Unlocked")

    @on("SetChargingProfile")
    def on_profile(self, connector_id: int, cs_charging_profiles: Words) -> Any:
        """Obey a charging profile."""
        limits = read_limits(cs_charging_profiles, PURPOSES, cs_charging_profiles["charging_schedule"])
        if connector_id and connector_id not in self._station.plugs:
            return call_result.SetChargingProfile("Rejected")
        if limits.purpose == TRANSACTION and self._station.plugs[connector_id].transaction is None:
            return call_result.SetChargingProfile("Rejected")
        self._station.obey(connector_id, limits)
        return call_result.SetChargingProfile("Accepted")

    @on("ClearChargingProfile")
    def on_clear(self, id: int | None = None, **_: Any) -> Any:
        """Obey it no longer."""
        return call_result.ClearChargingProfile("Accepted" if self._station.forget(id) else "Unknown")

    @on("GetCompositeSchedule")
    def on_schedule(self, connector_id: int, duration: int, **_: Any) -> Any:
        """Say what it may give, in W."""
        periods = [
            {"start_period": second, "limit": round(float(limit), 1)}
            for second, limit in self._station.schedule(connector_id, duration)
        ]
        schedule = {"duration": duration, "charging_rate_unit": "W", "charging_schedule_period": periods}
        return call_result.GetCompositeSchedule("Accepted", connector_id, written(self._station.now()), schedule)

    @on("TriggerMessage")
    def on_trigger(self, requested_message: str, connector_id: int | None = None) -> Any:
        """Say again how the connectors stand."""
        if requested_message != "StatusNotification":
            return call_result.TriggerMessage("NotImplemented")
        for place in self._station.plugs.values():
            if connector_id in {None, place.number}:
                self._station.soon(self._station.set_status(place.number, place.status))
        return call_result.TriggerMessage("Accepted")

    @on("ChangeAvailability")
    def on_availability(self, connector_id: int, type: str) -> Any:
        """Be used, or not."""
        for place in self._station.plugs.values():
            if connector_id in {0, place.number}:
                place.is_operative = type == "Operative"
                status = "Charging" if place.transaction else "Available"
                self._station.soon(self._station.set_status(place.number, status))
        return call_result.ChangeAvailability("Accepted")

    @on("ChangeConfiguration")
    def on_change(self, key: str, value: str) -> Any:
        """Keep a setting."""
        self._station.change(key, value)
        return call_result.ChangeConfiguration("Accepted")

    @on("GetConfiguration")
    def on_configuration(self, **_: Any) -> Any:
        """Say what it is set to."""
        known = self._station.configuration | {
            "SupportedFeatureProfiles": "Core,RemoteTrigger,Reservation,SmartCharging",
            "NumberOfConnectors": str(len(self._station.plugs)),
        }
        return call_result.GetConfiguration(
            [{"key": key, "readonly": False, "value": value} for key, value in known.items()]
        )

    @on("Reset")
    def on_reset(self, type: str) -> Any:
        """Start again, soon."""
        return call_result.Reset("Accepted")

    @after("Reset")
    async def after_reset(self, type: str) -> None:
        """Start again."""
        self._station.soon(self._station.reboot())


def _meter_value(at: Moment) -> Words:
    energy = {"value": str(at.energy_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
    power = {"value": str(at.power_w), "measurand": "Power.Active.Import", "unit": "W"}
    return {"timestamp": written(at.at), "sampled_value": [energy, power]}

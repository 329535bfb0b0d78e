"""A charge point to play with that speaks OCPP 2.0.1; each plug is an EVSE with one connector."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ocpp.routing import after, on
from ocpp.v201 import ChargePoint, call, call_result

from hub.demo.station import (
    ANSWER_WAIT_SECONDS,
    DEFAULT,
    STATION,
    TRANSACTION,
    Address,
    Moment,
    Plug,
    Station,
    Transaction,
)
from hub.demo.station16 import Words, read_limits, written

SUBPROTOCOL = "ocpp2.0.1"
PURPOSES = {
    "ChargingStationMaxProfile": STATION,
    "ChargingStationExternalConstraints": STATION,
    "TxDefaultProfile": DEFAULT,
    "TxProfile": TRANSACTION,
}
OCCUPIED = {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"}


def station201(address: Address, **settings: Any) -> Station:
    """A station of OCPP 2.0.1; `settings` are those of `Station`."""
    return Station(address, Point, subprotocol=SUBPROTOCOL, **settings)


class Point(ChargePoint):
    """The words of OCPP 2.0.1 for a station."""

    subprotocol = SUBPROTOCOL

    def __init__(self, station: Station, socket: Any) -> None:
        super().__init__(station.address.identity, socket, response_timeout=ANSWER_WAIT_SECONDS)
        self._station = station

    # --- what it says ---

    def boot(self) -> Any:
        """BootNotification."""
        return call.BootNotification({"model": "Two", "vendor_name": "Play", "firmware_version": "1.0"}, "PowerUp")

    def heartbeat(self) -> Any:
        """Heartbeat."""
        return call.Heartbeat()

    def status(self, plug: int, status: str, at: datetime) -> Any:
        """StatusNotification."""
        return call.StatusNotification(written(at), "Occupied" if status in OCCUPIED else status, plug, 1)

    def authorise(self, id_token: str) -> Any:
        """Authorize."""
        return call.Authorize(_id_token(id_token))

    def began(self, plug: Plug, what: Transaction, at: Moment) -> Any:
        """TransactionEvent Started."""
        trigger = "Authorized" if what.remote_start is None else "RemoteStart"
        event = self._event("Started", trigger, plug, what, at)
        event.id_token = _id_token(what.id_token, "ISO14443" if what.remote_start is None else "Central")
        return event

    def metered(self, plug: Plug, what: Transaction, at: Moment) -> Any:
        """TransactionEvent Updated."""
        return self._event("Updated", "MeterValuePeriodic", plug, what, at)

    def ended(self, plug: Plug, what: Transaction, at: Moment, reason: str) -> Any:
        """TransactionEvent Ended."""
        trigger, said = {"Remote": ("RemoteStop", "Remote"), "UnlockCommand": ("UnlockCommand", "Other")}.get(
            reason, ("EVDeparted", "Local")
        )
        event = self._event("Ended", trigger, plug, what, at)
        event.transaction_info["stopped_reason"] = said
        return event

    def took(self, answer: Any, what: Transaction) -> bool:
        """Whether a transaction may go on."""
        info = getattr(answer, "id_token_info", None)
        return info is None or bool(info["status"] == "Accepted")

    def is_granted(self, answer: Any) -> bool:
        """Whether somebody may charge."""
        return bool(answer.id_token_info["status"] == "Accepted")

    def _event(self, kind: str, trigger: str, plug: Plug, what: Transaction, at: Moment) -> Any:
        info: Words = {"transaction_id": what.id}
        if kind != "Ended":
            info["charging_state"] = "SuspendedEV" if what.is_suspended else "Charging"
        if what.remote_start is not None:
            info["remote_start_id"] = what.remote_start
        return call.TransactionEvent(
            kind,
            written(at.at),
            trigger,
            at.sequence,
            info,
            meter_value=[_meter_value(kind, at)],
            offline=at.is_offline,
            evse={"id": plug.number, "connector_id": 1},
        )

    # --- what it is asked ---

    @on("RequestStartTransaction")
    def on_request_start(self, id_token: Words, remote_start_id: int, evse_id: int | None = None, **more: Any) -> Any:
        """Start soon, where somebody can."""
        place = self._station.plugs.get(evse_id) if evse_id else self._station.free_plug()
        if place is None or place.transaction is not None:
            return call_result.RequestStartTransaction("Rejected")
        if (profile := more.get("charging_profile")) is not None:
            self._station.obey(place.number, read_limits(profile, PURPOSES, profile["charging_schedule"][0]))
        self._station.soon(self._station.begin(place.number, id_token["id_token"], remote_start_id))
        return call_result.RequestStartTransaction("Accepted")

    @on("RequestStopTransaction")
    def on_request_stop(self, transaction_id: str) -> Any:
        """Stop soon."""
        if (place := self._station.plug_of(transaction_id)) is None:
            return call_result.RequestStopTransaction("Rejected")
        self._station.soon(self._station.unplug(place.number, "Remote"))
        return call_result.RequestStopTransaction("Accepted")

    @on("ReserveNow")
    def on_reserve(self, id: int, id_token: Words, evse_id: int | None = None, **_: Any) -> Any:
        """Keep a plug for somebody."""
        place = self._station.plugs.get(evse_id) if evse_id else self._station.free_plug()
        if place is None or place.transaction is not None:
            return call_result.ReserveNow("Occupied")
        place.reservation = (id, id_token["id_token"])
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
    def on_unlock(self, evse_id: int, connector_id: int) -> Any:
        """Let go of the cable, unless it is paid for."""
        if evse_id not in self._station.plugs or connector_id != 1:
            return call_result.UnlockConnector("UnknownConnector")
        if self._station.plugs[evse_id].transaction is not None:
            return call_result.UnlockConnector("OngoingAuthorizedTransaction")
        return call_result.UnlockConnector("Unlocked")

    @on("SetChargingProfile")
    def on_profile(self, evse_id: int, charging_profile: Words) -> Any:
        """Obey a charging profile."""
        limits = read_limits(charging_profile, PURPOSES, charging_profile["charging_schedule"][0])
        if evse_id and evse_id not in self._station.plugs:
            return call_result.SetChargingProfile("Rejected")
        if limits.purpose == TRANSACTION and self._station.plugs[evse_id].transaction is None:
            return call_result.SetChargingProfile("Rejected")
        self._station.obey(evse_id, limits)
        return call_result.SetChargingProfile("Accepted")

    @on("ClearChargingProfile")
    def on_clear(self, charging_profile_id: int | None = None, **_: Any) -> Any:
        """Obey it no longer."""
        return call_result.ClearChargingProfile("Accepted" if self._station.forget(charging_profile_id) else "Unknown")

    @on("GetCompositeSchedule")
    def on_schedule(self, duration: int, evse_id: int, **_: Any) -> Any:
        """Say what it may give, in W."""
        periods = [
            {"start_period": second, "limit": float(limit)}
            for second, limit in self._station.schedule(evse_id, duration)
        ]
        schedule = {
            "evse_id": evse_id,
            "duration": duration,
            "schedule_start": written(self._station.now()),
            "charging_rate_unit": "W",
            "charging_schedule_period": periods,
        }
        return call_result.GetCompositeSchedule("Accepted", schedule=schedule)

    @on("TriggerMessage")
    def on_trigger(self, requested_message: str, evse: Words | None = None, **_: Any) -> Any:
        """Say again how the connectors stand."""
        if requested_message != "StatusNotification":
            return call_result.TriggerMessage("NotImplemented")
        for place in self._station.plugs.values():
            if evse is None or evse["id"] == place.number:
                self._station.soon(self._station.set_status(place.number, place.status))
        return call_result.TriggerMessage("Accepted")

    @on("ChangeAvailability")
    def on_availability(self, operational_status: str, evse: Words | None = None, **_: Any) -> Any:
        """Be used, or not."""
        for place in self._station.plugs.values():
            if evse is None or evse["id"] == place.number:
                place.is_operative = operational_status == "Operative"
                status = "Charging" if place.transaction else "Available"
                self._station.soon(self._station.set_status(place.number, status))
        return call_result.ChangeAvailability("Accepted")

    @on("SetVariables")
    def on_variables(self, set_variable_data: list[Words], **_: Any) -> Any:
        """Keep settings."""
        results = []
        for one in set_variable_data:
            self._station.change(one["variable"]["name"], one["attribute_value"])
            about = {"component": one["component"], "variable": one["variable"]}
            results.append({"attribute_status": "Accepted", **about})
        return call_result.SetVariables(results)

    @on("GetBaseReport")
    def on_report(self, request_id: int, report_base: str, **_: Any) -> Any:
        """Say soon what it is set to."""
        return call_result.GetBaseReport("Accepted")

    @after("GetBaseReport")
    async def after_report(self, request_id: int, **_: Any) -> None:
        """What it is set to."""
        known = {("SmartChargingCtrlr", "Available"): "true", ("ReservationCtrlr", "Available"): "true"}
        data = [
            {
                "component": {"name": component},
                "variable": {"name": variable},
                "variable_attribute": [{"value": value}],
            }
            for (component, variable), value in known.items()
        ]
        await self.call(call.NotifyReport(request_id, written(self._station.now()), 0, data))

    @on("Reset")
    def on_reset(self, type: str, **_: Any) -> Any:
        """Start again, soon."""
        return call_result.Reset("Accepted")

    @after("Reset")
    async def after_reset(self, type: str, **_: Any) -> None:
        """Start again."""
        self._station.soon(self._station.reboot())


def _id_token(uid: str, kind: str = "ISO14443") -> Words:
    return {"id_token": uid, "type": kind}


def _meter_value(kind: str, at: Moment) -> Words:
    context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind, "Sample.Periodic")
    energy = {"value": float(at.energy_wh), "context": context, "unit_of_measure": {"unit": "Wh"}}
    power = {"value": float(at.power_w), "context": context, "measurand": "Power.Active.Import"}
    return {
        "timestamp": written(at.at),
        "sampled_value": [energy, {**power, "unit_of_measure": {"unit": "W"}}],
    }

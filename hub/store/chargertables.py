"""The tables of local chargers; like `tables`, they only say how rows are kept. Energies in Wh, powers in W, times in UTC.

`version` counts what changed, `told_version` what partners have been told of it: what differs is due.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

_IS_UNTOLD = "told_version < version or (cdr is not null and not is_cdr_told)"


def add_charger_tables(metadata: MetaData) -> None:
    """Sites and tariffs, stations, charges, and what is on its way to stations."""
    _add_sites(metadata)
    _add_stations(metadata)
    _add_charges(metadata)
    _add_commands(metadata)
    _add_limits(metadata)


def _moment(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, Text(), nullable=False, server_default="") for name in names]


def _told() -> list[Column[Any]]:
    return [Column(name, Integer(), nullable=False, server_default="0") for name in ("version", "told_version")]


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean(), nullable=False, server_default=text("false"))


def _add_sites(metadata: MetaData) -> None:
    # `content`: what the operator provisioned (JSON); one that is gone stays until partners know it
    for name in ("charge_site", "charge_tariff"):
        Table(
            name,
            metadata,
            Column("id", String(), primary_key=True),
            Column("content", Text(), nullable=False),
            *_told(),
            _moment("updated_at"),
            _flag("is_gone"),
        )


def _add_stations(metadata: MetaData) -> None:
    # `state`: an answer to BootNotification; `connection` and `process` say who holds its socket; `next_secret_hash` is good
    # beside `secret_hash` until the station has used it; `features` (JSON): what it says it can; `is_lost`: away beyond the grace
    Table(
        "charge_station",
        metadata,
        Column("identity", String(), primary_key=True),
        Column("state", String(), nullable=False),
        *_texts("secret_hash", "next_secret_hash", "protocol", "vendor", "model", "serial", "firmware", "features"),
        *_texts("connection", "process", "remote", "note"),
        _moment("first_seen_at"),
        *(
            _moment(name, nullable=True)
            for name in ("connected_at", "disconnected_at", "heard_at", "booted_at", "next_secret_at")
        ),
        Column("clock_offset_milliseconds", BigInteger(), nullable=False, server_default="0"),
        _flag("is_lost"),
    )
    # the last StatusNotification of a connector, in OCPP's words
    Table(
        "charge_connector",
        metadata,
        Column("identity", String(), nullable=False),
        Column("evse", Integer(), nullable=False),
        Column("connector", Integer(), nullable=False),
        *_texts("status", "error", "info"),
        _moment("happened_at"),
        _moment("heard_at"),
        PrimaryKeyConstraint("identity", "evse", "connector"),
    )
    # the OCPI status of an EVSE; `blocked_by`: the member of staff, or the sensor, that says BLOCKED
    Table(
        "charge_evse",
        metadata,
        Column("site", String(), nullable=False),
        Column("evse_uid", String(), nullable=False),
        *_texts("status"),
        _moment("changed_at"),
        *_told(),
        Column("blocked_by", Text(), nullable=False, server_default=""),
        PrimaryKeyConstraint("site", "evse_uid"),
    )


def _add_charges(metadata: MetaData) -> None:
    # a transaction. `start_key`: by what it is known again when it is told twice; `told_started_at`: by the station's own clock;
    # `token`: the CdrToken (JSON), empty where nobody pays; `tariffs` (JSON): those that counted when it began; `cdr`: its text;
    # `place` (JSON): what a CDR says of the connector; `permit`: what its driver was told; `due_at`: when its CDR may be made;
    # `corrected_wh`, `released_by`: what an operator decided about one that was kept back
    table = Table(
        "charge",
        metadata,
        Column("number", Integer(), Identity(), primary_key=True),
        Column("identity", String(), nullable=False),
        Column("start_key", String(), nullable=False),
        Column("ocpp_id", String(), nullable=True),
        Column("evse", Integer(), nullable=False),
        Column("connector", Integer(), nullable=False),
        *_texts("site", "evse_uid", "connector_id", "session_id", "state", "id_token", "token", "auth_method"),
        Column("reference", Text(), nullable=True),
        Column("remote_start", Integer(), nullable=True),
        Column("reservation", Integer(), nullable=True),
        _moment("started_at"),
        _moment("told_started_at"),
        _moment("ended_at", nullable=True),
        _moment("read_at", nullable=True),
        Column("meter_start_wh", Numeric(), nullable=True),
        Column("meter_end_wh", Numeric(), nullable=True),
        Column("energy_wh", Numeric(), nullable=False, server_default="0"),
        Column("power_w", Numeric(), nullable=True),
        *_texts("stop_reason", "charging_state", "flags", "sequences", "tariffs"),
        *_texts("place", "permit", "released_by", "told_state"),
        Column("corrected_wh", Numeric(), nullable=True),
        *(_moment(name, nullable=True) for name in ("reserved_at", "due_at")),
        *_told(),
        _moment("told_at", nullable=True),
        Column("cdr", Text(), nullable=True),
        _flag("is_cdr_told"),
        _moment("made_at"),
        UniqueConstraint("identity", "start_key", name="uq_charge_start"),
    )
    Index("ix_charge_ocpp_id", table.c.identity, table.c.ocpp_id, unique=True)
    Index("ix_charge_session", table.c.session_id, unique=True, postgresql_where=text("session_id <> ''"))
    Index("ix_charge_active", table.c.identity, postgresql_where=text("state = 'ACTIVE'"))
    Index("ix_charge_due", table.c.due_at, postgresql_where=text("state = 'ENDED'"))
    Index("ix_charge_untold", table.c.number, postgresql_where=text(_IS_UNTOLD))
    Index("ix_charge_place", table.c.identity, table.c.evse, table.c.connector, table.c.number)
    # `key`: by what a reading is known again; `told_at`: by the station's own clock; `raw`: what came (JSON) where it was doubtful;
    # `kind`: which register it is, where it is not the one at the outlet; `charging_state`: in OCPP's words, where it was told
    readings = Table(
        "charge_reading",
        metadata,
        Column("charge", Integer(), ForeignKey("charge.number"), nullable=False),
        Column("key", String(), nullable=False),
        _moment("at"),
        _moment("told_at"),
        *(
            Column(name, Numeric(), nullable=True)
            for name in ("register_wh", "power_w", "current_a", "voltage_v", "soc_percent")
        ),
        *_texts("context", "signed", "encoding", "method", "public_key", "raw", "kind", "charging_state"),
        PrimaryKeyConstraint("charge", "key"),
    )
    Index("ix_charge_reading_at", readings.c.charge, readings.c.at)


def _add_commands(metadata: MetaData) -> None:
    # `reservation_id` is the sender's own and unique for it only; `number` is what the station knows; `place` and `tariffs` (JSON) as with
    # a charge; `version` 0: it has no Session; a charge that uses it takes its `session_id` over
    reservations = Table(
        "charge_reservation",
        metadata,
        Column("number", Integer(), Identity(), primary_key=True),
        *_texts("sender", "reservation_id", "identity", "site", "evse_uid", "id_token", "token", "state"),
        Column("evse", Integer(), nullable=False),
        Column("connector", Integer(), nullable=False),
        Column("reference", Text(), nullable=True),
        _moment("expires_at"),
        _moment("made_at"),
        *_texts("connector_id", "session_id", "place", "tariffs"),
        *_told(),
        _moment("ended_at", nullable=True),
        Column("cdr", Text(), nullable=True),
        _flag("is_cdr_told"),
    )
    Index("ix_charge_reservation_id", reservations.c.sender, reservations.c.reservation_id)
    Index("ix_charge_reservation_untold", reservations.c.number, postgresql_where=text(_IS_UNTOLD))
    # an id of 20 characters that stands for a token, and for the eMSP's reference that came with it
    aliases = Table(
        "charge_alias",
        metadata,
        Column("alias", String(), primary_key=True),
        *_texts("owner", "uid", "kind", "token"),
        Column("reference", Text(), nullable=True),
        _moment("made_at"),
        _moment("expires_at"),
    )
    Index("ix_charge_alias_token", aliases.c.owner, aliases.c.uid)
    # a command or charging profile of a partner that a station works on; `result` is what its sender is told, once
    commands = Table(
        "charge_command",
        metadata,
        Column("number", Integer(), Identity(), primary_key=True),
        *_texts(
            "kind", "sender", "identity", "site", "evse_uid", "id_token", "token", "content", "response_url", "result"
        ),
        Column("reference", Text(), nullable=True),
        _moment("made_at"),
        _moment("due_at"),
        _moment("answered_at", nullable=True),
        _flag("is_told"),
    )
    Index("ix_charge_command_open", commands.c.due_at, postgresql_where=text("not is_told"))
    # the one charging profile that a partner set for a session, and where changes of it are told
    Table(
        "charge_profile",
        metadata,
        Column("session_id", String(), primary_key=True),
        *_texts("sender", "content", "response_url"),
        _moment("set_at"),
    )
    # what the driver of a charge wants (ChargingPreferences); `wanted_wh`: in all, from its begin on
    Table(
        "charge_preference",
        metadata,
        Column("session_id", String(), primary_key=True),
        *_texts("sender", "profile_type"),
        _moment("departs_at", nullable=True),
        Column("wanted_wh", Numeric(), nullable=True),
        _flag("may_discharge"),
        _moment("set_at"),
    )


def _add_limits(metadata: MetaData) -> None:
    # what counts at a site besides its tree of limits, by `kind` (`hub.store.chargeloads`): a limit for a while, what meters say (W), the
    # fall-back that is installed in an EVSE (tenths of an ampere), and what the last control step saw (`content`, JSON)
    Table(
        "charge_limit",
        metadata,
        *(Column(name, String(), nullable=False) for name in ("site", "node", "kind")),
        Column("value", BigInteger(), nullable=False),
        *_texts("content"),
        _moment("set_at"),
        _moment("until", nullable=True),
        PrimaryKeyConstraint("site", "node", "kind"),
    )

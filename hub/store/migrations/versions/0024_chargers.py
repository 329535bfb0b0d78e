"""local chargers: sites, stations, charges with their readings, reservations, and what is on its way to stations"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TABLES = (
    "charge_limit",
    "charge_profile",
    "charge_command",
    "charge_alias",
    "charge_reservation",
    "charge_reading",
    "charge",
    "charge_evse",
    "charge_connector",
    "charge_station",
    "charge_tariff",
    "charge_site",
)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _texts(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Text(), nullable=False, server_default="") for name in names]


def _told() -> list[sa.Column[object]]:
    return [sa.Column(name, sa.Integer(), nullable=False, server_default="0") for name in ("version", "told_version")]


def upgrade() -> None:
    for table in ("charge_site", "charge_tariff"):
        op.create_table(
            table,
            sa.Column("id", sa.String(), primary_key=True),
            sa.Column("content", sa.Text(), nullable=False),
            *_told(),
            _moment("updated_at"),
            sa.Column("is_gone", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        )
    _make_stations()
    _make_charges()
    _make_commands()


def _make_stations() -> None:
    op.create_table(
        "charge_station",
        sa.Column("identity", sa.String(), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        *_texts("secret_hash", "next_secret_hash", "protocol", "vendor", "model", "serial", "firmware", "features"),
        *_texts("connection", "process", "remote", "note"),
        _moment("first_seen_at"),
        *(
            _moment(name, nullable=True)
            for name in ("connected_at", "disconnected_at", "heard_at", "booted_at", "next_secret_at")
        ),
        sa.Column("clock_offset_milliseconds", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("is_lost", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_table(
        "charge_connector",
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("evse", sa.Integer(), nullable=False),
        sa.Column("connector", sa.Integer(), nullable=False),
        *_texts("status", "error", "info"),
        _moment("happened_at"),
        _moment("heard_at"),
        sa.PrimaryKeyConstraint("identity", "evse", "connector"),
    )
    op.create_table(
        "charge_evse",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("evse_uid", sa.String(), nullable=False),
        *_texts("status"),
        _moment("changed_at"),
        *_told(),
        sa.Column("blocked_by", sa.Text(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("site", "evse_uid"),
    )


def _make_charges() -> None:
    op.create_table(
        "charge",
        sa.Column("number", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("start_key", sa.String(), nullable=False),
        sa.Column("ocpp_id", sa.String(), nullable=True),
        sa.Column("evse", sa.Integer(), nullable=False),
        sa.Column("connector", sa.Integer(), nullable=False),
        *_texts("site", "evse_uid", "connector_id", "session_id", "state", "id_token", "token", "auth_method"),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("remote_start", sa.Integer(), nullable=True),
        sa.Column("reservation", sa.Integer(), nullable=True),
        _moment("started_at"),
        _moment("told_started_at"),
        _moment("ended_at", nullable=True),
        _moment("read_at", nullable=True),
        sa.Column("meter_start_wh", sa.Numeric(), nullable=True),
        sa.Column("meter_end_wh", sa.Numeric(), nullable=True),
        sa.Column("energy_wh", sa.Numeric(), nullable=False, server_default="0"),
        sa.Column("power_w", sa.Numeric(), nullable=True),
        *_texts("stop_reason", "charging_state", "flags", "sequences", "tariffs"),
        *_texts("place", "permit", "released_by", "told_state"),
        sa.Column("corrected_wh", sa.Numeric(), nullable=True),
        *(_moment(name, nullable=True) for name in ("reserved_at", "due_at")),
        *_told(),
        _moment("told_at", nullable=True),
        sa.Column("cdr", sa.Text(), nullable=True),
        sa.Column("is_cdr_told", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        _moment("made_at"),
        sa.UniqueConstraint("identity", "start_key", name="uq_charge_start"),
    )
    op.create_index("ix_charge_ocpp_id", "charge", ["identity", "ocpp_id"], unique=True)
    op.create_index(
        "ix_charge_session", "charge", ["session_id"], unique=True, postgresql_where=sa.text("session_id <> ''")
    )
    op.create_index("ix_charge_active", "charge", ["identity"], postgresql_where=sa.text("state = 'ACTIVE'"))
    op.create_index("ix_charge_due", "charge", ["due_at"], postgresql_where=sa.text("state = 'ENDED'"))
    op.create_index(
        "ix_charge_untold",
        "charge",
        ["number"],
        postgresql_where=sa.text("told_version < version or (cdr is not null and not is_cdr_told)"),
    )
    op.create_index("ix_charge_place", "charge", ["identity", "evse", "connector", "number"])
    op.create_table(
        "charge_reading",
        sa.Column("charge", sa.Integer(), sa.ForeignKey("charge.number"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        _moment("at"),
        _moment("told_at"),
        *(
            sa.Column(name, sa.Numeric(), nullable=True)
            for name in ("register_wh", "power_w", "current_a", "voltage_v", "soc_percent")
        ),
        *_texts("context", "signed", "encoding", "method", "public_key", "raw", "kind", "charging_state"),
        sa.PrimaryKeyConstraint("charge", "key"),
    )
    op.create_index("ix_charge_reading_at", "charge_reading", ["charge", "at"])


def _make_commands() -> None:
    op.create_table(
        "charge_reservation",
        sa.Column("number", sa.Integer(), sa.Identity(), primary_key=True),
        *_texts("sender", "reservation_id", "identity", "site", "evse_uid", "id_token", "token", "state"),
        sa.Column("evse", sa.Integer(), nullable=False),
        sa.Column("connector", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        _moment("expires_at"),
        _moment("made_at"),
    )
    op.create_index("ix_charge_reservation_id", "charge_reservation", ["sender", "reservation_id"])
    op.create_table(
        "charge_alias",
        sa.Column("alias", sa.String(), primary_key=True),
        *_texts("owner", "uid", "kind", "token"),
        sa.Column("reference", sa.Text(), nullable=True),
        _moment("made_at"),
        _moment("expires_at"),
    )
    op.create_index("ix_charge_alias_token", "charge_alias", ["owner", "uid"])
    op.create_table(
        "charge_command",
        sa.Column("number", sa.Integer(), sa.Identity(), primary_key=True),
        *_texts(
            "kind", "sender", "identity", "site", "evse_uid", "id_token", "token", "content", "response_url", "result"
        ),
        sa.Column("reference", sa.Text(), nullable=True),
        _moment("made_at"),
        _moment("due_at"),
        _moment("answered_at", nullable=True),
        sa.Column("is_told", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    op.create_index("ix_charge_command_open", "charge_command", ["due_at"], postgresql_where=sa.text("not is_told"))
    op.create_table(
        "charge_profile",
        sa.Column("session_id", sa.String(), primary_key=True),
        *_texts("sender", "content", "response_url"),
        _moment("set_at"),
    )

    op.create_table(
        "charge_limit",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False, server_default=""),
        _moment("set_at"),
        _moment("until", nullable=True),
        sa.PrimaryKeyConstraint("site", "node", "kind"),
    )


def downgrade() -> None:
    for table in _TABLES:
        op.drop_table(table)

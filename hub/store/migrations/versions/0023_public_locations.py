"""what is public of locations: one row each, in the order in which it changed, and a log of changes; keys of who reads it"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_OWNER = ("country_code", "party_id")
_READERS = ("reader_day", "reader")


def upgrade() -> None:
    op.add_column("place", sa.Column("mark", sa.BigInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("place", sa.Column("is_due", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    op.create_index("ix_place_due", "place", [*_OWNER, "key"], postgresql_where=sa.text("is_due"))
    op.create_table(
        "public_counter",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("static_seq", sa.BigInteger(), nullable=False),
        sa.Column("horizon", sa.BigInteger(), nullable=False),
    )
    _make_locations()
    op.create_table(
        "public_change",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("longitude", "latitude")),
        sa.Column("event", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "public_source",
        *(sa.Column(name, sa.String(), nullable=False) for name in _OWNER),
        sa.Column("is_member", sa.Boolean(), nullable=False),
        sa.Column("silent_since", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(*_OWNER),
    )
    op.create_table(
        "place_quality",
        *(sa.Column(name, sa.String(), nullable=False) for name in (*_OWNER, "key")),
        sa.Column("is_fit", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*_OWNER, "key"),
    )
    _make_readers()


def _make_locations() -> None:
    op.create_table(
        "public_location",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in (*_OWNER, "key", "id")),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_gone", sa.Boolean(), nullable=False),
        sa.Column("last_updated", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("evses", "static_version", "status_version")),
        *(sa.Column(name, sa.LargeBinary(), nullable=True) for name in ("packed", "feature", "entry")),
        sa.UniqueConstraint(*_OWNER, "key", name="uq_public_location_key"),
    )
    op.create_index("ix_public_location_seq", "public_location", ["seq"], unique=True)
    op.create_index("ix_public_location_updated", "public_location", ["last_updated"])


def _make_readers() -> None:
    op.create_table(
        "reader",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("party", sa.String(), nullable=False),
        sa.Column("per_second", sa.Integer(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "reader_day",
        sa.Column("reader", sa.Integer(), sa.ForeignKey("reader.id"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader", "day"),
    )


def downgrade() -> None:
    for table in (*_READERS, "place_quality", "public_source", "public_change", "public_location", "public_counter"):
        op.drop_table(table)
    op.drop_index("ix_place_due", "place")
    op.drop_column("place", "is_due")
    op.drop_column("place", "mark")

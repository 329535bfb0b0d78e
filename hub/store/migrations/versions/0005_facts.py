"""what was said when: versions of tokens and tariffs, CDRs that were refused, sessions that are complete"""

import sqlalchemy as sa
from alembic import op

from hub.store.pack import unpack
from ocpi_modules.splice import head_of

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000


def upgrade() -> None:
    op.create_table(
        "version",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("country_code", sa.String(), nullable=False),
        sa.Column("party_id", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_version_object", "version", ["key", "module", "country_code", "party_id", "variant"])
    op.create_index("ix_version_owner", "version", ["module", "country_code", "party_id"])
    op.execute("alter table version alter column packed set storage external")
    # the version that is there is the first one that is known
    op.execute(
        "insert into version (module, country_code, party_id, key, variant, audience, since, known_at, packed) "
        "select module, country_code, party_id, key, variant, audience, last_updated, coalesce(pushed_at, last_updated), packed "
        "from copy where module in ('tokens', 'tariffs')"
    )
    op.create_table(
        "refused_cdr",
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("cdr_key", sa.String(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "digest"),
    )
    op.create_index("ix_refused_cdr_name", "refused_cdr", ["creditor", "cdr_key"])
    op.create_index("ix_refused_cdr_last", "refused_cdr", ["last_at"])
    op.create_table(
        "completed_session",
        sa.Column("creditor", sa.String(), nullable=False),
        sa.Column("session_key", sa.String(), nullable=False),
        sa.Column("debtor", sa.String(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("creditor", "session_key"),
    )
    op.create_index("ix_completed_session_at", "completed_session", ["completed_at"])
    _note_completed_sessions()


def _note_completed_sessions() -> None:
    connection = op.get_bind()
    rows = sa.text(
        "select seq, country_code || '/' || party_id as creditor, key, addressee, last_updated, packed from copy "
        "where module = 'sessions' and audience = '' and seq > :after order by seq limit :most"
    )
    add = sa.text("insert into completed_session values (:creditor, :key, :addressee, :last_updated)")
    after = 0
    while batch := connection.execute(rows, {"after": after, "most": BATCH_ROWS}).all():
        completed = [row._asdict() for row in batch if head_of(unpack(row.packed)).status == "COMPLETED"]
        if completed:
            connection.execute(add, completed)
        after = batch[-1].seq

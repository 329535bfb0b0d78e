"""what let somebody charge: authorisations, commands and their results; by what completed sessions are found without their id"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from hub.store.pack import unpack
from hub.store.traces import trace_of

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BATCH_ROWS = 1000

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "permit",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("cpo", sa.String(), nullable=False),
        sa.Column("emsp", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("callback", sa.String(), nullable=False),
        sa.Column("asked_at", _NOW, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_permit_token", "permit", ["token", "cpo", "asked_at"])
    op.create_index("ix_permit_reference", "permit", ["reference", "cpo"], postgresql_where=sa.text("reference <> ''"))
    op.create_index("ix_permit_first", "permit", ["cpo", "module", "asked_at"])
    op.create_index("ix_permit_asked", "permit", ["asked_at"])
    op.create_table(
        "permit_result",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("callback", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("known_at", _NOW, nullable=False),
    )
    op.create_index("ix_permit_result_callback", "permit_result", ["callback"])
    op.create_index("ix_permit_result_known", "permit_result", ["known_at"])
    op.add_column("verdict", sa.Column("found_session", sa.String(), nullable=True))
    op.create_index(
        "ix_verdict_found_session",
        "verdict",
        ["creditor", "found_session"],
        postgresql_where=sa.text("found_session is not null"),
    )
    _traces()


def _traces() -> None:
    for name in ("token", "evse", "reference"):
        op.add_column("completed_session", sa.Column(name, sa.String(), nullable=False, server_default=""))
        op.alter_column("completed_session", name, server_default=None)
    op.add_column("completed_session", sa.Column("starts_at", _NOW, nullable=True))
    _trace_known_sessions()
    op.create_index(
        "ix_completed_session_token",
        "completed_session",
        ["token", "starts_at"],
        postgresql_where=sa.text("token <> ''"),
    )
    op.create_index(
        "ix_completed_session_reference",
        "completed_session",
        ["reference", "creditor"],
        postgresql_where=sa.text("reference <> ''"),
    )


def _trace_known_sessions() -> None:
    connection = op.get_bind()
    rows = sa.text(
        "select c.seq, s.creditor, s.session_key, c.packed from copy c join completed_session s on s.session_key = c.key "
        "and s.creditor = c.country_code || '/' || c.party_id "
        "where c.module = 'sessions' and c.audience = '' and c.seq > :after order by c.seq limit :most"
    )
    change = sa.text(
        "update completed_session set token = :token, evse = :evse, reference = :reference, starts_at = :starts_at "
        "where creditor = :creditor and session_key = :session_key"
    )
    after = 0
    while batch := connection.execute(rows, {"after": after, "most": BATCH_ROWS}).all():
        connection.execute(change, [_traced(row) for row in batch])
        after = batch[-1].seq


def _traced(row: Any) -> dict[str, Any]:
    trace = trace_of(unpack(row.packed))
    return {"creditor": row.creditor, "session_key": row.session_key, **trace._asdict()}

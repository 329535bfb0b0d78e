"""findings of refused CDRs and of whole periods, repeated CDRs, profiles of parties, views of eMSPs"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    _findings()
    _refused()
    op.create_table(
        "profile",
        sa.Column("party", sa.String(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", _NOW, nullable=False),
        sa.Column("activated_by", sa.String(), nullable=False),
        sa.Column("activated_at", _NOW, nullable=True),
        sa.Column("ended_at", _NOW, nullable=True),
        sa.Column("ended_by", sa.String(), nullable=False),
    )
    op.create_table(
        "emsp_view",
        sa.Column("emsp", sa.String(), primary_key=True),
        sa.Column("period", sa.String(), primary_key=True),
        sa.Column("starts_at", _NOW, nullable=False),
        sa.Column("ends_at", _NOW, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("cdrs", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.String(), nullable=False),
        sa.Column("given_at", _NOW, nullable=False),
    )


def _findings() -> None:
    op.add_column("finding", sa.Column("source", sa.String(), nullable=False, server_default=""))
    op.alter_column("finding", "source", server_default=None)
    op.create_index("ix_finding_source", "finding", ["source", "period"], postgresql_where=sa.text("source <> ''"))


def _refused() -> None:
    op.add_column("refused_cdr", sa.Column("examined_at", _NOW, nullable=True))
    op.add_column("refused_cdr", sa.Column("finding", sa.String(), nullable=True))
    op.create_index(
        "ix_refused_cdr_waiting", "refused_cdr", ["last_at"], postgresql_where=sa.text("examined_at is null")
    )
    op.create_index(
        "ix_refused_cdr_finding", "refused_cdr", ["finding"], postgresql_where=sa.text("finding is not null")
    )
    op.create_table(
        "repeated_cdr",
        sa.Column("feed", sa.String(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("times", sa.BigInteger(), nullable=False),
    )

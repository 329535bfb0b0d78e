"""Every table of the hub. Wire objects are validated elsewhere (`ocpi_modules`); these classes only say how rows are kept.

All times are timestamptz in UTC, all amounts exact `numeric`, all OCPI objects the text that their owner sent.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Text,
    text,
)
from sqlmodel import Field, SQLModel


def _moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class PartnerRow(SQLModel, table=True):
    """A connected platform. `state`: JOINING (our own POST is open), JOINED, LEFT.

    `quirks` says in JSON how it departs from the norm, `report` what its last probe saw.
    """

    __tablename__ = "partner"

    id: int | None = Field(default=None, primary_key=True)
    name: str
    versions_url: str
    token_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary, unique=True, nullable=True))
    token_sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    state: str
    joined_at: datetime = Field(sa_column=_moment())
    heard_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    quirks: str = Field(default="{}", sa_column=Column(Text, nullable=False))
    report: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class PartyRow(SQLModel, table=True):
    """A role of a party, as hub client info knows it.

    `partner_id` is empty while it is only invited; PLANNED with a partner is held for the operator.
    """

    __tablename__ = "party"

    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    partner_id: int | None = Field(default=None, foreign_key="partner.id", index=True)
    name: str
    business_details: str = Field(sa_column=Column(Text, nullable=False))
    status: str
    last_updated: datetime = Field(sa_column=_moment())


class EndpointRow(SQLModel, table=True):
    """An endpoint that a partner listed in its version details."""

    __tablename__ = "endpoint"

    partner_id: int = Field(primary_key=True, foreign_key="partner.id")
    module_id: str = Field(primary_key=True)
    interface: str = Field(primary_key=True)
    url: str


class InvitationRow(SQLModel, table=True):
    """Token A for one platform: which roles it may claim (JSON), until when, and whether it was used or taken back."""

    __tablename__ = "invitation"

    id: int | None = Field(default=None, primary_key=True)
    token_hash: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    roles: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=_moment())
    used_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    revoked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class CopyRow(SQLModel, table=True):
    """What an owner said last about one object, for one audience.

    `key` and `variant` are folded ids, `audience` is "" for everybody or the one party it was sent to, `addressee`
    the eMSP that a session or CDR belongs to. `seq` gives pages their order: oldest first, never by `last_updated`
    (P-11). `remote_url` is where the addressee keeps it. `packed` is its text (`hub.store.pack`). `pushed_at` is
    when its owner pushed it last (empty: only pulled), `stale_at` since when a full crawl lacks it.
    """

    __tablename__ = "copy"
    __table_args__ = (
        Index("ix_copy_page", "module", "audience", "seq"),
        Index("ix_copy_changed", "module", "last_updated"),
        Index("ix_copy_stale", "module", postgresql_where=text("stale_at is not null")),
        # only what has an addressee is read by owner or addressee: others would pay for these with each write
        Index("ix_copy_addressee", "module", "addressee", "seq", postgresql_where=text("addressee <> ''")),
        Index("ix_copy_owner", "module", "country_code", "party_id", "seq", postgresql_where=text("addressee <> ''")),
        Index(
            "ix_copy_addressee_changed",
            "module",
            "addressee",
            "last_updated",
            postgresql_where=text("addressee <> ''"),
        ),
        Index(
            "ix_copy_owner_changed",
            "module",
            "country_code",
            "party_id",
            "last_updated",
            postgresql_where=text("addressee <> ''"),
        ),
    )

    key: str = Field(primary_key=True)
    module: str = Field(primary_key=True)
    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    variant: str = Field(default="", primary_key=True)
    audience: str = Field(default="", primary_key=True)
    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), nullable=False))
    addressee: str = ""
    last_updated: datetime = Field(sa_column=_moment())
    packed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    remote_url: str | None = None
    pushed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    stale_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class CopyCountRow(SQLModel, table=True):
    """How many copies there are that are not stale, so that a total need not be counted: the sum of `n` over all slots.

    A process adds to a slot of its own, so that writers do not wait for each other.
    """

    __tablename__ = "copy_count"
    __table_args__ = (Index("ix_copy_count_addressee", "module", "addressee"),)

    module: str = Field(primary_key=True)
    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    audience: str = Field(primary_key=True)
    addressee: str = Field(primary_key=True)
    slot: int = Field(primary_key=True)
    n: int = Field(sa_column=Column(BigInteger, nullable=False))


class ClaimRow(SQLModel, table=True):
    """What a CDR claims: the index from which a statement is made. Amounts in `currency`; `incl_vat` may be missing."""

    __tablename__ = "claim"

    creditor: str = Field(primary_key=True)
    cdr_key: str = Field(primary_key=True)
    cdr_id: str
    debtor: str
    currency: str
    excl_vat: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    incl_vat: Decimal | None = Field(default=None, sa_column=Column(Numeric, nullable=True))
    is_credit: bool
    end_date_time: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, index=True))
    accepted_at: datetime = Field(sa_column=_moment())


class DueRow(SQLModel, table=True):
    """A CDR that the hub accepted and its payer does not have yet; gone once the payer answered 1000."""

    __tablename__ = "due"

    creditor: str = Field(primary_key=True)
    cdr_key: str = Field(primary_key=True)
    payer: str = Field(index=True)
    created_at: datetime = Field(sa_column=_moment())
    attempts: int = 0
    last_answer: str = ""


class CallbackRow(SQLModel, table=True):
    """Where the result of a command goes: the caller's own URL behind one of ours, bound to the partner that got the command."""

    __tablename__ = "callback"

    id: str = Field(primary_key=True)
    module: str
    url: str = Field(sa_column=Column(Text, nullable=False))
    caller: str
    answerer: str
    correlation_id: str
    created_at: datetime = Field(sa_column=_moment())
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, index=True))


class PermissionRow(SQLModel, table=True):
    """A dated rule on who may talk to whom: between `one` and `other` ("" is everybody) about `module` ("" is all).

    Good in [starts_at, ends_at); never deleted, only ended.
    """

    __tablename__ = "permission"

    id: int | None = Field(default=None, primary_key=True)
    one: str = ""
    other: str = ""
    module: str = ""
    is_allowed: bool
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    note: str = ""


class PullRow(SQLModel, table=True):
    """When and how the hub pulls a module from a partner. `mode`: never, after-gap, schedule.

    `synced_at` is when the last complete pull began, `crawled_at` when the last complete crawl without filter did; the counts and
    `said` are those of the last attempt, at `tried_at`.
    """

    __tablename__ = "pull"

    partner_id: int = Field(primary_key=True, foreign_key="partner.id")
    module: str = Field(primary_key=True)
    mode: str
    synced_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    crawled_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    tried_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    objects: int = 0
    refused: int = 0
    said: str = ""


class DefectRow(SQLModel, table=True):
    """How often an owner's objects came with one kind of defect, and the object that showed it last."""

    __tablename__ = "defect"

    owner: str = Field(primary_key=True)
    module: str = Field(primary_key=True)
    defect: str = Field(primary_key=True)
    kept: int = 0
    refused: int = 0
    last_id: str = ""
    last_at: datetime = Field(sa_column=_moment())


metadata = SQLModel.metadata

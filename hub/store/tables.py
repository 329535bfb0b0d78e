"""Every table of the hub. Wire objects are validated elsewhere (`ocpi_modules`); these classes only say how rows are kept.

All times are timestamptz in UTC, all amounts exact `numeric`, all OCPI objects the text that their owner sent.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from hub.store.chargertables import add_charger_tables


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

    `partner_id` is empty while it is only invited; PLANNED with a partner is held for the operator. `suspended_by` names the operator who
    suspended it, and is empty where nobody did.
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
    suspended_by: str = ""


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


class HandshakeStepRow(SQLModel, table=True):
    """How far a handshake came: a step that went well, or did not, how often, and what was said of it last.

    `subject` is ``invitation/ID``, ``errand/ID`` (the hub registers somewhere) or ``partner/ID``.
    """

    __tablename__ = "handshake_step"

    subject: str = Field(primary_key=True)
    step: str = Field(primary_key=True)
    is_good: bool = Field(primary_key=True)
    first_at: datetime = Field(sa_column=_moment())
    last_at: datetime = Field(sa_column=_moment())
    times: int = Field(sa_column=Column(BigInteger, nullable=False))
    said: str = Field(sa_column=Column(Text, nullable=False))


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


class PlaceRow(SQLModel, table=True):
    """Where the Location of a copy is, what it is called, and how many of its EVSEs are in which state (`hub.store.places`).

    `latitude` and `longitude` are degrees of WGS 84; `evse_names` are the ids of its EVSEs, folded; `changed_at` is when any of what a map
    shows changed last, by the clock of the database. `mark` tells texts of the Location apart. `is_due`: what is public of it has to be
    found out anew (`hub.navigation`).
    """

    __tablename__ = "place"
    __table_args__ = (
        Index("ix_place_where", "longitude", "latitude"),
        Index("ix_place_changed", "changed_at"),
        Index("ix_place_due", "country_code", "party_id", "key", postgresql_where=text("is_due")),
    )

    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    audience: str = Field(primary_key=True)
    id: str
    name: str
    address: str
    city: str
    country: str
    latitude: float | None = None
    longitude: float | None = None
    is_published: bool
    available: int
    charging: int
    blocked: int
    out_of_order: int
    unknown: int
    evse_names: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    changed_at: datetime = Field(sa_column=_moment())
    stale_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    mark: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    is_due: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=text("true")))


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
    """What a CDR claims: the index from which a statement is made. Amounts in `currency`; `incl_vat` may be missing.

    `examined_at` is empty until settlement has looked at it, `failures` how often it tried to in vain. `is_judged`: the hub found the
    whole CDR valid when it came.
    """

    __tablename__ = "claim"
    __table_args__ = (
        Index("ix_claim_waiting", "failures", "accepted_at", postgresql_where=text("examined_at is null")),
    )

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
    examined_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    failures: int = 0
    is_judged: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


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


class VersionRow(SQLModel, table=True):
    """One version of a token or tariff: what its owner said, `since` when by its own date, and when the hub learned it.

    Only ever added to. `packed` is empty where the owner took the object away.
    """

    __tablename__ = "version"
    __table_args__ = (
        Index("ix_version_object", "key", "module", "country_code", "party_id", "variant"),
        Index("ix_version_owner", "module", "country_code", "party_id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    module: str
    country_code: str
    party_id: str
    key: str
    variant: str
    audience: str
    since: datetime = Field(sa_column=_moment())
    known_at: datetime = Field(sa_column=_moment())
    packed: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class CompletedSessionRow(SQLModel, table=True):
    """A session that its CPO called COMPLETED, and when the hub learned it: a CDR is to follow.

    `token`, `evse`, `reference` and `starts_at` are what it is found by where a CDR does not name it (`hub.store.traces`). `has_cdr` is
    noted once a CDR was seen for it, so that nobody looks for one among all sessions there ever were.
    """

    __tablename__ = "completed_session"
    __table_args__ = (
        Index("ix_completed_session_at", "completed_at"),
        Index(
            "ix_completed_session_without_cdr",
            "completed_at",
            "creditor",
            "session_key",
            postgresql_where=text("not has_cdr"),
        ),
        Index("ix_completed_session_token", "token", "starts_at", postgresql_where=text("token <> ''")),
        Index("ix_completed_session_reference", "reference", "creditor", postgresql_where=text("reference <> ''")),
    )

    creditor: str = Field(primary_key=True)
    session_key: str = Field(primary_key=True)
    debtor: str
    completed_at: datetime = Field(sa_column=_moment())
    token: str = ""
    evse: str = ""
    reference: str = ""
    starts_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    has_cdr: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class RefusedCdrRow(SQLModel, table=True):
    """A CDR that was refused at the door: its bytes, their SHA-256, the answer, and how often it came. Never billed.

    `creditor` and `cdr_key` are what it says of itself, empty where it says nothing that can be read. `examined_at` is empty until
    settlement has looked at it, `finding` is what it then said.
    """

    __tablename__ = "refused_cdr"
    __table_args__ = (
        Index("ix_refused_cdr_name", "creditor", "cdr_key"),
        Index("ix_refused_cdr_last", "last_at"),
        Index("ix_refused_cdr_waiting", "last_at", postgresql_where=text("examined_at is null")),
        Index("ix_refused_cdr_finding", "finding", postgresql_where=text("finding is not null")),
    )

    caller: str = Field(primary_key=True)
    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    creditor: str = ""
    cdr_key: str = ""
    receiver: str = ""
    packed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    status_code: int
    answer: str
    first_at: datetime = Field(sa_column=_moment())
    last_at: datetime = Field(sa_column=_moment())
    times: int = 1
    examined_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    finding: str | None = None


class RepeatedCdrRow(SQLModel, table=True):
    """How often CDRs of a party (`feed`) came on a day (UTC) that had come before, accepted or refused."""

    __tablename__ = "repeated_cdr"

    feed: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    times: int = Field(sa_column=Column(BigInteger, nullable=False))


class PermitRow(SQLModel, table=True):
    """An authorisation or command that the hub passed on, with its answer: what lets somebody charge. Only ever added to.

    `module` is tokens or commands; `token` as in `hub.store.traces`, empty where none is named; `reference` is the folded
    authorization_reference, `callback` the id under which the result of a command comes. `packed` says all of it in JSON.
    """

    __tablename__ = "permit"
    __table_args__ = (
        Index("ix_permit_token", "token", "cpo", "asked_at"),
        Index("ix_permit_reference", "reference", "cpo", postgresql_where=text("reference <> ''")),
        Index("ix_permit_first", "cpo", "module", "asked_at"),
        Index("ix_permit_asked", "asked_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    module: str
    cpo: str
    emsp: str
    token: str = ""
    reference: str = ""
    callback: str = ""
    asked_at: datetime = Field(sa_column=_moment())
    packed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PermitResultRow(SQLModel, table=True):
    """What a charge point made of a command, and when the hub learned it. Only ever added to."""

    __tablename__ = "permit_result"
    __table_args__ = (
        Index("ix_permit_result_callback", "callback"),
        Index("ix_permit_result_known", "known_at"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    callback: str
    result: str
    known_at: datetime = Field(sa_column=_moment())


# --- the books of settlement --------------------------------------------------------------------------------


def _id() -> Column[int]:
    return Column(BigInteger, Identity(), primary_key=True)


def _count() -> Column[int]:
    return Column(BigInteger, nullable=False)


def _amount(*, nullable: bool = False) -> Column[Decimal]:
    return Column(Numeric, nullable=nullable)


def _text() -> Column[str]:
    return Column(Text, nullable=False)


class PeriodRow(SQLModel, table=True):
    """A settlement period ([starts_at, ends_at), UTC) and how far it is: open, cut_off, advised, netted, closed, sealed.

    `closed_by` names who closed it, once one and once two have.
    """

    __tablename__ = "period"

    id: str = Field(primary_key=True)
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    closes_at: datetime = Field(sa_column=_moment())
    state: str
    changed_at: datetime = Field(sa_column=_moment())
    closed_by: str = ""


class FeeLookRow(SQLModel, table=True):
    """The last look at the fees on the statements of a period that came to its end: `mark` tells which drafts and agreements it saw."""

    __tablename__ = "fee_look"

    period: str = Field(primary_key=True, foreign_key="period.id")
    mark: str


class PeriodStepRow(SQLModel, table=True):
    """A step of a period: who took it, and what it came to (JSON). Only ever added to."""

    __tablename__ = "period_step"
    __table_args__ = (Index("ix_period_step_period", "period", "id"),)

    id: int | None = Field(default=None, sa_column=_id())
    period: str = Field(foreign_key="period.id")
    step: str
    actor: str
    made_at: datetime = Field(sa_column=_moment())
    content: str = Field(sa_column=_text())


class SealRow(SQLModel, table=True):
    """What a period came to for good: the Merkle root of its leaves, chained to the one before, signed. Never changes."""

    __tablename__ = "seal"

    period: str = Field(primary_key=True, foreign_key="period.id")
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    previous: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    leaves: int = Field(sa_column=Column(BigInteger, nullable=False))
    content: str = Field(sa_column=_text())
    signature: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    sealed_at: datetime = Field(sa_column=_moment())


_KEPT_OUT: dict[str, Any] = {"postgresql_where": text("disposition <> 'SETTLE'")}
_KEPT_OUT_BY: dict[str, tuple[Any, ...]] = {
    name: ("disposition", *parts, "creditor", "cdr_key")
    for name, parts in (
        ("", ()),
        ("_received", ("received_at",)),
        ("_ended", (text("coalesce(ends_at, '-infinity'::timestamptz)"),)),
        ("_claimed", ("currency", "excl_vat")),
        ("_difference", ("currency", text("coalesce(excl_vat - priced_excl_vat, '-infinity'::numeric)"))),
        ("_energy", (text("coalesce(energy, '-infinity'::numeric)"),)),
    )
}


class VerdictRow(SQLModel, table=True):
    """What settlement makes of a CDR: its period, disposition and price, and the values by which others are related to it.

    Made again whenever it is examined again. `turn` counts how often it was accepted; `token` and `plug` are what two charges cannot share
    at the same time; `meter` and `reading` name the meter and the record of signed data, empty without any; `found_session` is the
    folded id of the session where it was found otherwise than by its id; `matches` says in JSON what it was matched with and how;
    `statement` is the advised one that bills it.
    """

    __tablename__ = "verdict"
    __table_args__ = (
        Index("ix_verdict_period", "period", "creditor", "debtor", "currency", "disposition"),
        Index("ix_verdict_session", "creditor", "session_key"),
        Index("ix_verdict_plug", "plug", "ends_at"),
        Index("ix_verdict_token", "token", "ends_at"),
        Index("ix_verdict_credit", "creditor", "credit_of", postgresql_where=text("credit_of is not null")),
        Index("ix_verdict_crediting", "creditor", "cdr_key", postgresql_where=text("credit_of is not null")),
        Index("ix_verdict_meter", "meter", "starts_at", postgresql_where=text("meter <> ''")),
        Index("ix_verdict_reading", "creditor", "reading", postgresql_where=text("reading <> ''")),
        Index(
            "ix_verdict_found_session",
            "creditor",
            "found_session",
            postgresql_where=text("found_session is not null"),
        ),
        Index("ix_verdict_key", "cdr_key", postgresql_ops={"cdr_key": "text_pattern_ops"}),
        # the orders of `CDR_SORTS`; most CDRs have the same difference, so that one goes on to the key
        Index("ix_verdict_received", "received_at", postgresql_include=["disposition"]),
        Index("ix_verdict_ended", text("coalesce(ends_at, '-infinity'::timestamptz)")),
        Index("ix_verdict_claimed", "currency", "excl_vat"),
        Index(
            "ix_verdict_difference",
            "currency",
            text("coalesce(excl_vat - priced_excl_vat, '-infinity'::numeric)"),
            "creditor",
            "cdr_key",
        ),
        Index("ix_verdict_energy", text("coalesce(energy, '-infinity'::numeric)")),
        # the same orders of the few that do not settle, which lie far apart in those of all
        *(Index(f"ix_verdict_kept_out{name}", *columns, **_KEPT_OUT) for name, columns in _KEPT_OUT_BY.items()),
    )

    creditor: str = Field(primary_key=True)
    cdr_key: str = Field(primary_key=True)
    cdr_id: str
    debtor: str
    period: str = Field(foreign_key="period.id")
    disposition: str
    turn: int = 0
    currency: str
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal | None = Field(default=None, sa_column=_amount(nullable=True))
    priced_excl_vat: Decimal | None = Field(default=None, sa_column=_amount(nullable=True))
    priced_incl_vat: Decimal | None = Field(default=None, sa_column=_amount(nullable=True))
    energy: Decimal | None = Field(default=None, sa_column=_amount(nullable=True))
    starts_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ends_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    received_at: datetime = Field(sa_column=_moment())
    is_credit: bool
    credit_of: str | None = None
    session_key: str | None = None
    session_id: str | None = None
    found_session: str | None = None
    token: str
    plug: str
    meter: str = ""
    reading: str = ""
    matches: str = Field(sa_column=_text())
    examined_at: datetime = Field(sa_column=_moment())
    statement: str | None = None


class FindingRow(SQLModel, table=True):
    """What a check found; `cleared_at` is set when it was examined again and is no longer so. `cause` is what clusters it with others.

    `source` is what was looked at: refused (a CDR refused at the door), period (a whole one), or nothing for CDRs themselves.
    """

    __tablename__ = "finding"
    __table_args__ = (
        Index("ix_finding_cause", "cause"),
        Index("ix_finding_risk", "at_risk", "key", postgresql_where=text("cleared_at is null")),
        Index("ix_finding_period", "period", "kind"),
        Index("ix_finding_source", "source", "period", postgresql_where=text("source <> ''")),
    )

    key: str = Field(primary_key=True)
    check_id: str
    kind: str
    severity: str
    disposition: str
    cause: str
    period: str
    party: str
    counterparty: str
    currency: str
    at_risk: Decimal = Field(sa_column=_amount())
    subject: str = Field(sa_column=_text())
    details: str = Field(sa_column=_text())
    sentence: str = Field(sa_column=_text())
    raised_at: datetime = Field(sa_column=_moment())
    cleared_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    source: str = ""


class FindingCdrRow(SQLModel, table=True):
    """Which CDRs a finding is about, and how much money of each hangs on it."""

    __tablename__ = "finding_cdr"
    __table_args__ = (Index("ix_finding_cdr", "creditor", "cdr_key"),)

    finding: str = Field(primary_key=True, foreign_key="finding.key", ondelete="CASCADE")
    creditor: str = Field(primary_key=True)
    cdr_key: str = Field(primary_key=True)
    at_risk: Decimal = Field(sa_column=_amount())


class JournalEntryRow(SQLModel, table=True):
    """One event in the journal; `key` makes sure that it is written once. Only ever added to."""

    __tablename__ = "journal_entry"
    __table_args__ = (Index("ix_journal_entry_reference", "reference"),)

    id: int | None = Field(default=None, sa_column=_id())
    key: str = Field(unique=True)
    event: str
    reference: str
    actor: str = ""
    reason: str = Field(default="", sa_column=_text())
    known_at: datetime = Field(sa_column=_moment())


class PostingRow(SQLModel, table=True):
    """One side of an entry. The database refuses entries that do not add up to zero, changes, and closed periods."""

    __tablename__ = "posting"
    __table_args__ = (
        Index("ix_posting_entry", "entry"),
        Index("ix_posting_account", "period", "kind", "party", "counterparty", "currency"),
    )

    id: int | None = Field(default=None, sa_column=_id())
    entry: int = Field(sa_column=Column(BigInteger, ForeignKey("journal_entry.id"), nullable=False))
    kind: str
    party: str
    counterparty: str
    period: str = Field(foreign_key="period.id")
    currency: str
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal = Field(sa_column=_amount())


class StatementRow(SQLModel, table=True):
    """A statement of what one party owes another: drafts supersede each other, an advised one never changes.

    `digest` is over its lines, `kept_out_digest` over what was kept out; `energy` in kWh, that of credits off.
    """

    __tablename__ = "settlement_statement"
    __table_args__ = (
        UniqueConstraint("period", "creditor", "debtor", "currency", "draft"),
        Index(
            "ix_settlement_statement_live",
            "period",
            "creditor",
            "debtor",
            "currency",
            unique=True,
            postgresql_where=text("state <> 'superseded'"),
        ),
    )

    id: str = Field(primary_key=True)
    period: str = Field(foreign_key="period.id")
    creditor: str
    debtor: str
    currency: str
    draft: int
    state: str
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal = Field(sa_column=_amount())
    cdrs: int = Field(sa_column=_count())
    credits: int = Field(sa_column=_count())
    fees: int = Field(sa_column=_count())
    adjustments: int = Field(sa_column=_count())
    kept_out: int = Field(sa_column=_count())
    energy: Decimal = Field(sa_column=_amount())
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    kept_out_digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    made_at: datetime = Field(sa_column=_moment())


class StatementLineRow(SQLModel, table=True):
    """A line of a statement: a CDR, a credit, a fee for one of them, or an adjustment (`cdr_key` is then what names that).

    That the statement is a draft that is there is looked at by a trigger, once for all lines that are added together.
    """

    __tablename__ = "statement_line"
    __table_args__ = (Index("ix_statement_line_cdr", "cdr_creditor", "cdr_key"),)

    statement: str = Field(primary_key=True)
    line: int = Field(sa_column=Column(BigInteger, primary_key=True))
    kind: str
    cdr_creditor: str
    cdr_key: str
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal | None = Field(default=None, sa_column=_amount(nullable=True))


class StatementKeptOutRow(SQLModel, table=True):
    """A CDR that did not count when a statement was made, and the kinds of finding that say why (JSON)."""

    __tablename__ = "statement_kept_out"

    statement: str = Field(primary_key=True)
    line: int = Field(sa_column=Column(BigInteger, primary_key=True))
    cdr_creditor: str
    cdr_key: str
    disposition: str
    notes: str = Field(sa_column=_text())


class DecisionRow(SQLModel, table=True):
    """What a person decided about a cause, a finding or a CDR (`scope`, `target`): it holds `stands_since` then, until it is revoked.

    Empty `stands_since`: it waits for a second person. `most` is what may hang on all that it lifts, empty where two decided;
    `at_risk` says in JSON what hung on all of it when it was made, by currency. `confirmed_at` is when the second person agreed.
    """

    __tablename__ = "decision"
    __table_args__ = (Index("ix_decision_target", "scope", "target"),)

    id: int | None = Field(default=None, sa_column=_id())
    scope: str
    target: str
    action: str
    reason: str
    note: str = Field(default="", sa_column=_text())
    at_risk: str = Field(sa_column=_text())
    most: Decimal | None = Field(default=None, sa_column=_amount(nullable=True))
    actor: str
    decided_at: datetime = Field(sa_column=_moment())
    confirmed_by: str = ""
    confirmed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    stands_since: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    revoked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    revoked_by: str = ""


class VerdictTotalRow(SQLModel, table=True):
    """How many verdicts there are of a pair of parties in a period and of a disposition, and what they claim without VAT.

    The database keeps it by itself, in the transaction that changes a verdict; a total that has become nothing stays as a row of zeros.
    """

    __tablename__ = "verdict_total"

    period: str = Field(primary_key=True)
    creditor: str = Field(primary_key=True)
    debtor: str = Field(primary_key=True)
    currency: str = Field(primary_key=True)
    disposition: str = Field(primary_key=True)
    cdrs: int = Field(sa_column=_count())
    excl_vat: Decimal = Field(sa_column=_amount())


class AccountBalanceRow(SQLModel, table=True):
    """What the postings of an account add up to; the database keeps it by itself, in the transaction that adds a posting."""

    __tablename__ = "account_balance"

    kind: str = Field(primary_key=True)
    party: str = Field(primary_key=True)
    counterparty: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    currency: str = Field(primary_key=True)
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal = Field(sa_column=_amount())


class SettlingRow(SQLModel, table=True):
    """How many looks at CDRs were kept, and when the last one was, in one row that is there after the first.

    Who looks beside others sees by it that somebody kept something meanwhile.
    """

    __tablename__ = "settling"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    looks: int = Field(sa_column=_count())
    looked_at: datetime = Field(sa_column=_moment())


class DecisionLimitRow(SQLModel, table=True):
    """That more hangs on a cause than one person may waive: their decision bears on no CDR that came at `beyond_from` or later.

    Known since `known_at`. Only ever added to; the earliest one counts, until a second person confirms the decision.
    """

    __tablename__ = "decision_limit"

    decision: int = Field(sa_column=Column(BigInteger, ForeignKey("decision.id"), primary_key=True))
    beyond_from: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    known_at: datetime = Field(sa_column=_moment())


class ForgettingRow(SQLModel, table=True):
    """That somebody was forgotten, and when; not who. Whoever read anything before that is to read it again."""

    __tablename__ = "forgetting"

    id: int | None = Field(default=None, sa_column=_id())
    done_at: datetime = Field(sa_column=_moment())


class ChaseRow(SQLModel, table=True):
    """One time that the CDRs of a CPO were asked for because sessions had none: wished by `actor` (empty: the hub itself), and what came.

    `sessions` is how many had none then; `objects` were listed from `date_from` on, `new_cdrs` of them were news; `said` is why it failed.
    """

    __tablename__ = "chase"
    __table_args__ = (Index("ix_chase_creditor", "creditor", "id"),)

    id: int | None = Field(default=None, sa_column=_id())
    creditor: str
    actor: str = ""
    asked_at: datetime = Field(sa_column=_moment())
    done_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    sessions: int = 0
    date_from: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    objects: int = 0
    refused: int = 0
    new_cdrs: int = 0
    said: str = ""


class DisputeRow(SQLModel, table=True):
    """A disputed amount of a CDR, and at which stage its dispute is; `due_at` is when silence decides.

    `yielded` is the side that gave way in the end (debtor or creditor), `statement` and `period` are those that bill the CDR, `posted_in`
    is the period in which the amount was taken out of netting, empty where it was netted already.
    """

    __tablename__ = "dispute"
    __table_args__ = (Index("ix_dispute_cdr", "creditor", "cdr_key"), Index("ix_dispute_due", "state", "due_at"))

    id: int | None = Field(default=None, sa_column=_id())
    creditor: str
    debtor: str
    cdr_key: str
    currency: str
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal = Field(sa_column=_amount())
    reason: str
    state: str
    yielded: str = ""
    statement: str
    period: str = Field(foreign_key="period.id")
    posted_in: str = ""
    due_at: datetime = Field(sa_column=_moment())
    opened_at: datetime = Field(sa_column=_moment())


class DisputeStepRow(SQLModel, table=True):
    """One step of a dispute. Only ever added to."""

    __tablename__ = "dispute_step"

    id: int | None = Field(default=None, sa_column=_id())
    dispute: int = Field(sa_column=Column(BigInteger, ForeignKey("dispute.id"), nullable=False))
    state: str
    actor: str
    note: str = Field(default="", sa_column=_text())
    made_at: datetime = Field(sa_column=_moment())


class DisputeLinkRow(SQLModel, table=True):
    """A link with which one side of a dispute takes part in it, until `ends_at` or until it is revoked.

    `digest` is the SHA-256 of its secret, `side` is creditor or debtor, `opened_at` when it was used first.
    """

    __tablename__ = "dispute_link"

    id: int | None = Field(default=None, sa_column=_id())
    dispute: int = Field(sa_column=Column(BigInteger, ForeignKey("dispute.id"), nullable=False, index=True))
    side: str
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    made_by: str
    made_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    opened_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    revoked_by: str = ""
    revoked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class AgreementRow(SQLModel, table=True):
    """A version of an agreement: proposed by one, activated by another; `content` is its JSON.

    Charges that begin at `ended_at` or later are not under it, whatever its content says.
    """

    __tablename__ = "agreement"
    __table_args__ = (Index("ix_agreement_pair", "creditor", "debtor"),)

    id: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    creditor: str
    debtor: str
    content: str = Field(sa_column=_text())
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_moment())
    activated_by: str = ""
    activated_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_by: str = ""


class ProfileRow(SQLModel, table=True):
    """A version of the profile of a party: proposed by one, activated by another; `content` is its JSON. Ended as an agreement is."""

    __tablename__ = "profile"

    party: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    content: str = Field(sa_column=_text())
    proposed_by: str
    proposed_at: datetime = Field(sa_column=_moment())
    activated_by: str = ""
    activated_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_by: str = ""


class EmspViewRow(SQLModel, table=True):
    """What an eMSP says that it holds of the CDRs that ended in a period: ids, owners, ends and totals, nothing of a driver.

    The last one counts. `packed` is JSON (`hub.store.pack`), `digest` its SHA-256.
    """

    __tablename__ = "emsp_view"

    emsp: str = Field(primary_key=True)
    period: str = Field(primary_key=True)
    starts_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())
    packed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    digest: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cdrs: int = Field(sa_column=_count())
    given_by: str
    given_at: datetime = Field(sa_column=_moment())


class AdjustmentRow(SQLModel, table=True):
    """An amount by which what was billed for a CDR is corrected: proposed by one, agreed to by another, then in the journal.

    `kind`: adjustment (both parties; `excl_vat` and `incl_vat` are what the debtor owes more), fee (the same of what is paid beside the
    claim) or write_off (two approvals; what is given up). `owner` is whose CDR it is: the creditor, but for fees. `state`: proposed,
    agreed, refused. `dispute` is the one that it comes out of, `statement` the advised one that it stands on, `reverses` the one that it
    takes back because a credit came in its place.
    """

    __tablename__ = "adjustment"
    __table_args__ = (
        Index("ix_adjustment_cdr", "creditor", "cdr_key"),
        Index("ix_adjustment_period", "period", "creditor", "debtor", "currency"),
        Index("ix_adjustment_fee", "owner", "cdr_key", postgresql_where=text("kind = 'fee'")),
    )

    id: int | None = Field(default=None, sa_column=_id())
    kind: str
    owner: str
    creditor: str
    debtor: str
    cdr_key: str
    cdr_id: str
    currency: str
    excl_vat: Decimal = Field(sa_column=_amount())
    incl_vat: Decimal = Field(sa_column=_amount())
    reason: str
    note: str = Field(default="", sa_column=_text())
    state: str
    proposed_by: str
    proposed_for: str = ""
    proposed_at: datetime = Field(sa_column=_moment())
    answered_by: str = ""
    answered_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    dispute: int | None = Field(default=None, sa_column=Column(BigInteger, ForeignKey("dispute.id"), nullable=True))
    period: str | None = Field(default=None, foreign_key="period.id")
    statement: str | None = None
    reverses: int | None = Field(default=None, sa_column=Column(BigInteger, ForeignKey("adjustment.id"), nullable=True))


class PseudonymRow(SQLModel, table=True):
    """A personal value (the uid of a token, a contract id), and what stands for it under the seals of a scope, which is a period.

    `digest` is SHA-256 over salt and value. When a driver is forgotten, `value` becomes a name that leads nowhere and `salt` goes; the
    digest stays, and with it every root.
    """

    __tablename__ = "pseudonym"
    __table_args__ = (Index("ix_pseudonym_value", "value"),)

    scope: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    salt: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    digest: str


class MeterKeyRow(SQLModel, table=True):
    """A public key that a meter (or that of an EVSE) signs with, for charges from `valid_from` on. Never deleted, only withdrawn."""

    __tablename__ = "meter_key"
    __table_args__ = (
        Index(
            "ix_meter_key_good",
            "owner",
            "meter_id",
            "valid_from",
            unique=True,
            postgresql_where=text("withdrawn_at is null"),
        ),
    )

    id: int | None = Field(default=None, sa_column=_id())
    owner: str
    meter_id: str
    public_key: str = Field(sa_column=_text())
    valid_from: datetime = Field(sa_column=_moment())
    registered_by: str
    registered_at: datetime = Field(sa_column=_moment())
    withdrawn_by: str = ""
    withdrawn_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class AccountRow(SQLModel, table=True):
    """Somebody who may sign in to the console.

    `password` is an argon2 text, empty where one signs in at an identity provider, which knows the account as `subject`. `roles` are
    divided by spaces, `zone` is an IANA name.
    """

    __tablename__ = "account"

    id: int | None = Field(default=None, sa_column=_id())
    name: str = Field(unique=True)
    shown_name: str
    password: str
    roles: str
    zone: str
    subject: str | None = Field(default=None, unique=True)
    is_active: bool
    created_at: datetime = Field(sa_column=_moment())
    seen_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ConsoleSessionRow(SQLModel, table=True):
    """Somebody is signed in; `digest` is the SHA-256 of the cookie."""

    __tablename__ = "console_session"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    account: int = Field(
        sa_column=Column(BigInteger, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    began_at: datetime = Field(sa_column=_moment())
    used_at: datetime = Field(sa_column=_moment())
    ends_at: datetime = Field(sa_column=_moment())


class ConsoleLinkRow(SQLModel, table=True):
    """A link that is good once: to make the first account, or to set the password of one. `digest` is the SHA-256 of its secret."""

    __tablename__ = "console_link"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    purpose: str
    account: int | None = Field(
        default=None, sa_column=Column(BigInteger, ForeignKey("account.id", ondelete="CASCADE"), nullable=True)
    )
    ends_at: datetime = Field(sa_column=_moment())


class AuditRow(SQLModel, table=True):
    """What somebody did in the console, or tried to. Only grows; `details` is JSON text."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_target", "target", "id"),
        Index("ix_audit_entry_actor", "actor", "id"),
        Index("ix_audit_entry_failed", "at", postgresql_where=text("action = 'sign_in_failed'")),
    )

    id: int | None = Field(default=None, sa_column=_id())
    at: datetime = Field(sa_column=_moment())
    actor: str
    action: str
    target: str
    details: str = Field(sa_column=_text())
    address: str


class AlertRuleRow(SQLModel, table=True):
    """When something is an alert, where that is not as the hub begins with; `currency` is empty where the kind has none.

    `channels` are ids divided by spaces, empty for every channel; an urgent one is told in quiet hours too.
    """

    __tablename__ = "alert_rule"

    kind: str = Field(primary_key=True)
    currency: str = Field(primary_key=True)
    threshold: Decimal = Field(sa_column=_amount())
    is_active: bool
    is_urgent: bool
    channels: str


class AlertChannelRow(SQLModel, table=True):
    """Who is told of alerts: an address, sealed as it holds passwords, and as it is `shown`; quiet hours as text, in a zone (IANA).

    What nobody acknowledged is told again after `again_hours`, never for 0.
    """

    __tablename__ = "alert_channel"

    id: int | None = Field(default=None, sa_column=_id())
    name: str = Field(unique=True)
    address_sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    shown: str
    zone: str
    quiet: str = Field(sa_column=_text())
    again_hours: int = Field(sa_column=_count())
    is_active: bool
    made_at: datetime = Field(sa_column=_moment())


class AlertRow(SQLModel, table=True):
    """Something that was not as it should be, from `raised_at` until `closed_at`; it has been so `since`. One is open for each subject."""

    __tablename__ = "alert"
    __table_args__ = (
        Index("ix_alert_open", "kind", "currency", "subject", unique=True, postgresql_where=text("closed_at is null")),
        Index("ix_alert_closed", "closed_at", postgresql_where=text("closed_at is not null")),
    )

    id: int | None = Field(default=None, sa_column=_id())
    kind: str
    currency: str
    subject: str
    said: str = Field(sa_column=_text())
    path: str
    since: datetime = Field(sa_column=_moment())
    raised_at: datetime = Field(sa_column=_moment())
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    note: str = Field(default="", sa_column=_text())


class StepFailureRow(SQLModel, table=True):
    """A step of a period that came to nothing while nobody waited for it: the last one, how often in a row, and why."""

    __tablename__ = "step_failure"

    period: str = Field(primary_key=True, foreign_key="period.id")
    step: str
    actor: str
    said: str = Field(sa_column=_text())
    failed_at: datetime = Field(sa_column=_moment())
    times: int = Field(sa_column=_count())


class AlertTellingRow(SQLModel, table=True):
    """What a channel was told of an alert: that it was raised (last), that it is over; how often in a row that failed, and why."""

    __tablename__ = "alert_telling"

    alert: int = Field(sa_column=Column(BigInteger, ForeignKey("alert.id", ondelete="CASCADE"), primary_key=True))
    channel: int = Field(
        sa_column=Column(BigInteger, ForeignKey("alert_channel.id", ondelete="CASCADE"), primary_key=True)
    )
    raised_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    closed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    tried_at: datetime = Field(sa_column=_moment())
    failures: int = Field(sa_column=_count())
    said: str = Field(default="", sa_column=_text())


class ExchangeBatchRow(SQLModel, table=True):
    """Messages of the journal that were written at once. `heads` and `bodies` are pressed; of bodies the time is over sooner.

    `correlations` are marks of correlation ids, `partners` the ids of those it is about, `failed` of those to whom a message failed.
    """

    __tablename__ = "exchange_batch"
    __table_args__ = (
        Index("ix_exchange_batch_correlations", "correlations", postgresql_using="gin"),
        Index("ix_exchange_batch_failed", "id", postgresql_where=text("failed <> '{}'::integer[]")),
        Index("ix_exchange_batch_bodies", "id", postgresql_where=text("bodies is not null")),
    )

    id: int | None = Field(default=None, sa_column=_id())
    first_at: datetime = Field(sa_column=_moment())
    last_at: datetime = Field(sa_column=_moment())
    messages: int
    parties: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    correlations: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    partners: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    failed: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False))
    has_failures: bool
    heads: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    bodies: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class PublicCounterRow(SQLModel, table=True):
    """The one row from which public Locations get their numbers; whoever writes them holds it, so numbers are given in commit order.

    `static_seq` is the last change of more than statuses. Whoever was told of changes up to one before `horizon` has to begin again: not
    all of what went since is known any more.
    """

    __tablename__ = "public_counter"

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    number: int
    static_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    horizon: int = Field(sa_column=Column(BigInteger, nullable=False))


class PublicLocationRow(SQLModel, table=True):
    """A Location that is for everybody, or was (`is_gone`, without any content): what maps and open formats are made from.

    `seq` is the number of its last change, in the order of commits, `last_updated` what its owner says. `packed` is a PublicLocation,
    `feature` its GeoJSON (both `hub.store.pack`), `entry` what of it is kept in memory (`hub.navigation`).
    """

    __tablename__ = "public_location"
    __table_args__ = (
        UniqueConstraint("country_code", "party_id", "key", name="uq_public_location_key"),
        Index("ix_public_location_seq", "seq", unique=True),
        Index("ix_public_location_updated", "last_updated"),
    )

    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    country_code: str
    party_id: str
    key: str
    id: str
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    changed_at: datetime = Field(sa_column=_moment())
    is_gone: bool
    last_updated: datetime = Field(sa_column=_moment())
    evses: int
    static_version: int
    status_version: int
    packed: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    feature: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    entry: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class PublicChangeRow(SQLModel, table=True):
    """One change of a public Location, as those who listen are told (JSON); the last ones only.

    Nothing is told where nobody would see a difference, and nothing any more of what is gone since. `longitude` and `latitude` say who
    listens there, even where something went.
    """

    __tablename__ = "public_change"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    number: int
    at: datetime = Field(sa_column=_moment())
    longitude: float
    latitude: float
    event: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PublicSourceRow(SQLModel, table=True):
    """How the owner of Locations stood when they were last shown: whether it is there at all, and since when it is out of reach."""

    __tablename__ = "public_source"

    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    is_member: bool
    silent_since: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class PlaceQualityRow(SQLModel, table=True):
    """What was wrong or missing in a Location that is meant for everybody (JSON), and whether it could be shown."""

    __tablename__ = "place_quality"

    country_code: str = Field(primary_key=True)
    party_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    is_fit: bool
    summary: str = Field(sa_column=Column(Text, nullable=False))


class ReaderRow(SQLModel, table=True):
    """Somebody who reads maps and open formats with a key: for whom it is, and how much it may ask. `party`: an eMSP whose prices it may
    read (``CC/PID``), or empty.
    """

    __tablename__ = "reader"

    id: int | None = Field(default=None, sa_column=Column(Integer, Identity(), primary_key=True))
    name: str
    key_hash: bytes = Field(sa_column=Column(LargeBinary, unique=True, nullable=False))
    party: str
    per_second: int
    per_day: int
    made_at: datetime = Field(sa_column=_moment())
    revoked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class ReaderDayRow(SQLModel, table=True):
    """How many requests a reader made on a day (UTC)."""

    __tablename__ = "reader_day"

    reader: int = Field(primary_key=True, foreign_key="reader.id")
    day: date = Field(primary_key=True)
    requests: int = Field(sa_column=Column(BigInteger, nullable=False))


metadata = SQLModel.metadata
add_charger_tables(metadata)

"""What stations say and are asked, in words that are the same for every version of OCPP.

The adapters (`hub.chargers.ocpp`) translate; nothing else knows which version a station speaks. Times are in UTC. Energies are in Wh,
powers in W, currents in A, voltages in V, states of charge in percent; all are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """Where at a station: OCPP's own numbers. OCPP 1.6 knows connectors only: its `evse` is 0. `connector` 0: the EVSE, or station."""

    evse: int
    connector: int


WHOLE_STATION = Spot(0, 0)


@dataclass(frozen=True, slots=True)
class IdToken:
    """What a driver showed. `kind`: the type that OCPP 2.x names (``ISO14443``, ``Central``, …); empty under 1.6."""

    uid: str
    kind: str = ""


class PermitStatus(StrEnum):
    """Whether somebody may charge; the names are OCPP's for the answer."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT = "ConcurrentTx"


BY_COMMAND = "COMMAND"
"""How somebody is authorised whom an eMSP lets charge by a command (OCPI, AuthMethod)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Whether an id token may charge, and for whom.

    `token`: its CdrToken (mod_cdrs, "CdrToken class"); None where nobody is known to pay. `auth_method`: AuthMethod of OCPI (``WHITELIST``,
    ``AUTH_REQUEST``, ``COMMAND``). `reference`: the eMSP's authorization_reference. `expires_at`: until when a station may keep the answer.
    `group`: whose tokens may stop each other's charges (parentIdTag, groupIdToken), empty for none.
    """

    status: PermitStatus
    token: Mapping[str, str] | None = None
    auth_method: str = "WHITELIST"
    reference: str | None = None
    expires_at: datetime | None = None
    group: str = ""

    @property
    def is_granted(self) -> bool:
        """Whether charging may begin."""
        return self.status is PermitStatus.ACCEPTED


# --- what stations say ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """BootNotification."""

    vendor: str
    model: str
    serial: str = ""
    firmware: str = ""
    reason: str = ""


class StationState(StrEnum):
    """How the operator stands to a station. The values are OCPP's answers to BootNotification."""

    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootAnswer:
    """The answer to BootNotification."""

    state: StationState
    now: datetime
    interval_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTold:
    """StatusNotification: `status` and `error` in OCPP's own words; `happened_at` as the station's clock has it."""

    spot: Spot
    status: str
    error: str = ""
    info: str = ""
    happened_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedValue:
    """A signed reading as the station sent it: the text, how it is encoded (``OCMF``, …), and the key and method where they were told."""

    text: str
    encoding: str
    method: str = ""
    public_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sampled value as it came: OCPP's own words, defaults filled in. `multiplier` is the power of ten of OCPP 2.x."""

    value: str
    measurand: str = "Energy.Active.Import.Register"
    unit: str = "Wh"
    multiplier: int = 0
    phase: str = ""
    context: str = "Sample.Periodic"
    location: str = "Outlet"
    signed: SignedValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterValue:
    """Samples of one moment, by the station's clock."""

    at: datetime
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class TransactionRef:
    """How a message names its transaction: the number that we gave (1.6) or the id that the station made (2.x)."""

    number: int | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """StartTransaction, TransactionEvent Started. `meter_wh` is None where the register comes among the `values` (2.x)."""

    spot: Spot
    at: datetime
    id_token: IdToken | None
    transaction: TransactionRef = TransactionRef()
    meter_wh: Decimal | None = None
    reservation: int | None = None
    remote_start: int | None = None
    is_offline: bool = False
    sequence: int | None = None
    values: tuple[MeterValue, ...] = ()
    charging_state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """MeterValues, TransactionEvent Updated. `transaction` is empty where a station does not say to which one they belong."""

    spot: Spot
    transaction: TransactionRef
    values: tuple[MeterValue, ...]
    at: datetime | None = None
    id_token: IdToken | None = None
    remote_start: int | None = None
    is_offline: bool = False
    sequence: int | None = None
    charging_state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """StopTransaction, TransactionEvent Ended. `spot` is None where the message does not say it (1.6)."""

    transaction: TransactionRef
    at: datetime
    spot: Spot | None = None
    meter_wh: Decimal | None = None
    reason: str = ""
    id_token: IdToken | None = None
    is_offline: bool = False
    sequence: int | None = None
    values: tuple[MeterValue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAnswer:
    """The answer to Started: the number of the transaction (1.6 needs it) and whether its driver may go on."""

    number: int
    permit: Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """SecurityEventNotification, NotifyEvent, FirmwareStatusNotification and the like: for the log of operations and the alerts."""

    kind: str
    info: str
    at: datetime | None = None
    is_critical: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """The user and password of a station's request (HTTP Basic).

    `is_certified`: a verified certificate names the user, and there is no password (security profile 3).
    """

    user: str
    password: str
    is_certified: bool = False


class Refusal(StrEnum):
    """Why a station is not let in."""

    NO_LOGIN = "no login"
    WRONG_LOGIN = "wrong login"
    NOT_WELCOME = "not welcome"
    INBOX_FULL = "inbox full"


class StationDesk(Protocol):
    """What the hub does with what stations say. Nothing of it raises for what a station may send; a fault of ours raises."""

    async def admit(self, identity: str, login: Login | None, remote: str, *, is_secure: bool) -> Refusal | None:
        """Whether a station may connect; `is_secure`: over TLS. None lets it in, unknown stations without login too, for the inbox."""
        ...

    async def connected(self, identity: str, protocol: str, connection: str) -> None:
        """A station is there; `connection` is unique to this socket. A newer connection takes the place of an older one."""
        ...

    async def disconnected(self, identity: str, connection: str) -> None:
        """A socket is gone; nothing happens where a newer one is there."""
        ...

    async def booted(self, identity: str, boot: Boot) -> BootAnswer:
        """A station says what it is."""
        ...

    async def heard(self, identity: str) -> datetime:
        """A station is alive (Heartbeat); the time now (UTC)."""
        ...

    async def told_status(self, identity: str, told: StatusTold) -> None:
        """A connector's status."""
        ...

    async def authorise(self, identity: str, token: IdToken, spot: Spot | None) -> Permit:
        """Whether somebody may charge."""
        ...

    async def started(self, identity: str, started: Started) -> StartAnswer:
        """A transaction began; told again, it is the same one."""
        ...

    async def metered(self, identity: str, metered: Metered) -> Permit | None:
        """Readings; a permit where an id token came with them."""
        ...

    async def stopped(self, identity: str, stopped: Stopped) -> Permit | None:
        """A transaction is over."""
        ...

    async def reservation_ended(self, identity: str, number: int, how: str) -> None:
        """ReservationStatusUpdate (2.x): ``Expired`` or ``Removed``."""
        ...

    async def alarmed(self, identity: str, alarm: Alarm) -> None:
        """Something for the operators."""
        ...

    async def featured(self, identity: str, features: Mapping[str, str]) -> None:
        """What a station can: its configuration keys (1.6) or variables (2.x, ``Component.Variable``) by name."""
        ...


# --- what stations are asked ---


@dataclass(frozen=True, slots=True)
class LimitPeriod:
    """A limit from `start_seconds` on. `phases`: None leaves it to the station."""

    start_seconds: int
    limit: Decimal
    phases: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitProfile:
    """A charging profile. `unit` is ``W`` or ``A`` (A per phase); without `start_at` it is relative to the start of charging.

    `purpose` is one of ``STATION`` (the most that a station may ever take), ``DEFAULT`` (what counts where a transaction has none) and
    ``TRANSACTION``.
    """

    id: int
    purpose: str
    stack_level: int
    unit: str
    periods: tuple[LimitPeriod, ...]
    start_at: datetime | None = None
    duration_seconds: int | None = None
    min_rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStart:
    """Start a transaction; `number` comes back with it under OCPP 2.x."""

    spot: Spot | None
    id_token: IdToken
    number: int
    profile: LimitProfile | None = None


@dataclass(frozen=True, slots=True)
class RemoteStop:
    """Stop a transaction."""

    transaction: TransactionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Keep a place for somebody; `spot` None leaves the choice to the station."""

    number: int
    spot: Spot | None
    id_token: IdToken
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CancelReservation:
    """Keep it no longer."""

    number: int


@dataclass(frozen=True, slots=True)
class Unlock:
    """Let go of a cable."""

    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLimit:
    """SetChargingProfile."""

    spot: Spot
    profile: LimitProfile
    transaction: TransactionRef = TransactionRef()


@dataclass(frozen=True, slots=True)
class ClearLimit:
    """ClearChargingProfile, by the id of the profile."""

    profile: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSchedule:
    """GetCompositeSchedule; a good `Outcome` has a `schedule`."""

    spot: Spot
    duration_seconds: int
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class TellStatus:
    """TriggerMessage StatusNotification; None for all connectors."""

    spot: Spot | None = None


@dataclass(frozen=True, slots=True)
class SetVariables:
    """ChangeConfiguration (1.6), SetVariables (2.x, ``Component.Variable``); one after the other, the first refusal ends it."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SetSecret:
    """A new password for the connection: AuthorizationKey (1.6), SecurityCtrlr.BasicAuthPassword (2.x)."""

    secret: str


@dataclass(frozen=True, slots=True)
class SetAvailability:
    """ChangeAvailability."""

    spot: Spot
    is_operative: bool


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset; `is_hard` does not wait for transactions to end."""

    is_hard: bool


@dataclass(frozen=True, slots=True)
class ReadFeatures:
    """GetConfiguration (1.6), GetBaseReport (2.x); what comes goes to `StationDesk.featured`."""


Ask = (
    RemoteStart
    | RemoteStop
    | Reserve
    | CancelReservation
    | Unlock
    | SetLimit
    | ClearLimit
    | AskSchedule
    | TellStatus
    | SetVariables
    | SetSecret
    | SetAvailability
    | Reset
    | ReadFeatures
)


class Answered(StrEnum):
    """What came of a question to a station."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OCCUPIED = "occupied"
    FAULTED = "faulted"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"
    FAILED = "failed"
    SCHEDULED = "scheduled"
    NOT_SUPPORTED = "not supported"
    TIMEOUT = "timeout"
    NOT_CONNECTED = "not connected"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A composite schedule as the station has worked it out."""

    start_at: datetime
    duration_seconds: int
    unit: str
    periods: tuple[LimitPeriod, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question; `said` are the station's words for people."""

    answered: Answered
    said: str = ""
    schedule: Schedule | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether the station does it, now or as soon as it can."""
        return self.answered in {Answered.ACCEPTED, Answered.SCHEDULED}


class Stations(Protocol):
    """Stations that can be asked, whichever process of the hub holds their sockets."""

    async def ask(self, identity: str, ask: Ask, wait_seconds: float) -> Outcome:
        """What a station answers, within a time. Never raises for what a station does or does not do."""
        ...

"""Every setting of the hub: an environment variable `HUB_…`, or a line of a `.env` file. Only `app.py` and `__main__.py` read them."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.console.accounts import read_grants
from hub.store.secrets import load_or_make_key
from ocpi_modules.parties import Party
from ocpi_modules.types import CountryCode, PartyId, String, Url

DEFAULT_PORT = 8000
PUBLIC_URL_MAX_CHARACTERS = 100  # OCPI has 255 for an URL, and whole paths come after this one
SECRET_KEY_MIN_CHARACTERS = 32
SETTLE_PROCESSES_MAX = 16
WORKERS_MAX = 16  # what the embedded database has connections for

_IS_VISIBLE = re.compile(r"[!-~]+").fullmatch
_NATS_SCHEMES = ("nats://", "tls://")
_POSTGRESQL_SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def _named(name: str) -> str:
    if not name.strip():
        raise ValueError("is empty")
    return name


def _party_named(name: str) -> str:
    return str(Party.parse(name))


def _addresses_named(names: str) -> str:
    for name in filter(None, map(str.strip, names.split(","))):
        ip_address(name)
    return names


class Settings(BaseSettings):
    """What an operator may set. Sizes and times carry their unit in the name."""

    model_config = SettingsConfigDict(
        env_prefix="HUB_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # it may be a secret
    )

    public_url: str | None = Field(
        None, description="Address under which partners reach the hub; else the one it listens on."
    )
    country_code: CountryCode = Field("NL", description="Country code of the hub's own party.")
    party_id: PartyId = Field("HUB", description="Party id of the hub's own party.")
    name: Annotated[str, String(100), AfterValidator(_named)] = Field(
        "OCPI hub", description="Name of the hub in its credentials and on its pages."
    )
    website: Url | None = Field(None, description="Website in the hub's credentials; else its front page.")
    logo_url: Url | None = Field(
        None, description="Square logo (256 pixels) in the hub's credentials; else the one that comes with it."
    )
    database_url: SecretStr | None = Field(
        None, description="An outside PostgreSQL; without it the embedded server is used."
    )
    nats_url: SecretStr | None = Field(
        None,
        description="A NATS with JetStream by which several processes of the hub work together; several addresses are divided by "
        "commas. Without it `serve --workers` starts one, and a single process needs none.",
    )
    nats_replicas: int | None = Field(
        None,
        ge=1,
        le=5,
        description="On how many servers of a NATS cluster lanes are kept; else 3, or 1 where that cannot be.",
    )
    workers: int = Field(1, ge=1, le=WORKERS_MAX, description="How many processes `serve` runs on this machine.")
    process_name: str | None = Field(
        None, description="Name of this process in figures; else the name of the machine and a number."
    )
    data_dir: Path = Field(Path(".hub"), description="Folder for the embedded server's data and the secret key.")
    pg_bin: Path | None = Field(None, description="Folder of PostgreSQL's programs; else those of the installed wheel.")
    admin_token: SecretStr | None = Field(
        None, description="Opens `/admin`, `/settlement` and `/metrics`; without it the first two are closed."
    )
    demo_accounts: bool = Field(
        False,
        description="Makes accounts for the console whose passwords stand on its sign-in page. Only for a demonstration.",
    )
    oidc_issuer: str | None = Field(
        None,
        description="Address of an OpenID Connect provider, as it writes itself; with it people sign in to the console there "
        "([sign in](../howto/sign-in.md)).",
    )
    oidc_client_id: str | None = Field(None, description="What the hub is called at that provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="The hub's secret at that provider; without it the hub is a public client, with PKCE alone."
    )
    oidc_roles_claim: str = Field(
        "groups", min_length=1, description="The claim that lists somebody's groups; dots lead into objects."
    )
    oidc_roles: str = Field(
        "", description="Which group has which role here: `group=role,group=role`. Who has none may not sign in."
    )
    secret_key: SecretStr | None = Field(
        None, description="Key that seals outbound tokens; else made once in the data folder."
    )
    new_parties: Literal["accept", "hold"] = Field(
        "accept", description="Parties that a partner adds by itself: `accept` them, or `hold` them for the operator."
    )
    forward_timeout_seconds: float = Field(10.0, gt=0, le=120, description="How long a receiver may take to answer.")
    still_alive_seconds: float = Field(300.0, gt=0, le=86_400, description="Silence after which a partner is probed.")
    pull_settle_seconds: float = Field(
        1.0, gt=0, le=86_400, description="How long a partner that (re)connects is left alone before it is pulled from."
    )
    pull_schedule_seconds: float = Field(
        3600.0, gt=0, le=31 * 86_400, description="How often what is pulled on a schedule is pulled."
    )
    settle_seconds: float = Field(
        10.0, gt=0, le=3600, description="How often new CDRs are priced, checked and posted, when none are under way."
    )
    settle_processes: int = Field(
        2,
        ge=1,
        le=SETTLE_PROCESSES_MAX,
        description="How many processes of their own examine CDRs while thousands wait; 1: the process that leads does it alone.",
    )
    waiver_limit: Decimal = Field(
        Decimal(1000),
        ge=0,
        description="How much money at risk one person may accept alone in settlement, in the currency of the claims; more needs two.",
    )
    missing_cdr_hours: float = Field(
        24.0,
        gt=0,
        le=24 * 365,
        description="How long after its end a session may be without a CDR before that is missed.",
    )
    chase_hours: float = Field(
        24.0,
        gt=0,
        le=24 * 365,
        description="How often, at most, a CPO's list of CDRs is read for those that are missed.",
    )
    retention_months: int = Field(
        0,
        ge=0,
        le=1200,
        description="After how many whole months drivers are taken out of billed CDRs and their sessions; 0: only when they are erased. "
        "Authorisations and commands go after 24 months in any case.",
    )
    journal_days: int = Field(
        14,
        ge=0,
        le=31,
        description="How long the heads of messages are kept in the journal; 0: nothing is written down.",
    )
    journal_body_hours: int = Field(
        72, ge=0, le=31 * 24, description="How long the journal keeps the bodies of messages, tokens masked; 0: none."
    )
    journal_body_max_bytes: int = Field(
        64 * 1024, ge=1, le=1024 * 1024, description="How much of each body the journal keeps."
    )
    journal_max_messages: int = Field(
        2_000_000, ge=1000, description="Most messages in the journal; the oldest go first."
    )
    allow_private_partner_urls: bool = Field(False, description="Lets partners have private addresses and plain http.")
    max_body_bytes: int = Field(
        1024 * 1024, ge=1024, description="Largest body that is accepted; more is answered 413."
    )
    page_limit_default: int = Field(100, ge=1, description="Objects on a page when the caller names no limit.")
    page_limit_max: int = Field(1000, ge=1, description="Most objects on a page.")
    lane_max_messages: int = Field(1000, ge=1, description="Most messages that wait for one receiver.")
    navigation: bool = Field(
        True,
        description="Maps and open formats (`/nav`, `/open`, `/ocm`, `/map`) for everybody; off: nothing of it is there.",
    )
    map_anonymous_per_second: int = Field(
        20,
        ge=0,
        le=10_000,
        description="Requests a second that one address may make without a key; 0: everybody needs a key.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="How many proxies before the hub add to X-Forwarded-For who came to them; 0: nobody is believed about that.",
    )
    map_silent_seconds: float = Field(
        900.0,
        ge=0,
        le=31 * 86_400,
        description="How long a partner may be OFFLINE before its EVSEs are shown as UNKNOWN, with what it said last beside.",
    )
    data_licence: Annotated[str, String(100)] = Field(
        "CC-BY-4.0", description="The licence of the open data, in every answer."
    )
    data_licence_url: Url = Field(
        "https://creativecommons.org/licenses/by/4.0/", description="Where the text of that licence is."
    )
    data_attribution: Annotated[str, String(200)] | None = Field(
        None, description="Whom users of the open data have to name; else the name of the hub."
    )
    local_cpo: Annotated[str, AfterValidator(_party_named)] = Field(
        "NL/LOC", description="The party (`CC/PID`) as which charge points appear that are joined to the hub itself."
    )
    charger_front: Annotated[str, AfterValidator(_addresses_named)] = Field(
        "",
        description="Addresses, with commas between, of proxies before the hub that check the certificates of charge points "
        "(security profile 3): only from them is `X-Client-Certificate-CN` believed.",
    )
    charger_grace_seconds: float = Field(
        120.0, ge=0, le=86_400, description="How long a charge point may be away before its EVSEs are UNKNOWN."
    )
    charger_boot_seconds: int = Field(
        300,
        ge=10,
        le=86_400,
        description="How often charge points say that they are alive (the interval of BootNotification).",
    )
    charger_meter_seconds: int = Field(
        60, ge=1, le=3_600, description="How often they are asked to send what their meters say during a charge."
    )
    load_step_seconds: float = Field(
        10.0, ge=1, le=300, description="How often the load of managed sites is shared out anew."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Log lines as JSON or as text; auto: text on a terminal."
    )

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return None if value is None else require_base_url(value)

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_POSTGRESQL_SCHEMES):
            raise ValueError("is not the URL of a PostgreSQL database, like postgresql://user:password@host/database")
        return value

    @field_validator("nats_url")
    @classmethod
    def _nats(cls, value: SecretStr | None) -> SecretStr | None:
        servers = value.get_secret_value().split(",") if value is not None else []
        if not all(server.strip().startswith(_NATS_SCHEMES) for server in servers):
            raise ValueError(
                "is not the URL of a NATS server, like nats://token@host:4222, or several divided by commas"
            )
        return value

    @field_validator("admin_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _IS_VISIBLE(value.get_secret_value()):
            raise ValueError("holds characters that cannot be sent in a header")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < SECRET_KEY_MIN_CHARACTERS:
            raise ValueError(f"is shorter than {SECRET_KEY_MIN_CHARACTERS} characters")
        return value

    @field_validator("oidc_roles")
    @classmethod
    def _roles(cls, value: str) -> str:
        read_grants(value)
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer(cls, value: str | None) -> str | None:
        if value is not None and require_base_url(value) and urlsplit(value).scheme != "https" and not is_local(value):
            raise ValueError("is not an address by https (http is for a trial on this machine)")
        return value

    @model_validator(mode="after")
    def _sign_on_is_whole(self) -> Self:
        if self.oidc_issuer is not None and not (self.oidc_client_id and self.oidc_roles):
            raise ValueError("HUB_OIDC_ISSUER needs HUB_OIDC_CLIENT_ID and HUB_OIDC_ROLES")
        return self

    @model_validator(mode="after")
    def _pages_fit(self) -> Self:
        if self.page_limit_default > self.page_limit_max:
            raise ValueError("HUB_PAGE_LIMIT_DEFAULT is more than HUB_PAGE_LIMIT_MAX")
        return self

    @property
    def hub_party(self) -> Party:
        """The hub's own party."""
        return Party.of(self.country_code, self.party_id)

    @property
    def base_url(self) -> str:
        """The public address without a slash at its end."""
        return self.public_url or f"http://127.0.0.1:{DEFAULT_PORT}"

    @property
    def secret_key_file(self) -> Path:
        """Where the sealing key is kept when it is not a setting."""
        return self.data_dir / "secret.key"

    def secret_key_bytes(self) -> bytes:
        """The sealing key: the setting, or the file in the data folder, which is made on first use."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        return load_or_make_key(self.secret_key_file)

    def seal_key_bytes(self) -> bytes:
        """What the key that signs seals is made from: the sealing key where that is a setting, else a file beside it, made on first use."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        return load_or_make_key(self.secret_key_file.with_name("seal.key"))

    def nats_url_text(self) -> str | None:
        """The address of NATS, or None when there is none."""
        return self.nats_url.get_secret_value() if self.nats_url else None

    def admin_token_text(self) -> str | None:
        """The admin token, or None when none is set."""
        return self.admin_token.get_secret_value() if self.admin_token else None


def is_local(url: str) -> bool:
    """Whether an address is one of this machine."""
    return (urlsplit(url).hostname or "") in {"127.0.0.1", "::1", "localhost"}


def environment_with(**settings: str) -> dict[str, str]:
    """The environment of this process with settings put into it, for a child that is to have the same ones."""
    return {**os.environ, **settings}


def require_base_url(text: str) -> str:
    """An absolute address without a slash at its end. Raises ValueError for one to which no path can be added."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
    if not is_usable or not _IS_VISIBLE(text):
        raise ValueError("is not an address like https://hub.example.com (or with http:// for a trial)")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("has a user, a query or a fragment; it needs scheme, host and perhaps port and path")
    if len(text) > PUBLIC_URL_MAX_CHARACTERS:
        raise ValueError(f"is longer than {PUBLIC_URL_MAX_CHARACTERS} characters")
    return text.rstrip("/")

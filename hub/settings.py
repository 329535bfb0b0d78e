"""Every setting of the hub: an environment variable `HUB_…`, or a line of a `.env` file. Only `app.py` and `__main__.py` read them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.store.secrets import load_or_make_key
from ocpi_modules.parties import Party

DEFAULT_PORT = 8000


class Settings(BaseSettings):
    """What an operator may set. Sizes and times carry their unit in the name."""

    model_config = SettingsConfigDict(env_prefix="HUB_", env_file=".env", extra="ignore", frozen=True)

    public_url: str | None = Field(None, description="Address under which partners reach the hub; else the one it listens on.")
    country_code: str = Field("NL", description="Country code of the hub's own party.")
    party_id: str = Field("HUB", description="Party id of the hub's own party.")
    name: str = Field("OCPI hub", description="Name of the hub in its credentials and on its pages.", max_length=100)
    database_url: SecretStr | None = Field(None, description="An outside PostgreSQL; without it the embedded server is used.")
    data_dir: Path = Field(Path(".hub"), description="Folder for the embedded server's data and the secret key.")
    pg_bin: Path | None = Field(None, description="Folder of PostgreSQL's programs; else those of the installed wheel.")
    admin_token: SecretStr | None = Field(None, description="Opens `/admin` and `/metrics`; without it `/admin` is closed.")
    secret_key: SecretStr | None = Field(None, description="Key that seals outbound tokens; else made once in the data folder.")
    forward_timeout_seconds: float = Field(10.0, gt=0, le=120, description="How long a receiver may take to answer.")
    still_alive_seconds: float = Field(300.0, gt=0, description="Silence after which a partner is probed.")
    allow_private_partner_urls: bool = Field(False, description="Lets partners have private addresses and plain http.")
    max_body_bytes: int = Field(1024 * 1024, ge=1024, description="Largest body that is accepted; more is answered 413.")
    page_limit_default: int = Field(100, ge=1, description="Objects on a page when the caller names no limit.")
    page_limit_max: int = Field(1000, ge=1, description="Most objects on a page.")
    lane_max_messages: int = Field(1000, ge=1, description="Most messages that wait for one receiver.")
    log_format: Literal["auto", "json", "text"] = Field("auto", description="Log lines as JSON or as text; auto: text on a terminal.")

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("has to start with https:// (or http:// for a trial)")
        return value.rstrip("/") if value else None

    @property
    def hub_party(self) -> Party:
        """The hub's own party. Raises ValueError when the two settings make none."""
        return Party.parse(f"{self.country_code}/{self.party_id}")

    @property
    def base_url(self) -> str:
        """The public address without a slash at its end."""
        return self.public_url or f"http://127.0.0.1:{DEFAULT_PORT}"

    def secret_key_bytes(self) -> bytes:
        """The sealing key: the setting, or the file in the data folder, which is made on first use."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value().encode()
        return load_or_make_key(self.data_dir / "secret.key")

    def admin_token_text(self) -> str | None:
        """The admin token, or None when none is set."""
        return self.admin_token.get_secret_value() if self.admin_token else None

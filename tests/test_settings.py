"""Settings: what the environment says, what can't be used, and what never shows."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.__main__ import invalid_settings
from hub.settings import Settings, require_base_url
from ocpi_modules.parties import Party

LONG_KEY = "k" * 32


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment and a folder without settings."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HUB_{name}".upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings(**values)
    return invalid_settings(caught.value)


def test_without_any_setting_a_hub_can_run() -> None:
    settings = Settings()
    assert settings.hub_party == Party("NL", "HUB")
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.data_dir == Path(".hub")
    assert (settings.database_url, settings.admin_token_text(), settings.pg_bin) == (None, None, None)
    assert (settings.forward_timeout_seconds, settings.still_alive_seconds) == (10, 300)
    assert (settings.max_body_bytes, settings.page_limit_default, settings.page_limit_max) == (1024 * 1024, 100, 1000)
    assert (settings.lane_max_messages, settings.allow_private_partner_urls, settings.log_format) == (
        1000,
        False,
        "auto",
    )


def test_the_environment_goes_before_the_env_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / ".env").write_text("HUB_NAME=From the file\nHUB_PARTY_ID=FIL\nOTHER=1\n")
    monkeypatch.setenv("HUB_NAME", "From the environment")
    settings = Settings()
    assert (settings.name, settings.hub_party) == ("From the environment", Party("NL", "FIL"))


@pytest.mark.parametrize("name", ["admin_token", "secret_key", "database_url", "public_url", "page_limit_max", "name"])
def test_an_empty_variable_is_as_good_as_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty admin token would open the operator's API, an empty key would seal nothing."""
    monkeypatch.setenv(f"HUB_{name}".upper(), "")
    assert getattr(Settings(), name) == Settings.model_fields[name].default


def test_the_hubs_party_is_folded_like_every_other() -> None:
    """Y-04."""
    assert Settings(country_code="de", party_id="ab1").hub_party == Party("DE", "AB1")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        pytest.param({"country_code": "NLD"}, "HUB_COUNTRY_CODE: is not a country code", id="three letters"),
        pytest.param({"party_id": "HUBS"}, "HUB_PARTY_ID: is not a party id", id="four characters"),
        pytest.param({"name": "  "}, "HUB_NAME: is empty", id="blank name"),
        pytest.param({"name": "x" * 101}, "HUB_NAME: ", id="a name that business details can't hold, Y-05"),
        pytest.param({"name": "a\nb"}, "HUB_NAME: ", id="a name of two lines"),
        pytest.param({"database_url": "mysql://a:b@h/d"}, "HUB_DATABASE_URL: is not the URL of a Postgre", id="MySQL"),
        pytest.param({"database_url": "sqlite:///x"}, "HUB_DATABASE_URL: is not the URL of a Postgre", id="SQLite"),
        pytest.param({"admin_token": "two words"}, "HUB_ADMIN_TOKEN: holds characters", id="a token with a blank"),
        pytest.param({"admin_token": "schlüssel"}, "HUB_ADMIN_TOKEN: holds characters", id="a token beyond ASCII"),
        pytest.param({"secret_key": "k" * 31}, "HUB_SECRET_KEY: is shorter than 32", id="a short key"),
        pytest.param({"forward_timeout_seconds": 0}, "HUB_FORWARD_TIMEOUT_SECONDS: ", id="no time to answer"),
        pytest.param({"forward_timeout_seconds": float("nan")}, "HUB_FORWARD_TIMEOUT_SECONDS: ", id="no number"),
        pytest.param({"still_alive_seconds": float("inf")}, "HUB_STILL_ALIVE_SECONDS: ", id="never probed"),
        pytest.param({"max_body_bytes": 0}, "HUB_MAX_BODY_BYTES: ", id="no body at all"),
        pytest.param({"page_limit_max": 0}, "HUB_PAGE_LIMIT_MAX: ", id="empty pages"),
        pytest.param(
            {"page_limit_max": 99}, "HUB_PAGE_LIMIT_DEFAULT is more than HUB_PAGE_LIMIT_MAX", id="default above"
        ),
        pytest.param({"lane_max_messages": 0}, "HUB_LANE_MAX_MESSAGES: ", id="a lane for nothing"),
        pytest.param({"log_format": "xml"}, "HUB_LOG_FORMAT: ", id="an unknown format"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_its_name(values: dict[str, Any], said: str) -> None:
    assert complaint(**values).startswith(said)


def test_every_fault_is_told_at_once_a_line_each() -> None:
    lines = complaint(country_code="X", party_id="", log_format="xml").splitlines()
    assert [line.partition(":")[0] for line in lines] == ["HUB_COUNTRY_CODE", "HUB_PARTY_ID", "HUB_LOG_FORMAT"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("https://hub.example.com", "https://hub.example.com", id="as it is"),
        pytest.param("https://hub.example.com/", "https://hub.example.com", id="without the slash at its end"),
        pytest.param("https://example.com/roaming/hub//", "https://example.com/roaming/hub", id="below a path"),
        pytest.param("http://127.0.0.1:8000", "http://127.0.0.1:8000", id="a trial"),
        pytest.param("http://[::1]:8000", "http://[::1]:8000", id="IPv6"),
    ],
)
def test_the_public_address_is_kept_without_a_slash_at_its_end(text: str, kept: str) -> None:
    assert Settings(public_url=text).base_url == require_base_url(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hub.example.com", id="no scheme"),
        pytest.param("ftp://hub.example.com", id="another scheme"),
        pytest.param("https://", id="no host"),
        pytest.param("https://:8000", id="a port and no host"),
        pytest.param("https://hub.example.com:99999", id="no such port"),
        pytest.param("https://[::1", id="half an address"),
        pytest.param("https://hub.example.com/a b", id="a blank"),
        pytest.param("https://hüb.example.com", id="beyond ASCII"),
        pytest.param("https://user:secret@hub.example.com", id="a user"),
        pytest.param("https://hub.example.com?x=1", id="a query"),
        pytest.param("https://hub.example.com#x", id="a fragment"),
        pytest.param(f"https://hub.example.com/{'x' * 100}", id="too long for the URLs that are made of it"),
    ],
)
def test_an_address_to_which_no_path_can_be_added_is_refused(text: str) -> None:
    assert complaint(public_url=text).startswith("HUB_PUBLIC_URL: ")


SECRETS = {
    "admin_token": "admin-secret-1234",
    "secret_key": f"key-secret-{LONG_KEY}",
    "database_url": "postgresql://hub:base-secret@db/hub",
}


def test_secrets_show_in_no_text_of_the_settings() -> None:
    settings = Settings(**SECRETS)  # type: ignore[arg-type]  # text becomes a secret on the way in
    shown = f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert [secret for secret in ("admin-secret", "key-secret", "base-secret") if secret in shown] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("HUB_SECRET_KEY", "key-secret", id="a key that is too short"),
        pytest.param(
            "HUB_DATABASE_URL", "mysql://hub:key-secret@db/hub", id="a password in an URL of another database"
        ),
        pytest.param("HUB_ADMIN_TOKEN", "key-secret two", id="a token that can't be sent"),
        pytest.param("HUB_PUBLIC_URL", "https://user:key-secret@hub", id="a password in the public address"),
    ],
)
def test_a_refusal_never_repeats_the_value(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert "key-secret" not in f"{caught.value} {caught.value!r} {invalid_settings(caught.value)}"


def test_the_sealing_key_is_the_setting() -> None:
    assert Settings(secret_key=LONG_KEY).secret_key_bytes() == LONG_KEY.encode()  # type: ignore[arg-type]


def test_without_a_setting_the_sealing_key_is_made_once_for_its_owner_only(bare: Path) -> None:
    settings = Settings(data_dir=bare / "data")
    key = settings.secret_key_bytes()
    assert len(key) >= 32
    assert settings.secret_key_bytes() == Settings(data_dir=bare / "data").secret_key_bytes() == key
    assert stat.S_IMODE(settings.secret_key_file.stat().st_mode) == 0o600


def test_settings_stay_as_they_are() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().name = "another"  # type: ignore[misc]

"""The record of a partner's departures: what is written is read again, and nothing that it does not know gets in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.partners.quirks import ENDPOINTS_MAX, Quirks, read_quirks, write_quirks
from ocpi_modules.module import Interface
from ocpi_modules.versions import Endpoint

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "quirks.md"
COMMANDS = {"identifier": "commands", "role": "RECEIVER", "url": "https://p.example/ocpi/cpo/2.2.1/commands/"}


def test_without_a_word_a_partner_is_as_specified_and_only_its_lists_around_single_objects_are_taken_off() -> None:
    assert Quirks().model_dump(mode="json") == {
        "token": "base64",
        "nulls": False,
        "slash": False,
        "unwrap": True,
        "singles": False,
        "links": "follow",
        "token_type": False,
        "lenient": False,
        "collapse": False,
        "short_address": False,
        "endpoints": [],
    }


@pytest.mark.parametrize(
    "quirks",
    [
        pytest.param(Quirks(), id="none"),
        pytest.param(Quirks(token="raw", links="rebuild"), id="words"),
        pytest.param(Quirks(unwrap=False), id="a default that is true"),
        pytest.param(
            Quirks(nulls=True, slash=True, singles=True, token_type=True, lenient=True, collapse=True),
            id="many",
        ),
        pytest.param(Quirks(short_address=True, endpoints=(Endpoint.model_validate(COMMANDS),)), id="an endpoint"),
    ],
)
def test_what_is_written_is_read_again(quirks: Quirks) -> None:
    assert read_quirks(write_quirks(quirks)) == quirks


def test_what_is_as_specified_is_not_written() -> None:
    """So that a default that changes one day changes for everybody who never departed from it."""
    assert write_quirks(Quirks()) == "{}"
    assert json.loads(write_quirks(Quirks(slash=True, nulls=False))) == {"slash": True}
    endpoint = Endpoint(identifier="commands", role=Interface.RECEIVER, url=COMMANDS["url"])
    assert json.loads(write_quirks(Quirks(endpoints=(endpoint,)))) == {"endpoints": [COMMANDS]}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"slashes": True}, id="a name that it does not know"),
        pytest.param({"token": "bearer"}, id="another form of token"),
        pytest.param({"links": None}, id="null"),
        pytest.param({"endpoints": [{"identifier": "commands", "role": "CPO", "url": "https://p.example"}]}, id="role"),
        pytest.param({"endpoints": [{**COMMANDS, "url": "commands/"}]}, id="a URL that is relative"),
        pytest.param({"endpoints": [{**COMMANDS, "url": "file:///etc/passwd"}]}, id="a URL that is no address"),
        pytest.param({"endpoints": [COMMANDS] * (ENDPOINTS_MAX + 1)}, id="more endpoints than there are"),
    ],
)
def test_what_is_no_quirk_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Quirks.model_validate(content)


def test_a_quirk_cannot_be_changed_in_place() -> None:
    """A partner in the directory is a picture: it changes as a whole or not at all."""
    with pytest.raises(ValidationError):
        Quirks().slash = True  # type: ignore[misc]  # that it is refused is what is tested


def test_every_quirk_stands_in_the_table_of_the_howto_with_its_default_and_what_it_says() -> None:
    shown = json.loads(Quirks().model_dump_json())
    expected = [
        [
            f"`{name}`",
            f"`{default if isinstance(default, str) else json.dumps(default)}`",
            Quirks.model_fields[name].description,
        ]
        for name, default in shown.items()
    ]
    rows = re.findall(r"^\| (`\w+`) \| (`[^`]*`) \| (.*) \|$", HOWTO.read_text(encoding="utf-8"), re.MULTILINE)
    assert [list(row) for row in rows] == expected


@pytest.mark.parametrize("record", re.findall(r"`?(\{\"[^`]*\})", HOWTO.read_text(encoding="utf-8")))
def test_every_record_in_the_howto_is_one(record: str) -> None:
    assert Quirks.model_validate_json(record) != Quirks()

"""A text that is no JSON is told with a path and a piece of it."""

from __future__ import annotations

import pytest

from hub.settlement import json_text
from hub.settlement.json_text import explained, first_repeated, repeated_members
from ocpi_modules.types import NESTING_MAX_LEVELS, NotJsonText, decode_json

CDRS = b'{"input": {"cdrs": [{"to": "NL-MSP", "cdr": {"id": "C1"}}, {"cdr": %s}]}}'
DEEP = b'{"id": "C2", "remark": ' + b"[" * NESTING_MAX_LEVELS + b"]" * NESTING_MAX_LEVELS + b"}"


def refused(text: bytes) -> str:
    """What people are told of a text that is refused."""
    with pytest.raises(NotJsonText) as raised:
        decode_json(text)
    return explained(text, str(raised.value))


@pytest.mark.parametrize(
    ("cdr", "path", "near"),
    [
        pytest.param(b'{"id": "C2", "total_energy": NaN}', "input.cdrs[1].cdr.total_energy", "NaN", id="no number"),
        pytest.param(b'{"a": [1, {}, -Infinity]}', "input.cdrs[1].cdr.a[2]", "Infinity", id="endless"),
        pytest.param(b'{"a": "}],{", "b": x}', "input.cdrs[1].cdr.b", '"b": x', id="brackets in a text before it"),
        pytest.param(b'{"a": "\\\\", "b": x}', "input.cdrs[1].cdr.b", '"b": x', id="a backslash before a quote"),
        pytest.param(b'{"a": "\\ud83d\\ude00", "b": x}', "input.cdrs[1].cdr.b", '"b": x', id="a whole pair before it"),
        pytest.param(b'{"a": "\\\\ud83d", "b": x}', "input.cdrs[1].cdr.b", '"b": x', id="no escape before it"),
        pytest.param(b'{"a": "\xff"}', "input.cdrs[1].cdr.a", '"a": "', id="not UTF-8"),
        pytest.param(DEEP, "input.cdrs[1].cdr.remark[0]…", "[[[[", id="nested too deep"),
    ],
)
def test_what_is_wrong_in_one_object_is_told_by_its_path(cdr: bytes, path: str, near: str) -> None:
    told = refused(CDRS % cdr)
    assert f" in {path}, near " in told
    assert near in told.partition(", near ")[2]
    assert "byte" not in told


@pytest.mark.parametrize(
    "half",
    [
        pytest.param(b"\\ud83d", id="the first half"),
        pytest.param(b"\\uDE00", id="the second half"),
        pytest.param(b"\\\\\\ud83d!", id="after a backslash"),
        pytest.param(b"\\ude00\\ud83d", id="both the wrong way round"),
    ],
)
def test_half_a_surrogate_pair_is_told_as_what_it_is(half: bytes) -> None:
    told = refused(CDRS % (b'{"id": "%s"}' % half))
    assert told.startswith("a text holds half a surrogate pair in input.cdrs[1].cdr.id, near ")


def test_a_text_that_was_cut_off_is_told_by_where_it_ends() -> None:
    told = refused((CDRS % b"{}")[:60])
    assert told.startswith("Input data was truncated in input.cdrs[1], near ")
    assert told.endswith("}}, {'")
    assert refused(b"") == "Input data was truncated"


def test_lines_are_counted_where_there_are_several() -> None:
    assert refused(b'{"a": 1,\n\n "b": x}').startswith(
        'JSON is malformed: invalid character in b, line 3, near \'{"a": 1, "b": x}\''
    )


def test_a_very_long_text_is_told_without_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "PLACE_MAX_BYTES", 10)
    assert refused(b'{"a": 1, "b": x}') == 'JSON is malformed: invalid character, near \'{"a": 1, "b": x}\''


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        pytest.param(b'{"a": 1, "b": {"a": 2}}', [], id="the same name in two objects"),
        pytest.param(b'{"a": 1, "b": 2, "a": 1}', ["a"], id="twice"),
        pytest.param(b'{"a": 1, "a": 1, "a": 1}', ["a"], id="three times"),
        pytest.param(b'{"\\u0061": 1, "a": 1}', ["a"], id="written in two ways"),
        pytest.param(
            b'{"in": {"c": [], "c": []}, "out": {"d": 1, "d": 1}}', ["in.c"], id="inside of the one asked for"
        ),
        pytest.param(b'{"in": [{"c": 1, "c": 2}]}', [], id="a list where an object is asked for"),
        pytest.param(b"[]", [], id="no object"),
    ],
)
def test_members_that_stand_twice_are_found(text: bytes, repeated: list[str]) -> None:
    assert list(repeated_members(text, ["in"])) == repeated


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        pytest.param(b'{"a": [{"b": 1}, {"b": 2}], "b": 3}', None, id="in different objects"),
        pytest.param(b'{"a": [{"b": {"c": 1, "d": 2, "c": 1}}]}', "c", id="deep inside"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b', "a": 1e999999}', "a", id="beside absurd numbers"),
        pytest.param(b"7", None, id="no object at all"),
    ],
)
def test_a_name_that_stands_twice_anywhere_is_found(text: bytes, repeated: str | None) -> None:
    assert first_repeated(text) == repeated

"""A part changed in the text of its object: what is not concerned stays byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi_modules.catalog import MODULES
from ocpi_modules.patch import find_part, put_part
from ocpi_modules.splice import find_place, head_of, put_text
from ocpi_modules.types import decode_json, encode_json

LOCATIONS = MODULES["locations"]
EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-05-01T00:00:00Z"

names = st.sampled_from(["E1", "e1", "E2", "E3", "E 4"])
dates = st.sampled_from([EARLY, MIDDLE, LATE, None])


def part(id_field: str, **children: Any) -> st.SearchStrategy[dict[str, Any]]:
    others = {"x": st.sampled_from([1, "[", {"a": [1]}, None]), "last_updated": dates}
    return st.fixed_dictionaries({id_field: names, **children, **others})


def several(parts: st.SearchStrategy[Any], id_field: str) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(parts, max_size=3, unique_by=lambda entry: entry[id_field].upper())


evses = part("uid", connectors=several(part("id"), "id"))
locations = st.fixed_dictionaries({"id": st.just("L1"), "evses": several(evses, "uid"), "last_updated": dates})


@given(whole=locations, ids=st.lists(names, min_size=1, max_size=2), changed=part("uid"))
def test_the_new_text_says_what_the_changed_object_says(
    whole: dict[str, Any], ids: list[str], changed: dict[str, Any]
) -> None:
    """L-09, L-10, X-54: as if the object had been read, changed and written."""
    place = find_place(LOCATIONS, encode_json(whole), ids)
    if find_part(LOCATIONS, whole, tuple(ids[:-1])) is None:
        assert place is None
        return
    assert place is not None
    known = find_part(LOCATIONS, whole, tuple(ids))
    assert (place.text and decode_json(place.text)) == known
    after = put_text(place, encode_json(changed), changed["last_updated"])
    assert decode_json(after) == put_part(LOCATIONS, whole, tuple(ids), changed)


def test_what_is_around_the_part_stays_byte_for_byte() -> None:
    """R-10, Y-07."""
    one, two = b'{ "uid":"E1", "n": 1.50 }', b'{"uid":"E2","last_updated":"2026-01-01T00:00:00Z"}'
    whole = b'{"price":  0.10,"evses":[%s, %s],"name":"\\u0041","last_updated":"2026-01-01T00:00:00Z"}' % (one, two)
    place = find_place(LOCATIONS, whole, ["e2"])
    assert place is not None
    new = b'{"uid":"E2" , "status":"BLOCKED"}'
    after = put_text(place, new, LATE)
    for kept in (b"0.10", one, new, b'"\\u0041"'):
        assert kept in after
    assert decode_json(after)["last_updated"] == LATE


@pytest.mark.parametrize(
    ("text", "date", "status"),
    [
        pytest.param(b'{"last_updated":"x","status":"ACTIVE"}', "x", "ACTIVE", id="both"),
        pytest.param(b"{}", None, None, id="neither"),
        pytest.param(b'{"last_updated":7,"status":{"a":1.5}}', 7, {"a": 1.5}, id="of any type"),
    ],
)
def test_the_head_is_read_as_it_stands(text: bytes, date: Any, status: Any) -> None:
    head = head_of(text)
    assert (head.last_updated, head.status) == (date, status)

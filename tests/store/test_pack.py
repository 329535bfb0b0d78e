"""Texts in their rows: smaller, and the same bytes when they come out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.store.pack import PLAIN_MAX_BYTES, pack, unpack


@given(st.binary(max_size=2 * PLAIN_MAX_BYTES) | st.text().map(str.encode))
def test_what_was_packed_comes_out_byte_for_byte(text: bytes) -> None:
    assert unpack(pack(text)) == text


def test_an_object_becomes_much_smaller() -> None:
    text = b'{"uid":"E1","status":"AVAILABLE"},' * 100
    assert len(pack(text)) < len(text) / 4


@pytest.mark.parametrize("bad", [b"", b"\x07abc"], ids=["nothing at all", "an unknown form"])
def test_what_was_never_packed_is_refused(bad: bytes) -> None:
    with pytest.raises(ValueError, match="no packed text"):
        unpack(bad)

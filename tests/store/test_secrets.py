"""Credentials tokens at rest (C-04, T-06): a leaked database opens no partner."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from hub.store.secrets import Safe, load_or_make_key, new_token, token_hash


def test_a_new_token_is_printable_within_its_length_and_never_the_same() -> None:
    """C-04, T-06."""
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"[\x21-\x7E]{1,64}", token) for token in made)


def test_a_hash_tells_a_token_from_every_other_and_does_not_contain_it() -> None:
    assert token_hash("abc") == token_hash("abc")
    assert token_hash("abc") != token_hash("abC") != token_hash("abc\n")
    assert (b"abc" in token_hash("abc"), len(token_hash("abc"))) == (False, 32)


def test_a_sealed_token_is_opened_with_the_same_key_alone() -> None:
    sealed = Safe(b"one").seal("token-é")
    assert Safe(b"one").open(sealed) == "token-é"
    with pytest.raises(InvalidTag):
        Safe(b"two").open(sealed)


def test_the_same_token_is_never_sealed_the_same_way() -> None:
    safe = Safe(b"one")
    sealed = {safe.seal("token") for _ in range(100)}
    assert len(sealed) == 100
    assert not any(b"token" in text for text in sealed)


@pytest.mark.parametrize("place", [0, 11, 12, -1], ids=["nonce", "end of nonce", "text", "tag"])
def test_a_sealed_token_that_somebody_changed_is_not_opened(place: int) -> None:
    sealed = bytearray(Safe(b"one").seal("token"))
    sealed[place] ^= 1
    with pytest.raises(InvalidTag):
        Safe(b"one").open(bytes(sealed))


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "key"
    made = load_or_make_key(file)
    assert load_or_make_key(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(made) >= 32
    assert load_or_make_key(tmp_path / "other") != made


def test_a_key_that_somebody_wrote_by_hand_is_taken_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("my own key\n")
    assert load_or_make_key(tmp_path / "key") == b"my own key"

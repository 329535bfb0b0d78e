"""The seal of a period: its root, its chain, its signature, and the proofs under it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settlement.files import differences
from hub.settlement.period_seal import (
    FORMAT_1,
    Growing,
    SealedPeriod,
    faults_of_seal,
    faults_of_signature,
    posting_leaves,
    proof_of,
    seal_head,
    signed_bytes,
)
from hub.settlement.seal import Tree, canonical, leaf_hash, root_by_proof
from hub.settlement.verification import differences_in_period_seal
from hub.store.secrets import SealKey
from ocpi_modules.types import decode_json

KEY = SealKey(b"one")
OLDER = Path(__file__).with_name("seals") / "period_seal_1.json"


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_a_root_that_grows_is_that_of_the_whole_tree(leaves: list[bytes]) -> None:
    growing = Growing()
    for leaf in leaves:
        growing.add(leaf)
    assert (growing.root, growing.size) == (Tree.over(leaves).root, len(leaves))


@given(st.lists(st.lists(st.binary(min_size=32, max_size=32), max_size=70), max_size=6))
def test_a_root_that_grows_in_portions_is_that_of_the_whole_tree(portions: list[list[bytes]]) -> None:
    growing, leaves = Growing(), [leaf for portion in portions for leaf in portion]
    for portion in portions:
        growing.extend(portion)
    assert (growing.root, growing.size) == (Tree.over(leaves).root, len(leaves))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
AMOUNTS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**27), 10**27), st.integers(0, 40)
)
FIELDS = ("counterparty", "currency", "excl_vat", "incl_vat", "kind", "party", "reference")


@given(st.lists(st.fixed_dictionaries({name: AMOUNTS if name.endswith("_vat") else TEXTS for name in FIELDS})))
def test_postings_are_hashed_as_canonical_json_says_them(postings: list[dict[str, Any]]) -> None:
    """Amounts as every seal has them: without needless digits, to 28 of those that count."""
    plain = [
        {name: f"{value.normalize():f}" if isinstance(value, Decimal) else value for name, value in posting.items()}
        for posting in postings
    ]
    rows = [[_stored(row[name]) for name in FIELDS] for row in postings]
    assert posting_leaves(rows) == [*map(leaf_hash, plain)]


def _stored(value: Any) -> Any:
    """As the database says it: of an amount all digits, without zeros behind, exponent, or a sign of nothing."""
    if not isinstance(value, Decimal):
        return value
    text = f"{value if value else Decimal(0):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def sealed(statements: int = 3, previous: str | None = None) -> SealedPeriod:
    return SealedPeriod(
        configuration={"engine": "1"},
        statements=[{"creditor": "DE-ABC", "number": number} for number in range(statements)],
        net=[{"party": "DE-ABC", "incl_vat": "1"}],
        transfers=[],
        journal={"count": 2, "root": "00"},
        decisions={"count": 0, "root": "00"},
        previous=previous,
        limits={"count": 1, "root": "00"},
    )


def file_of(one: SealedPeriod, key: SealKey = KEY) -> dict[str, Any]:
    about = {"period": {"id": "2026-10"}, "sealed_at": "2026-11-06T00:00:00Z", "public_key": key.public_key}
    head = seal_head(one, one.tree(), about)
    return {"seal": {"head": head, "signature": key.sign(signed_bytes(head)).hex()}, "sealed": one.content()}


@given(st.integers(1, 40), st.data())
def test_every_statement_proves_that_it_is_under_the_root(statements: int, data: st.DataObject) -> None:
    one, number = sealed(statements), data.draw(st.integers(0, statements - 1))
    proof = proof_of(one, number, file_of(one)["seal"])
    leaf = leaf_hash({"leaf": "statement", **one.statements[number]})
    path = [bytes.fromhex(step) for step in proof["path"]]
    root = root_by_proof(leaf, (proof["index"], proof["leaves"]), path)
    assert root is not None
    assert root.hex() == proof["root"] == proof["seal"]["head"]["root"]


def test_a_seal_that_nobody_touched_has_no_fault() -> None:
    assert [*faults_of_seal(file_of(sealed()), KEY.public_key)] == []
    assert [*faults_of_seal(file_of(sealed(0)))] == []


def _resigned(content: dict[str, Any]) -> None:
    head = content["seal"]["head"]
    content["seal"]["signature"] = SealKey(b"another").sign(signed_bytes(head)).hex()


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        pytest.param(lambda one: one["sealed"]["journal"].update(count=3), "does not give the root", id="the journal"),
        pytest.param(lambda one: one["sealed"]["statements"].pop(), "does not give the root", id="a statement less"),
        pytest.param(lambda one: one["sealed"].update(previous="11"), "root before", id="the chain"),
        pytest.param(
            lambda one: one["sealed"].update(note=""), "note is not sealed", id="something more under the seal"
        ),
        pytest.param(lambda one: one["seal"].update(note=""), "note is not sealed", id="something more in the seal"),
        pytest.param(lambda one: one.update(note=""), "note is not sealed", id="something more beside it"),
        pytest.param(lambda one: one["seal"]["head"].update(leaves=1), "signature", id="the head"),
        pytest.param(lambda one: one["seal"]["head"].update(format="x"), "only format", id="another format"),
        pytest.param(_resigned, "signature", id="signed by somebody else"),
        pytest.param(lambda one: one["sealed"].pop("limits"), "has other parts", id="the limits of decisions are gone"),
    ],
)
def test_what_was_altered_is_told(alter: Callable[[dict[str, Any]], object], said: str) -> None:
    content = file_of(sealed())
    alter(content)
    assert said in " ".join(differences_in_period_seal(content))


def test_a_seal_that_an_older_hub_made_verifies_as_it_did() -> None:
    """As version 1 of the format wrote it, byte for byte."""
    content = decode_json(OLDER.read_bytes())
    assert content["seal"]["head"]["format"] == FORMAT_1
    assert differences(OLDER, content["seal"]["head"]["public_key"]) == []
    assert canonical(content) == OLDER.read_bytes().strip()
    content["sealed"]["limits"] = {"count": 0, "root": "00"}
    assert "does not give the root" in " ".join(differences_in_period_seal(content))


def test_a_seal_of_another_hub_is_not_that_of_this_one() -> None:
    other = file_of(sealed(), SealKey(b"another"))
    assert [*faults_of_signature(other["seal"])] == []
    assert "was signed with the key" in " ".join(faults_of_signature(other["seal"], KEY.public_key))


def test_the_root_depends_on_the_one_before() -> None:
    assert sealed().tree().root != sealed(previous="00").tree().root


def test_the_same_key_bytes_are_the_same_key() -> None:
    assert SealKey(b"one").public_key == KEY.public_key != SealKey(b"two").public_key

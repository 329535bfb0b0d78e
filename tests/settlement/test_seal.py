"""The seal: trees as RFC 6962 has them, proofs that lead to the root, and an output in which every change is seen."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.settlement.bundle import Faults, Spot, parts_of, read_parts
from hub.settlement.dossier import dossier_of
from hub.settlement.run import settle
from hub.settlement.seal import Tree, canonical, finding_leaf, leaf_hash, root_by_proof, root_of
from hub.settlement.verification import NotSealed, differences_in_statement
from ocpi_modules.types import decode_json, encode_json
from tests.settlement.build_month import month

LEAVES_MAX = 70


def by_definition(leaves: list[bytes]) -> bytes:
    """The root as RFC 6962, section 2.1, defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256().digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


def hashes(count: int) -> list[bytes]:
    return [leaf_hash({"number": number}) for number in range(count)]


@pytest.mark.parametrize("count", range(LEAVES_MAX))
def test_a_tree_is_that_of_rfc_6962_and_every_leaf_has_a_proof(count: int) -> None:
    leaves = hashes(count)
    tree = Tree.over(leaves)
    assert tree.root == by_definition(leaves) == root_of(leaves)
    for index, leaf in enumerate(leaves):
        assert root_by_proof(leaf, (index, count), tree.proof(index)) == tree.root


@given(count=st.integers(2, LEAVES_MAX), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_proof_holds_for_its_leaf_at_its_place_only(count: int, data: st.DataObject) -> None:
    leaves = hashes(count)
    tree = Tree.over(leaves)
    index, other = data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, count - 1))
    path = tree.proof(index)
    if other != index:
        assert root_by_proof(leaves[other], (index, count), path) != tree.root
        assert root_by_proof(leaves[index], (other, count), path) != tree.root
    assert root_by_proof(leaves[index], (index, count), path[:-1]) != tree.root
    assert root_by_proof(leaves[index], (index, count), [*path, path[0]]) is None
    assert root_by_proof(leaves[index], (count, count), path) is None


def test_a_leaf_is_no_node() -> None:
    one, other = hashes(2)
    assert leaf_hash({"number": 0}) == sha256(b"\x00" + b'{"number":0}').digest()
    assert root_of([one, other]) == sha256(b"\x01" + one + other).digest()


def test_names_are_sorted_and_text_stays_as_it_is_in_canonical_json() -> None:
    assert canonical({"b": "Ł", "a": [None, True, 1]}) == '{"a":[null,true,1],"b":"Ł"}'.encode()


# --- of a run ----------------------------------------------------------------------------------


def dossier(content: Any) -> Any:
    bundle = read_parts(parts_of(decode_json(encode_json(content)), Spot(Faults(), "month.json")))
    return dossier_of(bundle, settle(bundle.evidence, bundle.agreements))


def test_the_order_of_the_input_does_not_change_the_root() -> None:
    content = month()
    turned: dict[str, Any] = month()
    for items in turned["input"].values():
        items.reverse()
    turned["parties"].reverse()
    assert dossier(turned).root == dossier(content).root


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("input", "cdrs", 0, "cdr", "total_cost", "excl_vat"), 1, id="another amount"),
        pytest.param(("input", "cdrs", 0, "to"), "BE-EMO", id="another payer"),
        pytest.param(("tolerances", "overlap_seconds"), 61, id="another tolerance"),
        pytest.param(("settlement_period", "closes_at"), "2026-11-07T00:00:00Z", id="another close"),
    ],
)
def test_whatever_decides_what_is_owed_changes_the_root(path: tuple[Any, ...], value: Any) -> None:
    content: dict[str, Any] = month()
    *steps, last = path
    place = content
    for step in steps:
        place = place[step]
    place[last] = value
    assert dossier(content).root != dossier(month()).root


def test_no_token_and_no_contract_is_under_the_seal() -> None:
    sealed = dossier(month()).sealed
    texts = [canonical(finding_leaf(finding)) for finding in sealed.findings] + [
        canonical(one) for one in sealed.statements
    ]
    assert sealed.findings
    assert not [text for text in texts if b"TOKEN1" in text or b"NOBODYS" in text or b"-C0000" in text]


def test_what_is_no_statement_cannot_be_verified() -> None:
    odd: list[Any] = [{}, [], {"proof": {}}, None, {"proof": {"path": ["x"]}, "lines": []}]
    for content in odd:
        with pytest.raises(NotSealed):
            differences_in_statement(content)

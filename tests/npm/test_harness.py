"""The lock of the packages for Node keeps its word, and so does what runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.npm.harness import HERE, Node, node

__all__ = ["node"]


def test_the_lock_holds_hashes_and_no_addresses() -> None:
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert packages.pop("")["dependencies"] == wanted
    assert {f"node_modules/{name}" for name in wanted} <= packages.keys()
    assert [
        name for name, about in packages.items() if "resolved" in about or "sha512-" not in about["integrity"]
    ] == []


@pytest.mark.browser
def test_a_script_finds_the_packages_and_its_arguments(node: Node, tmp_path: Path) -> None:
    script = tmp_path / "script.mjs"
    script.write_text(
        'import {zxyToTileId} from "pmtiles"; console.log(zxyToTileId(...process.argv.slice(2).map(Number)))'
    )
    assert node.run(script, "1", "0", "0") == 1


@pytest.mark.browser
def test_a_script_that_fails_says_why(node: Node, tmp_path: Path) -> None:
    script = tmp_path / "script.mjs"
    script.write_text('throw new Error("the reason")')
    with pytest.raises(AssertionError, match=r"script\.mjs: (?s:.*)the reason"):
        node.run(script)

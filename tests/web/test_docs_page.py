"""The API pages work without the internet, from files that are what they are said to be."""

from __future__ import annotations

import hashlib
import json
import re

from hub.web.docs import STATIC
from tests.conftest import World


def test_vendored_files_are_those_of_their_manifest() -> None:
    for manifest in STATIC.glob("vendor/*/manifest.json"):
        said = json.loads(manifest.read_text())["sha256"]
        found = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in manifest.parent.iterdir()
            if file != manifest
        }
        assert found == said


async def test_the_api_pages_load_nothing_from_elsewhere(world: World) -> None:
    page = (await world.admin.get("/docs")).text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) >= 3
    for address in addresses:
        assert address.startswith("/static/")
        assert (await world.admin.get(address)).status_code == 200

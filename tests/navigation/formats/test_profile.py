"""The German AFIR publications by the schemas of the profile, where somebody has them (N-T6)."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hub.navigation.formats.afir import static_json
from hub.navigation.location import PublicLocation
from tests.navigation.formats.profile import STATIC_SCHEMA, problems, problems_of
from tests.navigation.formats.samples import EDITION, EVERY_STATUS, PLACES, PRICES
from tests.navigation.formats.test_dirty_feeds import published

FOLDER = Path(os.environ.get("HUB_TEST_AFIR_SCHEMAS", ""))

pytestmark = pytest.mark.skipif(
    not (FOLDER / STATIC_SCHEMA).is_file(), reason="HUB_TEST_AFIR_SCHEMAS names no folder of the profile's schemas"
)


@pytest.mark.parametrize(
    "locations",
    [
        pytest.param(PLACES, id="usual and odd places"),
        pytest.param((*PLACES, EVERY_STATUS), id="every status"),
        pytest.param(published(), id="what is left of dirty feeds"),
    ],
)
def test_the_publications_are_valid(locations: Sequence[PublicLocation]) -> None:
    assert list(problems(FOLDER, locations)) == []


def test_the_schemas_refuse_a_word_of_nobody() -> None:
    text = b"".join(static_json(PLACES, EDITION, PRICES))
    broken = text.replace(b'"currentType":{"value":"dc"}', b'"currentType":{"value":"wireless"}')
    assert broken != text
    assert any("wireless" in problem for problem in problems_of(FOLDER / STATIC_SCHEMA, json.loads(broken)))

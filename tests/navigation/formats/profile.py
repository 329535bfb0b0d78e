"""`python -m tests.navigation.formats.profile FOLDER`: the German AFIR publications of the tests, validated by the profile's own schemas.

FOLDER is the folder "Schema und Beispiele" of version 01-00-00 in a copy of github.com/MobilithekDE/AFIR-DATEX-II-Recharging-Profil. That
repository says nothing of a licence, so its files are not part of this project. With HUB_TEST_AFIR_SCHEMAS=FOLDER the tests do the same.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing.jsonschema import EMPTY_REGISTRY

from hub.navigation.formats.afir import dynamic_json, static_json
from hub.navigation.location import PublicLocation
from tests.navigation.formats.samples import EDITION, PLACES, PRICES

STATIC_SCHEMA = "EnergyInfrastructureTablePublication/DATEXII_3_D2Payload.json"
DYNAMIC_SCHEMA = "EnergyInfrastructureStatusPublication/DATEXII_3_MessageContainer.json"


def problems(folder: Path, locations: Sequence[PublicLocation] = PLACES) -> Iterator[str]:
    """What the schemas in `folder` find wrong with the publications of some Locations, one sentence each."""
    publications = (
        (STATIC_SCHEMA, static_json(locations, EDITION, PRICES)),
        (DYNAMIC_SCHEMA, dynamic_json(locations, EDITION, PRICES)),
        (DYNAMIC_SCHEMA, dynamic_json(locations, EDITION, PRICES, is_delta=True)),
    )
    for schema, publication in publications:
        yield from problems_of(folder / schema, json.loads(b"".join(publication)))


def problems_of(schema: Path, document: Any) -> Iterator[str]:
    """What a schema finds wrong with a document."""
    for error in _validator(schema).iter_errors(document):
        yield f"{schema.name}: {error.json_path}: {error.message}"


def _validator(schema: Path) -> Draft202012Validator:
    resources = [(path.name, _read(path)) for path in schema.parent.glob("DATEXII_*.json")]
    return Draft202012Validator(_read(schema), registry=EMPTY_REGISTRY.with_contents(resources))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    sys.stdout.write("\n".join([*found, f"{len(found)} problems"]) + "\n")
    sys.exit(bool(found))

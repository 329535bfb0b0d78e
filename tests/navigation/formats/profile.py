"""`python -m tests.navigation.formats.profile FOLDER`: the German AFIR publications of the tests, validated by the profile's own schemas.

FOLDER is the folder "Schema und Beispiele" of version 01-00-00 in a copy of github.com/MobilithekDE/AFIR-DATEX-II-Recharging-Profil. That
repository says nothing of a licence, so its files are not part of this project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing.jsonschema import EMPTY_REGISTRY

from hub.navigation.formats.afir import dynamic_json, static_json
from tests.navigation.formats.samples import EDITION, PLACES, PRICES


def problems(folder: Path) -> Iterator[str]:
    """What the schemas in `folder` find wrong, one sentence each."""
    for schema, publication in _publications().items():
        document = json.loads(b"".join(publication))
        for error in _validator(folder / schema).iter_errors(document):
            yield f"{schema}: {error.json_path}: {error.message}"


def _publications() -> dict[str, Iterator[bytes]]:
    table, status = "EnergyInfrastructureTablePublication", "EnergyInfrastructureStatusPublication"
    return {
        f"{table}/DATEXII_3_D2Payload.json": static_json(PLACES, EDITION, PRICES),
        f"{status}/DATEXII_3_MessageContainer.json": dynamic_json(PLACES, EDITION),
    }


def _validator(schema: Path) -> Draft202012Validator:
    resources = [(path.name, _read(path)) for path in schema.parent.glob("DATEXII_*.json")]
    return Draft202012Validator(_read(schema), registry=EMPTY_REGISTRY.with_contents(resources))


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    found = list(problems(Path(sys.argv[1])))
    sys.stdout.write("\n".join([*found, f"{len(found)} problems"]) + "\n")
    sys.exit(bool(found))

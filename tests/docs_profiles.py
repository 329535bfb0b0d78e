"""Writes `docs/reference/profiles.md` from the list of capabilities, so that page and product cannot disagree.

Run `python -m tests.docs_profiles` after a change of the list; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hub.settlement.profiles import CAPABILITIES, PRESETS, Capability
from hub.settlement.profiles_file import ProfileText

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "profiles.md"

OPENING = """# Profiles of parties

What a party is known to be able to do, so that a known limit does not come back as a finding to decide with every CDR. A profile is YAML
or JSON: a list called `profiles` in a bundle, or beside `agreements` in a file of them; in the hub it is proposed by one person and
activated by another (`/settlement/profiles`). A name that is not on this page is refused.

```yaml
profiles:
- party: DE-ABC
  valid: {from: 2026-10-01}
  preset: push_only
  capabilities: {minute_rounded_times: true}
```

What is lowered says so: the finding has `details.lowered_by` with the capability and the party. Nothing is ever made stricter, and a
CDR that is held stays held but where the table says that it is lifted. What two parties [agreed](agreements.md) about a check goes
before their profiles. Made from `hub/settlement/profiles.py` by `python -m tests.docs_profiles`; do not edit.
"""


_HEAD = """| Capability | Usual | What it says | What is lowered where it is not as usual |
| --- | --- | --- | --- |
"""


def profiles_page() -> str:
    """The whole page as Markdown: the fields, the capabilities with what they lower, the presets."""
    return f"{OPENING}{_fields()}{_capabilities()}{_presets()}"


def _fields() -> str:
    rows = "".join(
        f"| `{name}` | {field.description or 'Since when and until when, as in an agreement.'} |\n"
        for name, field in ProfileText.model_fields.items()
    )
    return f"\n## Fields\n\n| Field | Meaning |\n| --- | --- |\n{rows}"


def _capabilities() -> str:
    rows = "".join(
        f"| `{one.name}` | {str(one.usual).lower()} | {one.rule} | {', '.join(_lowered(one))} |\n"
        for one in CAPABILITIES
    )
    return f"\n## Capabilities\n\n{_HEAD}{rows}"


def _lowered(capability: Capability) -> Iterator[str]:
    for one in capability.lowers:
        yield f"`{one.kind}` to {one.severity}{' and lifted' if one.lifts else ''}"


def _presets() -> str:
    rows = "".join(f"| `{name}` | {', '.join(_said(preset)) or 'all as usual'} |\n" for name, preset in PRESETS.items())
    return f"\n## Presets\n\n| Preset | What it says |\n| --- | --- |\n{rows}"


def _said(preset: Mapping[str, bool]) -> Iterator[str]:
    return (f"`{name}: {str(value).lower()}`" for name, value in preset.items())


def main() -> None:
    """Write the page."""
    PAGE.write_text(profiles_page(), encoding="utf-8")


if __name__ == "__main__":
    main()

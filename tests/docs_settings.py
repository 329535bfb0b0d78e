"""Writes `docs/reference/settings.md` from the settings, so that page and product cannot disagree.

Run `python -m tests.docs_settings` after a change of the settings; `tests/test_docs.py` fails until then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hub.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "settings.md"

OPENING = """# Settings

Settings are environment variables; a file `.env` in the working directory may hold them too, and the environment goes first. A
value that cannot be used stops the hub at start, with an error that names it. Made from `hub/settings.py` by
`python -m tests.docs_settings`; do not edit.

| Setting | Default | Meaning |
| --- | --- | --- |
"""


def settings_page(fields: Mapping[str, FieldInfo], prefix: str) -> str:
    """The whole page as Markdown: one row for each setting, in the order of the code."""
    return OPENING + "".join(_row(f"{prefix}{name}".upper(), field) for name, field in fields.items())


def _row(name: str, field: FieldInfo) -> str:
    if not field.description:
        raise ValueError(f"{name} has no description")
    return f"| `{name}` | {_default(field)} | {field.description} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=False)
    if value is None or value is PydanticUndefined or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def main() -> None:
    """Write the page."""
    prefix = Settings.model_config.get("env_prefix", "")
    PAGE.write_text(settings_page(Settings.model_fields, prefix), encoding="utf-8")


if __name__ == "__main__":
    main()

"""`python -m tests.vendored` installs the locked packages with npm and copies what the pages load into `hub/console/static/vendor`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VENDOR = HERE.parents[1] / "hub" / "console" / "static" / "vendor"
AXE = HERE / "axe.min.js"

FILES = {
    "@tabler/core": ("dist/css/tabler.min.css", "dist/js/tabler.min.js"),
    "htmx.org": ("dist/htmx.min.js", "dist/ext/hx-sse.min.js", "LICENSE"),
    "echarts": ("dist/echarts.min.js", "LICENSE", "NOTICE"),
    "maplibre-gl": (
        "dist/maplibre-gl.mjs",
        "dist/maplibre-gl-shared.mjs",
        "dist/maplibre-gl-worker.mjs",
        "dist/maplibre-gl.css",
        "LICENSE.txt",
    ),
    "topojson-client": ("dist/topojson-client.min.js", "LICENSE"),
    "world-atlas": ("countries-50m.json", "LICENSE"),
    "@tabler/icons": ("LICENSE",),
}
ICONS = (
    "activity",
    "alert-triangle",
    "archive",
    "arrow-back-up",
    "arrow-right",
    "arrows-exchange",
    "bell",
    "building-bank",
    "calendar-month",
    "chart-bar",
    "check",
    "chevron-down",
    "chevron-right",
    "chevron-up",
    "circle-check",
    "clock",
    "coins",
    "device-floppy",
    "download",
    "external-link",
    "eye",
    "file-description",
    "file-search",
    "filter",
    "gavel",
    "heartbeat",
    "help",
    "history",
    "inbox",
    "info-circle",
    "key",
    "keyboard",
    "link",
    "list-check",
    "lock",
    "login",
    "logout",
    "mail",
    "map-pin",
    "menu-2",
    "message-2",
    "messages",
    "moon",
    "player-pause",
    "player-play",
    "plug",
    "plug-connected",
    "plus",
    "receipt",
    "refresh",
    "route",
    "scale",
    "search",
    "send",
    "settings",
    "shield-check",
    "stack-2",
    "sun",
    "trash",
    "user",
    "users",
    "users-group",
    "x",
)
_DRAWN = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_SOURCE_MAP = re.compile(rb"\n?(//# sourceMappingURL=[^\n]*|/\*# sourceMappingURL=[^*]*\*/)\s*$")


def main() -> int:
    """Install, copy, and write down versions, licences and hashes."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        modules = Path(folder, "node_modules")
        shutil.rmtree(VENDOR, ignore_errors=True)
        packages = [_copied(modules, name) for name in FILES]
        (VENDOR / "icons.svg").write_text(sprite(modules / "@tabler/icons/icons/outline"))
        packages[-1]["sha256"]["icons.svg"] = digest(VENDOR / "icons.svg")
        AXE.write_bytes(without_map((modules / "axe-core/axe.min.js").read_bytes()))
    (VENDOR / "manifest.json").write_text(json.dumps(packages, indent=2) + "\n")
    return 0


def _copied(modules: Path, package: str) -> dict[str, Any]:
    about = json.loads((modules / package / "package.json").read_text())
    folder = VENDOR / package.replace("@", "").replace("/", "-").removesuffix(".org")
    folder.mkdir(parents=True)
    for name in FILES[package]:
        (folder / Path(name).name).write_bytes(without_map((modules / package / name).read_bytes()))
    hashes = {str(file.relative_to(VENDOR)): digest(file) for file in sorted(folder.iterdir())}
    return {"name": package, "version": about["version"], "licence": about["license"], "sha256": hashes}


def without_map(content: bytes) -> bytes:
    """A file without the line that names its source map, which is not there."""
    return _SOURCE_MAP.sub(b"\n", content)


def digest(file: Path) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sprite(folder: Path) -> str:
    """The icons in one file, each a symbol by its name."""
    symbols = (_symbol(name, (folder / f"{name}.svg").read_text()) for name in ICONS)
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _symbol(name: str, text: str) -> str:
    found = _DRAWN.search(text)
    assert found, name
    drawn = " ".join(found[1].split())
    look = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
    return f'<symbol id="{name}" viewBox="0 0 24 24" {look}>{drawn}</symbol>'


if __name__ == "__main__":
    sys.exit(main())

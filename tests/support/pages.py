"""The hand-written pages: README and docs."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT", "pages"]

ROOT = Path(__file__).parents[2]
_GENERATED = ("docs/_build", "docs/reference/api")


def pages() -> list[Path]:
    """Return README, CONTRIBUTING, SECURITY and every page of docs that a person has written."""
    found = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    found += sorted((ROOT / "docs").rglob("*.md"))
    return [
        page for page in found if page.exists() and not str(page.relative_to(ROOT)).startswith(_GENERATED)
    ]

"""The layers declared in pyproject.toml are kept, and the tool that keeps them notices a wrong import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", _LINT, "--config", str(folder / "pyproject.toml"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with the five packages side by side, as they are installed."""
    for package in ("common/nauth", "nomadauth", "nombaauth", "noyoauth", "naoauth"):
        shutil.copytree(ROOT / package, tmp_path / package.rpartition("/")[2])
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_are_kept(copied: Path) -> None:
    """Nothing is broken as it stands."""
    done = _lint(copied)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "module, wrong",
    [
        ("errors", "import nauth.client"),
        ("stores/base", "import nauth.manager.token_manager"),
        ("cli/registry", "import nombaauth"),
    ],
)
@pytest.mark.slow
def test_a_wrong_import_is_noticed(copied: Path, module: str, wrong: str) -> None:
    """An import of a higher layer, or of a vendor, breaks a contract."""
    path = copied / "nauth" / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{wrong}\n")
    after = _lint(copied)
    assert after.returncode == 1, after.stdout + after.stderr
    assert wrong.split()[1] in after.stdout

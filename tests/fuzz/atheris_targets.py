"""Coverage-guided fuzzing of every reader of text from outside; what is no `NauthError` is a crash.

    uv run --with atheris python -m tests.fuzz.atheris_targets --target callback -- -runs=200000
    uv run --with atheris python -m tests.fuzz.atheris_targets --list

What follows ``--`` goes to libFuzzer. Set ``PYTHONPATH=.:common`` where the project is not installed. The default suite
asks the same readers in `tests/fuzz/test_readers.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, cast

from tests.fuzz.seeds import SEEDS

__all__ = ["main"]

_OURS = ["nauth", "naoauth", "nomadauth", "nombaauth", "noyoauth"]


class _Atheris(Protocol):
    """As much of atheris as is used: it is no dependency, and has no types."""

    def instrument_imports(
        self, *, include: list[str], enable_loader_override: bool
    ) -> contextlib.AbstractContextManager[None]: ...

    def Setup(self, argv: list[str], test: Callable[[bytes], None]) -> object: ...  # noqa: N802 - atheris' own name

    def Fuzz(self) -> None: ...  # noqa: N802 - atheris' own name


class _Readers(Protocol):
    def read(self, name: str, data: bytes) -> str: ...


def _atheris() -> _Atheris:
    try:
        return cast("_Atheris", importlib.import_module("atheris"))
    except ImportError:
        raise SystemExit("atheris is not installed: uv run --with atheris python -m ...") from None


def _corpus(folder: Path, seeds: Iterable[bytes]) -> None:
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)


def main(arguments: list[str]) -> None:
    """Fuzz one target; libFuzzer ends the process."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    own, libfuzzer = arguments[:split], arguments[split + 1 :]
    parser = argparse.ArgumentParser(prog="tests.fuzz.atheris_targets")
    parser.add_argument("--target", choices=sorted(SEEDS))
    parser.add_argument("--list", action="store_true", help="name the targets")
    given = parser.parse_args(own)
    if given.list or given.target is None:
        sys.stdout.writelines(f"{name}\n" for name in sorted(SEEDS))
        return
    atheris = _atheris()
    with atheris.instrument_imports(include=_OURS, enable_loader_override=False):
        readers = cast("_Readers", importlib.import_module("tests.fuzz.readers"))
    logging.disable(logging.CRITICAL)

    def test(data: bytes) -> None:
        readers.read(given.target, data)

    with tempfile.TemporaryDirectory() as folder:
        _corpus(Path(folder), SEEDS[given.target])
        atheris.Setup([sys.argv[0], *libfuzzer, folder], test)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])

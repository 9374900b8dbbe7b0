"""The package itself: its version, its names and when they are imported, and `python -m nauth`."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pickle
import pydoc
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import nauth
from tests.support.vendors.stages import STAGES

_LATE = """
def late():
    return sorted(
        name for name in set(sys.modules) - before
        if name.partition(".")[0] in {"nauth", "nombaauth", "nomadauth", "noyoauth", "naoauth", "aiohttp", "attrs", "cattrs"}
    )
"""

_VENDOR = """
import asyncio, sys
import PACKAGE

async def main():
    async with PACKAGE.CLIENT() as client:
        await client.token()

before = set(sys.modules)
asyncio.run(main())
print(late())
"""

_MANAGER = """
import asyncio, sys
import nauth

class Fixed(nauth.Authenticator):
    vendor = "acme"

    async def issue(self):
        return nauth.Token(access_token=nauth.Secret("x"))

manager = nauth.TokenManager(Fixed(), key=nauth.StoreKey(vendor="acme", base_url="https://acme.example", identity="one"))

async def main():
    await manager.token()
    await manager.aclose()

before = set(sys.modules)
asyncio.run(main())
print(late())
"""

_THREADS = """
import sys, threading
import nauth

sys.setswitchinterval(1e-5)
together, found, names = threading.Barrier(8), [], [name for name in nauth.__all__ if name != "__version__"]

def first_use(turn):
    together.wait()
    found.append({name: getattr(nauth, name) for name in names[turn * 6:] + names[:turn * 6]})

threads = [threading.Thread(target=first_use, args=(turn,)) for turn in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(found) == 8
assert all(each[name] is found[0][name] is vars(nauth)[name] for each in found for name in names)
"""


def _python(code: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_version() -> None:
    """`nauth.__version__` is the installed distribution's."""
    assert nauth.__version__ == version("nauth")


def test_unknown_name() -> None:
    """A name that the package does not have is told as Python tells it."""
    with pytest.raises(AttributeError, match="'nauth' has no attribute 'no_such_name'"):
        getattr(nauth, "no_such_name")  # noqa: B009 - a plain attribute would not pass the type checker


def test_as_a_module() -> None:
    """`python -m nauth` is the `nauth` command; importing the module runs nothing."""
    importlib.import_module("nauth.__main__")
    done = subprocess.run(
        [sys.executable, "-m", "nauth", "--version"], capture_output=True, text=True, check=True, timeout=50
    )
    assert version("nauth") in done.stdout


def test_the_import_loads_nothing_else() -> None:
    """`import nauth` loads no other module of ours, and nothing that nauth needs."""
    code = (
        "import sys, nauth; assert not {'aiohttp', 'anyio', 'attrs', 'cattrs'} & set(sys.modules);"
        "print(sorted(name for name in sys.modules if name.startswith('nauth')))"
    )
    assert _python(code) == "['nauth']"


def test_editors_and_python_find_the_same() -> None:
    """The imports that type checkers read, `_HOMES` and `__all__` name the same objects of the same modules."""
    block = next(
        node
        for node in ast.parse(inspect.getsource(nauth)).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name)
    )
    read = [
        (node.module, tuple(alias.name for alias in node.names))
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    ]
    assert len(read) == len(block.body)
    assert dict(read) == nauth._HOMES
    assert sorted([*nauth._MODULE_OF, "__version__"]) == sorted(nauth.__all__)


@pytest.mark.parametrize("name", sorted(set(nauth.__all__) - {"__version__"}))
def test_a_name_is_imported_at_its_first_use(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first use gives the home's own object and keeps it in the package, where the second use finds it."""
    monkeypatch.delitem(vars(nauth), name, raising=False)
    assert name not in vars(nauth)
    home = vars(importlib.import_module(nauth._MODULE_OF[name]))
    assert getattr(nauth, name) is home[name]
    assert vars(nauth)[name] is home[name]


def test_all_at_once() -> None:
    """`from nauth import *` gives every public name; so do `dir` and `help`."""
    names: dict[str, object] = {}
    exec("from nauth import *", names)  # noqa: S102 - a star is allowed at a module's top only
    assert set(nauth.__all__) <= names.keys()
    assert dir(nauth) == sorted(nauth.__all__)
    page = pydoc.plain(pydoc.render_doc(nauth))
    assert f"VERSION\n    {nauth.__version__}" in page
    assert [name for name in nauth.__all__ if name not in page] == ["__version__"]


def test_modules_of_public_names_are_attributes() -> None:
    """`import nauth; nauth.stores` needs no import of its own, as before names were imported at their first use."""
    code = (
        "import nauth;"
        "print(nauth.stores.MemoryStore is nauth.MemoryStore, nauth.errors.NauthError is nauth.NauthError,"
        " hasattr(nauth, 'cli'))"
    )
    assert _python(code) == "True True False"


def test_stores_made_at_their_first_use_are_listed() -> None:
    """`dir(nauth.stores)`, which completion asks, has the names that are imported on demand."""
    assert dir(nauth.stores) == sorted(nauth.stores.__all__)
    with pytest.raises(AttributeError, match="no attribute 'FileStore'"):
        nauth.stores.FileStore  # type: ignore[attr-defined] # noqa: B018


def test_classes_pickle() -> None:
    """A public class is pickled by its home, and is the same afterwards."""
    for name in nauth.__all__:
        thing = getattr(nauth, name)
        if isinstance(thing, type):
            assert pickle.loads(pickle.dumps(thing)) is thing  # noqa: S301 - our own bytes


def test_threads_use_names_for_the_first_time_at_once() -> None:
    """Eight threads that meet at their first uses get the same objects."""
    assert _python(_THREADS) == ""


def test_first_token_of_a_manager_imports_nothing() -> None:
    """The modules come with the names that a program uses; the first token then imports none on the event loop."""
    assert _python(_LATE + _MANAGER) == "[]"


@pytest.mark.parametrize("package", STAGES)
def test_first_sign_in_imports_nothing(package: str) -> None:
    """A vendor's package loads what its client's first sign-in needs, so that the event loop waits for no import."""
    stage = STAGES[package]
    names = importlib.import_module(f"{package}.sandbox.variables")
    with stage.new_sandbox() as sandbox:
        env = {names.BASE_URL: sandbox.base_url, **names.variables_of(sandbox.credentials)}
        code = _VENDOR.replace("PACKAGE", package).replace("CLIENT", f"{package[:-4].capitalize()}Client")
        assert _python(_LATE + code, env) == "[]"


def test_no_module_of_ours_asks_the_package() -> None:
    """Our own modules import from each name's home: asking the package while it imports could wait for itself."""
    asking = [
        f"{path}:{node.lineno}"
        for package in ("nauth", *STAGES)
        for path in sorted(Path(str(files(package))).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module == "nauth"
        and {alias.name for alias in node.names} & set(nauth.__all__)
    ]
    assert asking == []

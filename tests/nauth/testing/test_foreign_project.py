"""The built wheel in projects that know nothing of ours, each run by a pytest of its own with every plugin it finds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"

SHOP = """
from contextlib import asynccontextmanager
from nombaauth import NombaClient

def never_called():
    return "one of the lines that no test reaches"

async def balance():
    async with NombaClient() as nomba:
        return (await nomba.check()).amount
"""

PLAIN = """
import asyncio
import nauth
from shop import balance

def test_installed():
    assert nauth.__file__.startswith(WHEEL)

def test_plain(nomba_sandbox, nauth_env, nauth_herd):
    nauth_env(nomba_sandbox)
    assert len(asyncio.run(nauth_herd(balance, callers=50))) == 50
    nomba_sandbox.assert_token_calls(1)
    nomba_sandbox.assert_called("balance", times=50)
"""

ASYNC = """
import pytest
from shop import balance

MARK
async def test_herd(nomba_sandbox, nauth_env, nauth_herd):
    nauth_env(nomba_sandbox)
    await nauth_herd(balance, callers=50)
    nomba_sandbox.assert_token_calls(1)

MARK
async def test_a_second_one_begins_anew(nomba_sandbox, nauth_env):
    nauth_env(nomba_sandbox)
    assert await balance() > 0
    nomba_sandbox.assert_token_calls(1)
"""

FASTAPI = """
from contextlib import asynccontextmanager
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from nombaauth import NombaClient

@asynccontextmanager
async def lifespan(app):
    async with NombaClient() as app.state.nomba:
        yield

app = FastAPI(lifespan=lifespan)

@app.get("/balance")
async def balance(request: Request):
    return {"amount": str((await request.app.state.nomba.check()).amount)}

def test_fastapi(nomba_sandbox, nauth_env):
    nauth_env(nomba_sandbox)
    with TestClient(app) as client:
        for _ in range(5):
            assert client.get("/balance").status_code == 200
    nomba_sandbox.assert_token_calls(1)
    nomba_sandbox.assert_called("balance", times=5)
"""

DJANGO = """
import asyncio
import django
from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import JsonResponse
from django.test import AsyncClient, Client
from django.urls import path
from shop import balance

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", LOGGING_CONFIG=None)
django.setup()

async def by_async(request):
    return JsonResponse({"amount": str(await balance())})

def by_sync(request):
    return JsonResponse({"amount": str(async_to_sync(balance)())})

def by_run(request):
    return JsonResponse({"amount": str(asyncio.run(balance()))})

urlpatterns = [path("async", by_async), path("sync", by_sync), path("run", by_run)]

def test_django(nomba_sandbox, nauth_env):
    nauth_env(nomba_sandbox)
    for _ in range(3):
        for view in ("/async", "/sync", "/run"):
            assert Client().get(view).status_code == 200
    async def look():
        return (await AsyncClient().get("/async")).status_code
    assert asyncio.run(look()) == 200
    nomba_sandbox.assert_token_calls(1)
    nomba_sandbox.assert_called("balance", times=10)
"""

UNUSED = """
import sys

def test_of_something_else():
    ours = {name for name in sys.modules if name.partition(".")[0] == "nauth"}
    assert ours == {"nauth", "nauth.pytest_plugin"}
    assert not {"aiohttp", "attrs", "cattrs"} & set(sys.modules)
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built and unpacked as an installer does."""
    built, unpacked = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("unpacked")
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", BUILD, str(built)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(built / done.stdout.split()[-1]) as archive:
        archive.extractall(unpacked)
    return unpacked


Run = Callable[..., str]


@pytest.fixture
def run(wheel: Path, tmp_path: Path) -> Run:
    """Write files into a project of its own, run its tests, and return what pytest prints."""

    def begin(files: Mapping[str, str], *args: str) -> str:
        for name, text in {"shop.py": SHOP, **files}.items():
            (tmp_path / name).write_text(text.replace("WHEEL", repr(str(wheel))))
        done = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", *args],
            cwd=tmp_path,
            env={**_clean(), "PYTHONPATH": os.pathsep.join([str(wheel), str(tmp_path)])},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return begin


def _clean() -> dict[str, str]:
    ours = ("PYTEST", "COV", "NAUTH", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def test_plain(run: Run) -> None:
    """Plain tests, the plugin found by its entry point, the package out of the wheel."""
    said = run({"test_it.py": PLAIN}, "-W", "error::ResourceWarning")
    assert "2 passed" in said
    assert re.search(r"plugins:.*nauth-", said)


def test_the_page(run: Run) -> None:
    """The two files that the page on testing a service prints, as they stand there."""
    page = (ROOT / "docs/how-to/testing-a-service.md").read_text()
    files = dict(re.findall(r"```\n# (\w+\.py)\n(.*?)```", page, re.DOTALL))
    assert set(files) == {"shop.py", "test_shop.py"}
    assert "2 passed" in run(files)


@pytest.mark.parametrize(
    "mark, ini, args, count",
    [
        ("@pytest.mark.asyncio", "asyncio_mode = strict", (), 2),
        ("", "asyncio_mode = auto", (), 2),
        ("@pytest.mark.anyio", "", ("-k", "not trio"), 2),
        ("@pytest.mark.asyncio", "asyncio_mode = strict", ("-n", "2"), 2),
    ],
    ids=["strict", "auto", "anyio", "xdist"],
)
def test_coroutines(mark: str, ini: str, args: tuple[str, ...], count: int, run: Run) -> None:
    """Coroutine tests of pytest-asyncio, strict and auto, of anyio's plugin, and in xdist's workers."""
    files = {"test_it.py": ASYNC.replace("MARK", mark), "pytest.ini": f"[pytest]\n{ini}\n"}
    assert f"{count} passed" in run(files, "-W", "error::ResourceWarning", *args)


def test_fastapi(run: Run) -> None:
    """FastAPI's TestClient, whose application runs in a loop and a thread of its own."""
    assert "1 passed" in run({"test_it.py": FASTAPI})


def test_django(run: Run) -> None:
    """Django's clients, with views that are coroutines, that call one, and that run a loop of their own."""
    assert "1 passed" in run({"test_it.py": DJANGO})


def _contract() -> str:
    """Return the example of `StoreContract`'s own page."""
    from nauth.testing import StoreContract  # noqa: PLC0415 - only here

    text = StoreContract.__doc__ or ""
    lines = text.split("::\n", 1)[1].split("An engine that uses another clock")[0].splitlines()
    return "\n".join(line[8:] for line in lines)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_store_contract(mode: str, run: Run) -> None:
    """`StoreContract` runs as its page says: marked in strict mode, as it is in auto mode."""
    text = _contract()
    if mode == "strict":
        text = "import pytest\n" + text.replace(
            "class TestMyStore", "@pytest.mark.asyncio\nclass TestMyStore"
        )
    said = run({"test_it.py": text, "pytest.ini": f"[pytest]\nasyncio_mode = {mode}\n"})
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed[1]) >= 40
    assert "skipped" not in said


def test_a_suite_that_uses_nothing(run: Run) -> None:
    """A suite of something else loads nothing of ours but the plugin and the `__init__` it lies below."""
    assert "1 passed" in run({"test_it.py": UNUSED})


def test_start_up_cost(wheel: Path) -> None:
    """What every suite beside nauth pays, the import of the plugin, is below 0.02 s of processor time."""
    code = "import pytest, time; began = time.process_time(); import nauth.pytest_plugin; print(time.process_time() - began)"
    took = [
        float(
            subprocess.run(  # noqa: S603 - our own interpreter and text
                [sys.executable, "-c", code],
                env={**_clean(), "PYTHONPATH": str(wheel)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(5)
    ]
    assert min(took) < 0.02, took


@pytest.mark.parametrize("package", ["shop", "nauth"])
def test_coverage_figure(package: str, run: Run) -> None:
    """A suite's coverage is the same with the plugin as without, and that of ours but for the few lines of `__init__`."""
    text = (
        "import shop\nfrom nauth import TokenManager\n"
        "def test_it():\n    assert shop.never_called.__name__ == 'never_called'\n"
    )
    totals = []
    for args in ((), ("-p", "no:nauth")):
        said = run({"test_it.py": text}, f"--cov={package}", *args)
        found = re.search(r"^TOTAL.*?(\d+)%$", said, re.MULTILINE)
        assert found is not None, said
        totals.append(int(found[1]))
        assert "module-not-measured" not in said
    with_it, without_it = totals
    assert abs(with_it - without_it) <= (package == "nauth")
    assert with_it > 10

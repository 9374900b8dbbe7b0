"""The pytest plugin in projects that know nothing of ours, each run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PLAIN = """
import asyncio
import pytest
from nombaauth import NombaClient

async def use(clock=None):
    async with NombaClient(clock=clock) as client:
        return (await client.check()).amount

def test_plain(nomba_sandbox, nauth_env, nauth_herd):
    nauth_env(nomba_sandbox)
    for _ in range(3):
        assert asyncio.run(use()) > 0
    assert len(asyncio.run(nauth_herd(use, callers=3))) == 3
    nomba_sandbox.assert_called("issue", times=1)

@pytest.mark.nauth(second_issue="keeps_first")
def test_switch(nomba_sandbox):
    assert nomba_sandbox.switches.second_issue == "keeps_first"

@pytest.mark.nauth(nomba={"second_issue": "keeps_first"})
def test_switch_by_vendor(nomba_sandbox, noyo_sandbox):
    assert nomba_sandbox.switches.second_issue == "keeps_first"

def test_clock(fake_clock, nomba_sandbox, nauth_env):
    nauth_env(nomba_sandbox)
    assert nomba_sandbox.clock is fake_clock
    asyncio.run(use(fake_clock))
    fake_clock.advance(3600)
    asyncio.run(use(fake_clock))
    assert nomba_sandbox.requests["issue"] == 2

REAL = (
    "NOMBA_CLIENT_SECRET_FILE", "NOMBA_PRIVATE_KEY", "NOMBA_CREDENTIALS", "NOMBA_ENVIRONMENT", "NOMBA_BASE_URL_FILE",
    "NOMAD_MEDIA_API_KEY", "NOMAD_MEDIA_STATIC_TOKEN_FILE", "NOYO_TOKEN_URL", "NOYO_ENVIRONMENT", "NOYO_CREDENTIALS",
    "NAO_AUTH_TOKEN", "NAO_CLIENT_ID", "NAO_REDIRECT_URI_FILE", "NAO_CREDENTIALS",
)

def test_env(nomba_sandbox, nomad_sandbox, noyo_sandbox, nao_sandbox, nauth_env, monkeypatch):
    from naoauth import NaoClient
    from nomadauth import NomadClient
    from nombaauth import NombaClient
    from noyoauth import NoyoClient
    import os
    from nauth.testing import Sandbox
    monkeypatch.setenv("NAUTH_STORE", "nonsense")
    for name in REAL:  # a developer's shell has the real ones, or a part of them
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("NOMBA_WEBHOOK_SECRET", "of the service itself")
    for sandbox in (nomba_sandbox, nomad_sandbox, noyo_sandbox, nao_sandbox):
        for name, value in nauth_env(sandbox).items():
            assert os.environ[name] == value
    assert "NAUTH_STORE" not in os.environ
    assert os.environ["NOMBA_WEBHOOK_SECRET"]
    NombaClient(), NomadClient(), NoyoClient(), NaoClient()
    class Other(Sandbox):
        base_url = credentials = ""
        def routes(self):
            return {}
    with pytest.raises(TypeError, match="takes a vendor's sandbox"):
        nauth_env(Other())
"""

ASYNC = """
import asyncio
import pytest
from nombaauth import NombaClient

MARK
async def test_async(nomba_sandbox, nauth_env):
    nauth_env(nomba_sandbox)
    async with NombaClient() as client:
        await asyncio.gather(*(client.check() for _ in range(50)))
    nomba_sandbox.assert_called("issue", times=1)
"""

UNUSED = """
import sys

def test_nothing_is_loaded():
    ours = {name for name in sys.modules if name.partition(".")[0] == "nauth"}
    assert ours == {"nauth", "nauth.pytest_plugin"}
    assert not {"aiohttp", "anyio", "attrs", "cattrs"} & set(sys.modules)
"""


def _pytest(folder: Path, text: str, *args: str) -> None:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers -W error::ResourceWarning\n")
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-m", "pytest", "-q", "-p", "nauth.pytest_plugin", "-p", "no:cacheprovider", *args],
        cwd=folder,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "common")]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "",
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_plain_tests(tmp_path: Path) -> None:
    """Plain tests use the fixtures, the marker, one clock for both sides, and the environment."""
    _pytest(tmp_path, PLAIN)


@pytest.mark.parametrize(
    "mark, args",
    [
        ("@pytest.mark.asyncio", ("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=strict")),
        pytest.param("", ("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto"), marks=pytest.mark.slow),
        pytest.param(
            "@pytest.mark.anyio", ("-p", "anyio.pytest_plugin", "-k", "asyncio"), marks=pytest.mark.slow
        ),
        pytest.param(
            "@pytest.mark.asyncio",
            ("-p", "pytest_asyncio.plugin", "-p", "xdist.plugin", "-n", "1"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["strict", "auto", "anyio", "xdist"],
)
def test_coroutines(mark: str, args: Sequence[str], tmp_path: Path) -> None:
    """The same fixtures serve coroutine tests of pytest-asyncio, strict or auto, of anyio, and under xdist."""
    _pytest(tmp_path, ASYNC.replace("MARK", mark), *args)


def test_a_suite_that_uses_nothing(tmp_path: Path) -> None:
    """A suite that uses no fixture loads the plugin and the package's `__init__`, and nothing that nauth needs."""
    _pytest(tmp_path, UNUSED)


def test_the_entry_point() -> None:
    """The distribution names the plugin, so that pytest finds it."""
    told = '[project.entry-points.pytest11]\nnauth = "nauth.pytest_plugin"\n'
    assert told in (ROOT / "pyproject.toml").read_text()

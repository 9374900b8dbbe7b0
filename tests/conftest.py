"""What holds for every test: no blocking call inside a loop, no connection but to this machine."""

from __future__ import annotations

import asyncio
import asyncio.constants
import asyncio.format_helpers
import contextlib
import inspect
import ipaddress
import linecache
import os
import resource
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import aioresponses.core
import pytest
from aiohttp import ClientResponse
from blockbuster import BlockBuster, blockbuster_ctx

from tests.support.loops import LOOPS, Loops
from tests.support.vendors.stages import STAGES, VendorStage

# a login that the developer has remembered must not sign a test in
os.environ["NAUTH_LOGIN"] = "off"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose what the whole suite runs on."""
    group = parser.getgroup("loops")
    group.addoption("--loop", choices=LOOPS, default=LOOPS[0], help="the event loop of every test")
    group.addoption("--eager", action="store_true", help="eager tasks in every test (Python 3.12 and later)")


def _loops(config: pytest.Config) -> Loops:
    try:
        return Loops(config.getoption("--loop"), eager=config.getoption("--eager"))
    except (ImportError, ValueError) as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    """Name the loops of this run."""
    return f"loops: {_loops(config)}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run single files in this process, which starts at once; for folders the answer is xdist's: a worker for each core."""
    return 0 if all(Path(arg.partition("::")[0]).is_file() for arg in config.args) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no coverage where inputs and orders are drawn at random.

    A line that chance has reached is not thereby tested, and counting lines makes these tests twice as slow.
    """
    for item in items:
        if (
            item.path.name.startswith("test_fuzz") or item.path.parent.name == "fuzz"
        ) or item.path.parent.name == "simulation":
            item.add_marker("no_cover")


def pytest_configure() -> None:
    """Forget the developer's own settings, and take all the file descriptors allowed: herds need a socket each."""
    for name in ("NAUTH_STORE", "NAUTH_STORE_FILE", "NAUTH_LOG"):
        os.environ.pop(name, None)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports "unlimited" and then refuses it; the soft limit stays
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _repair_aioresponses() -> None:
    """Let aioresponses build the responses of aiohttp 3.14, which demands a `stream_writer`.

    Vanishes by itself where aiohttp does not ask for one, or aioresponses passes it.
    """
    if "stream_writer" not in inspect.signature(ClientResponse.__init__).parameters:
        return

    class WrittenResponse(ClientResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
            super().__init__(*args, **kwargs)

    setattr(aioresponses.core, "ClientResponse", WrittenResponse)  # noqa: B010 - the module imports it, mypy minds


_repair_aioresponses()


def _shorten_stacks() -> None:
    """Let asyncio's debug mode note one frame for each future, task or handle, and read no source file for it.

    Otherwise every note looks at source files, and blockbuster looks at each of these reads: the suites that open
    thousands of connections then take three times as long. What pytest shows of a failure is not shortened.
    """
    sys.tracebacklimit = 1
    asyncio.constants.DEBUG_STACK_DEPTH = 1  # type: ignore[misc]  # final for all code but the tests
    linecache.checkcache = _unchanged  # each check asks the disk, and no source changes while tests run
    asyncio.format_helpers.extract_stack = _one_frame


def _unchanged(filename: str | None = None) -> None:
    pass


def _one_frame(f: FrameType | None = None, limit: int | None = None) -> traceback.StackSummary:
    frame = f or sys._getframe(1)
    place = (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
    return traceback.StackSummary([traceback.FrameSummary(*place, lookup_line=False)])


_shorten_stacks()


def _is_here(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _only_here(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(sock: socket.socket, address: Any) -> Any:
        if sock.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            pytest.fail(f"a test tried to connect to {address[0]}: tests stay on loopback")
        return original(sock, address)

    return connect


@pytest.fixture(scope="session", autouse=True)
def loops(request: pytest.FixtureRequest) -> Iterator[Loops]:
    """Make every loop as the command line says, those of `asyncio.run` in plain tests too.

    `asyncio.Runner` asks this function of asyncio, for pytest-asyncio as for all other callers; its hook for loop factories
    reaches only the tests that are coroutines, and event loop policies are deprecated.
    """
    made = _loops(request.config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.events, "new_event_loop", made)
        patch.setattr(asyncio, "new_event_loop", made)
        yield made


@pytest.fixture(scope="session", autouse=True)
def stay_on_loopback() -> Iterator[None]:
    """Fail any test that connects, or looks a name up, outside this machine."""
    with pytest.MonkeyPatch.context() as patch:
        look_up = socket.getaddrinfo

        def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
            if not _is_here(host):
                pytest.fail(f"a test tried to look up {host}: tests stay on loopback")
            return look_up(host, *args, **kwargs)

        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _only_here(getattr(socket.socket, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_blocking(stay_on_loopback: None) -> Iterator[BlockBuster]:
    """Raise `BlockingError` where code inside a running loop would block it.

    Two things are allowed beyond blockbuster's own list, which knows pytest, asyncio and most of coverage: coverage's
    lock around its data, which several threads with loops of their own may meet at; and the one read of a small local
    file by a client's constructor, which is documented. What must block in a test (certificates, files) is made in a
    plain fixture or in `asyncio.to_thread`. A test that does need an exception adds it
    here, with its reason: `watch.functions[call].can_block_in(file, names)`.
    """
    with blockbuster_ctx() as watch:
        watch.functions["threading.Lock.acquire"].can_block_in("coverage/collector.py", {"lock_data"})
        for call in ("os.stat", "os.readlink", "os.scandir", "os.read", "os.path.abspath"):
            watch.functions[call].can_block_in(
                "nauth/secret_files.py", {"read_text", "read_folder", "is_file", "is_folder"}
            )
        yield watch


@pytest.fixture
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[VendorStage[Any, Any]]:
    """Give a test in a vendor's folder that vendor's stage, with the vendor as documented."""
    async with STAGES[request.path.parent.name].opened() as made:
        yield made


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str | None:
    """Return where a real Valkey listens, if the test's parameter `store` asks for it; `valkey` is its folder's."""
    if request.node.callspec.params.get("store") != "redis":
        return None
    url: str = request.getfixturevalue("valkey").url
    return url

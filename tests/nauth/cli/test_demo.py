"""The demonstration: what it shows with a real vendor's double, and that it notices every broken promise."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

import pytest
from rich.console import Console

from nauth.cli.demo import run
from nauth.cli.demo.checks import too_busy
from nauth.cli.demo.load import Stage
from nauth.cli.demo.metrics import percentile_ms
from nauth.cli.demo.run import demonstrate
from nauth.cli.demo.scenario import Counters, Incident, MakeStory, Watch
from nauth.events import Cause, OriginRefused, RenewalFailed, RenewalJoined, RenewalSucceeded, RequestReplayed
from nauth.testing import FakeClock

SECOND = timedelta(seconds=1)
_COMMAND = [sys.executable, "-W", "error", "-c", "from nauth.cli import main; main()", "demo", "--plain"]
_PROMISES = [
    "one issue for the cold herd",
    "one token call per renewal",
    "one renewal after a takeover",
    "one issue after a revocation",
    "no caller waited for a renewal ahead of expiry",
    "no failed request",
    "no caller saw a 401",
    "no refresh token was spent twice",
]


# --- the real thing, as a process -------------------------------------------------------------------------------


@pytest.mark.slow
def test_nomba_keeps_every_promise() -> None:
    """The demonstration runs to its end, keeps each promise and leaves nothing on stderr."""
    done = subprocess.run(  # noqa: S603 - our own code
        [*_COMMAND, "--vendor", "nomba", "--seconds", "3", "--coroutines", "200"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split(":")[1].strip() for line in lines if line.startswith("[ok] nomba")] == _PROMISES
    assert re.fullmatch(r" +\d+ s  nomba: [\d,]+ requests, .* p99 [\d.]+ ms( .*)?", lines[1])
    assert re.fullmatch(
        r"200 coroutines made [\d,]+ requests over \d+ renewals with \d+ token calls \(p50 .* ms, p99 .* ms\); "
        "no caller waited for a renewal ahead of expiry, nothing failed",
        lines[-1],
    )


_INCIDENTS = {
    "nomad": ["one renewal after a takeover", "one issue after a logout"],
    "nomba": ["one renewal after a takeover", "one issue after a revocation"],
    "noyo": ["one renewal after a takeover", "one issue after a change of key"],
    "nao": ["one renewal after all sessions ended", "one renewal after they ended again"],
}


@pytest.mark.slow
def test_all_vendors_keep_every_promise() -> None:
    """All four run side by side, each keeps what is promised of it, and each gets a closing line, and all together."""
    done = subprocess.run(  # noqa: S603 - our own code
        [*_COMMAND, "--seconds", "3", "--coroutines", "100"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for name, incidents in _INCIDENTS.items():
        kept = [line.split(":")[1].strip() for line in lines if line.startswith(f"[ok] {name}")]
        refreshes = [_PROMISES[7]] if name in {"nomad", "nomba"} else []
        assert kept == [*_PROMISES[:2], *incidents, *_PROMISES[4:7], *refreshes]
        assert any(re.match(rf" +1 s  {name}: [\d,]+ requests, ", line) for line in lines)
        assert any(line.startswith(f"{name}: 100 coroutines made ") for line in lines)
    assert re.match(r"400 coroutines made [\d,]+ requests over \d+ renewals", lines[-1])
    assert lines[-1].endswith("nothing failed")


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_midway(number: signal.Signals, code: int) -> None:
    """A signal ends the demonstration at once, without a traceback or a warning of something left open."""
    with subprocess.Popen(  # noqa: S603 - our own code
        [*_COMMAND, "--seconds", "30", "--coroutines", "50"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "1 s  nao" in process.stdout.readline()
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (code, ""), errors
    assert errors == ""
    assert "[ok]" not in rest


# --- a story that breaks what it is told to ----------------------------------------------------------------------


class FakeStory:
    """A vendor without sockets whose tokens are renewed after 0.8 s, unless it breaks something."""

    def __init__(
        self, watch: Watch, clock: FakeClock, broken: str, *, name: str = "fake", refreshes: bool = True
    ) -> None:
        self.name = name
        self.refreshes = refreshes
        self._observe = watch(lambda: self._endings)
        self._clock = clock
        self._broken = broken
        self._endings = 0
        self._renewed = -1.0
        self._calls = {"issue": 0, "refresh": 0, "refresh_refused": 0, "revoke": 0, "refused": 0, "reused": 0}
        self._dead = False
        self._asked = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def request(self, number: int) -> int:
        self._asked += 1
        if self._broken == "herd hangs":
            await asyncio.get_running_loop().create_future()
        if self._renewed < 0:
            self._sign_in()
        elif self._dead:
            self._replace()
        elif self._clock.monotonic() - self._renewed > 0.8:
            self._refresh_ahead()
        return await self._answer(number)

    async def _answer(self, number: int) -> int:
        if self._asked == 50:
            if self._broken == "hang":
                await asyncio.get_running_loop().create_future()
            if self._broken == "raise":
                raise RuntimeError("canary")
            return {"401": 401, "503": 503}.get(self._broken, 200)
        return 200

    @property
    def incidents(self) -> tuple[Incident, ...]:
        return (
            Incident("takeover", _PROMISES[2], self.takeover, refused_refreshes=1),
            Incident("revoke", _PROMISES[3], self.revoke, revokes=1),
        )

    async def takeover(self) -> None:
        if self._broken == "takeover fails":
            raise RuntimeError("canary")
        self._endings += 1
        self._dead = self._broken != "takeover ignored"

    async def revoke(self) -> None:
        if self._broken == "revoke fails":
            raise RuntimeError("canary")
        if self._broken == "slow revoke":
            await self._clock.sleep(3)
        self._calls["revoke"] += 2 if self._broken == "revoke twice" else 1
        self._endings += 1
        self._dead = True

    def counters(self) -> Counters:
        return Counters(**self._calls)

    def _sign_in(self) -> None:
        self._observe(RenewalJoined(cause=Cause.COLD, waiters=1))
        self._renew(Cause.COLD, refreshed=False)
        if self._broken == "two sign-ins":
            self._renew(Cause.COLD, refreshed=False)

    def _refresh_ahead(self) -> None:
        if self._broken == "wait":
            self._observe(RenewalJoined(cause=Cause.STALE, waiters=1))
        self._calls["refresh"] += self._broken == "unseen call"
        self._calls["reused"] += self._broken == "reuse"
        if self._broken == "renewal fails":
            failed = RenewalFailed(
                cause=Cause.STALE, waiters=0, took=timedelta(0), error="X", quiet=True, retry_after=None
            )
            self._observe(failed)
        self._endings += 1
        # the vendor has ended the old token by now, so this one waits for a reason
        self._observe(RenewalJoined(cause=Cause.STALE, waiters=1))
        self._observe(OriginRefused(origin="http://elsewhere.invalid:80"))
        self._renew(Cause.STALE, refreshed=self.refreshes)

    def _replace(self) -> None:
        self._dead = False
        if not self._calls["revoke"] and self.refreshes:
            self._calls["refresh"] += 1
            self._calls["refresh_refused"] += 1
        self._calls["refused"] += 1
        if self._broken != "lost replay":
            self._observe(RequestReplayed(method="GET", status=200))
        self._renew(Cause.REJECTED, refreshed=False)

    def _renew(self, cause: Cause, *, refreshed: bool) -> None:
        self._endings += 1
        self._calls["refresh" if refreshed else "issue"] += 1
        self._renewed = self._clock.monotonic()
        self._observe(RenewalSucceeded(cause=cause, waiters=0, took=timedelta(0), refreshed=refreshed))


async def _tell(broken: str = "", *, plain: bool = True, terminal: bool = False) -> tuple[int, str]:
    return await _tell_all([(broken, True)], plain=plain, terminal=terminal)


async def _tell_all(
    told_of: Sequence[tuple[str, bool]], *, plain: bool = True, terminal: bool = False
) -> tuple[int, str]:
    """Tell one story for each of what it breaks and whether it refreshes: fake, fake1, ..."""
    clock, out = FakeClock(), io.StringIO()

    def made(number: int, broken: str, refreshes: bool) -> MakeStory:
        name = f"fake{number or ''}"
        return lambda watch, _: FakeStory(watch, clock, broken, name=name, refreshes=refreshes)

    stories = [made(number, *each) for number, each in enumerate(told_of)]
    console = Console(file=out, width=200 if plain else 80, force_terminal=terminal)
    told = asyncio.create_task(
        demonstrate(stories, seconds=4, coroutines=3, plain=plain, console=console, clock=clock)
    )
    while not told.done():
        clock.advance(0.02)
        await asyncio.sleep(0)
    return await told, out.getvalue()


async def test_all_kept() -> None:
    """A story that keeps every promise exits with 0 and says so."""
    code, text = await _tell()
    assert code == 0, text
    assert [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("[ok]")] == _PROMISES
    assert text.splitlines()[-1].endswith("nothing failed")
    assert re.search(r"requests, .*  <- takeover$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "broken, promise, figure",
    [
        ("two sign-ins", 0, "sign-ins at the vendor: 2"),
        ("unseen call", 1, "the vendor saw 3 issue"),
        ("renewal fails", 1, "failed"),
        ("takeover fails", 2, "none was seen in time"),
        ("takeover fails", 5, "takeover: RuntimeError (1)"),
        ("revoke fails", 3, "none was seen in time"),
        ("revoke twice", 3, "revoke 2"),
        ("takeover ignored", 2, "renewals 1, refresh 1 (refused 0), issue 0"),
        ("wait", 4, "callers held up"),
        ("raise", 5, "1 failed: RuntimeError (1)"),
        ("503", 5, "1 failed: HTTP 503 (1)"),
        ("hang", 5, "1 failed: not answered (1)"),
        ("401", 6, "1 callers were told"),
        ("lost replay", 6, "2 requests met a token that the vendor had just ended, 0 were sent again"),
        ("reuse", 7, "of them with a spent one"),
    ],
)
async def test_broken(broken: str, promise: int, figure: str) -> None:
    """A story that breaks a promise exits with 1 and names it with its figures, but none of the error's words."""
    code, text = await _tell(broken)
    assert code == 1
    (line,) = (line for line in text.splitlines() if line.startswith(f"[BROKEN] fake: {_PROMISES[promise]}"))
    assert figure in line
    assert re.search(r"; \d of 8 promises broken$", text.splitlines()[-1])
    assert "canary" not in text


async def test_without_refresh_tokens() -> None:
    """Where each renewal signs in, the herd's one sign-in is still told apart, and no re-use is promised."""
    code, text = await _tell_all([("", False)])
    assert code == 0, text
    assert [line.split(":")[1].strip() for line in text.splitlines() if line.startswith("[ok]")] == _PROMISES[
        :7
    ]
    assert "and 0 refresh (it has none)" in text
    code, text = await _tell_all([("two sign-ins", False)])
    assert code == 1
    assert "sign-ins at the vendor: 2" in text
    code, text = await _tell_all([("unseen call", False)])
    assert code == 1
    assert "[BROKEN] fake: one token call per renewal" in text


@pytest.mark.parametrize("took_s, said", [(0.7, False), (0.8, True)])
def test_a_busy_machine(took_s: float, said: bool) -> None:
    """Where a request takes a good part of a token's life the demonstration says so: its figures are the machine's."""
    clock = FakeClock()
    stage = Stage(
        lambda watch, _: FakeStory(watch, clock, "", name="fake", refreshes=True), 3 * SECOND, clock
    )
    stage.tally.latencies_s.extend([0.01, took_s])
    text = too_busy([stage], 3 * SECOND)
    assert (text is not None) is said
    assert text is None or "took 0.8 s, and a token lives for 3 s" in text


async def test_a_broken_promise_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint stands below the verdict, where a promise was broken, and changes no exit code."""
    monkeypatch.setattr(run, "too_busy", lambda *_: "The machine was busy")
    code, text = await _tell("two sign-ins")
    assert (code, text.splitlines()[-1]) == (1, "The machine was busy")
    assert "busy" not in (await _tell())[1]


async def test_side_by_side() -> None:
    """One story's broken promise is its own, and that of the whole; a herd never served does not hold up the next."""
    code, text = await _tell_all([("herd hangs", True), ("", False)])
    assert code == 1
    lines = text.splitlines()
    assert "[BROKEN] fake: no failed request: 3 made, 3 failed: not answered (3)" in lines
    assert not [line for line in lines if line.startswith("[BROKEN] fake1")]
    assert re.match(r"fake: 3 coroutines made 3 requests .*; \d of 8 promises broken$", lines[-3])
    assert re.match(r"fake1: 3 coroutines made .* nothing failed$", lines[-2])
    assert re.match(r"6 coroutines made .*; \d of 15 promises broken$", lines[-1])


async def test_one_line_a_second() -> None:
    """An incident that comes late adds a line each second, and one at the end."""
    _, text = await _tell("slow revoke")
    seen = re.findall(r"^ +(\d+) s  fake: ", text, re.MULTILINE)
    assert seen[:6] == [*"123456"]
    assert len(seen) <= 8


async def test_table() -> None:
    """On a terminal a table of 80 columns shows the figures, errors in red, and when the incidents happened."""
    code, text = await _tell("503", plain=False, terminal=True)
    assert code == 1
    for heading in (
        "vendor",
        "requests",
        "req/s",
        "issue",
        "refresh",
        "revoke",
        "replays",
        "errors",
        "p50",
        "p99",
    ):
        assert heading in text
    assert "\x1b[31m1\x1b[0m" in text
    assert re.search(r"\d\.\d s: fake: takeover", text)
    assert "…" not in text


async def test_no_terminal() -> None:
    """Without a terminal there are plain lines and no control sequence, asked for or not."""
    _, text = await _tell(plain=False)
    assert "\x1b" not in text
    assert "requests, " in text


def test_percentile() -> None:
    """A percentile is one of the values, in milliseconds; of nothing it is zero."""
    values_s = [0.004, 0.001, 0.003, 0.002]
    assert [percentile_ms(values_s, percent) for percent in (0, 50, 99, 100)] == [1, 3, 4, 4]
    assert percentile_ms([], 50) == 0

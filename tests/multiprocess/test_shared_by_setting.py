"""Four workers of one service, by the README's code: with `NAUTH_STORE` they share one token; without it they are told."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nombaauth.sandbox import NombaSandbox

ROOT = Path(__file__).parents[2]

WORKER = """
import asyncio
from nauth import NauthError
from nombaauth import NombaClient

async def main():
    good = 0
    async with NombaClient() as nomba:
        for _ in range(5):
            async def one():
                async with nomba.get("/v1/accounts/balance") as response:
                    return response.status == 200 and (await response.json())["code"] == "00"
            good += sum(await asyncio.gather(*(one() for _ in range(20))))
            await asyncio.sleep(0.02)
        try:
            await nomba.check()
        except NauthError as error:
            print(error)
    print("good", good)

asyncio.run(main())
"""


async def _workers(sandbox: NombaSandbox, settings: dict[str, str]) -> list[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "common")]),
        "NOMBA_CLIENT_ID": sandbox.credentials.client_id,
        "NOMBA_CLIENT_SECRET": sandbox.credentials.client_secret.reveal(),
        "NOMBA_ACCOUNT_ID": sandbox.credentials.account_id,
        "NOMBA_BASE_URL": sandbox.base_url,
        **settings,
    }
    workers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WORKER, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(4)
    ]
    outputs = await asyncio.gather(*(worker.communicate() for worker in workers))
    assert [worker.returncode for worker in workers] == [0] * 4, outputs
    return [output.decode() for output, _ in outputs]


@pytest.mark.slow
async def test_with_the_setting(tmp_path: Path) -> None:
    """With `NAUTH_STORE` alone set, all 400 requests succeed with one sign-in."""
    async with NombaSandbox(second_issue="kills_first") as sandbox:
        outputs = await _workers(sandbox, {"NAUTH_STORE": f"sqlite:{tmp_path}/tokens.db"})
        assert outputs == ["good 100\n"] * 4
        assert sandbox.token_calls == 1


@pytest.mark.slow
async def test_without_it() -> None:
    """Without it the workers end each other's sessions, and the log names the remedy."""
    async with NombaSandbox(second_issue="kills_first") as sandbox:
        outputs = await _workers(sandbox, {})
        assert sandbox.requests["issue"] >= 4
    told = [output for output in outputs if "NAUTH_STORE" in output and "store=" in output]
    assert told, outputs

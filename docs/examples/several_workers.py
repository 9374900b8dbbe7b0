"""Four processes with one credential.

Without a store each signs in; with one they share a token.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os

from nauth import Event, NauthError, RenewalSucceeded
from nombaauth import NombaClient


async def _work() -> tuple[int, int]:
    sign_ins = failed = 0

    def observe(event: Event) -> None:
        nonlocal sign_ins
        sign_ins += isinstance(event, RenewalSucceeded)

    async with NombaClient(observer=observe) as nomba:
        for _ in range(20):
            try:
                await nomba.check()
            except NauthError:
                failed += 1
    return sign_ins, failed


def work(_: int) -> tuple[int, int]:
    """Make twenty calls; return how many token calls they took, and how many failed."""
    return asyncio.run(_work())


def main() -> None:
    """Run four workers without a store, then four with one, by `NAUTH_STORE`."""
    store = os.environ.pop("NAUTH_STORE", "sqlite:tokens.db")
    context = multiprocessing.get_context("spawn")
    for title, setting in (("no store:", None), ("one store:", store)):
        if setting is not None:
            os.environ["NAUTH_STORE"] = setting
        with context.Pool(4) as pool:
            done = pool.map(work, range(4), chunksize=1)
        sign_ins, failed = (sum(column) for column in zip(*done, strict=True))
        print(
            f"{title} {sign_ins} sign-ins and renewals, {failed} of 80 calls failed"
        )


if __name__ == "__main__":
    main()

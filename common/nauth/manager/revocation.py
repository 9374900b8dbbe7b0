"""One revocation, step by step, with renewals kept away. Runs only inside the manager's own task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nauth.errors import NauthError, OutcomeUnknownError, fresh_copy, unexpected
from nauth.manager.renewal import Renewal
from nauth.manager.single_flight import Outcome
from nauth.owned_tasks import current_work
from nauth.token import Token

__all__ = ["revoke_all"]


async def revoke_all(
    renewal: Renewal, ours: Callable[[], Token | None], forget: Callable[[Token, int], None]
) -> Outcome:
    """Revoke what the store holds and, where it differs, what is held here, under the lease.

    Each token is forgotten, here and in the store, once the vendor has confirmed it.

    Args:
        renewal: whose authenticator, store and key.
        ours: returns the token held here; asked under the lease.
        forget: drops a token held here; told the store's version too.

    Returns:
        An empty outcome, or the error. The token is kept then, so that revoking can be tried again.
    """
    work = current_work()
    try:
        lease, record = await renewal.exclusively()
        collected = False
        try:
            async with asyncio.timeout(renewal.policy.deadline.total_seconds()):
                stored, version = (None, 0) if record is None else (record.token, record.version)
                held = ours()
                for token in (stored, None if held is not None and held.same_access(stored) else held):
                    if token is not None:
                        work.calling()
                        await renewal.authenticator.revoke(token)
                        work.sending()  # confirmed: here and in the store it is to be forgotten
                        forget(token, version)
                        await renewal.store.discard(token)
        except GeneratorExit:
            collected = True  # the loop was closed under this: nothing can be awaited any more
            raise
        finally:
            if not collected:
                await renewal.store.release(lease)
    except TimeoutError:
        return Outcome(
            error=OutcomeUnknownError("the vendor did not confirm the revocation in time; revoke again")
        )
    except NauthError as error:
        return Outcome(error=fresh_copy(error))
    except Exception as error:  # noqa: BLE001 - an authenticator's bug must reach the caller as a typed error
        return Outcome(error=unexpected(error))
    return Outcome()

"""Bugs in one renewal: the lease, the refresh token, the store that fails."""

from __future__ import annotations

from tests.mutation.bug import Planted, core

__all__ = ["RENEWAL"]

RENEWAL: tuple[Planted, ...] = (
    core(
        "no second look under the lease: every client that waited renews once more",
        "manager/renewal",
        "if record is not None and version > seen and self._usable(record, rejected, held):\n",
        "if record is not None and version < 0:\n",
        "manager/shared_store",
    ),
    core(
        "the lease is not waited for",
        "manager/renewal",
        "                elif lease is not None:\n",
        "                else:\n",
        "manager/shared_store",
    ),
    core(
        "a rotated refresh token is taken from memory though the store has a newer one",
        "manager/renewal",
        "            return held.token\n        return record.token\n",
        "            return held.token\n        return held.token\n",
        "manager/renewal",
        "manager/shared_store",
    ),
    core(
        "an answer without a refresh token loses the old one",
        "manager/renewal",
        "refresh_token=token.refresh_token or base.refresh_token,",
        "refresh_token=token.refresh_token,",
        "manager/renewal",
        "manager/stale",
        "manager/shared_store",
    ),
    core(
        "the lifetime counts from the answer's arrival",
        "manager/renewal",
        "asked_at=mono - age_s, fault",
        "asked_at=mono, fault",
        "manager/renewal",
        "manager/stale",
    ),
    core(
        "a refused refresh is final: no look for a sibling's rotation",
        "manager/renewal",
        "            if winner is not None:\n                return self._adopted(winner)\n            # another",
        "            # another",
        "manager/stale",
        simulated=False,
    ),
    core(
        "a store that fails at the commit costs the token",
        "manager/renewal",
        '            _log.warning("the store did not take a new token, which is kept and stored later: %s", error)\n',
        "            raise\n",
        "manager/shared_store",
        "manager/store_down",
        simulated=False,
    ),
    core(
        "a rotated token is lost where the store wants its settings changed during the call",
        "manager/renewal",
        "        except NauthError as error:  # whatever ails the store",
        "        except StoreError as error:  # whatever ails the store",
        "manager/shared_store",
        "manager/store_down",
        simulated=False,
    ),
    core(
        "a lease that cannot be given back ends the renewal under it",
        "manager/store_access",
        '        with contextlib.suppress(NauthError):\n            await self._bounded("release"',
        '        with contextlib.suppress(StoreError):\n            await self._bounded("release"',
        "manager/store_down",
        simulated=False,
    ),
    core(
        "a deferred commit gives up where the store wants its settings changed",
        "manager/deferred_commit",
        "        except NauthError:\n            pass\n",
        "        except ExceptionGroup:\n            pass\n",
        "manager/store_down",
        simulated=False,
    ),
    core(
        "a lease is kept after a failed renewal",
        "manager/renewal",
        "                if lease is not None and not (committed or collected):\n",
        "                if lease is not None and committed:\n",
        "manager/shared_store",
        "manager/renewal",
    ),
    core(
        "a lease about to end is called under",
        "manager/renewal",
        "if lease is not None and lease.remaining <= self.policy.deadline:",
        "if lease is not None and lease.remaining.days < 0:",
        "manager/shared_store",
        simulated=False,
    ),
    core(
        "a store is waited for without an end",
        "manager/store_access",
        "    limit = asyncio.timeout(longest.total_seconds())\n",
        "    limit = asyncio.timeout(None)\n",
        "manager/store_access",
        simulated=False,
    ),
)

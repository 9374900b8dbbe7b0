"""The bugs that the proof must catch: each one a mistake that a client of this kind has really been shipped with."""

from __future__ import annotations

import attrs

__all__ = ["PLANTED", "Planted"]


@attrs.frozen
class Planted:
    """One bug: replace `old`, which stands once in the file, by `new`.

    Attributes:
        name: what went wrong, in a word or two.
        path: the file, from the root of the project.
        old: what stands there.
        new: the mistake.
        tests: which tests should notice.
        simulated: whether the simulation can see it.
    """

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    simulated: bool = False


def _core(name: str, module: str, old: str, new: str, *tests: str, simulated: bool = True) -> Planted:
    paths = tuple(f"tests/nauth/test_{test}.py" for test in tests)
    return Planted(name, f"common/nauth/{module}.py", old, new, paths, simulated)


PLANTED: tuple[Planted, ...] = (
    # --- the manager -----------------------------------------------------------------------------
    _core(
        "no single flight: every cold caller starts a renewal",
        "manager",
        "            if flight is None:\n                return self._start_cold(room, now)\n            return flight if",
        "            if True:\n                return self._start_cold(room, now)\n            return flight if",
        "manager_cold",
    ),
    _core(
        "no cool-down: a failing endpoint is called for every caller",
        "manager",
        "        self._pauses.check(self._monotonic())\n        flight = self._start(",
        "        flight = self._start(",
        "manager_cold",
    ),
    _core(
        "a late 401 renews again: compares by time instead of by token",
        "manager",
        "if now.token is not None and not rejected.same_access(now.token) and self._is_alive():",
        "if now.token is not None and not self._is_alive():",
        "manager_rejected",
    ),
    _core(
        "a rejected token goes on being handed out",
        "manager",
        "                    self._replace(self._held.dead())\n",
        "                    pass\n",
        "manager_rejected",
    ),
    _core(
        "an older push replaces a newer token",
        "holding",
        "(record is not None and record.version <= self._held.version)",
        "(record is not None and record.version < 0)",
        "manager_siblings",
    ),
    _core(
        "a late result replaces a newer push",
        "manager",
        "if ours or now.version <= made.version or now.version == base.version:",
        "if ours or now.version <= made.version or True:",
        "manager_siblings",
        simulated=False,
    ),
    _core(
        "closing does not wait for a renewal in flight",
        "manager",
        "        await self._rooms.drain()\n",
        "",
        "manager_revoke_close",
        simulated=False,
    ),
    _core(
        "revoking an old token forgets the new one",
        "token",
        "        rest = NOTHING if token.same_access(self.token) else self\n",
        "        rest = NOTHING\n",
        "held",
        simulated=False,
    ),
    _core(
        "a revoked token comes back when a sibling stores it late",
        "token",
        "barred=None if new.token is None or new.token.same_access(gone) else gone",
        "barred=None",
        "held",
        simulated=False,
    ),
    _core(
        "revocation and renewal are not kept apart",
        "manager",
        "            async with room.lock:\n                outcome = await revoke_all(",
        "            if True:\n                outcome = await revoke_all(",
        "manager_revoke_close",
        "manager_siblings",
        simulated=False,
    ),
    _core(
        "a failed commit is never tried again",
        "manager",
        "        if not made.stored:\n",
        "        if made is None:\n",
        "manager_store_down",
        simulated=False,
    ),
    _core(
        "the window of the fast path goes beyond the wall clock's end",
        "holding",
        "min(WINDOW_S, now.renew_mono - mono, now.renew_wall - wall)",
        "WINDOW_S",
        "manager_fast_path",
        simulated=False,
    ),
    # --- tasks, flights, pauses, clocks ---------------------------------------------------------
    _core(
        "nobody holds the renewal's task",
        "rooms",
        "    _running.add(task)\n",
        "",
        "rooms",
        simulated=False,
    ),
    _core(
        "the renewal runs in the first caller's context",
        "rooms",
        "Context().run(loop.create_task, work, name=name)",
        "loop.create_task(work, name=name)",
        "rooms",
        "manager_cancellation",
        simulated=False,
    ),
    _core(
        "all waiters are given one error object",
        "flight",
        "            raise fresh_copy(self.error)\n",
        "            raise self.error\n",
        "flight",
        "manager_cold",
        simulated=False,
    ),
    _core(
        "a cancelled waiter cannot be skipped when the flight lands",
        "flight",
        "            if not waiter.done():\n                waiter.set_result(outcome)",
        "            if True:\n                waiter.set_result(outcome)",
        "flight",
        "manager_cancellation",
    ),
    _core(
        "the pause after a failure does not grow",
        "pauses",
        "quiet = max(self._policy.pause_s(self._policy.backoff, self._failures), told)",
        "quiet = max(self._policy.pause_s(self._policy.backoff, 1), told)",
        "pauses",
        simulated=False,
    ),
    _core(
        "expiry goes by one clock only",
        "token",
        "if self.expire_mono > mono and self.expire_wall > wall:",
        "if self.expire_mono > mono:",
        "token",
        "manager_fast_path",
    ),
    _core(
        "the margin does not scale with the lifetime",
        "token",
        "    scale = min(1.0, lifetime_s / 2 / wanted) if wanted else 0.0\n",
        "    scale = 1.0\n",
        "token",
    ),
    # --- one renewal ----------------------------------------------------------------------------
    _core(
        "no second look under the lease: everybody who waited renews once more",
        "renewal",
        "if record is not None and version > seen and self._usable(record, rejected, held):\n",
        "if record is not None and version < 0:\n",
        "manager_siblings",
    ),
    _core(
        "the lease is not waited for",
        "renewal",
        "                elif lease is not None:\n",
        "                else:\n",
        "manager_siblings",
    ),
    _core(
        "a rotated refresh token is taken from memory though the store has a newer one",
        "renewal",
        "            return held.token\n        return record.token\n",
        "            return held.token\n        return held.token\n",
        "renewal",
        "manager_siblings",
    ),
    _core(
        "an answer without a refresh token loses the old one",
        "renewal",
        "refresh_token=token.refresh_token or base.refresh_token,",
        "refresh_token=token.refresh_token,",
        "renewal",
        "manager_stale",
        "manager_siblings",
    ),
    _core(
        "the lifetime counts from the answer's arrival",
        "renewal",
        "asked_at=mono - age_s, fault",
        "asked_at=mono, fault",
        "renewal",
        "manager_stale",
    ),
    _core(
        "a refused refresh is final: nobody looks for a sibling's rotation",
        "renewal",
        "            if winner is not None:\n                return self._adopted(winner)\n            asked_at",
        "            asked_at",
        "manager_stale",
        simulated=False,
    ),
    _core(
        "a store that fails at the commit costs the token",
        "renewal",
        '            _log.warning("the store did not take a new token, which is kept and stored later: %s", error)\n',
        "            raise\n",
        "manager_siblings",
        "manager_store_down",
        simulated=False,
    ),
    _core(
        "a lease is kept after a failed renewal",
        "renewal",
        "                if lease is not None and not committed:\n",
        "                if lease is not None and committed:\n",
        "manager_siblings",
        "renewal",
    ),
    _core(
        "a lease about to end is called under",
        "renewal",
        "if lease is not None and lease.remaining <= self.policy.deadline:",
        "if lease is not None and lease.remaining.days < 0:",
        "manager_siblings",
        simulated=False,
    ),
    _core(
        "a store is waited for without an end",
        "sharing",
        "    limit = asyncio.timeout(longest.total_seconds())\n",
        "    limit = asyncio.timeout(None)\n",
        "sharing",
        simulated=False,
    ),
    # --- the stores -----------------------------------------------------------------------------
    Planted(
        "MemoryStore: two may hold the lease",
        "common/nauth/stores/memory.py",
        "            if current is not None and current.ends_at > now:\n",
        "            if current is not None and current.ends_at < now:\n",
        ("tests/nauth/stores/test_contract.py", "tests/nauth/stores/test_memory.py"),
    ),
    Planted(
        "MemoryStore: commit without the version",
        "common/nauth/stores/memory.py",
        "            if (before.version if before else 0) != expected_version:\n",
        "            if before is None and expected_version > 10**9:\n",
        ("tests/nauth/stores/test_contract.py", "tests/nauth/stores/test_memory.py"),
    ),
    Planted(
        "MemoryStore: discards whatever is there",
        "common/nauth/stores/memory.py",
        "            if entry is None or not entry.token.same_access(token):\n",
        "            if entry is None:\n",
        ("tests/nauth/stores/test_contract.py", "tests/nauth/stores/test_memory.py"),
    ),
    Planted(
        "SQLiteStore: commit without the lease",
        "common/nauth/stores/sqlite_tables.py",
        "                if not self._ours(lease) or not db.execute(_FREE, self._row(lease)).rowcount:\n",
        "                if not self._ours(lease) and not db.execute(_FREE, self._row(lease)).rowcount and expected_version < 0:\n",
        ("tests/nauth/stores/test_sqlite.py",),
    ),
    Planted(
        "SQLiteStore: a dead holder keeps its lease until it ends",
        "common/nauth/stores/sqlite_tables.py",
        "            if holder is not None and not self._alive.dead(holder[0]):\n",
        "            if holder is not None:\n",
        ("tests/nauth/stores/test_sqlite_processes.py",),
    ),
    Planted(
        "RedisStore: commit without the version",
        "common/nauth/stores/redis_scripts.py",
        "if (record[1] or '0') ~= ARGV[5] then return 'version' end\n",
        "",
        ("tests/nauth/stores/test_redis.py",),
    ),
    Planted(
        "RedisStore: commit without the lease",
        "common/nauth/stores/redis_scripts.py",
        "if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 'lease' end\n",
        "",
        ("tests/nauth/stores/test_redis.py",),
    ),
    Planted(
        "RedisStore: gives back a lease that has become another's",
        "common/nauth/stores/redis_scripts.py",
        "if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end\nredis.call('DEL', KEYS[2])\n",
        "redis.call('DEL', KEYS[2])\n",
        ("tests/nauth/stores/test_redis.py",),
    ),
    Planted(
        "RedisStore: a repeated commit is taken for another's",
        "common/nauth/stores/redis_scripts.py",
        "if record[2] == ARGV[4] then return {record[1], whole(now - record[3])} end\n",
        "",
        (
            "tests/nauth/stores/test_redis_faults.py",
            "tests/nauth/stores/test_redis_rooms.py",
            "tests/nauth/stores/test_redis.py",
        ),
    ),
    Planted(
        "EncryptedStore: a record can be moved to another key",
        "common/nauth/stores/sealing.py",
        "[_FORMAT, key_id, *attrs.astuple(key)]",
        "[_FORMAT, key_id]",
        ("tests/nauth/stores/test_encrypted.py",),
    ),
    # --- the middleware -------------------------------------------------------------------------
    _core(
        "no look at the origin: the token follows redirects",
        "bearer",
        "            return await self._elsewhere(request, handler)\n",
        "            pass\n",
        "bearer_redirects",
        "redirect_matrix",
        simulated=False,
    ),
    _core(
        "the caller's own Authorization is overwritten",
        "bearer",
        "if AUTHORIZATION in headers or (self._foreign and remembered(self._foreign, request)):",
        "if self._foreign and remembered(self._foreign, request):",
        "bearer",
        simulated=False,
    ),
    _core(
        "on the way back from another origin, ours replaces the caller's own Authorization",
        "bearer",
        "if AUTHORIZATION in headers or (self._foreign and remembered(self._foreign, request)):",
        "if AUTHORIZATION in headers:",
        "bearer_redirects",
        "hops",
        simulated=False,
    ),
    _core(
        "half a stream is sent a second time",
        "bearer",
        "        if not replayable(request.body):  # looked at again: an upload may have been running a moment ago\n",
        "        if request.body is NotImplemented:\n",
        "replay",
        simulated=False,
    ),
    _core(
        "the first attempt is not settled: callers fill the pool while they wait",
        "bearer",
        "            await settle(request, response)\n",
        "            pass\n",
        "bearer_401",
        simulated=False,
    ),
    _core(
        "a wrong account id becomes a renewal for each request",
        "bearer",
        "            self._manager.refused(renewed)\n",
        "            pass\n",
        "bearer_401",
        simulated=False,
    ),
    _core(
        "TLS verification may be off",
        "bearer",
        "        if not usual and not _verified(request):\n",
        "        if not usual and request is None:\n",
        "bearer",
        simulated=False,
    ),
    _core(
        "httpx: the token follows redirects",
        "httpx_hops",
        "            request.headers = list(self._foreign(request.headers))\n",
        "            pass\n",
        "httpx_redirects",
        simulated=False,
    ),
    _core(
        "httpx: no look at the origin",
        "httpx",
        "        if key not in self._origins:\n",
        "        if key is None:\n",
        "httpx",
        "httpx_redirects",
        simulated=False,
    ),
)

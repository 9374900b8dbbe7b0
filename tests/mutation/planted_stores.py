"""Bugs in the stores: leases, versions, what is discarded."""

from __future__ import annotations

from tests.mutation.bug import Planted

__all__ = ["STORES"]

STORES: tuple[Planted, ...] = (
    Planted(
        "MemoryStore: two may hold the lease",
        "common/nauth/stores/memory.py",
        "            if current is not None and current.ends_at > now and not current.loop.gone:\n",
        "            if current is not None and current.ends_at < now:\n",
        ("tests/nauth/testing/test_contract.py", "tests/nauth/stores/test_memory.py"),
    ),
    Planted(
        "MemoryStore: commit without the version",
        "common/nauth/stores/memory.py",
        "            if (before.version if before else 0) != expected_version:\n",
        "            if before is None and expected_version > 10**9:\n",
        ("tests/nauth/testing/test_contract.py", "tests/nauth/stores/test_memory.py"),
    ),
    Planted(
        "MemoryStore: discards whatever is there",
        "common/nauth/stores/memory.py",
        "            if entry is None or not entry.token.same_access(token):\n",
        "            if entry is None:\n",
        ("tests/nauth/testing/test_contract.py", "tests/nauth/stores/test_memory.py"),
    ),
    Planted(
        "SQLiteStore: commit without the lease",
        "common/nauth/stores/sqlite/tables.py",
        "                if not self._ours(lease) or not db.execute(_FREE, self._row(lease)).rowcount:\n",
        "                if not self._ours(lease) and not db.execute(_FREE, self._row(lease)).rowcount and expected_version < 0:\n",
        ("tests/nauth/stores/sqlite/test_store.py",),
    ),
    Planted(
        "SQLiteStore: a dead holder keeps its lease until it ends",
        "common/nauth/stores/sqlite/tables.py",
        "            if holder is not None and not self._liveness.dead(holder[0]):\n",
        "            if holder is not None:\n",
        ("tests/nauth/stores/sqlite/test_processes.py",),
    ),
    Planted(
        "SQLiteStore: a file that took the place is told of before it can be used, and never again",
        "common/nauth/stores/sqlite/tables.py",
        "            self._missed = True\n",
        "            self.replaced = True\n",
        ("tests/nauth/stores/sqlite/test_files.py",),
    ),
    Planted(
        "RedisStore: commit without the version",
        "common/nauth/stores/redis/scripts.py",
        "if (record[1] or '0') ~= ARGV[5] then return 'version' end\n",
        "",
        ("tests/nauth/stores/redis/test_store.py",),
    ),
    Planted(
        "RedisStore: commit without the lease",
        "common/nauth/stores/redis/scripts.py",
        "if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 'lease' end\n",
        "",
        ("tests/nauth/stores/redis/test_store.py",),
    ),
    Planted(
        "RedisStore: gives back a lease that has become another's",
        "common/nauth/stores/redis/scripts.py",
        "if redis.call('GET', KEYS[2]) ~= ARGV[3] then return 0 end\nredis.call('DEL', KEYS[2])\n",
        "redis.call('DEL', KEYS[2])\n",
        ("tests/nauth/stores/redis/test_store.py",),
    ),
    Planted(
        "RedisStore: a repeated commit is taken for another's",
        "common/nauth/stores/redis/scripts.py",
        "if record[2] == ARGV[4] then return {record[1], whole(now - record[3])} end\n",
        "",
        (
            "tests/nauth/stores/redis/test_faults.py",
            "tests/nauth/stores/redis/test_loop_state.py",
            "tests/nauth/stores/redis/test_store.py",
        ),
    ),
    Planted(
        "EncryptedStore: a record can be moved to another key",
        "common/nauth/stores/aes_gcm.py",
        "[_FORMAT, key_id, *attrs.astuple(key)]",
        "[_FORMAT, key_id]",
        ("tests/nauth/stores/test_encrypted.py",),
    ),
    Planted(
        "SQLiteStore: thousands of renewals take each step in turn",
        "common/nauth/stores/sqlite/thread.py",
        "self._last if last else self._jobs",
        "self._jobs",
        ("tests/nauth/stores/sqlite/test_leases.py",),
    ),
    Planted(
        "SQLiteStore: the call of a caller who has gone goes on waiting for the lock",
        "common/nauth/stores/sqlite/thread.py",
        "        while not job.done.cancelled():\n",
        "        while job is not None:\n",
        ("tests/nauth/stores/sqlite/test_locked.py",),
    ),
    Planted(
        "RedisStore: thousands of renewals take each step in turn",
        "common/nauth/stores/redis/executor.py",
        "(self._last if script.last else self._queue)",
        "self._queue",
        ("tests/nauth/stores/redis/test_queue.py",),
    ),
    Planted(
        "RedisStore: all leases are looked through for each new one",
        "common/nauth/stores/redis/store.py",
        "        if not ended and len(self._out) < self._many_out:\n",
        "        if ended is None:\n",
        ("tests/nauth/stores/redis/test_queue.py",),
    ),
    Planted(
        "RedisStore: a closed loop's lease is given back only where there are many",
        "common/nauth/stores/redis/store.py",
        "        if not ended and len(self._out) < self._many_out:\n",
        "        if len(self._out) < self._many_out:\n",
        ("tests/nauth/stores/redis/test_loop_state.py",),
    ),
    Planted(
        "RedisStore: leases that have ended pile up",
        "common/nauth/stores/redis/store.py",
        "if one.loop.gone or one.remaining <= timedelta(0)]",
        "if one.loop.gone]",
        ("tests/nauth/stores/redis/test_queue.py",),
    ),
)

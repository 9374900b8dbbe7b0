"""Bugs that only loops that end, close or fork bring to light: work that follows work, deferred commits, two loops."""

from __future__ import annotations

from tests.mutation.bug import Planted

__all__ = ["LOOPS"]

_ENDS = "tests/endings/test_ends.py"


def _loop(name: str, module: str, old: str, new: str, *tests: str, simulated: bool = True) -> Planted:
    return Planted(name, f"common/nauth/{module}.py", old, new, tests or (_ENDS,), simulated=simulated)


LOOPS: tuple[Planted, ...] = (
    _loop(
        "work begun during the end is waited for by nothing",
        "owned_tasks",
        "    if earlier is not None and earlier.ending:\n",
        "    if earlier is None and owned.ending:\n",
    ),
    _loop(
        "work begun during the end has a bound of its own",
        "owned_tasks",
        "        self._end(earlier._noticed_at)",
        "        self._end(self.task.get_loop().time())",
    ),
    _loop(
        "a keeper does not wait for what followed its work",
        "owned_tasks",
        "        if not self._left:\n",
        "        if self._left >= 0:\n",
    ),
    _loop(
        "work that follows holds its loop's end up beyond the farewell",
        "owned_tasks",
        "        if self._earlier is not None:\n",
        "        if self._earlier is None and self.ending is None:\n",
    ),
    _loop(
        "a keeper lets itself be cancelled",
        "owned_tasks",
        "        self._work.notice()\n        return True\n",
        "        self._work.notice()\n        return super().cancel()\n",
    ),
    _loop(
        "a loop's end gives a call half a second",
        "owned_tasks",
        "BOUND_S = 5.0\n",
        "BOUND_S = 0.5\n",
    ),
    _loop(
        "a loop's end gives a call ten seconds",
        "owned_tasks",
        "BOUND_S = 5.0\n",
        "BOUND_S = 10.0\n",
    ),
    _loop(
        "a call of the vendor does not count as at risk",
        "manager/renewal",
        "        asked_at, work = self.clock.monotonic(), current_work()\n        work.calling()\n",
        "        asked_at, work = self.clock.monotonic(), current_work()\n",
    ),
    _loop(
        "a revocation does not count as at risk",
        "manager/revocation",
        "                        work.calling()\n",
        "",
    ),
    _loop(
        "a token whose commit is cut short is dropped",
        "manager/renewal",
        "            keep(made)\n",
        "            pass\n",
    ),
    _loop(
        "a token whose commit was cut short counts as stored",
        "manager/token_manager",
        "dead=made.fault is not None, stored=False)",
        "dead=made.fault is not None, stored=True)",
    ),
    _loop(
        "a deferred commit does not count as at risk",
        "manager/token_manager",
        'name="nauth deferred commit", at_risk=True',
        'name="nauth deferred commit", at_risk=False',
    ),
    _loop(
        "a deferred commit goes on while its loop ends",
        "manager/deferred_commit",
        "        last = closing() or work.ending\n",
        "        last = closing()\n",
        simulated=False,  # there it hangs until the limit
    ),
    _loop(
        "a token that the store has already is stored again and again",
        "manager/token_manager",
        "            stored=self._cache.stored,\n",
        "            stored=self._cache.adopt,\n",
        "tests/nauth/manager/test_store_down.py",
    ),
    _loop(
        "a renewal lost with its loop counts as nothing",
        "manager/token_manager",
        "            if loop_state.work is not None and loop_state.work.at_risk:\n",
        "            if loop_state.work is None:\n",
    ),
    _loop(
        "a renewal calls in another loop's cool-down",
        "manager/renewal",
        "        found = permit()\n        if found is not None:\n            return found\n        limit_s",
        "        limit_s",
        "tests/nauth/manager/test_shared_backoff.py",
    ),
    _loop(
        "a renewal goes on to issue in another loop's cool-down",
        "manager/renewal",
        "            found = permit()\n            if found is not None:\n                return found\n            asked_at",
        "            asked_at",
        "tests/nauth/manager/test_shared_backoff.py",
    ),
    _loop(
        "a renewal calls for a token that another loop has brought without the store",
        "manager/token_manager",
        "            if fresh and fault_of(",
        "            if not fresh and fault_of(",
        "tests/nauth/manager/test_store_down.py",
    ),
    _loop(
        "a token that another loop has brought is handed out although it was refused meanwhile",
        "manager/renewal",
        "            if found is not None and not self._faulty(found, rejected):\n",
        "            if found is not None:\n",
        "tests/nauth/manager/test_store_down.py",
    ),
    _loop(
        "a token that a sibling revoked comes back with its own commit",
        "manager/held_token",
        "        known = self.token if self.stored else None\n",
        "        known = None\n",
        "tests/nauth/manager/test_revoke_close.py",
    ),
    _loop(
        "the collector of a closed loop's coroutines releases the lock",
        "manager/loop_state",
        "        if kind is not GeneratorExit:\n",
        "        if kind is not SystemExit:\n",
    ),
    _loop(
        "the collector of a closed loop's coroutines awaits the store",
        "manager/renewal",
        "                if lease is not None and not (committed or collected):\n",
        "                if lease is not None and not committed:\n",
    ),
    _loop(
        "the collector of a closed loop's deferred commit cancels its pause",
        "manager/deferred_commit",
        "        if not collected:\n            sleep.cancel()\n",
        "        sleep.cancel()\n",
    ),
    _loop(
        "MemoryStore: a commit fails for the waiters of a closed loop",
        "stores/listeners",
        "            with contextlib.suppress(RuntimeError):",
        "            with contextlib.suppress(KeyError):",
        "tests/nauth/stores/test_memory.py",
    ),
    _loop(
        "who calls after a shutdown's cancelling joins the renewal that it has cut off",
        "manager/token_manager",
        "flight = None if work is not None and work.given_up else loop_state.flight",
        "flight = loop_state.flight",
    ),
    _loop(
        "who renews after a shutdown's cancelling joins the renewal that it has cut off",
        "manager/loop_state",
        "return None if self.work is not None and self.work.given_up else self.flight",
        "return self.flight",
    ),
    _loop(
        "a failure counts only once its lease is released",
        "manager/renewal",
        "        failed(error)\n",
        "        pass\n",
        "tests/nauth/manager/test_shared_backoff.py",
    ),
    _loop(
        "a call that another loop was closed under counts only when a new loop comes",
        "manager/token_manager",
        "        self._loops.sweep()  # another",
        "        # another",
    ),
    _loop(
        "a token revoked in another loop before its commit was confirmed is handed out",
        "manager/token_manager",
        "        if ended:  # revoked",
        "        if ended is None:  # revoked",
        "tests/nauth/manager/test_revoke_close.py",
    ),
    _loop(
        "the lock is dropped while another task has it",
        "manager/loop_state",
        "            if not self._lock.locked():  # else",
        "            if True:  # else",
        "tests/nauth/manager/test_loop_state.py",
    ),
    _loop(
        "a forked child goes on with its parent's loops",
        "manager/loop_state",
        "                    forgets(self)  # not when",
        "                    pass  # not when",
        "tests/nauth/manager/test_loop_state.py",
        simulated=False,
    ),
    _loop(
        "a client that is older than a failure does not find it",
        "manager/client_backoff",
        "            self._shared = find_shared(*self._which())\n",
        "            pass\n",
        "tests/nauth/manager/test_shared_backoff.py",
        simulated=False,
    ),
    _loop(
        "one client's broken proxy pauses the clients of all credentials",
        "manager/client_backoff",
        "        if self._own is UNTROUBLED:\n",
        "        if self._own is None:\n",
        "tests/nauth/manager/test_shared_backoff.py",
        simulated=False,
    ),
    _loop(
        "a listener whose object was collected stays listed",
        "stores/listeners",
        "_Method(listener.__self__, _Method.forget)",
        "_Method(listener.__self__)",
        "tests/nauth/stores/test_memory.py",
        simulated=False,
    ),
    _loop(
        "a client makes its sessions twice",
        "client",
        "            if self._sessions is _NO_SESSIONS:  # pragma",
        "            if True:  # pragma",
        "tests/nauth/test_client_lifecycle.py",
        simulated=False,
    ),
)

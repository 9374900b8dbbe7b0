"""Bugs in what survives the end of an event loop, a closed loop and a fork."""

from __future__ import annotations

from tests.mutation.bug import Planted

__all__ = ["ENDINGS"]

_ENDS = ("tests/endings/test_ends.py",)
_MEMORY = ("tests/nauth/stores/test_memory.py",)


def _ending(name: str, module: str, old: str, new: str, *, simulated: bool = False) -> Planted:
    return Planted(name, f"common/nauth/{module}.py", old, new, _ENDS, simulated)


ENDINGS: tuple[Planted, ...] = (
    _ending(
        "owned work is visible to a program that cancels all tasks",
        "owned_tasks",
        "        asyncio._unregister_task(task)  # noqa: SLF001 - see the docstring\n",
        "        pass\n",
    ),
    _ending(
        "a loop's end cancels what may have been sent",
        "owned_tasks",
        "        if self.at_risk:\n            self.task.get_loop()",
        "        if False:\n            self.task.get_loop()",
    ),
    _ending(
        "a loop's end waits for what was never sent",
        "owned_tasks",
        "            self._give_up(False)\n",
        "            self.task.get_loop().call_later(BOUND_S, self._give_up, True)\n",
    ),
    _ending(
        "the answer that has come is not at risk any more",
        "owned_tasks",
        "return self._sent or (self._calling and not self._connecting)",
        "return self._calling and not self._connecting and not self._sent",
    ),
    _ending(
        "a second notice gives the work up at once",
        "owned_tasks",
        "        if not self.ending:\n            self._end(",
        "        if self.ending:\n            self.task.cancel()\n        else:\n            self._end(",
    ),
    _ending(
        "a deferred commit is not woken by its loop's end",
        "owned_tasks",
        "            self.wake()\n",
        "            pass\n",
    ),
    _ending(
        "stubborn work holds its loop's end up",
        "owned_tasks",
        "        self.task.get_loop().call_later(FAREWELL_S, self._let_go)\n",
        "",
    ),
    _ending(
        "a renewal cancelled before its first step leaves its flight behind",
        "manager/token_manager",
        "            over=lambda work: self._end(loop_state, flight, started, work),\n",
        "",
    ),
    _ending(
        "a renewal given up at the bound counts as nothing",
        "manager/token_manager",
        "        if work.at_risk and not self._cache.closed:\n",
        "        if work is None:\n",
    ),
    _ending(
        "the next loop does not take a deferred commit up",
        "manager/token_manager",
        "        if not now.stored:\n            self._resume_commit(loop_state)\n",
        "",
    ),
    _ending(
        "a token that is not stored yet is served without a look",
        "manager/token_cache",
        "new if new.stored and not self.closed else NOTHING",
        "new if not self.closed else NOTHING",
    ),
    _ending(
        "a closed loop's renewal counts as under way",
        "manager/loop_state",
        "loop_state.flight is not None and not loop_state.gone for",
        "loop_state.flight is not None for",
    ),
    _ending(
        "a closed loop's state is kept",
        "manager/loop_state",
        "if loop_state.gone]\n",
        "if loop_state is None]\n",
    ),
    _ending(
        "a confirmed revocation may be cut before the token is forgotten",
        "manager/revocation",
        "                        work.sending()  # confirmed: here and in the store it is to be forgotten\n",
        "                        work.connecting()\n",
    ),
    Planted(
        "MemoryStore: a closed loop's lease holds",
        "common/nauth/stores/memory.py",
        "            if current is not None and current.ends_at > now and not current.loop.gone:\n",
        "            if current is not None and current.ends_at > now:\n",
        _MEMORY,
    ),
    Planted(
        "MemoryStore: a forked child goes by its parent's leases",
        "common/nauth/stores/memory.py",
        "        self._leases.clear()\n",
        "        pass\n",
        _MEMORY,
    ),
    Planted(
        "MemoryStore: items of replaced records pile up",
        "common/nauth/stores/memory.py",
        "        if len(self._ends) > 2 * len(self._entries) + _FEW:\n",
        "        if self._ends is None:\n",
        _MEMORY,
    ),
)

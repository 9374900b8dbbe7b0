"""Bugs in what operators see and set: NAUTH_STORE, the log, health, and what belongs to it."""

from __future__ import annotations

from tests.mutation.bug import Planted

__all__ = ["OPERATING"]

_ADDRESS = ("tests/nauth/stores/test_address.py",)
_PACKAGE = ("tests/nauth/test_package.py",)
_REPORTING = ("tests/nauth/reporting/test_log.py", "tests/nauth/reporting/test_takeover.py")

OPERATING: tuple[Planted, ...] = (
    Planted(
        "package: first uses in two threads import at the same time",
        "common/nauth/__init__.py",
        "            with _FIRST_USE:\n                found = getattr(",
        "            if True:\n                found = getattr(",
        _PACKAGE,
    ),
    Planted(
        "package: a public name is looked up anew at each use",
        "common/nauth/__init__.py",
        "            globals()[name] = found  # where Python finds it from now on\n",
        "",
        _PACKAGE,
    ),
    Planted(
        "package: a public name is missing from the table that Python reads",
        "common/nauth/__init__.py",
        '    "nauth.pages": ("PageForm", "Pages"),\n',
        '    "nauth.pages": ("Pages",),\n',
        _PACKAGE,
    ),
    Planted(
        "package: the plugin imports the tools for tests at once",
        "common/nauth/pytest_plugin.py",
        '_STORE = ("NAUTH_STORE", "NAUTH_STORE_FILE")\n',
        'import_module("nauth.testing")\n_STORE = ("NAUTH_STORE", "NAUTH_STORE_FILE")\n',
        ("tests/nauth/testing/test_pytest_plugin.py",),
    ),
    Planted(
        "NAUTH_STORE: each client opens a store of its own",
        "common/nauth/stores/address.py",
        "        if store is None:\n            store = _table.stores[address] = _made(address, setting)\n",
        "        if True:\n            store = _table.stores[address] = _made(address, setting)\n",
        _ADDRESS,
    ),
    Planted(
        "NAUTH_STORE: used with an injected clock, too",
        "common/nauth/stores/address.py",
        "    if not isinstance(clock, SystemClock):\n",
        "    if clock is None:\n",
        _ADDRESS,
    ),
    Planted(
        "NAUTH_STORE: a vendor's token is written to disk although its page forbids it",
        "common/nauth/stores/address.py",
        "    if store.persistent and not may_persist:\n",
        "    if store is None:\n",
        _ADDRESS,
    ),
    Planted(
        "NAUTH_STORE: the error quotes the text",
        "common/nauth/stores/address.py",
        '    problem = f"{setting} names no token store. Forms: {_FORMS}"\n',
        '    problem = f"{setting}={address.reveal()} names no token store. Forms: {_FORMS}"\n',
        _ADDRESS,
    ),
    Planted(
        "NAUTH_STORE: passed over with a warning for each client",
        "common/nauth/stores/address.py",
        "    if not known:\n",
        "    if True:\n",
        _ADDRESS,
    ),
    Planted(
        "events: not stamped when they happen",
        "common/nauth/event_delivery.py",
        "        event = observer.stamped(event)\n",
        "        pass\n",
        ("tests/nauth/test_events.py",),
    ),
    Planted(
        "events: a failed renewal makes room for what matters less",
        "common/nauth/event_delivery.py",
        "    RenewalFailed: 2,\n",
        "",
        ("tests/nauth/test_events.py",),
    ),
    Planted(
        "events: those that were dropped are counted in silence",
        "common/nauth/event_delivery.py",
        "        if self._dropped and self._until_told <= 0:\n",
        "        if self._dropped and self._until_told <= -1:\n",
        ("tests/nauth/test_events.py",),
    ),
    Planted(
        "events: what waits in a closed loop keeps the loop for ever",
        "common/nauth/event_delivery.py",
        "        _forget_closed_loops()\n",
        "",
        ("tests/nauth/test_events.py",),
    ),
    Planted(
        "events: one for each turn of a busy loop",
        "common/nauth/event_delivery.py",
        "        if loop.time() >= ends:\n",
        "        if True:\n",
        ("tests/nauth/test_events.py",),
    ),
    Planted(
        "events: a slow observer has the loop to itself until all is told",
        "common/nauth/event_delivery.py",
        "        if loop.time() >= ends:\n            break\n",
        "",
        ("tests/nauth/test_events.py",),
    ),
    Planted(
        "log: a foreign origin is reported for each request",
        "common/nauth/reporting/log_writer.py",
        "        if event.origin in self._origins or len(self._origins) >= _MOST_ORIGINS:\n",
        "        if len(self._origins) >= _MOST_ORIGINS:\n",
        _REPORTING,
    ),
    Planted(
        "log: the takeover of a session is reported again and again",
        "common/nauth/reporting/takeover.py",
        "            seen.told = True\n",
        "            seen.told = False\n",
        _REPORTING,
    ),
    Planted(
        "log: rare refusals count as a takeover",
        "common/nauth/reporting/takeover.py",
        "            seen.ended = [*(before for before in seen.ended if abs(at - before) < _WITHIN), at][-_TIMES:]\n",
        "            seen.ended = [*seen.ended, at][-_TIMES:]\n",
        _REPORTING,
    ),
    Planted(
        "health: a readiness probe fails at the first failed renewal",
        "common/nauth/manager/health.py",
        "        return self.has_token or self.failed_ago is None or self.failed_ago < grace\n",
        "        return self.has_token or self.failed_ago is None\n",
        ("tests/nauth/manager/test_health.py",),
    ),
    Planted(
        "pool: a client is closed while it is in use",
        "common/nauth/client_pool.py",
        "            if seat.users or not seat.ready.done():\n",
        "            if not seat.ready.done():\n",
        ("tests/nauth/test_client_pool.py",),
    ),
    Planted(
        "pool: each of two visits opens a client",
        "common/nauth/client_pool.py",
        "        if seat is None or seat.given_up:\n            seat = self._seats[key]",
        "        if seat is None or not seat.ready.done():\n            seat = self._seats[key]",
        ("tests/nauth/test_client_pool.py",),
    ),
    Planted(
        "pool: a failure to open is remembered",
        "common/nauth/client_pool.py",
        "        if self._seats.get(key) is seat:\n            del self._seats[key]\n",
        "",
        ("tests/nauth/test_client_pool.py",),
    ),
    Planted(
        "pool: an opening that was cancelled before its first step leaves its visitors waiting",
        "common/nauth/client_pool.py",
        ', name="nauth pool open", over=over)',
        ', name="nauth pool open")',
        ("tests/nauth/test_client_pool.py",),
    ),
    Planted(
        "pool: who visits in the turn of a cancellation joins the opening that it cut off",
        "common/nauth/client_pool.py",
        "        if seat is None or seat.given_up:\n",
        "        if seat is None:\n",
        ("tests/nauth/test_client_pool.py",),
    ),
    Planted(
        "command: an error is broken into lines in a pipe, too",
        "common/nauth/cli/output.py",
        "    if not (sys.stderr if err else sys.stdout).isatty():\n",
        "    if False:\n",
        ("tests/nauth/cli/test_output.py",),
    ),
    Planted(
        "command: an address is broken and cannot be copied",
        "common/nauth/cli/output.py",
        "break_long_words=False",
        "break_long_words=True",
        ("tests/nauth/cli/test_output.py",),
    ),
    Planted(
        "command: the failure that ends it is told twice",
        "common/nauth/cli/runner.py",
        '        if record.__dict__.get("nauth.event") != "renewal.failed":\n',
        "        if True:\n",
        ("tests/nauth/cli/test_runner.py",),
    ),
    Planted(
        "sandbox: a further key is the first one again",
        "noyoauth/cli.py",
        "sandbox.add_credentials()",
        "sandbox.credentials",
        ("tests/nauth/cli/test_vendors.py",),
    ),
    Planted(
        "command: signs in beside a running service, unasked",
        "common/nauth/cli/shared_sign_in.py",
        "        return client.renewable and not client.store.persistent\n",
        "        return False\n",
        ("tests/nauth/cli/test_undisturbed.py",),
    ),
)

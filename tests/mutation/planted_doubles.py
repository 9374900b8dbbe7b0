"""Bugs in the sandboxes and in what the vendors' texts tell: a double that lies makes every test lie."""

from __future__ import annotations

from tests.mutation.bug import Planted, core

__all__ = ["DOUBLES"]

DOUBLES: tuple[Planted, ...] = (
    core(
        "a body that nests too deep is the sandbox's fault",
        "testing/request_body",
        "    except (ValueError, RecursionError):\n",
        "    except ValueError:\n",
        "testing/odd_bodies",
        simulated=False,
    ),
    Planted(
        "a permanent key without an end is taken for the JWT",
        "naoauth/session_response.py",
        "        if (jwt := _token(text, sent)) is not None and _is_jws(jwt) and expiry(jwt) is not None\n",
        "        if (jwt := _token(text, sent)) is not None and _is_jws(jwt)\n",
        ("tests/naoauth/test_session_response.py",),
    ),
    Planted(
        "Doorkeeper's old pair outlives the first use of the new one",
        "naoauth/sandbox/sessions.py",
        "            self._refreshes[spent].spent = True\n",
        "",
        ("tests/naoauth/test_sandbox_switches.py",),
    ),
    Planted(
        "a wrong base URL is blamed on the secret",
        "nombaauth/errors.py",
        "    if endpoint is Endpoint.ISSUE and stands_for == _NOT_FOUND and code is None:\n",
        "    if endpoint is Endpoint.REVOKE and stands_for == _NOT_FOUND and code is None:\n",
        ("tests/nombaauth/test_refused_sign_in.py",),
    ),
    core(
        "revoking a leaked token revokes the current one",
        "manager/token_manager",
        "        if token is not None and not token.same_access(self.current):\n",
        "        if token is not None and self.current is None:\n",
        "../vendors_common/revoke_given",
        simulated=False,
    ),
    core(
        "every lease looks at every other lease",
        "stores/sqlite/tables",
        "        if len(self.held) >= self._many_held:\n",
        "        if self.held:\n",
        "stores/sqlite/leases",
        simulated=False,
    ),
    core(
        "a stored token may hold white space",
        "stores/codec",
        "    if not token.access_token.sendable or _UNSENDABLE.search(token.scheme):\n",
        "    if _UNSENDABLE.search(token.authorization):\n",
        "stores/codec",
        simulated=False,
    ),
    core(
        "two names of one secret that differ: the first wins in silence",
        "env_settings",
        "        if len(set(found.values())) > 1:\n",
        "        if len(found) > 2:\n",
        "../nombaauth/credentials",
        simulated=False,
    ),
)

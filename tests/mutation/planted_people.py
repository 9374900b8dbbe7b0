"""Bugs in how people sign in: sealed sign-ins, the loopback listener, remembered logins."""

from __future__ import annotations

from functools import partial

from tests.mutation.bug import Planted, core

__all__ = ["PEOPLE"]

_core = partial(core, simulated=False)

PEOPLE: tuple[Planted, ...] = (
    _core(
        "a callback of another sign-in is taken",
        "oauth2/sign_in",
        "        if state_digest(state) != self.digest:\n",
        "        if not state:\n",
        "oauth2/sealed_sign_in",
    ),
    _core(
        "a sealed sign-in opens for another client",
        "oauth2/authorization_code",
        "Sealing(sealing, endpoint.address, endpoint.client_id)",
        "Sealing(sealing, endpoint.address)",
        "oauth2/sealed_sign_in",
    ),
    _core(
        "a sealed sign-in is good for ever",
        "oauth2/sign_in",
        "        if not -_TOLERANCE_S <= age_s <= pending_for.total_seconds() + _TOLERANCE_S:\n",
        "        if age_s < -_TOLERANCE_S:\n",
        "oauth2/sealed_sign_in",
    ),
    _core(
        "a sign-in is used once by a lease alone, and again after the taker's end",
        "oauth2/one_time",
        "                await self.store.commit(lease, self._token(), expected_version=0, age=_ZERO)\n                return\n",
        "                return\n",
        "oauth2/sealed_sign_in",
    ),
    _core(
        "a sign-in whose code was never sent is used up",
        "oauth2/authorization_code",
        "            await once.give_back()\n            raise\n",
        "            raise\n",
        "oauth2/sealed_sign_in",
    ),
    _core(
        "the exchange names the usual redirect URI and not that of the beginning",
        "oauth2/authorization_code",
        "self._grant = _Grant(arrived.code(name=self._endpoint.name), begun.pkce, begun.redirect_uri)",
        "self._grant = _Grant(arrived.code(name=self._endpoint.name), begun.pkce, self._redirect_uri)",
        "oauth2/sealed_sign_in",
    ),
    _core(
        "the dict in the session is changed in place: Django does not notice",
        "oauth2/browser_session",
        "        session[name] = kept\n",
        "        session.get(name).pop(next(key for key in session.get(name) if key not in kept))\n",
        "oauth2/sealed_sign_in",
    ),
    Planted(
        "one person is served another's token",
        "naoauth/client.py",
        "        if account is None or account == application.account:\n",
        "        if True:\n",
        ("tests/naoauth/test_web_sign_in.py",),
    ),
    _core(
        "an error that any page can send ends the sign-in",
        "interactive/listener",
        '    if len(given) != 1 or Secret(given[0]) != state:\n        return _OTHER\n    if query.get("error"):\n        return _DECLINED\n',
        '    if query.get("error"):\n        return _DECLINED\n    if len(given) != 1 or Secret(given[0]) != state:\n        return _OTHER\n',
        "interactive/listener",
    ),
    _core(
        "a prefetch eats the code",
        "interactive/listener",
        '        if "prefetch" in purpose:\n            return _PREFETCH\n',
        "",
        "interactive/listener",
    ),
    _core(
        "a name of another site that points here is served",
        "interactive/listener",
        '        if request.headers.get(hdrs.HOST, "") != self._authority:\n',
        '        if not request.headers.get(hdrs.HOST, "?"):\n',
        "interactive/listener",
    ),
    _core(
        "the server's own logger prints a malformed line, and the code in it",
        "interactive/listener",
        "            logger=silent,\n",
        "",
        "interactive/listener",
    ),
    _core(
        "a code is taken twice",
        "interactive/listener",
        "        if self._taken:\n            return _USED.answer()\n",
        "",
        "interactive/listener",
    ),
    _core(
        "two first logins make two keys",
        "logins/login_key",
        "    found = _get(backend)\n    if found is not None:\n        return found\n    (backend",
        "    (backend",
        "logins/logins",
    ),
    _core(
        "a half-filled environment goes on to the login",
        "logins/places",
        "    if any(reader.is_set(name) for name in names):\n        return None\n",
        "",
        "logins/logins",
    ),
    _core(
        "a login is used though it was switched off",
        "logins/places",
        "    if not logins_allowed(reader.environ):\n        return None\n",
        "",
        "logins/logins",
    ),
    _core(
        "a logout whose revocation fails forgets the login",
        "cli/app",
        "                await client.revoke_given(token)\n        forgotten",
        "                await remembered.forget(*whose)\n                await client.revoke_given(token)\n        forgotten",
        "cli/login",
    ),
    _core(
        "a sandbox's taken port is told in the system's words",
        "cli/app",
        "        if error.errno != errno.EADDRINUSE:\n            raise\n        raise OSError(",
        "        raise\n        raise OSError(",
        "cli/app",
    ),
    _core(
        "any failure to listen is called a taken port",
        "cli/app",
        "        if error.errno != errno.EADDRINUSE:\n            raise\n",
        "",
        "cli/app",
    ),
)

"""Where in a request each secret must stand, for each vendor."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.leaks.detector import WRAPPED

__all__ = ["EXTRA", "PLACES"]

_TOKENS = {"access", "token", "key", "auth_token"}
"""What a fixed credential is called, and what is issued."""
_BEARER = {"header Authorization": _TOKENS}

PLACES: Mapping[str, Mapping[str, Mapping[str, set[str]]]] = {
    "nomba": {
        "issue": {"body client_secret": {"client_secret"}},
        "refresh": {"header Authorization": {"access"}, "body refresh_token": {"refresh"}},
        "revoke": {"body access_token": {"access"}},
        "*": _BEARER,
    },
    "nomad": {
        "login": {
            "body password": {"password", "new_password"},
            "body token": {"code"},
            "body newPassword": {"new_password"},
        },
        "refresh": {"body refreshToken": {"refresh"}},
        "renew": {
            "body refreshToken": {"refresh", "refresh_token"},
            "header Authorization": {"access", "token"},
        },
        "*": _BEARER,
    },
    "noyo": {
        "token": {"header Authorization": {"basic"}},
        "*": _BEARER,
    },
    "nao": {
        "sessions": {"body session.password": {"password"}, "header Authorization": {"auth_token"}},
        "token": {
            "body client_secret": {"client_secret"},
            "body refresh_token": {"refresh", "refresh_token"},
            "body code": {"code", "planted", WRAPPED},
            "body code_verifier": {"verifier", WRAPPED},
            "header Authorization": {"basic"},
        },
        "revoke": {
            "body client_secret": {"client_secret"},
            "header Authorization": {"basic"},
            "body token": {"access", "refresh", "refresh_token"},
        },
        "*": _BEARER,
    },
}
"""Vendor -> endpoint -> place -> the secrets that must stand there. Everything else is a leak."""

EXTRA = {": .extra": {"planted"}, "asdict": {"planted"}, "astuple": {"planted"}}
"""What an OAuth server adds to its answer under names of its own goes to `Token.extra` as it is, whose repr shows the
names only: https://www.rfc-editor.org/rfc/rfc6749#section-5.1. Only what came under the standard names is a secret."""

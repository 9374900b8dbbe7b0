"""Calls beside those that bring tokens: an error of theirs shows neither a credential, nor a token, nor the response."""

from __future__ import annotations

from typing import Any

import pytest

from nauth.errors import NauthError
from tests.secret_leaks.scene import PLANTED
from tests.secret_leaks.steps import nonsense
from tests.support.leaks.detector import secrets_of
from tests.support.leaks.errors import leaks
from tests.support.vendors.table import CASES, FIXED, Case, opened

_WAYS = [case for case in (*CASES, *FIXED) if not case.name.endswith("-harsh")]


@pytest.mark.parametrize("case", _WAYS, ids=lambda case: case.name)
async def test_no_error_of_a_check_or_an_end_shows_a_secret(case: Case) -> None:
    """Whatever answers `check`, `revoke` or `logout`: text, data, chain and locals of the error are clean."""
    async with opened(case) as stage:
        hidden = [PLANTED, *(secret.reveal() for _, secret in secrets_of(stage.credentials))]
        found, failed = [], 0
        for name, fault in nonsense():
            client: Any = await stage.client()
            # a sign-on that was ended needs a person, and a fixed credential has no end
            ends = case.calls_to_end if case.signs_in and not case.signed_on else ()
            for call in ("check", *ends):
                token = await client.token()
                hidden += [part.reveal() for part in (token.access_token, token.refresh_token) if part]
                endpoint = case.vendor.checked if call == "check" else call
                stage.sandbox.faults.add(fault, endpoint=endpoint, times=20)
                try:
                    await getattr(client, call)()
                except NauthError as error:
                    failed += 1
                    found += [f"{name}, {call}: {place}" for place in leaks(error, hidden)]
                stage.sandbox.faults.clear()
        assert found == []
        assert failed >= len(nonsense()) // 2

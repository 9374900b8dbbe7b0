"""The steps that Nomad requires of a person before it lets an account sign in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs

from nauth.secret import Secret
from nomadauth.statuses import AnyLoginStatus, LoginStatus

__all__ = ["NomadInteraction", "OnInteraction"]


@attrs.frozen(kw_only=True)
class NomadInteraction:
    """One step that only a person can take. Its repr shows no secret.

    Attributes:
        login_status: the step.
        username: the account that signs in.
        qr_code: text of the QR code that sets up a second factor in an authenticator app.
        qr_code_image: the same as a base64 picture.
        attempt: 1 the first time this sign-in asks for this step; higher if Nomad did not accept the input before.
    """

    login_status: AnyLoginStatus
    username: str = attrs.field(repr=False)
    qr_code: Secret | None = None
    qr_code_image: Secret | None = None
    attempt: int = 1

    @property
    def wants_password(self) -> bool:
        """Whether a new password is required; otherwise it is the code of a second factor."""
        return self.login_status is LoginStatus.IS_PENDING_NEW_PASSWORD


OnInteraction: TypeAlias = Callable[[NomadInteraction], Awaitable[str | None]]
"""Asks the person: returns the code or new password, or None if no person can be asked."""

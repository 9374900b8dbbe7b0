"""`SourcedAuthenticator`: sign in with what a source holds, and follow its rotations without a restart.

1. The credential at hand is used.
2. Where the vendor refuses it at a sign-in (not at a refresh: that leads to a sign-in), the source is asked once.
3. If the source holds the same credential, the refusal is raised and says so.
4. If it holds another one, that one is tried once.
5. While the refusal's cool-down lasts and callers still come, the source is asked again after 1, 2, 4 and so on up to 30
   seconds. A changed credential ends the cool-down. Without callers there are no questions.

A source that is down ends nothing: the credential at hand is kept, and only where the vendor refuses it, too, callers
get the vendor's refusal with the source's failure as its second sentence.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import attrs

from nauth.after_fork import forgets
from nauth.authenticator import Authenticator
from nauth.errors import ConfigurationError, CredentialsRejectedError, NauthError, fresh_copy
from nauth.owned_tasks import Work, own_task
from nauth.sources.base import SourceRefusedError, SourceUnavailableError
from nauth.sources.shared_read import SharedRead
from nauth.token import Token

__all__ = ["SourcedAuthenticator"]

_C = TypeVar("_C")


class _Manager(Protocol):
    """What is needed of a `TokenManager`."""

    def forgive(self) -> None: ...

    async def renew(self) -> Token: ...


@attrs.frozen
class _Made(Generic[_C]):
    credential: _C = attrs.field(repr=False)
    authenticator: Authenticator


class SourcedAuthenticator(Generic[_C]):
    """An `Authenticator` whose credential comes from a source.

    Args:
        question: asks the source.
        make: turns a credential into the vendor's own authenticator.
        extra: what of the credential each token carries along, such as an account id; never a secret.
    """

    def __init__(
        self,
        question: SharedRead[_C],
        make: Callable[[_C], Authenticator],
        *,
        extra: Callable[[_C], Mapping[str, str]] | None = None,
    ) -> None:
        self._question = question
        self._make = make
        self._extra = extra
        self._made: _Made[_C] | None = None
        self._asking: Work | None = None
        self._manager: Callable[[], _Manager | None] = lambda: None

    def __repr__(self) -> str:
        return f"<SourcedAuthenticator: {self._question.name}>"

    def attach(self, manager: _Manager) -> None:
        """Name the manager that is told when the source holds another credential."""
        self._manager = weakref.ref(manager)

    @property
    def renewable(self) -> bool:
        """Whether a 401 can be answered by a renewal. It cannot where the credential is sent as it is."""
        return self._made is None or getattr(self._made.authenticator, "renewable", True)

    async def issue(self) -> Token:
        """Sign in; if the credential at hand is refused, with what the source holds by now.

        Raises:
            CredentialsRejectedError: refused; the text says when the source was asked.
            SourceRefusedError, SourceUnavailableError: there is no credential at hand and the source gave none.
            NauthError: as for the vendor's own authenticator.
        """
        made, fresh = self._made, False
        if made is None or not self.renewable:
            made, fresh = await self._read(made), True
        try:
            return self._signed_in(made, await made.authenticator.issue())
        except CredentialsRejectedError as error:
            refusal = fresh_copy(error)
        # outside the handler: what is raised now has no context whose frames hold the credential
        if fresh:
            raise _with(refusal, f"The credential was read from {self._question.name} just before")
        newer = await self._read(made, refusal)
        if newer.credential == made.credential:
            hint = self._question.unchanged_hint
            raise _with(
                refusal,
                f"{self._question.name} was asked again just now and holds the same credential"
                + (f". {hint}" if hint else ""),
            )
        return self._signed_in(newer, await newer.authenticator.issue())

    async def refresh(self, token: Token) -> Token:
        """Exchange the refresh token, as the vendor's own authenticator does.

        Raises:
            SourceRefusedError, SourceUnavailableError: there is no credential at hand and the source gave none.
            NauthError: as for the vendor's own authenticator.
        """
        made = self._made or await self._read(None)
        return self._signed_in(made, await made.authenticator.refresh(token))

    async def revoke(self, token: Token) -> None:
        """End the token's life, as the vendor's own authenticator does.

        Raises:
            NauthError: as for `refresh`.
        """
        made = self._made or await self._read(None)
        await made.authenticator.revoke(token)

    def cause_gone(self, error: NauthError) -> bool:
        """Tell whether the cause of `error`, for which callers are kept waiting, is gone. Asks the source now and then.

        Called by the manager for each caller that a cool-down turns away; returns at once. The question runs beside,
        and a changed credential ends the cool-down when it arrives.
        """
        mine = isinstance(error, CredentialsRejectedError | SourceRefusedError | SourceUnavailableError)
        if mine and not self._under_way() and self._question.may_ask_again():
            forgets(self)
            self._asking = own_task(self._look_again(), name="nauth source again")
        return False

    def after_fork(self) -> None:
        """Forget the question of the parent's: its answer does not come here."""
        self._asking = None

    def _under_way(self) -> bool:
        # not a flag that the task takes back: one that is cancelled before its first step runs none of its code
        work = self._asking
        return work is not None and not (work.task.done() or work.task.get_loop().is_closed())

    async def _look_again(self) -> None:
        made = self._made
        with contextlib.suppress(NauthError):
            credential = await self._question.ask()
            if self._made is made and (made is None or made.credential != credential):
                await self._changed(credential)

    async def _changed(self, credential: _C) -> None:
        manager = self._manager()
        static = not self.renewable
        self._made = _Made(credential, self._make(credential))
        if manager is None:
            return
        manager.forgive()
        if static:
            await manager.renew()  # nothing else would replace a token that is the credential itself

    async def _read(self, at_hand: _Made[_C] | None, refusal: NauthError | None = None) -> _Made[_C]:
        try:
            credential = await self._question.ask()
        except (ConfigurationError, SourceUnavailableError) as error:
            failure = fresh_copy(error)
        else:
            if at_hand is not None and at_hand.credential == credential:
                return at_hand
            made = _Made(credential, self._make(credential))
            self._made = made
            return made
        if refusal is not None:
            raise _with(refusal, f"Its source could not be asked: {failure}")
        if at_hand is not None:
            return at_hand
        raise failure

    def _signed_in(self, made: _Made[_C], token: Token) -> Token:
        self._question.accepted()
        if self._extra is None:
            return token
        return attrs.evolve(token, extra={**token.extra, **self._extra(made.credential)})


def _with(error: NauthError, sentence: str) -> NauthError:
    """Return `error` with one sentence more."""
    twin = fresh_copy(error)
    twin.args = (f"{error}. {sentence}",)
    return twin

"""Read Nomad's answers: is it a success, and if not, what does it say?

Nomad's specification describes refusals in one form and its own SDKs expect others, so all are read; the HTTP status
always wins. https://docs.nomad.media/reference/post_account-login
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

from aiohttp.hdrs import AUTHORIZATION

from nauth.bearer.unauthorized import Answered, Screen
from nauth.clock import Clock
from nauth.manager.token_manager import TokenManager
from nauth.responses.body import read_body
from nauth.responses.error_body import ErrorDocument, find_words, plain_words
from nauth.responses.reply import AnswerMeta, Reply
from nauth.secret import Secret
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of
from nomadauth.converter import CONVERTER, canonical
from nomadauth.errors import Endpoint, NomadAccountBlockedError, NomadMalformedResponseError, blocked, refusal
from nomadauth.statuses import STEPS, AnyLoginStatus, login_status

__all__ = ["Hidden401", "check_ok", "read_response"]

_T = TypeVar("_T")

_FORBIDDEN = 403

_WORDS = ("detail", "title", "message", "error", "errors")
"""Where a refusal's words may stand, the most telling first."""


def read_response(
    answer: Answer,
    endpoint: Endpoint,
    data: type[_T],
    *,
    hide: tuple[Secret | None, ...] = (),
    shape: Callable[[object], object] | None = canonical,
    where: str | None = None,
) -> Reply[_T]:
    """Return the typed body of a success, or raise what the failure means.

    Args:
        answer: as received.
        endpoint: where from.
        data: type of the body.
        hide: what was sent and must not come back in the vendor's words.
        shape: brings the parsed body into the form of our own models; None for a user's type.
        where: the address that was asked, for errors.

    Raises:
        NomadError: the leaf for (endpoint, status).
        NomadMalformedResponseError: a 2xx that cannot be read.
    """
    meta = check_ok(answer, endpoint, hide=hide, where=where)
    opened = read_body(
        answer,
        data,
        converter=CONVERTER,
        what=f"Nomad's answer to {endpoint}",
        error=NomadMalformedResponseError,
        shape=shape,
    )
    return Reply(opened, meta)


def check_ok(
    answer: Answer,
    endpoint: Endpoint,
    *,
    hide: tuple[Secret | None, ...] = (),
    where: str | None = None,
) -> AnswerMeta:
    """Return what came with a success of whatever body, or raise what the failure means.

    Raises:
        NomadError: the leaf for (endpoint, status).
    """
    if answer.ok:
        return AnswerMeta.of(answer)
    is_json, detail, reason = _peek(answer.body, hide)
    error = refusal(
        endpoint,
        answer.status,
        is_json=is_json,
        detail=detail,
        request_id=answer.request_id,
        retry_after=wait_of(answer),
        where=where,
    )
    if isinstance(error, NomadAccountBlockedError) and reason is not None and reason not in STEPS:
        error = blocked(reason, status=answer.status, detail=detail, request_id=answer.request_id)
    raise error


def _peek(body: bytes, hide: tuple[Secret | None, ...]) -> tuple[bool, str | None, AnyLoginStatus | None]:
    """Return whether `body` is JSON, its cleaned words, and the `loginStatus` it names."""
    document = ErrorDocument(body)
    if not document.is_json:
        return False, plain_words(body, hide=hide), None
    content = canonical(document.content)
    return True, find_words(content, _WORDS, inner=_WORDS, maps="texts", hide=hide), _reason(content)


def _reason(document: object) -> AnyLoginStatus | None:
    if not isinstance(document, dict):
        return None
    return login_status(cast("dict[str, object]", document).get("loginStatus"))


class Hidden401:
    """Tell a 403 that refuses a token for its age from one that refuses the account's right.

    Documents say 401 for an expired token, and Nomad's Python and JavaScript SDKs wait for a 403. So a 403 counts as
    a 401 where this machine's clock says that the token was over by the time of the answer, and only there.

    Attributes:
        screen: asks about no other status.
        manager: whose token; set once it exists.
    """

    screen: Final = Screen(statuses=frozenset({_FORBIDDEN}))

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.manager: TokenManager | None = None

    async def __call__(self, response: Answered) -> bool:
        """Tell whether `response` refuses a token that is over."""
        token = self.manager.current if self.manager is not None else None
        if response.status != _FORBIDDEN or token is None:
            return False
        if response.request_info.headers.get(AUTHORIZATION) != token.authorization:
            return True  # replaced meanwhile: the newer one is tried, and nothing is renewed for it
        return token.expires_at is not None and token.expires_at.timestamp() <= self._clock.wall()

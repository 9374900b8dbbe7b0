"""Send again what may be sent again, within one deadline. A `Transport` around a `Transport`."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nauth.clock import Clock
from nauth.errors import NotSentError, OutcomeUnknownError
from nauth.time_formats import retry_after
from nauth.token import RenewalPolicy
from nauth.transport.base import Answer, Request, Transport

__all__ = ["Retrying", "WaitHint", "transient", "wait_of"]

WaitHint = Callable[[Answer], timedelta | None]
"""Reads a vendor's own rate headers: how long to wait, or None if they do not say."""

_TRANSIENT = frozenset({429, 500, 502, 503, 504})

_REFUSED = frozenset({429, 503})
"""Answers that say the request was not acted on. Behind any other 5xx it may have been, and the answer lost on the way:
a gateway's 504 to a rotating refresh is an outcome unknown in disguise."""


class Retrying:
    """Repeat a request that failed in a way that may pass.

    Repeated are: `NotSentError`; 429 and 503; and, for a request that is `repeatable`, the other statuses of
    `transient` and `OutcomeUnknownError`. Between attempts it pauses `policy.backoff`, doubling up to
    `policy.backoff_cap`, with jitter: a random 50 to 100 % of it; or for as long as the vendor asks,
    if that is longer.

    It gives up after `policy.attempts`, and at once if the pause would end after `policy.deadline`, counted from the start
    of the first attempt. The last answer is then returned as it is, for the vendor's error table to name.

    Args:
        transport: sends each attempt. Closed with this one.
        policy: attempts, pauses and deadline.
        clock: measures and sleeps.
        wait_hint: reads the vendor's own rate headers.
        rng: a number in [0, 1) for each pause.
    """

    __slots__ = ("_clock", "_policy", "_rng", "_transport", "_wait_hint")

    def __init__(
        self,
        transport: Transport,
        *,
        policy: RenewalPolicy,
        clock: Clock,
        wait_hint: WaitHint | None = None,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._policy = policy
        self._clock = clock
        self._wait_hint = wait_hint
        self._rng = rng

    async def send(self, request: Request) -> Answer:
        """Send `request` until it is answered for good; see `nauth.transport.Transport.send`.

        Raises:
            NotSentError, OutcomeUnknownError: the last attempt's. `retry_after` is set if another attempt would have
                been made but for the deadline.
            ConfigurationError, MalformedResponseError: at once.
        """
        started = self._clock.monotonic()
        failures = 1
        while failures < self._policy.attempts:
            try:
                answer = await self._transport.send(request)
            except (NotSentError, OutcomeUnknownError) as error:
                if isinstance(error, OutcomeUnknownError) and not request.repeatable:
                    raise
                if error.retry_after is not None:
                    raise  # a token manager's cool-down, not this request's own failure: it says when to come back
                pause_s = self._pause_s(failures, None)
                if self._too_late(started, pause_s):
                    error.retry_after = timedelta(seconds=pause_s)
                    raise
            else:
                if answer.status not in _TRANSIENT or not (request.repeatable or answer.status in _REFUSED):
                    return answer
                pause_s = self._pause_s(failures, wait_of(answer, self._wait_hint))
                if self._too_late(started, pause_s):
                    return answer
            await self._clock.sleep(pause_s)
            failures += 1
        return await self._transport.send(request)

    async def aclose(self) -> None:
        """Close the transport underneath."""
        await self._transport.aclose()

    def _pause_s(self, failures: int, wait: timedelta | None) -> float:
        backoff_s = self._policy.pause_s(self._policy.backoff, failures) * (0.5 + self._rng() / 2)
        return backoff_s if wait is None else max(backoff_s, wait.total_seconds())

    def _too_late(self, started: float, pause_s: float) -> bool:
        return self._clock.monotonic() - started + pause_s > self._policy.deadline.total_seconds()


def transient(status: int) -> bool:
    """Tell whether the same request may succeed later: 429, 500, 502, 503 and 504."""
    return status in _TRANSIENT


def wait_of(answer: Answer, wait_hint: WaitHint | None = None) -> timedelta | None:
    """Return how long the vendor asks to wait: the longer of `Retry-After` and `wait_hint`; None if neither says."""
    asked = retry_after(answer.headers, now=datetime.fromtimestamp(answer.sent_wall, UTC))
    hinted = None if wait_hint is None else wait_hint(answer)
    return max((wait for wait in (asked, hinted) if wait is not None), default=None)

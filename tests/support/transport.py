"""A `Transport` that records what it was sent and answers what it was told."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs

from nauth.clock import Clock
from nauth.transport.base import Answer, Request, Transport

__all__ = ["FakeTransport", "Outcome", "answer"]

Outcome: TypeAlias = Answer | BaseException | Callable[[Request], Answer | Awaitable[Answer]]


def answer(
    status: int = 200,
    body: object = b"",
    *,
    headers: Mapping[str, str] | None = None,
    sent_wall: float = 0.0,
    sent_mono: float = 0.0,
) -> Answer:
    """Build an answer; a `body` that is not bytes is sent as JSON."""
    given = dict(headers or {})
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
        given.setdefault("Content-Type", "application/json")
    return Answer(status=status, headers=given, body=body, sent_wall=sent_wall, sent_mono=sent_mono)


class FakeTransport(Transport):
    """Answers from a queue, in order; with an empty queue from `otherwise`, else the test fails.

    Args:
        outcomes: an `Answer` is returned, an exception raised, a callable is called (and awaited) with the request.
        otherwise: what to do once the queue is empty.
        gate: if given, every request is recorded and then held until it is set.
        clock: if given, every answer is stamped with its readings at the moment of `send`.
    """

    def __init__(
        self,
        *outcomes: Outcome,
        otherwise: Outcome | None = None,
        gate: asyncio.Event | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.closed = 0
        self.gate = gate
        self.otherwise = otherwise
        self._outcomes = deque(outcomes)
        self._clock = clock

    def queue(self, *outcomes: Outcome) -> None:
        """Add outcomes behind those already waiting."""
        self._outcomes.extend(outcomes)

    @property
    def left(self) -> int:
        """How many queued outcomes have not been used."""
        return len(self._outcomes)

    async def send(self, request: Request) -> Answer:
        """Record `request`, wait for the gate, then do as told."""
        self.requests.append(request)
        outcome = self._outcomes.popleft() if self._outcomes else self.otherwise
        stamps = (self._clock.wall(), self._clock.monotonic()) if self._clock else None
        if self.gate is not None:
            await self.gate.wait()
        if outcome is None:
            raise AssertionError(f"nothing queued for request number {len(self.requests)}: {request!r}")
        if isinstance(outcome, BaseException):
            raise outcome
        if callable(outcome):
            called = outcome(request)
            outcome = await called if inspect.isawaitable(called) else called
        if stamps is not None:
            outcome = attrs.evolve(outcome, sent_wall=stamps[0], sent_mono=stamps[1])
        return outcome

    async def aclose(self) -> None:
        """Count the call."""
        self.closed += 1

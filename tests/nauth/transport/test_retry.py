"""Retries: what is sent again, after how long, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from yarl import URL

from nauth.errors import (
    ConfigurationError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from nauth.transport.base import Answer, Request
from nauth.transport.retry import Retrying, WaitHint, transient, wait_of
from tests.support.transport import FakeTransport, Outcome, answer

REQUEST = Request(method="POST", url=URL("https://api.example.com/token"))
REPEATABLE = Request(method="POST", url=URL("https://api.example.com/token"), repeatable=True)
NEVER_SENT = NotSentError("never sent")
LOST = OutcomeUnknownError("lost")


def highest() -> float:
    """Draw no reduction at all, so that pauses are round numbers."""
    return 1.0


class Rig:
    """A `Retrying` over a fake, with a clock that jumps."""

    def __init__(
        self,
        *outcomes: Outcome,
        wait_hint: WaitHint | None = None,
        draw: float = 1.0,
        policy: RenewalPolicy | None = None,
    ) -> None:
        self.clock = FakeClock(jump=True)
        self.fake = FakeTransport(*outcomes, clock=self.clock)
        self.transport = Retrying(
            self.fake,
            policy=policy or RenewalPolicy(),
            clock=self.clock,
            wait_hint=wait_hint,
            rng=lambda: draw,
        )

    async def send(self, request: Request = REQUEST) -> Answer:
        return await self.transport.send(request)


class TestWhatIsRepeated:
    @pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 418, 501, 505])
    async def test_final_statuses(self, status: int) -> None:
        """An answer that waiting cannot change comes back at once."""
        rig = Rig(answer(status))

        assert (await rig.send()).status == status
        assert (len(rig.fake.requests), rig.clock.slept) == (1, [])

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
    async def test_passing_statuses(self, status: int) -> None:
        """429 and the passing 5xx are sent again, the same request each time."""
        rig = Rig(answer(status), answer(status), answer(200))

        assert (await rig.send(REPEATABLE)).status == 200
        assert rig.fake.requests == [REPEATABLE] * 3

    @pytest.mark.parametrize("status, sent", [(429, 2), (503, 2), (500, 1), (502, 1), (504, 1)])
    async def test_doubtful_statuses(self, status: int, sent: int) -> None:
        """What is not repeatable is sent again only after an answer that says it was not acted on."""
        rig = Rig(answer(status), answer(200))

        await rig.send()
        assert len(rig.fake.requests) == sent

    async def test_last_answer_is_returned(self) -> None:
        """When attempts run out, the last answer comes back for the vendor to name."""
        rig = Rig(answer(503), answer(500), answer(429))

        assert (await rig.send(REPEATABLE)).status == 429
        assert rig.fake.left == 0

    async def test_not_sent(self) -> None:
        """A request that never left is sent again, even if it is not repeatable."""
        rig = Rig(NEVER_SENT, answer(200))

        assert (await rig.send()).status == 200

    async def test_last_error_is_raised(self) -> None:
        """When attempts run out, the last error is raised without a chain of the earlier ones."""
        last = NotSentError("third")
        rig = Rig(NotSentError("first"), NotSentError("second"), last)

        with pytest.raises(NotSentError) as caught:
            await rig.send()

        assert caught.value is last
        assert (last.__context__, last.__cause__, last.retry_after) == (None, None, None)

    async def test_lost_answer_of_a_repeatable_request(self) -> None:
        """A lost answer is worth another try where doing it twice does no harm."""
        rig = Rig(LOST, answer(200))

        assert (await rig.send(REPEATABLE)).status == 200

    async def test_lost_answer_of_any_other_request(self) -> None:
        """A lost answer ends the matter for a request that must not be done twice."""
        rig = Rig(LOST, answer(200))

        with pytest.raises(OutcomeUnknownError, match="lost"):
            await rig.send()

        assert (len(rig.fake.requests), rig.clock.slept) == (1, [])

    @pytest.mark.parametrize("error", [MalformedResponseError("bad"), ConfigurationError("unsafe")])
    async def test_other_errors(self, error: NauthError) -> None:
        """Errors that trying again cannot mend are raised at once."""
        rig = Rig(error)

        with pytest.raises(type(error)):
            await rig.send(REPEATABLE)

        assert len(rig.fake.requests) == 1

    async def test_one_attempt(self) -> None:
        """One attempt means no retry at all."""
        rig = Rig(answer(503), policy=RenewalPolicy(attempts=1))

        assert (await rig.send()).status == 503


class TestPauses:
    async def test_doubling_to_the_cap(self) -> None:
        """Pauses double from the policy's back-off to its cap."""
        policy = RenewalPolicy(backoff_cap=timedelta(seconds=3), attempts=5)
        rig = Rig(*[NEVER_SENT] * 4, answer(200), policy=policy)

        await rig.send()

        assert rig.clock.slept == [1.0, 2.0, 3.0, 3.0]

    @pytest.mark.parametrize("draw, pause_s", [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
    async def test_chance(self, draw: float, pause_s: float) -> None:
        """Chance takes at most half off a pause, so that many clients do not come back together."""
        rig = Rig(answer(503), answer(200), draw=draw)

        await rig.send()

        assert rig.clock.slept == [pause_s]

    async def test_retry_after_in_seconds(self) -> None:
        """A longer wait asked for by the vendor is kept to the second."""
        rig = Rig(answer(429, headers={"Retry-After": "7"}), answer(200), draw=0.0)

        await rig.send()

        assert rig.clock.slept == [7.0]

    async def test_retry_after_as_a_date(self) -> None:
        """A date is counted from the moment the request was sent."""
        rig = Rig(answer(200))
        until = datetime.fromtimestamp(rig.clock.wall(), UTC) + timedelta(seconds=9)
        late = answer(503, headers={"Retry-After": format_datetime(until, usegmt=True)})
        rig = Rig(late, answer(200))

        await rig.send()

        assert rig.clock.slept == [9.0]

    async def test_short_wait(self) -> None:
        """A vendor that asks for less than our own pause still gets our pause."""
        rig = Rig(answer(429, headers={"Retry-After": "0"}), answer(200))

        await rig.send()

        assert rig.clock.slept == [1.0]

    async def test_hint(self) -> None:
        """The vendor's own rate headers count like Retry-After."""
        rig = Rig(answer(429), answer(200), wait_hint=lambda _: timedelta(seconds=5))

        await rig.send()

        assert rig.clock.slept == [5.0]


class TestDeadline:
    async def test_wait_beyond_it(self) -> None:
        """A wait longer than the deadline is not begun: the answer comes back at once."""
        rig = Rig(answer(429, headers={"Retry-After": "31"}), answer(200))

        assert (await rig.send()).status == 429
        assert (len(rig.fake.requests), rig.clock.slept) == (1, [])

    async def test_wait_that_just_fits(self) -> None:
        """A wait that ends at the deadline is kept."""
        rig = Rig(answer(429, headers={"Retry-After": "30"}), answer(200))

        assert (await rig.send()).status == 200
        assert rig.clock.slept == [30.0]

    async def test_counts_from_the_first_attempt(self) -> None:
        """Attempts and pauses use the deadline up together."""
        rig = Rig(
            answer(429, headers={"Retry-After": "20"}),
            answer(429, headers={"Retry-After": "11"}),
            answer(200),
        )

        assert (await rig.send()).status == 429
        assert (len(rig.fake.requests), rig.clock.slept) == (2, [20.0])

    async def test_slow_attempts_count(self) -> None:
        """Time spent inside an attempt counts too."""

        def slow(_: Request) -> Answer:
            rig.clock.advance(29.5)
            raise NotSentError("slow")

        rig = Rig(slow, answer(200))

        with pytest.raises(NotSentError) as caught:
            await rig.send()

        assert caught.value.retry_after == timedelta(seconds=1)
        assert len(rig.fake.requests) == 1

    async def test_lost_answer_at_the_deadline(self) -> None:
        """A lost answer that can no longer be tried again is raised with the pause it would have needed."""
        policy = RenewalPolicy(backoff=timedelta(seconds=40), deadline=timedelta(seconds=30))
        rig = Rig(OutcomeUnknownError("lost"), policy=policy, draw=0.9)

        with pytest.raises(OutcomeUnknownError) as caught:
            await rig.send(REPEATABLE)

        assert caught.value.retry_after == timedelta(seconds=38)

    async def test_a_cool_down_is_not_repeated(self) -> None:
        """A failure that already says when to come back is a token manager's cool-down: waiting here adds nothing."""
        rig = Rig(NotSentError("cooling down", retry_after=timedelta(seconds=9)), answer(200))

        with pytest.raises(NotSentError):
            await rig.send(REPEATABLE)

        assert (len(rig.fake.requests), rig.clock.slept) == (1, [])


class TestWaitOf:
    @pytest.mark.parametrize(
        "header, hint_s, expected_s",
        [(None, None, None), ("3", None, 3), (None, 4, 4), ("3", 4, 4), ("5", 4, 5), ("soon", None, None)],
    )
    def test_the_longer(self, header: str | None, hint_s: int | None, expected_s: int | None) -> None:
        """Of header and hint the longer counts, and neither need be there."""
        asked = answer(429, headers={} if header is None else {"Retry-After": header})
        hint = None if hint_s is None else timedelta(seconds=hint_s)

        found = wait_of(asked, lambda _: hint)

        assert found == (None if expected_s is None else timedelta(seconds=expected_s))

    def test_without_a_hint(self) -> None:
        """Retry-After is read where no hint is configured."""
        assert wait_of(answer(503, headers={"retry-after": "2"})) == timedelta(seconds=2)


def test_transient() -> None:
    """Exactly five statuses may pass by themselves."""
    assert [status for status in range(100, 600) if transient(status)] == [429, 500, 502, 503, 504]


async def test_closing() -> None:
    """Closing closes the transport underneath."""
    rig = Rig()

    await rig.transport.aclose()

    assert rig.fake.closed == 1


async def test_default_chance() -> None:
    """Without a given source of chance the pauses still lie between half and the whole."""
    clock = FakeClock(jump=True)
    transport = Retrying(FakeTransport(answer(503), answer(200)), policy=RenewalPolicy(), clock=clock)

    await transport.send(REQUEST)

    assert 0.5 <= clock.slept[0] <= 1.0

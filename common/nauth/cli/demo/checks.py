"""The demonstration's promises, each checked against the counters of the vendor's sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import attrs

from nauth.cli.demo.load import Stage
from nauth.cli.demo.metrics import percentile_ms
from nauth.cli.demo.scenario import Counters, Incident
from nauth.events import Cause

__all__ = ["Promise", "closing_line", "promises", "too_busy"]


@attrs.frozen
class Promise:
    """One promise, in words with its figures, and whether it was kept."""

    kept: bool
    text: str


def promises(stage: Stage, coroutines: int) -> list[Promise]:
    """Check every promise about a scenario that has ended."""
    total = stage.story.counters()
    found = [
        _herd(stage, coroutines),
        _one_call_each(stage, total),
        *(_incident(stage, incident) for incident in stage.story.incidents),
        _no_caller_waited(stage),
        _nothing_failed(stage),
        _no_401(stage, total),
    ]
    if stage.story.refreshes:
        found.append(_no_reuse(total))
    return found


def closing_line(stages: Sequence[Stage], coroutines: int, found: Sequence[Promise]) -> str:
    """Sum up the run in one sentence."""
    tallies = [stage.tally for stage in stages]
    requests = sum(tally.requests for tally in tallies)
    # the first token of each scenario is not a renewal
    renewals = sum(max(len(tally.renewals) - 1, 0) for tally in tallies)
    calls = sum(stage.story.counters().token_calls for stage in stages)
    broken = sum(not promise.kept for promise in found)
    verdict = (
        f"{broken} of {len(found)} promises broken"
        if broken
        else "no caller waited for a renewal ahead of expiry, nothing failed"
    )
    latencies_s = [took_s for tally in tallies for took_s in tally.latencies_s]
    pace = f"p50 {percentile_ms(latencies_s, 50):.1f} ms, p99 {percentile_ms(latencies_s, 99):.1f} ms"
    return (
        f"{coroutines:,} coroutines made {requests:,} requests over {renewals} renewals with {calls} token calls "
        f"({pace}); {verdict}"
    )


def too_busy(stages: Sequence[Stage], lifetime: timedelta) -> str | None:
    """Say that the machine was too busy to judge, where requests took a good part of a token's life; else None.

    A request that is sent again with the new token must be answered before that one ends too.
    """
    slowest_ms = max(percentile_ms(stage.tally.latencies_s, 99) for stage in stages)
    if slowest_ms < lifetime.total_seconds() * 1000 / 4:
        return None
    return (
        f"The machine was busy: one request in a hundred took {slowest_ms / 1000:.1f} s, and a token lives for "
        f"{lifetime.total_seconds():.0f} s, so these figures say little. Run it again when less else runs, or with fewer "
        "callers: nauth demo --coroutines 200"
    )


def _herd(stage: Stage, coroutines: int) -> Promise:
    issued = stage.cold_issues
    return Promise(
        issued == 1,
        f"one issue for the cold herd: {coroutines:,} coroutines began at once with no token, "
        f"{stage.tally.herd_waited:,} waited for it, sign-ins at the vendor: {issued}",
    )


def _one_call_each(stage: Stage, total: Counters) -> Promise:
    tally = stage.tally
    refreshed = len(tally.renewals) - tally.issued
    refused = sum(seen.calls.refresh_refused for seen in stage.aftermaths.values())
    kept = (
        tally.failed_renewals == 0
        and total.issue == tally.issued
        and total.refresh == refreshed + refused
        and total.refresh_refused == refused
    )
    seen = (
        f", {total.refresh} refresh (expected {refreshed} and {refused} refused after the takeover)"
        if stage.story.refreshes
        else f" and {total.refresh} refresh (it has none)"
    )
    return Promise(
        kept,
        f"one token call per renewal: {tally.issued} by issue and {refreshed} by refresh, {tally.failed_renewals} "
        f"failed; the vendor saw {total.issue} issue{seen}",
    )


def _incident(stage: Stage, incident: Incident) -> Promise:
    seen = stage.aftermaths.get(incident.name)
    if seen is None:
        return Promise(False, f"{incident.promise}: none was seen in time")
    calls = seen.calls
    kept = (
        seen.renewals == 1
        and (calls.issue, calls.revoke) == (1, incident.revokes)
        and calls.refresh == calls.refresh_refused <= incident.refused_refreshes
    )
    revoked = f"revoke {calls.revoke}, " if incident.revokes or calls.revoke else ""
    return Promise(
        kept,
        f"{incident.promise}: {revoked}requests refused {calls.refused}, renewals {seen.renewals}, "
        f"refresh {calls.refresh} (refused {calls.refresh_refused}), issue {calls.issue}",
    )


def _no_caller_waited(stage: Stage) -> Promise:
    tally = stage.tally
    ahead = tally.renewals.count(Cause.STALE)
    return Promise(
        ahead > 0 and tally.needless_waits == 0,
        f"no caller waited for a renewal ahead of expiry: {ahead} of them, {tally.needless_waits} callers held up while "
        "the old token was good",
    )


def _nothing_failed(stage: Stage) -> Promise:
    tally = stage.tally
    what = ", ".join(f"{name} ({count})" for name, count in tally.errors.most_common(3))
    failures = f"{tally.errors.total()} failed" + (f": {what}" if what else "")
    return Promise(
        tally.requests > 0 and not tally.errors, f"no failed request: {tally.requests:,} made, {failures}"
    )


def _no_401(stage: Stage, total: Counters) -> Promise:
    tally = stage.tally
    return Promise(
        tally.unauthorized == 0 and tally.replays == total.refused,
        f"no caller saw a 401: {total.refused} requests met a token that the vendor had just ended, {tally.replays} "
        f"were sent again with the new one, {tally.unauthorized} callers were told",
    )


def _no_reuse(total: Counters) -> Promise:
    return Promise(
        total.reused == 0,
        f"no refresh token was spent twice: {total.refresh} refreshes, {total.reused} of them with a spent one",
    )

"""Print the commands' results, one name and value a line; a secret only if it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import typer

from nauth.clock import SystemClock
from nauth.manager.held_token import held
from nauth.redact import clean
from nauth.token import RenewalPolicy, Token, TokenState

__all__ = ["print_pairs", "print_record", "print_token", "show_secrets"]


def print_record(record: Mapping[str, object]) -> None:
    """Print a vendor's response."""
    print_pairs({name.replace("_", " "): _shown(value) for name, value in record.items()})


def print_token(token: Token, policy: RenewalPolicy, *, lifetime_unknown: str, err: bool = False) -> None:
    """Print what is known of a token, without its secrets.

    Args:
        token: the token.
        policy: of the client that would use it.
        lifetime_unknown: the word for a lifetime that is not stated, such as "endless".
        err: print to stderr.
    """
    print_pairs(
        {
            "state": _state(token, policy).value,
            "lifetime": lifetime_unknown
            if token.lifetime is None
            else str(timedelta(seconds=round(token.lifetime.total_seconds()))),
            "expires at": ("never" if lifetime_unknown == "endless" else lifetime_unknown)
            if token.expires_at is None
            else token.expires_at.isoformat(timespec="seconds"),
            "refresh token": "none" if token.refresh_token is None else "yes",
        },
        err=err,
    )


def show_secrets(token: Token, *, refresh: bool) -> None:
    """Print the token itself to stdout, and with `refresh` its refresh token, if there is one, on a second line."""
    typer.echo(token.access_token.reveal())
    if refresh and token.refresh_token is not None:
        typer.echo(token.refresh_token.reveal())


def print_pairs(pairs: Mapping[str, str], *, err: bool = False) -> None:
    """Print names and values, aligned."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        typer.echo(f"  {name:<{width}}  {value}", err=err)


def _state(token: Token, policy: RenewalPolicy) -> TokenState:
    """Say what a client would do with `token` now."""
    clock = SystemClock()
    mono, wall = clock.monotonic(), clock.wall()
    age_s = 0.0
    if token.lifetime is not None and token.expires_at is not None:
        age_s = (token.lifetime - (token.expires_at - datetime.fromtimestamp(wall, UTC))).total_seconds()
    placed = held(token, policy, version=0, age_s=age_s, mono=mono, wall=wall, spread=0.0)
    return placed.state(mono, wall)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    # the vendor's text may hold control characters or tokens: it must not reach the terminal unchanged
    return clean(str(value)) or "-"

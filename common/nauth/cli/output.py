"""Print the commands' results, one name and value a line; a secret only if it was asked for."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import typer

from nauth.clock import SystemClock
from nauth.env_settings import EnvironmentReader
from nauth.manager.held_token import place_on_clocks
from nauth.redact import clean
from nauth.token import RenewalPolicy, Token, TokenState

__all__ = [
    "print_error",
    "print_json",
    "print_pairs",
    "print_record",
    "print_text",
    "print_token",
    "show_secrets",
    "shown",
    "token_facts",
]

_SHORT = 4
_LONG_ENOUGH = 12
"""Characters of an id, at least, for its ends to be shown."""


def shown(*names: str, whole: bool = False) -> dict[str, str]:
    """Return the variables of the environment that are set, by a name for people; ids are masked unless `whole`.

    An id is no secret, but two ids in two places on the screen are told apart by their ends as well.
    """
    reader = EnvironmentReader()
    found = {name: reader.optional(name) for name in names}
    return {
        name.partition("_")[2].lower().replace("_", " "): clean(value) or "-" if whole else _masked(value)
        for name, value in found.items()
        if value is not None
    }


def _masked(text: str) -> str:
    if len(text) < _LONG_ENOUGH or not text.isprintable():
        return "(set)"
    return f"{text[:_SHORT]}...{text[-_SHORT:]}"


def print_error(
    error: Exception, *, code: int, wait_s: int | None, request_id: str | None, as_json: bool
) -> None:
    """Print an error to stderr: as sentences, broken between words on a terminal, or as one line of JSON."""
    if as_json:
        document = {
            "error": type(error).__name__,
            "message": str(error),
            "exit_code": code,
            "retry_after_s": wait_s,
            "request_id": request_id,
        }
        typer.echo(json.dumps(document), err=True)
        return
    print_text(f"nauth: {error}", err=True)
    if wait_s is not None:
        print_text(f"  try again in {wait_s} s", err=True)
    if request_id is not None:
        print_text(f"  the vendor's name for this request: {request_id}", err=True)


def print_text(text: str, *, err: bool = False, hang: str = "") -> None:
    """Print sentences. A terminal breaks them between words; in a pipe a line stays a line, for grep.

    A word that is wider than the terminal, such as an address, stays whole, so that it can be copied.

    Args:
        text: one line or several.
        err: print to stderr.
        hang: what the lines begin with that a terminal makes of one.
    """
    if not (sys.stderr if err else sys.stdout).isatty():
        typer.echo(text, err=err)
        return
    width = shutil.get_terminal_size().columns
    for line in text.split("\n"):
        broken = textwrap.wrap(
            line, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
        )
        for part in broken or [""]:
            typer.echo(part, err=err)


def print_json(document: object) -> None:
    """Print `document` as one line of JSON; times as ISO 8601, amounts as text."""
    typer.echo(json.dumps(document, default=_plain, ensure_ascii=True))


def _plain(value: object) -> str:
    return _shown(value)


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
    print_pairs(token_facts(token, policy, lifetime_unknown=lifetime_unknown), err=err)


def token_facts(token: Token, policy: RenewalPolicy, *, lifetime_unknown: str) -> Mapping[str, str]:
    """Return what `print_token` prints."""
    return {
        "state": _state(token, policy).value,
        "lifetime": lifetime_unknown
        if token.lifetime is None
        else str(timedelta(seconds=round(token.lifetime.total_seconds()))),
        "expires at": ("never" if lifetime_unknown == "endless" else lifetime_unknown)
        if token.expires_at is None
        else token.expires_at.isoformat(timespec="seconds"),
        "refresh token": "none" if token.refresh_token is None else "yes",
    }


def show_secrets(token: Token, *, refresh: bool) -> None:
    """Print the token itself to stdout, and with `refresh` its refresh token, if there is one, on a second line."""
    typer.echo(token.access_token.reveal())
    if refresh and token.refresh_token is not None:
        typer.echo(token.refresh_token.reveal())


def print_pairs(pairs: Mapping[str, str], *, err: bool = False) -> None:
    """Print names and values, aligned."""
    width = max(map(len, pairs))
    for name, value in pairs.items():
        print_text(f"  {name:<{width}}  {value}", err=err, hang=" " * (width + 4))


def _state(token: Token, policy: RenewalPolicy) -> TokenState:
    """Say what a client would do with `token` now."""
    clock = SystemClock()
    mono, wall = clock.monotonic(), clock.wall()
    age_s = 0.0
    if token.lifetime is not None and token.expires_at is not None:
        age_s = (token.lifetime - (token.expires_at - datetime.fromtimestamp(wall, UTC))).total_seconds()
    placed = place_on_clocks(token, policy, version=0, age_s=age_s, mono=mono, wall=wall, spread=0.0)
    return placed.state(mono, wall)


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    # the vendor's text may hold control characters or tokens: it must not reach the terminal unchanged
    return clean(str(value)) or "-"

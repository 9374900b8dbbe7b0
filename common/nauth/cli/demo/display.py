"""Show the demonstration's figures: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from nauth.cli.demo.load import Figures

__all__ = ["Board", "LiveBoard", "PlainBoard", "choose_board"]

_RIGHT = ("requests", "req/s", "issue", "refresh", "revoke", "replays", "errors", "p50", "p99")


class Board(Protocol):
    """Shows figures about every `every_s` seconds while its context is entered."""

    @property
    def every_s(self) -> float:
        """Seconds between two updates."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, figures: Sequence[Figures], elapsed_s: float) -> None:
        """Show the current figures, `elapsed_s` seconds after the start."""
        ...


class PlainBoard:
    """One line a second for each vendor.

    Args:
        console: where to print.
    """

    every_s: float = 1.0

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, figures: Sequence[Figures], elapsed_s: float) -> None:
        """Print a line for each vendor."""
        for line in figures:
            calls = line.calls
            self._console.out(
                f"{elapsed_s:4.0f} s  {line.vendor}: {line.requests:,} requests, {line.per_second:,.0f}/s, "
                f"issue {calls.issue}, refresh {calls.refresh}, revoke {calls.revoke}, replays {line.replays}, "
                f"errors {line.errors}, p50 {line.p50_ms:.1f} ms, p99 {line.p99_ms:.1f} ms"
                + (f"  <- {line.happened}" if line.happened else ""),
                highlight=False,
            )


class LiveBoard:
    """A table that is redrawn in place.

    Args:
        console: a terminal.
    """

    every_s: float = 0.5

    def __init__(self, console: Console) -> None:
        # drawn from the event loop alone: a refresh thread would be one more thing left running by Ctrl-C
        self._live = Live(console=console, auto_refresh=False)
        self._happened: list[str] = []

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, figures: Sequence[Figures], elapsed_s: float) -> None:
        """Draw the table."""
        self._happened.extend(
            f"{elapsed_s:.1f} s: {line.vendor}: {line.happened}" for line in figures if line.happened
        )
        table = Table(
            "vendor",
            box=box.SIMPLE_HEAD,
            padding=(0, 0),  # fits 80 columns
            title=f"after {elapsed_s:.1f} s; latencies in ms",
            title_justify="left",
            caption="\n".join(self._happened),
            caption_justify="left",
        )
        for heading in _RIGHT:
            table.add_column(heading, justify="right")
        for line in figures:
            errors = f"[red]{line.errors}[/red]" if line.errors else "0"
            table.add_row(
                line.vendor,
                f"{line.requests:,}",
                f"{line.per_second:,.0f}",
                str(line.calls.issue),
                str(line.calls.refresh),
                str(line.calls.revoke),
                str(line.replays),
                errors,
                f"{line.p50_ms:.1f}",
                f"{line.p99_ms:.1f}",
            )
        self._live.update(table, refresh=True)


def choose_board(console: Console, *, plain: bool) -> Board:
    """Return the live table for a terminal; plain lines otherwise, or if `plain`."""
    return PlainBoard(console) if plain or not console.is_terminal else LiveBoard(console)

"""Bars as SVG, drawn by hand: no library, no script, and colours that follow the page into its dark mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import attrs

__all__ = ["Bar", "bars"]

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 720, 190, 110, 24, 44
# the page's own colours where it is in one, else those of the reader's system: the file may be looked at by itself
_STYLE = """
.nauth-plot{--ink:var(--color-foreground-primary,#222);--pale:var(--color-foreground-secondary,#555);--mark:#2b8a57;--other:#8a93a0}
@media (prefers-color-scheme:dark){.nauth-plot{--ink:var(--color-foreground-primary,#ddd);--pale:var(--color-foreground-secondary,#9ca0a5);--mark:#4fb481;--other:#7d8794}}
.nauth-plot .t{font:600 14px system-ui,sans-serif;fill:var(--ink)}.nauth-plot .n{font:13px system-ui,sans-serif;fill:var(--ink)}
.nauth-plot .v{font:12px system-ui,sans-serif;fill:var(--pale)}.nauth-plot .e{text-anchor:end}.nauth-plot .b{font-weight:600}
.nauth-plot .o{fill:var(--mark)}.nauth-plot .x{fill:var(--other)}.nauth-plot .a{stroke:var(--pale);stroke-width:1}
"""


@attrs.frozen
class Bar:
    """One bar: whose, how long, and what stands beside it. Without a value, only the text stands there."""

    name: str
    value: float | None
    text: str
    ours: bool = False


def bars(title: str, rows: Sequence[Bar], *, log: bool = False) -> str:
    """Return a chart of horizontal bars; on a logarithmic scale each factor of ten is as long as the next."""
    values = [row.value for row in rows if row.value is not None]
    most = max([*values, 1e-9])
    least = min([value for value in values if value > 0], default=1.0)
    room = _WIDTH - _LEFT - _RIGHT

    def length(value: float) -> float:
        if value <= 0:
            return 0.0
        if not log:
            return room * value / most
        # the smallest still has a bar: a tenth of a factor of ten
        span = math.log10(most / least) + 0.1
        return room * (math.log10(value / least) + 0.1) / span

    height = _TOP + _ROW * len(rows) + 8
    said = f"{title}: " + "; ".join(f"{row.name} {row.text}" for row in rows)
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" '
            f'class="nauth-plot" aria-label="{escape(said)}">'
        ),
        f"<title>{escape(said)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text x="0" y="20" class="t">{escape(title)}</text>',
        f'<path d="M{_LEFT},{_TOP - 8} V{height - 8}" class="a"/>',
    ]
    for number, row in enumerate(rows):
        middle = _TOP + _ROW * number + 8
        bold = " b" if row.ours else ""
        parts.append(f'<text x="{_LEFT - 8}" y="{middle + 5}" class="n e{bold}">{escape(row.name)}</text>')
        end = float(_LEFT)
        if row.value is not None:
            wide = length(row.value)
            end += wide
            kind = "o" if row.ours else "x"
            parts.append(
                f'<rect x="{_LEFT}" y="{middle - 7}" width="{wide:.1f}" height="15" rx="2" class="{kind}"/>'
            )
        parts.append(f'<text x="{end + 6:.1f}" y="{middle + 5}" class="v{bold}">{escape(row.text)}</text>')
    return "\n".join([*parts, "</svg>", ""])

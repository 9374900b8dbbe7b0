"""The page a person sees when the browser has come back. It loads nothing and quotes nothing."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["HEADERS", "closing_page"]

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--card:#fff;--back:#eef1f5;--line:#d9dee6;--good:#1f7a4d;--bad:#a8322a}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#9aa6b6;--card:#1b2129;--back:#12161c;--line:#2c3541;--good:#5fcf98;--bad:#f08a80}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;background:var(--back);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:26rem;width:100%;background:var(--card);border:1px solid var(--line);border-radius:.9rem;padding:2rem 1.75rem}
.mark{width:2.75rem;height:2.75rem;border-radius:50%;display:grid;place-items:center;font-size:1.4rem;font-weight:600;
border:2px solid currentColor;margin-bottom:1.1rem}
.good{color:var(--good)}.bad{color:var(--bad)}
h1{font-size:1.3rem;line-height:1.3;margin:0 0 .5rem}
p{margin:0;color:var(--soft)}
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Connection": "close",
}
"""Of every answer of the listener."""


def closing_page(title: str, words: str, *, good: bool) -> str:
    """Return the page.

    Args:
        title: a fixed text.
        words: a fixed text; nothing that came with a request.
        good: whether all went well.
    """
    mark, kind = ("\u2713", "good") if good else ("!", "bad")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>"
        f'<div class="mark {kind}" aria-hidden="true">{mark}</div><h1>{title}</h1><p>{words}</p></main></body></html>'
    )

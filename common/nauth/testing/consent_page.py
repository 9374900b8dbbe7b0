"""A consent page with a button, as vendors have one: a sandbox that redirects at once hides what SameSite does."""

from __future__ import annotations

from aiohttp import web

__all__ = ["ALLOW", "consent_page", "decision"]

ALLOW = "allow"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:15vh auto;padding:0 1rem}}
button{{font:inherit;padding:.5rem 1.2rem;margin-right:.5rem}}</style>
<h1>{title}</h1><p>The application asks for access to your account.</p>
<form method="post"><button id="allow" name="decision" value="allow">Allow</button>
<button id="deny" name="decision" value="deny">Deny</button></form></html>"""


def consent_page(title: str) -> web.Response:
    """Return the page; its form posts ``decision`` to the address the page came from.

    Args:
        title: stands in the page as it is; give a fixed text.
    """
    return web.Response(text=_PAGE.format(title=title), content_type="text/html")


async def decision(request: web.Request) -> str | None:
    """Return which button was pressed; None if the page was asked for."""
    if request.method != "POST":
        return None
    return str((await request.post()).get("decision", ""))

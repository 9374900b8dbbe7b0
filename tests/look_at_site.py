"""Open each built page in a real browser, at desktop and phone width, and measure what is cut off; then try the search.

    uv run python -m tests.look_at_site docs/_build/html [--pictures FOLDER]

At desktop width no block of code and no table is wider than its box (listings of whole modules excepted); at phone width no
table is, and no page scrolls sideways. Each word of `WORDS`, and the name of each error, is found by the site's own search. Exits 77 where there is no Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import nauth
from nauth.errors import NauthError
from tests.support.chromium import CHROMIUM, Chromium, chromium

WIDTHS = {"desktop": 1280, "phone": 390}
WORDS = ("worker", "FastAPI", "observer", "proxy", "metrics", "rotate", "429", "tenant")
ERRORS = sorted(
    name
    for name in nauth.__all__
    if isinstance(made := getattr(nauth, name), type) and issubclass(made, NauthError)
)

_CUT = """[...document.querySelectorAll('article %s')].filter(
    found => found.scrollWidth > found.clientWidth + 1
).map(found => `${found.scrollWidth - found.clientWidth} pixels: ${found.innerText.trim().slice(0, 60)}`)"""
_SIDEWAYS = "Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"
_FOUND = "[...document.querySelectorAll('#search-results li a')].map(link => link.getAttribute('href'))"
_SEARCHED = "document.querySelector('#search-results p.search-summary')?.innerText.length > 0"


async def looked_at(tab: Chromium, address: str, page: str, width: str) -> list[str]:
    """Return what is cut off on one page at one width."""
    await tab.go(f"{address}/{page}")
    found = [f"{width} {page}: a table is cut by {cut}" for cut in await tab.js(_CUT % ".table-wrapper")]
    if width == "desktop":
        found += [f"{width} {page}: code is cut by {cut}" for cut in await tab.js(_CUT % "pre")]
    if sideways := await tab.js(_SIDEWAYS):
        found.append(f"{width} {page}: the page scrolls sideways by {sideways} pixels")
    return found


async def searched(tab: Chromium, address: str, word: str) -> list[str]:
    """Return what is wrong with the search for one word."""
    await tab.go(f"{address}/search.html?q={word}")
    await tab.until(_SEARCHED)
    pages = await tab.js(_FOUND)
    return [] if pages else [f"search: {word!r} is not found"]


async def faults(site: Path, pictures: Path | None) -> list[str]:
    """Serve the site on loopback and return what is wrong with it."""
    handler = partial(_Silent, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    pages = await asyncio.to_thread(_pages, site)
    found: list[str] = []
    try:
        async with chromium() as tab:
            for width, pixels in WIDTHS.items():
                await tab.call(
                    "Emulation.setDeviceMetricsOverride",
                    width=pixels,
                    height=900,
                    deviceScaleFactor=1,
                    mobile=width == "phone",
                )
                for page in pages:
                    found += await looked_at(tab, address, page, width)
                    if pictures is not None and "reference/api" not in page:
                        await _pictured(tab, pictures, f"{width}-{page.replace('/', '-')}")
            for word in (*WORDS, *ERRORS):
                found += await searched(tab, address, word)
    finally:
        server.shutdown()
        server.server_close()
    print(
        f"{len(pages)} pages at {len(WIDTHS)} widths, {len(WORDS) + len(ERRORS)} searches: {len(found)} faults"
    )
    return found


def _pages(site: Path) -> list[str]:
    lists = {"genindex.html", "py-modindex.html", "search.html"}
    found = (path.relative_to(site) for path in site.rglob("*.html") if path.name not in lists)
    return sorted(str(path) for path in found if path.parts[0] not in {"_static", "_modules"})


async def _pictured(tab: Chromium, folder: Path, name: str) -> None:
    for scheme in ("light", "dark"):
        await tab.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        picture = await tab.picture()
        await asyncio.to_thread((folder / f"{name}-{scheme}.png").write_bytes, picture)


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


def main() -> int:
    """Print what is wrong and return the process's exit code."""
    parser = argparse.ArgumentParser(description="Look at the built pages in a browser.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--pictures", type=Path, default=None)
    options = parser.parse_args()
    if CHROMIUM is None:
        print("skipped: there is no Chromium here (Debian: chromium-headless-shell)")
        return 77
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(faults(options.site, options.pictures))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""A web service with several workers that people sign in to: Starlette's sessions, one SQLite store, one sealing key.

Told by the environment: ``NAO_*``, ``STORE``, ``SEALING_KEY``, ``PORT``.
"""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from naoauth import NaoClient, NaoOAuth, NaoSignInNeededError, Secret
from nauth.oauth2 import recall, remember
from nauth.stores import SQLiteStore

_application = NaoOAuth.from_env()
_store = SQLiteStore(os.environ["STORE"])
_nao = NaoClient(_application, store=_store, sealing={"k1": Secret(os.environ["SEALING_KEY"])})


async def _login(request: Request) -> Response:
    started = _nao.begin_sign_in(request.query_params["who"], data={"pid": str(os.getpid())})
    remember(request.session, started)
    return RedirectResponse(started.url)


async def _callback(request: Request) -> Response:
    url = str(request.url)
    started = recall(request.session, url)
    try:
        await _nao.exchange(url, started=started)
    except NaoSignInNeededError as error:
        return PlainTextResponse(str(error), 403)
    begun = _nao.read_sign_in(started)
    return JSONResponse({"account": begun.account, "begun": begun.data["pid"], "ended": str(os.getpid())})


async def _token(request: Request) -> Response:
    async with NaoClient(_application.for_account(request.query_params["who"]), store=_store) as theirs:
        return PlainTextResponse((await theirs.token()).access_token.reveal()[:16])


async def _up(_: Request) -> Response:
    return PlainTextResponse("up")


app: Starlette = Starlette(
    routes=[
        Route("/", _up),
        Route("/login", _login),
        Route("/callback", _callback),
        Route("/token", _token),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="one for all workers")],
)

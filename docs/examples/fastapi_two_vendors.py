"""A FastAPI service that calls two vendors: uvicorn fastapi_two_vendors:app."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from nauth import NauthError, VendorUnavailableError
from nombaauth import NombaClient
from noyoauth import NoyoClient


class State(TypedDict):
    """What each request finds in `request.state`."""

    nomba: NombaClient
    noyo: NoyoClient


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncGenerator[State]:
    """Open both clients in the server's event loop; close them when it stops."""
    async with NombaClient() as nomba, NoyoClient() as noyo:
        yield {"nomba": nomba, "noyo": noyo}


app = FastAPI(lifespan=lifespan)


def get_nomba(request: Request) -> NombaClient:
    """Return the one client of this process."""
    client: NombaClient = request.state.nomba
    return client


def get_noyo(request: Request) -> NoyoClient:
    """Return the one client of this process."""
    client: NoyoClient = request.state.noyo
    return client


@app.exception_handler(NauthError)
async def vendor_failed(_: Request, error: Exception) -> JSONResponse:
    """Answer 503 with Retry-After where waiting helps, else 502."""
    if isinstance(error, VendorUnavailableError):
        wait = (
            1
            if error.retry_after is None
            else round(error.retry_after.total_seconds())
        )
        return JSONResponse({"error": "try later"}, 503, {"Retry-After": str(wait)})
    return JSONResponse({"error": type(error).__name__}, 502)


@app.get("/balance")
async def balance(
    nomba: Annotated[NombaClient, Depends(get_nomba)],
) -> dict[str, str]:
    """Answer with the balance at Nomba."""
    found = await nomba.check()
    return {"amount": str(found.amount), "currency": found.currency}


@app.get("/groups")
async def groups(noyo: Annotated[NoyoClient, Depends(get_noyo)]) -> list[str]:
    """Answer with the first groups at Noyo."""
    return [group.name for group in (await noyo.check()).response]


if __name__ == "__main__" and "--self-check" in sys.argv:
    with TestClient(app) as client:  # `with`: else no lifespan runs
        for path in ("/balance", "/groups"):
            answer = client.get(path)
            print(path, answer.status_code, answer.json())

"""Django with async views: uvicorn django_view:application.

One client for each process, opened at its first use.
"""

from __future__ import annotations

import asyncio
import sys

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient
from django.urls import path

from nombaauth import NombaClient

settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of this example"
)
django.setup()

nomba = NombaClient()
"""Made at import, used from every event loop: under ASGI that is one."""


async def balance(_: HttpRequest) -> JsonResponse:
    """Answer with the account's balance."""
    found = await nomba.check()
    return JsonResponse({"amount": str(found.amount), "currency": found.currency})


urlpatterns = [path("balance", balance)]
application = get_asgi_application()


async def self_check() -> None:
    """Call the view once."""
    response = await AsyncClient().get("/balance")
    print(response.status_code, response.content.decode())
    await nomba.aclose()


if __name__ == "__main__" and "--self-check" in sys.argv:
    asyncio.run(self_check())

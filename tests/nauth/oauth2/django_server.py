"""A real authorization server in one file: django-oauth-toolkit on SQLite, for `test_real_server.py`.

Run as a program: ``django_server.py DATABASE LIFETIME_S``. Prints its port, then serves until it is killed.
"""

# mypy: disable-error-code="import-untyped, import-not-found"
# Django has no types of its own, and may not be there at all.

from __future__ import annotations

import sys
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

CLIENT_ID, SECRET = "a client: with + and %", "s3cret/with:+%=& and space"
REDIRECT_URI = "https://app.example/callback"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 512


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


def _configure(database: str, lifetime_s: int) -> None:
    import django  # noqa: PLC0415 - this file is imported for its constants where there is no Django
    from django.conf import settings  # noqa: PLC0415 - as above

    settings.configure(
        SECRET_KEY="for one test",
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": database,
                "OPTIONS": {
                    "timeout": 20,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
                },
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        OAUTH2_PROVIDER={
            "ACCESS_TOKEN_EXPIRE_SECONDS": lifetime_s,
            "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
            "PKCE_REQUIRED": True,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "ROTATE_REFRESH_TOKEN": True,
            "SCOPES": {"read": "read", "write": "write"},
        },
        ROOT_URLCONF=__name__,
        USE_TZ=True,
    )
    django.setup()


def _populate() -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415 - needs the settings
    from django.core.management import call_command  # noqa: PLC0415 - as above
    from oauth2_provider.models import Application  # noqa: PLC0415 - as above

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada")
    for client_id, grant in ((CLIENT_ID, "client-credentials"), (f"{CLIENT_ID}!", "authorization-code")):
        Application.objects.create(
            client_id=client_id,
            client_secret=SECRET,
            hash_client_secret=False,
            client_type="confidential",
            authorization_grant_type=grant,
            redirect_uris=REDIRECT_URI,
            user=ada,
            skip_authorization=False,
        )


def _urls() -> list[Any]:
    from django.contrib.auth import login  # noqa: PLC0415 - needs the settings
    from django.contrib.auth.models import User  # noqa: PLC0415 - as above
    from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: PLC0415 - as above
    from django.urls import include, path  # noqa: PLC0415 - as above
    from oauth2_provider.models import AccessToken, RefreshToken  # noqa: PLC0415 - as above
    from oauth2_provider.oauth2_backends import get_oauthlib_core  # noqa: PLC0415 - as above

    def me(request: HttpRequest) -> HttpResponse:
        # not the toolkit's own view, which answers 403 to a token that has expired
        valid, found = get_oauthlib_core().verify_request(request, scopes=[])
        name = getattr(getattr(found, "user", None), "username", None)
        return JsonResponse({"name": name}, status=200 if valid else 401)

    def sign_in(request: HttpRequest) -> HttpResponse:
        login(request, User.objects.get(username="ada"))
        return HttpResponse()

    def count(_: HttpRequest) -> HttpResponse:
        return JsonResponse({"access": AccessToken.objects.count(), "refresh": RefreshToken.objects.count()})

    return [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("sign-in", sign_in),
        path("me", me),
        path("count", count),
    ]


if __name__ == "__main__":
    _configure(sys.argv[1], int(sys.argv[2]))
    _populate()
    urlpatterns = _urls()
    from django.core.wsgi import get_wsgi_application

    with make_server("127.0.0.1", 0, get_wsgi_application(), _Server, _Quiet) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()

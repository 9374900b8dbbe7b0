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
LOOPBACK_CLIENT, LOOPBACK_URI = "a program on a desk", "http://127.0.0.1/callback"
"""A public client whose redirect URI is loopback without a port: any port is taken (RFC 8252, section 7.3)."""
PERSON, PASSWORD = "ada", "correct horse battery staple"


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
            "django.contrib.messages",
            "django.contrib.admin",
            "oauth2_provider",
        ],
        LOGGING_CONFIG=None,
        LOGIN_URL="/login",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        OAUTH2_PROVIDER={
            "ACCESS_TOKEN_EXPIRE_SECONDS": lifetime_s,
            "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"],
            "PKCE_REQUIRED": True,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "ROTATE_REFRESH_TOKEN": True,
            "SCOPES": {"read": "read", "write": "write"},
        },
        ROOT_URLCONF=__name__,
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        USE_TZ=True,
    )
    django.setup()


def _populate() -> None:
    from django.contrib.auth.models import User  # noqa: PLC0415 - needs the settings
    from django.core.management import call_command  # noqa: PLC0415 - as above
    from oauth2_provider.models import Application  # noqa: PLC0415 - as above

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user(PERSON, password=PASSWORD)
    Application.objects.create(
        client_id=LOOPBACK_CLIENT,
        client_type="public",
        authorization_grant_type="authorization-code",
        redirect_uris=LOOPBACK_URI,
        skip_authorization=False,
        name="Desk",
    )
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
    from django.contrib import admin  # noqa: PLC0415 - needs the settings
    from django.contrib.auth import login  # noqa: PLC0415 - as above
    from django.contrib.auth.models import User  # noqa: PLC0415 - as above
    from django.contrib.auth.views import LoginView  # noqa: PLC0415 - as above
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
        login(request, User.objects.get(username=PERSON))
        return HttpResponse()

    def count(_: HttpRequest) -> HttpResponse:
        return JsonResponse({"access": AccessToken.objects.count(), "refresh": RefreshToken.objects.count()})

    return [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("sign-in", sign_in),
        # Django's own page and form, as its admin shows them
        path("login", LoginView.as_view(template_name="admin/login.html")),
        path("admin/", admin.site.urls),  # which that page links to
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

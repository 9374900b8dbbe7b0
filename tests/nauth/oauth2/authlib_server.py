"""A real authorization server in one file: Authlib's on Flask, tokens in memory, for `test_real_server.py`.

It rotates refresh tokens, and takes one that is used twice for stolen: the whole consent ends. Paths, client ids and secret
are those of `django_server.py`, so that one test drives either.

Run as a program: ``authlib_server.py LIFETIME_S``. Prints its port, then serves until it is killed.
"""

# mypy: disable-error-code="import-untyped, import-not-found, misc, no-any-return"
# Authlib and Flask have types of their own for neither what is subclassed here, and may not be there at all.

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from typing import Any, ClassVar

CLIENT_ID, SECRET = "a client: with + and %", "s3cret/with:+%=& and space"
REDIRECT_URI = "https://app.example/callback"


class _Client:
    def __init__(self, client_id: str, grants: set[str]) -> None:
        self.client_id, self.grants = client_id, grants

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return REDIRECT_URI

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(part for part in (scope or "read write").split() if part in {"read", "write"})

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == REDIRECT_URI

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret.encode(), SECRET.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in {"client_secret_basic", "client_secret_post"}

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


class _Code:
    def __init__(self, request: Any, challenge: str | None, method: str | None) -> None:
        self.redirect_uri, self.scope = request.payload.redirect_uri, request.scope
        self.client_id = request.client.client_id
        self.code_challenge, self.code_challenge_method = challenge, method

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> None:
        return None


class _Token:
    """An access token and the refresh token that was issued with it."""

    def __init__(self, fields: dict[str, Any], client: _Client, family: object) -> None:
        self.access, self.refresh = fields["access_token"], fields.get("refresh_token")
        self.scope, self.life_s = fields.get("scope", ""), fields["expires_in"]
        self.client, self.family = client, family
        self.ends_at = time.monotonic() + self.life_s
        self.revoked = self.spent = False

    def check_client(self, client: _Client) -> bool:
        return client.client_id == self.client.client_id

    def get_scope(self) -> str:
        return self.scope

    def get_expires_in(self) -> int:
        return self.life_s

    def is_expired(self) -> bool:
        return time.monotonic() >= self.ends_at

    def is_revoked(self) -> bool:
        return self.revoked


class _Books:
    """Everything that was issued. A refresh token that comes twice ends its family, and is counted."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.codes: dict[str, _Code] = {}
        self.by_access: dict[str, _Token] = {}
        self.by_refresh: dict[str, _Token] = {}
        self.reuses = 0

    def save(self, fields: dict[str, Any], request: Any) -> None:
        with self.guard:
            family = getattr(request.refresh_token, "family", None) or object()
            token = _Token(fields, request.client, family)
            self.by_access[token.access] = token
            if token.refresh is not None:
                self.by_refresh[token.refresh] = token

    def spend(self, refresh_token: str) -> _Token | None:
        with self.guard:
            token = self.by_refresh.get(refresh_token)
            if token is None or token.revoked:
                return None
            if token.spent:
                self.reuses += 1
                self.end(token)
                return None
            token.spent = True
            return token

    def end(self, token: _Token) -> None:
        with self.guard:
            for known in self.by_access.values():
                if known.family is token.family:
                    known.revoked = True


def _serve(lifetime_s: int) -> Any:  # noqa: C901 - Authlib wants classes that see the books
    from authlib.integrations.flask_oauth2 import AuthorizationServer  # noqa: PLC0415 - the constants are imported without it
    from authlib.oauth2.rfc6749 import grants  # noqa: PLC0415 - as above
    from authlib.oauth2.rfc7009 import RevocationEndpoint  # noqa: PLC0415 - as above
    from authlib.oauth2.rfc7636 import CodeChallenge  # noqa: PLC0415 - as above
    from flask import Flask, jsonify, request  # noqa: PLC0415 - as above

    books = _Books()
    clients = {
        CLIENT_ID: _Client(CLIENT_ID, {"client_credentials"}),
        f"{CLIENT_ID}!": _Client(f"{CLIENT_ID}!", {"authorization_code", "refresh_token"}),
    }

    class CodeGrant(grants.AuthorizationCodeGrant):
        TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

        def save_authorization_code(self, code: str, request: Any) -> None:
            data = request.payload.data
            books.codes[code] = _Code(request, data.get("code_challenge"), data.get("code_challenge_method"))

        def query_authorization_code(self, code: str, client: _Client) -> _Code | None:
            found = books.codes.get(code)
            return found if found is not None and found.client_id == client.client_id else None

        def delete_authorization_code(self, code: _Code) -> None:
            books.codes = {text: kept for text, kept in books.codes.items() if kept is not code}

        def authenticate_user(self, code: _Code) -> str:
            return "ada"

    class Rotating(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> _Token | None:
            return books.spend(refresh_token)

        def authenticate_user(self, refresh_token: _Token) -> str:
            return "ada"

        def revoke_old_credential(self, refresh_token: _Token) -> None:
            """Do nothing: it was spent when it was presented, and its access token lives to its end."""

    class ClientCredentials(grants.ClientCredentialsGrant):
        TOKEN_ENDPOINT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

    class Revoke(RevocationEndpoint):
        CLIENT_AUTH_METHODS: ClassVar = ["client_secret_basic", "client_secret_post"]

        def query_token(self, token_string: str, token_type_hint: str | None) -> _Token | None:
            return books.by_access.get(token_string) or books.by_refresh.get(token_string)

        def revoke_token(self, token: _Token, request: Any) -> None:
            books.end(token)

    app = Flask(__name__)
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    app.config["OAUTH2_SCOPES_SUPPORTED"] = ["read", "write"]
    lives = ("authorization_code", "refresh_token", "client_credentials")
    app.config["OAUTH2_TOKEN_EXPIRES_IN"] = dict.fromkeys(lives, lifetime_s)
    server = AuthorizationServer(app, query_client=clients.get, save_token=books.save)
    server.register_grant(CodeGrant, [CodeChallenge(required=True)])
    server.register_grant(Rotating)
    server.register_grant(ClientCredentials)
    server.register_endpoint(Revoke)

    @app.get("/sign-in")
    def sign_in() -> str:
        return ""

    @app.post("/o/authorize/")
    def authorize() -> Any:
        approved = "ada" if request.form.get("allow") else None
        return server.create_authorization_response(grant_user=approved)

    @app.post("/o/token/")
    def token() -> Any:
        return server.create_token_response()

    @app.post("/o/revoke_token/")
    def revoke() -> Any:
        return server.create_endpoint_response(Revoke.ENDPOINT_NAME)

    @app.get("/me")
    def me() -> Any:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        found = books.by_access.get(text) if scheme == "Bearer" else None
        alive = found is not None and not found.is_expired() and not found.revoked
        return jsonify(name="ada"), 200 if alive else 401

    @app.get("/count")
    def count() -> Any:
        return jsonify(access=len(books.by_access), refresh=len(books.by_refresh), reuses=books.reuses)

    def form_alone(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/o/authorize/":
            environ["QUERY_STRING"] = (
                ""  # the form repeats it, as Django's page does, and Authlib takes nothing twice
            )
        return app(environ, start_response)

    return form_alone


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    import logging

    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    made = make_server("127.0.0.1", 0, _serve(int(sys.argv[1])), threaded=True)
    sys.stdout.write(f"{made.port}\n")
    sys.stdout.flush()
    made.serve_forever()

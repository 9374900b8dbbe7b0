"""The shape that the four packages share, and what one vendor alone has, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "CORE_NAMES",
    "CORE_RECORDS",
    "LEAVES",
    "OPTIONS",
    "OTHER_REPLIES",
    "OTHER_TYPES",
    "OWN_CALLS",
    "OWN_LEAVES",
    "OWN_OPTIONS",
    "OWN_ROOMS",
    "OWN_SANDBOX_OPTIONS",
    "ROOMS",
    "SANDBOX_FACE",
    "SANDBOX_OPTIONS",
    "SETTINGS",
]

# --- what all four have -----------------------------------------------------------------------------------------------

ROOMS = {
    "__init__",
    "api",
    "authenticator",
    "client",
    "config",
    "converter",
    "credentials",
    "errors",
    "models",
    "pages",
    "sandbox.__init__",
    "cli",
    "demo",
    "lifetime",
    "responses",
    "sandbox.responses",
    "sandbox.data",
    "sandbox.server",
    "sandbox.sessions",
    "sandbox.switches",
    "sandbox.variables",
}
SETTINGS = {"DEFAULT_LIFETIME", "POLICY", "USER_AGENT", "VENDOR", "choose_base_url"}
CORE_NAMES = {
    "ConfigurationError",
    "CredentialsRejectedError",
    "InteractionRequiredError",
    "MalformedResponseError",
    "NauthError",
    "OriginError",
    "OutcomeUnknownError",
    "PermissionDeniedError",
    "RequestRejectedError",
    "RenewalPolicy",
    "Secret",
    "Token",
    "TokenRefusedError",
    "VendorUnavailableError",
}
CORE_RECORDS = {"AnswerMeta", "Reply"}
"""Of the core, too, and offered where the vendor's endpoints answer with them as they are."""
LEAVES: Mapping[str, str] = {
    "ApiError": "RequestRejectedError",
    "BadRequestError": "RequestRejectedError",
    "CredentialsRejectedError": "CredentialsRejectedError",
    "MalformedResponseError": "MalformedResponseError",
    "NotFoundError": "RequestRejectedError",
    "NotSentError": "NotSentError",
    "OutcomeUnknownError": "OutcomeUnknownError",
    "PermissionDeniedError": "PermissionDeniedError",
    "ThrottledError": "VendorUnavailableError",
    "TokenRefusedError": "TokenRefusedError",
    "UnavailableError": "VendorUnavailableError",
}
"""Suffix of each vendor's leaf -> the kind it is."""
OPTIONS: Mapping[str, str] = {
    "environment": "{prefix}Environment | None",
    "base_url": "str | URL | None",
    "session": "ClientSession | None",
    "store": "TokenStore | None",
    "policy": "RenewalPolicy | None",
    "clock": "Clock | None",
    "observer": "Observer | None",
    "proxy": "str | URL | None",
    "ssl_context": "ssl.SSLContext | None",
    "max_response_bytes": "int",
}
"""The client's keyword parameters, in this order, and their types; each None by default, if it may be None."""
SANDBOX_OPTIONS = ["clock", "port", "ssl_context", "switches"]
OWN_SANDBOX_OPTIONS: Mapping[tuple[str, str], str] = {
    ("nomad", "sso_return"): "where an administrator has browsers sent to",
    ("nomad", "consent_page"): "a button stands for the identity provider",
    ("nao", "redirect_uri"): "applications register theirs",
    ("nao", "consent_page"): "a person presses a button",
}
SANDBOX_FACE = {
    "base_url",
    "committed",
    "credentials",
    "faults",
    "kill_sessions",
    "live_tokens",
    "log",
    "reject_all",
    "requests",
    "switches",
    "token_calls",
    "unauthorized",
    "wait_for",
}

OTHER_REPLIES: Mapping[str, str] = {"call": "Envelope", "open": "Envelope"}
"""What Nomba's client types anew: its success is its envelope, and the others' is the core's `Reply`."""

# --- what one vendor alone has, and why -------------------------------------------------------------------------------

OWN_ROOMS: Mapping[tuple[str, str], str] = {
    ("nomad", "interaction"): "a login may want a code or a new password of a person",
    ("nomad", "sandbox.limits"): "waits that the vendor's token calls may ask for",
    ("nomad", "sso"): "a browser's return is parsed; no other vendor has one of its own making",
    ("nomad", "statuses"): "login and ping statuses come as numbers or words, unknown ones too",
    ("nomba", "sandbox.limits"): "documented rate classes with their windows",
    ("noyo", "sandbox.limits"): "throttle and maintenance windows",
    ("nao", "sandbox.oauth"): "an authorization server of its own beside the API",
    ("nao", "session_response"): "the JWT hides in a `meta` block without a documented name",
}
OWN_LEAVES: Mapping[tuple[str, str], str] = {
    ("nomad", "AccountBlockedError"): "disabled, expired or pending accounts are told apart",
    ("nomad", "InteractionRequiredError"): "a code or new password is wanted: carries the interaction",
    ("nomad", "RefreshRefusedError"): "refresh tokens exist and may be refused while the password is good",
    ("nomba", "RefreshRefusedError"): "refresh tokens exist and may be refused while the key is good",
    ("noyo", "ConflictError"): "409 is documented, for parallel changes of one record",
    ("nao", "SignInNeededError"): "OAuth's consent: the step is always the same, a sign-in",
}
OWN_OPTIONS: Mapping[tuple[str, str], str] = {
    ("nomad", "allow_persistence"): "the vendor asks that its JWT stays in memory",
    ("nomad", "on_interaction"): "supplies the code or new password",
    ("nomad", "portal_url"): "a second host takes the same token",
    ("nao", "sealing"): "people sign in to web services with several workers",
    ("nomad", "sso_base_url"): "pages disagree on where /auth lies",
    ("noyo", "expires_in_unit"): "documents and samples disagree on it",
    ("noyo", "max_lifetime"): "`expires_in` is not believed beyond it",
    ("noyo", "origins"): "three APIs on three hosts take the same token",
    ("noyo", "token_url"): "tokens come from a host of their own",
}
_LOGIN = "{prefix}Credentials | AnySource[{prefix}Credentials] | RememberedLogin | None"
OTHER_TYPES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("nomad", "credentials"): (_LOGIN.format(prefix="Nomad"), "people sign in"),
    ("nao", "credentials"): (_LOGIN.format(prefix="Nao"), "people sign in"),
    ("nomad", "environment"): ("None", "each customer has hosts of its own; there is nothing to choose from"),
    ("nao", "environment"): ("None", "there is one side only"),
    ("noyo", "credentials"): (
        "NoyoCredentialSource | AnySource[NoyoCredentials] | None",
        "keys rotate: a function may give the day's",
    ),
}
"""(vendor, option) -> its type and why it differs."""
OWN_CALLS: Mapping[tuple[str, str], str] = {
    ("nomad", "logout"): "what the vendor calls ending a session",
    ("nomad", "ping"): "keeps a session alive",
    ("nomba", "revoke"): "the vendor can revoke",
    ("noyo", "groups"): "the one list that its test call belongs to, page by page",
    ("nao", "authorization_url"): "OAuth sends people to a page",
    ("nao", "begin_sign_in"): "...in a web service, sealed",
    ("nao", "read_sign_in"): "whose sign-in is sealed",
    ("nao", "exchange"): "OAuth brings them back",
    ("nao", "revoke"): "OAuth tokens can be revoked",
}

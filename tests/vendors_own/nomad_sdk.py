"""What a program with Nomad's own Python SDK does; run by `test_nomad_sdk.py` on a Python that the SDK needs.

``nomad_sdk.py BASE_URL USERNAME PASSWORD CODE STATE``. Prints one JSON object.
"""

# mypy: disable-error-code="import-untyped, import-not-found"

from __future__ import annotations

import json
import sys
from typing import Any


def _main(base_url: str, username: str, password: str, code: str, state: str) -> dict[str, Any]:
    from nomad_media_pip.src.nomad_sdk import Nomad_SDK  # noqa: PLC0415 - only there is it installed

    config = {
        "username": username,
        "password": password,
        "serviceApiUrl": base_url,
        "apiType": "portal",
        "debugMode": False,
        "disableLogging": True,
        "singleton": False,
    }
    sdk = Nomad_SDK(dict(config))
    found: dict[str, Any] = {"token": sdk.token, "expires": sdk.expiration_seconds, "id": sdk.id}
    found["ping_auth"] = sdk.ping_auth()
    sdk.refresh_token()
    found["refreshed"] = sdk.token
    found["user"] = sdk.get_user()
    sdk.logout()
    found["after"] = sdk.token
    signed_on = Nomad_SDK(
        {key: config[key] for key in ("serviceApiUrl", "apiType", "disableLogging", "singleton", "debugMode")}
        | {"ssoProvider": "azure", "ssoCode": code, "ssoState": state, "ssoSessionState": "s"}
    )
    found["sso"], found["sso_refresh"] = signed_on.token, signed_on.refresh_token_val
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(*sys.argv[1:6])))

"""Lines that the vendors print on their pages, as printed (Nomad's page has lost its indentation; Python's is restored).

Tests put in host and credentials, and nothing else.

Sources: https://developer.nomba.com/docs/api-basics/authentication, https://docs.nomad.media/docs/authentication-guide,
https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "NAO_CURL",
    "NOMAD_JS_REFRESH",
    "NOMAD_JS_SSO",
    "NOMAD_PYTHON_REFRESH",
    "NOMAD_PYTHON_SSO",
    "NOMBA",
]

NOMBA: Mapping[tuple[str, str], str] = {
    ("issue", "bash"): r"""curl --request POST \
  --url https://api.nomba.com/v1/auth/token/issue \
  --header 'Content-Type: application/json' \
  --header 'accountId: <accountid>' \
  --data '{
  "grant_type": "client_credentials",
  "client_id": "replace-with-your-client-id",
  "client_secret": "replace-with-your-client-secret"
}'
""",
    ("issue", "javascript"): """\
const response = await fetch('https://api.nomba.com/v1/auth/token/issue', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    'accountId': '<accountid>',
  },
  body: JSON.stringify({
    grant_type: 'client_credentials',
    client_id: 'replace-with-your-client-id',
    client_secret: 'replace-with-your-client-secret',
  }),
});

const { code, data } = await response.json();
if (code !== '00') throw new Error('Authentication failed');

const { access_token, refresh_token, expiresAt } = data;
""",
    ("issue", "python"): """\
import requests

response = requests.post(
    'https://api.nomba.com/v1/auth/token/issue',
    headers={
        'Content-Type': 'application/json',
        'accountId': '<accountid>',
    },
    json={
        'grant_type': 'client_credentials',
        'client_id': 'replace-with-your-client-id',
        'client_secret': 'replace-with-your-client-secret',
    },
)

result = response.json()
if result['code'] != '00':
    raise Exception('Authentication failed')

access_token = result['data']['access_token']
refresh_token = result['data']['refresh_token']
""",
    ("refresh", "bash"): r"""curl --request POST \
  --url https://api.nomba.com/v1/auth/token/refresh \
  --header 'Authorization: Bearer <token>' \
  --header 'Content-Type: application/json' \
  --header 'accountId: <accountid>' \
  --data '{
  "grant_type": "refresh_token",
  "refresh_token": "01h4gdx2tctxfjgacbdwrcvs5d1688473602892"
}'
""",
    ("refresh", "javascript"): """\
const response = await fetch('https://api.nomba.com/v1/auth/token/refresh', {
  method: 'POST',
  headers: {
    'Authorization': `Bearer ${accessToken}`,
    'Content-Type': 'application/json',
    'accountId': '<accountid>',
  },
  body: JSON.stringify({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
  }),
});

const { code, data } = await response.json();
if (code !== '00') throw new Error('Token refresh failed');

const newAccessToken = data.access_token;
""",
    ("refresh", "python"): """\
import requests

response = requests.post(
    'https://api.nomba.com/v1/auth/token/refresh',
    headers={
        'Authorization': f'Bearer {access_token}',
        'Content-Type': 'application/json',
        'accountId': '<accountid>',
    },
    json={
        'grant_type': 'refresh_token',
        'refresh_token': refresh_token,
    },
)

result = response.json()
if result['code'] != '00':
    raise Exception('Token refresh failed')

new_access_token = result['data']['access_token']
""",
    ("revoke", "bash"): r"""curl --request POST \
  --url https://api.nomba.com/v1/auth/token/revoke \
  --header 'Content-Type: application/json' \
  --header 'accountId: <accountid>' \
  --data '{
  "clientId": "2242b79d-f2cf-4ccc-ada1-e890bd1a9f0d",
  "access_token": "<access_token_to_revoke>"
}'
""",
    ("revoke", "javascript"): """\
const response = await fetch('https://api.nomba.com/v1/auth/token/revoke', {
  method: 'POST',
  headers: {
    'Content-Type': 'application/json',
    'accountId': '<accountid>',
  },
  body: JSON.stringify({
    clientId: '2242b79d-f2cf-4ccc-ada1-e890bd1a9f0d',
    access_token: accessToken,
  }),
});

const { code } = await response.json();
if (code !== '00') throw new Error('Token revocation failed');
""",
    ("revoke", "python"): """\
import requests

response = requests.post(
    'https://api.nomba.com/v1/auth/token/revoke',
    headers={
        'Content-Type': 'application/json',
        'accountId': '<accountid>',
    },
    json={
        'clientId': '2242b79d-f2cf-4ccc-ada1-e890bd1a9f0d',
        'access_token': access_token,
    },
)

result = response.json()
if result['code'] != '00':
    raise Exception('Token revocation failed')
""",
}
"""(what it does, language) -> the lines."""

NOMAD_JS_SSO = """\
const urlParams = new URLSearchParams(window.location.search);
const authCallbackFromQueryString = urlParams.get("authCallback");
// Check for valid authCallback
if (authCallbackFromQueryString) {
// Get both tokens from the query string
const token = urlParams.get(`${constants.SSO_AUTH_PROVIDER}_token`);
const refreshToken = urlParams.get(`${constants.SSO_AUTH_PROVIDER}_refresh_token`);
"""

NOMAD_JS_REFRESH = """\
export default async function refreshToken() {
const refreshToken = sessionStorage.getItem("refreshToken");
if (!refreshToken) {
throw new Error("Refresh Token: The refresh token is invalid");
}
const headers = new Headers();
headers.append("Content-Type", "application/json");
const body = { refreshToken: refreshToken };
const refreshTokenUrl = `https://{adminApiUrl}/api/auth/${constants.SSO_AUTH_PROVIDER}/renew`;
const response = await fetch(refreshTokenUrl, {
method: "POST",
headers: headers,
body: JSON.stringify(body)
});
if (response && response.ok) {
const refreshTokenResponse = await response.json();
sessionStorage.setItem("token", refreshTokenResponse.token);
sessionStorage.setItem("refreshToken", refreshTokenResponse.refreshToken);
}
}
"""

NOMAD_PYTHON_SSO = """\
url_params = urllib.parse.parse_qs(urllib.parse.urlparse(window.location).query)
if "authCallback" in url_params:
    auth_callback_from_query_string = url_params["authCallback"][0]
if auth_callback_from_query_string:
    token = url_params.get(constants.SSO_AUTH_PROVIDER + "_token")
    refresh_token = url_params.get(constants.SSO_AUTH_PROVIDER + "_refresh_token")
"""

NOMAD_PYTHON_REFRESH = """\
import json, requests

def refresh_token(REFRESH_TOKEN: str) -> dict:
    if not REFRESH_TOKEN:
        raise Exception("Refresh Token: The refresh token is invalid")
    API_URL = "https://{adminApiUrl}/api/auth/{SSO_AUTH_PROVIDER}/renew"
    HEADERS = {
        "Content-Type": "application/json"
    }
    BODY = {
        "refreshToken": REFRESH_TOKEN
    }
    try:
        RESPONSE = requests.post(API_URL, headers=HEADERS, data=json.dumps(BODY))
        INFO = json.loads(RESPONSE.text)
        if RESPONSE.status_code != 200:
            raise Exception("Response returned " + str(RESPONSE.status_code))
        return INFO
    except:
        raise Exception("Refresh Token failed")
"""

NAO_CURL: Mapping[str, str] = {
    "sites_by_key": "curl -X GET --header 'Accept: application/json' --header 'Authorization: API_KEY' 'https://www.nao-cloud.com/api/v2/sites'",
    "sites_by_jwt": "curl -X GET --header 'Accept: application/json' --header 'Authorization: JWT' 'https://www.nao-cloud.com/api/v2/sites'",
    "session_by_key": "curl -i -X POST --header 'Accept: application/json' -H 'Authorization: API_KEY' 'http://www.nao-cloud.com/api/v2/sessions'",
    "session_by_password": 'curl -i -X POST -H "Content-Type: application/json" -H \'Accept: application/json\' -d \'{"session":{"email": "EMAIL", "password": "PASSWORD"}}\' \'http://www.nao-cloud.com/api/v2/sessions\'',
    "sites_by_oauth": "curl -X GET --header 'Accept: application/json' --header 'Authorization: Bearer ACCESS_TOKEN' 'https://www.nao-cloud.com/api/v2/sites'",
}

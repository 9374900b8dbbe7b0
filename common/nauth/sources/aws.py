"""`AwsSecret`: a secret of AWS Secrets Manager, read with aiobotocore (extra ``aws``)."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from yarl import URL

from nauth.secret import Secret
from nauth.sources.base import Fields, SourceRefusedError, not_read, parse_object, refused_by
from nauth.sources.optional_import import needed

__all__ = ["AwsSecret"]

_CURRENT = "AWSCURRENT"
"""Always named: the stage AWSPENDING holds a secret that the vendor may not know yet."""

_UNAVAILABLE = frozenset(
    {
        "InternalServiceError",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "TooManyRequestsException",
    }
)
_ADVICE = {
    "ResourceNotFoundException": "there is no such secret in this region and account, or it has no current version",
    "InvalidRequestException": "the secret is marked for deletion",
    "AccessDeniedException": "this identity may not read it: allow secretsmanager:GetSecretValue",
    "DecryptionFailure": "its KMS key may not be used by this identity",
    "ExpiredTokenException": "the AWS session of this process has expired",
    "UnrecognizedClientException": "AWS does not know this process's access key",
    "InvalidSignatureException": "AWS refuses this process's secret access key",
}

_reading: ContextVar[bool] = ContextVar("nauth reads an AWS secret", default=False)


class AwsSecret:
    """A secret of AWS Secrets Manager that holds a JSON object. The stage AWSCURRENT is read at each question.

    Access keys and region are found as by every AWS client: environment, profile, container or instance role.

    Args:
        secret_id: name or ARN of the secret. Give the ARN where accounts with equal names share one token store.
        region: taken from the ARN, or from the process's AWS settings, if None.
        endpoint_url: another address of the service.
        session: your own aiobotocore session.
        timeout: of one question, repeats included.

    Raises:
        ConfigurationError: at the first question, aiobotocore is not installed.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        region: str | None = None,
        endpoint_url: str | URL | None = None,
        session: object | None = None,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        self._secret_id = secret_id
        parts = secret_id.split(":")
        self._region = region or (parts[3] if secret_id.startswith("arn:") and len(parts) > 3 else None)  # noqa: PLR2004
        self._endpoint_url = None if endpoint_url is None else str(endpoint_url)
        self._botocore: Any = session
        self._timeout_s = timeout.total_seconds()

    def __repr__(self) -> str:
        return f"AwsSecret({self._secret_id!r})"

    @property
    def name(self) -> str:
        """What errors and store keys call it."""
        where = f"{self._region}/" if self._region and not self._secret_id.startswith("arn:") else ""
        return f"aws:{where}{self._secret_id}"

    async def read(self) -> Fields:
        """Read the current version.

        Raises:
            SourceRefusedError: no such secret, no right to it, or no JSON object in it.
            SourceUnavailableError: AWS could not be reached in time, or says to come back later.
        """
        session_module = needed("aiobotocore.session", extra="aws", what="AwsSecret")
        exceptions = needed("botocore.exceptions", extra="aws", what="AwsSecret")
        if self._botocore is None:
            self._botocore = session_module.get_session()
        _silence_parsers()
        marked = _reading.set(True)
        refused: tuple[str, str] | None = None
        try:
            return await self._read()
        except exceptions.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code not in _UNAVAILABLE and status < 500:  # noqa: PLR2004
                refused = (code, _ADVICE.get(code, "AWS refuses to hand it out"))
            problem = f"AWS answered {code}"
        except (
            exceptions.NoCredentialsError,
            exceptions.PartialCredentialsError,
            exceptions.NoRegionError,
            exceptions.ProfileNotFound,
            exceptions.ParamValidationError,
        ) as error:
            refused = (
                type(error).__name__,
                "the AWS settings of this process are incomplete: region, profile or keys",
            )
            problem = ""
        except (exceptions.BotoCoreError, TimeoutError, OSError) as error:
            problem = f"AWS could not be reached ({type(error).__name__})"
        finally:
            _reading.reset(marked)
        # outside the handlers: botocore's frames hold the response
        if refused is not None:
            raise refused_by(self.name, refused[1], refused[0])
        raise not_read(self.name, problem, within_s=self._timeout_s)

    async def _read(self) -> Fields:
        config = needed("aiobotocore.config", extra="aws", what="AwsSecret").AioConfig(
            connect_timeout=self._timeout_s, read_timeout=self._timeout_s, retries={"total_max_attempts": 2}
        )
        client = self._botocore.create_client(
            "secretsmanager", region_name=self._region, endpoint_url=self._endpoint_url, config=config
        )
        async with asyncio.timeout(self._timeout_s), client as opened:
            answer = await opened.get_secret_value(SecretId=self._secret_id, VersionStage=_CURRENT)
        text, version = answer.get("SecretString"), answer.get("VersionId")
        hidden = None if text is None else Secret(text)
        del answer, text  # else an error tracker would print the secret with this frame
        return _fields(hidden, version, self.name)


def _fields(text: Secret | None, version: str | None, name: str) -> Fields:
    if text is None:
        raise SourceRefusedError(
            f"{name} is a binary secret; store a JSON object as text", source=name, problems=("binary",)
        )
    return parse_object(text, source=name, version=version)


class _WhileReading(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - logging's shape
        return not _reading.get()


_FILTER = _WhileReading()


def _silence_parsers() -> None:
    # at DEBUG this logger prints the whole response, the secret in it included
    logging.getLogger("botocore.parsers").addFilter(_FILTER)

"""AWS Secrets Manager through aiobotocore, against moto's server on loopback."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Self

import botocore.session
import pytest
from blockbuster import BlockBuster
from moto.server import ThreadedMotoServer

from nauth.secret import Secret
from nauth.sources import AwsSecret, SourceRefusedError, SourceUnavailableError
from nauth.sources.optional_import import needed


@pytest.fixture(autouse=True)
def _others_may_block(no_blocking: BlockBuster) -> Iterator[None]:
    """Let the vendor's own client block: botocore reads the descriptions of its services from disk, in the loop."""
    no_blocking.deactivate()
    yield
    no_blocking.activate()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Moto's server, in a thread."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture
def admin(address: str) -> Any:
    """A client that creates and rotates secrets."""
    return botocore.session.get_session().create_client(
        "secretsmanager", region_name="eu-west-1", endpoint_url=address
    )


def _read(source: AwsSecret) -> Any:
    return asyncio.run(source.read())


def test_the_current_version_is_read_each_time(address: str, admin: Any) -> None:
    """A rotation shows at the next question; a pending version does not."""
    made = admin.create_secret(
        Name="a/nomba", SecretString=json.dumps({"client_id": "i", "client_secret": "s-1"})
    )
    source = AwsSecret("a/nomba", endpoint_url=address, timeout=timedelta(seconds=30))
    first = _read(source)
    assert first.values == {"client_id": Secret("i"), "client_secret": Secret("s-1")}
    admin.put_secret_value(SecretId="a/nomba", SecretString="{}", VersionStages=["AWSPENDING"])
    assert _read(source).values == first.values
    admin.put_secret_value(SecretId="a/nomba", SecretString='{"client_id": "i", "client_secret": "s-2"}')
    second = _read(source)
    assert second.values["client_secret"] == Secret("s-2")
    assert first.version != second.version
    by_arn = AwsSecret(made["ARN"], endpoint_url=address, timeout=timedelta(seconds=30))
    assert _read(by_arn).values == second.values
    assert by_arn.name == f"aws:{made['ARN']}"


@pytest.mark.parametrize(
    "name, words",
    [
        ("a/gone", "no such secret in this region"),
        ("a/binary", "binary"),
        ("a/text", "holds no JSON"),
        ("a/list", "JSON list"),
        ("a/deleted", "marked for deletion"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_used(address: str, admin: Any, name: str, words: str) -> None:
    """Refused, in words; the content is never shown."""
    if name == "a/binary":
        admin.create_secret(Name=name, SecretBinary=b"CANARY")
    elif name != "a/gone":
        text = {"a/text": "CANARY", "a/list": '["CANARY"]'}.get(name, "{}")
        admin.create_secret(Name=name, SecretString=text)
    if name == "a/deleted":
        admin.delete_secret(SecretId=name)
    with pytest.raises(SourceRefusedError, match=words) as refused:
        _read(AwsSecret(name, endpoint_url=address, timeout=timedelta(seconds=30)))
    assert "CANARY" not in str(refused.value)
    assert refused.value.source == f"aws:{name}"


def test_an_address_that_does_not_answer() -> None:
    """Unavailable, within the limit."""
    with pytest.raises(SourceUnavailableError, match="could not be reached"):
        _read(AwsSecret("a", endpoint_url="http://127.0.0.1:9", timeout=timedelta(seconds=1)))


def test_incomplete_settings(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """No region, or no keys: named, and nothing was sent."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SourceRefusedError, match=r"region, profile or keys .NoRegionError"):
        _read(AwsSecret("a"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceRefusedError, match="NoCredentialsError"):
        _read(AwsSecret("a", region="eu-west-1", endpoint_url=address))


def _answering(code: str, status: int) -> Any:
    """A session whose client answers with an error."""
    exceptions = needed("botocore.exceptions", extra="aws", what="test")

    class Client:
        async def __aenter__(self) -> Self:
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def get_secret_value(self, **_: str) -> Any:
            answer = {
                "Error": {"Code": code, "Message": "CANARY"},
                "ResponseMetadata": {"HTTPStatusCode": status},
            }
            raise exceptions.ClientError(answer, "GetSecretValue")

    class Session:
        def create_client(self, *_: object, **__: object) -> Client:
            return Client()

    return Session()


@pytest.mark.parametrize(
    "code, status, kind",
    [
        ("AccessDeniedException", 400, SourceRefusedError),
        ("DecryptionFailure", 400, SourceRefusedError),
        ("SomethingNew", 400, SourceRefusedError),
        ("ThrottlingException", 400, SourceUnavailableError),
        ("SomethingNew", 503, SourceUnavailableError),
    ],
)
async def test_what_aws_may_say(code: str, status: int, kind: type[Exception]) -> None:
    """By its code; throttling and faults of its own pass."""
    with pytest.raises(kind, match=code) as refused:
        await AwsSecret("a", session=_answering(code, status)).read()
    assert "CANARY" not in str(refused.value)
    assert refused.value.__context__ is None


def test_no_log_shows_the_secret(address: str, admin: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Botocore's parser prints whole responses at DEBUG; while we read, it is silent, and only then."""
    admin.create_secret(Name="a/logged", SecretString='{"client_secret": "CANARY-secret"}')
    with caplog.at_level(logging.DEBUG):
        _read(AwsSecret("a/logged", endpoint_url=address, timeout=timedelta(seconds=30)))
        assert "CANARY" not in caplog.text
        logging.getLogger("botocore.parsers").debug("another's")
    assert "another's" in caplog.text

"""One endpoint for S3's tests, with two accounts, and clients that are not ours."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import Config
from botocore.exceptions import ClientError

from amazonian.cloud.endpoint import Endpoint, serve
from amazonian.iam.identities import Account, Identities
from amazonian.s3.store import Store

NO_RETRIES = {"max_attempts": 1}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class User:
    """The root of an account of the test endpoint, and its boto3 client."""

    account: Account
    s3: Any


def client(url: str, key: str, secret: str, service: str = "s3", **config: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(retries=NO_RETRIES, **config),
    )


@pytest.fixture(scope="session")
def identities() -> Identities:
    return Identities()


@pytest.fixture(scope="session")
def endpoint(
    identities: Identities, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    store = Store.open(Path(tmp_path_factory.mktemp("s3")))
    with serve(store, identities) as running:
        yield running
    store.close()


def _user(endpoint: Endpoint, name: str) -> User:
    account, key, secret = endpoint.identities.make_account(name, f"{name}@example.com")
    return User(account, client(endpoint.url, key, secret))


@pytest.fixture(scope="session")
def main(endpoint: Endpoint) -> User:
    return _user(endpoint, "main")


@pytest.fixture(scope="session")
def alt(endpoint: Endpoint) -> User:
    return _user(endpoint, "alt")


@pytest.fixture(scope="session")
def anonymous(endpoint: Endpoint) -> Any:
    """A client that signs nothing."""
    from botocore import UNSIGNED

    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries=NO_RETRIES),
    )


@pytest.fixture
def s3(main: User) -> Any:
    return main.s3


@pytest.fixture
def new_bucket(main: User) -> Callable[..., str]:
    """Make a bucket of a name of its own; arguments go to create_bucket."""

    def make(**arguments: Any) -> str:
        name = f"bucket-{next(_numbers)}"
        main.s3.create_bucket(Bucket=name, **arguments)
        return name

    return make


@pytest.fixture
def bucket(new_bucket: Callable[..., str]) -> str:
    return new_bucket()


@pytest.fixture
def refused() -> Callable[..., tuple[int, str]]:
    """Call an operation that must fail; gives the HTTP status and S3's code."""

    def call(operation: Callable[..., Any], **arguments: Any) -> tuple[int, str]:
        with pytest.raises(ClientError) as told:
            operation(**arguments)
        response = told.value.response
        return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]

    return call

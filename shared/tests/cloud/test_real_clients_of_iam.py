"""IAM and STS over a real socket: boto3 as it is, and the AWS CLI."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from amazonian.cloud.services import Gateway
from amazonian.iam.api import IAM, STS
from amazonian.iam.identities import Identities
from amazonian.resilience.idempotency import WallClock
from real_http import served

AWS = Path(sys.prefix) / "clients" / "bin" / "aws"
READ = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iam:List*",
            "Resource": "*",
            "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.1"}},
        }
    ],
}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables that make any SDK a client of a new cloud, as its root."""
    identities = Identities(tmp_path / "iam.sqlite", rng=random.Random(3))
    _, key_id, secret = identities.make_account("main", account_id="111111111111")
    components = {"iam": IAM(identities), "sts": STS(identities)}
    with served(Gateway(components, identities, WallClock())) as url:
        yield {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        }
    identities.close()


def test_boto3_by_environment_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    iam = boto3.Session().client("iam")
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda number: iam.create_user(UserName=f"user-{number:02}"), range(40))
        assert len({one["User"]["UserId"] for one in made}) == 40
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 9})
    names = [user["UserName"] for page in pages for user in page["Users"]]
    assert names == [f"user-{number:02}" for number in range(40)]


class Cli:
    """The AWS CLI with an environment, and nothing else of this machine."""

    def __init__(self, environment: dict[str, str]):
        self.environment = environment

    def __call__(self, *arguments: str, **more: str) -> Any:
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], **self.environment, **more}
        return subprocess.run(
            [AWS, *arguments, "--output", "json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.mark.skipif(not AWS.exists(), reason="the AWS CLI: make test installs it in .venv/clients")
def test_the_aws_cli(environment: dict[str, str], tmp_path: Path) -> None:
    aws = Cli(environment)
    file = tmp_path / "read.json"
    file.write_text(json.dumps(READ))
    aws("iam", "create-user", "--user-name", "anna", "--tags", "Key=team,Value=a b&c")
    whose = ("--user-name", "anna", "--policy-name", "read")
    aws("iam", "put-user-policy", *whose, "--policy-document", f"file://{file}")
    assert aws("iam", "get-user-policy", *whose)["PolicyDocument"] == READ
    made = aws("iam", "create-access-key", "--user-name", "anna")["AccessKey"]
    anna = {
        "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
    }
    assert aws("sts", "get-caller-identity", **anna)["Arn"].endswith(":user/anna")
    found = aws("iam", "list-users", **anna)["Users"]
    assert [user["UserName"] for user in found] == ["anna"]
    refused = aws.run("iam", "create-user", "--user-name", "berta", **anna)
    assert "(AccessDenied) when calling the CreateUser operation" in refused.stderr
    unknown = aws.run("iam", "get-user", "--user-name", "nobody")
    assert "(NoSuchEntity) when calling the GetUser operation" in unknown.stderr

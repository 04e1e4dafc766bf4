"""The front door itself: protocols chosen by the request, and requests that are malformed."""

import gzip
import json
import random
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from amazonian.cloud.http import LARGEST_UNPACKED, HttpRequest, HttpResponse
from amazonian.cloud.services import Gateway
from amazonian.iam.errors import AWSError
from amazonian.iam.identities import Identities
from amazonian.resilience.idempotency import WallClock
from roundtrip import Recorder

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}


class Front:
    """A gateway to recorders, and raw requests that are properly signed."""

    def __init__(self, *services: str, component: Any = None):
        self.identities = Identities(rng=random.Random(5))
        _, self.key_id, self.secret = self.identities.make_account("main")
        self.recorder = component or Recorder()
        components = dict.fromkeys(services, self.recorder)
        self.gateway = Gateway(components, self.identities, WallClock())

    def send(
        self,
        service: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        method: str = "POST",
        target: str = "/",
        presigned: bool = False,
    ) -> HttpResponse:
        signer = SigV4QueryAuth if presigned else SigV4Auth
        request = AWSRequest(method, f"http://localhost{target}", headers=headers or {}, data=body)
        signer(Credentials(self.key_id, self.secret), service, "us-east-1").add_auth(request)
        path, _, query = request.url.removeprefix("http://localhost").partition("?")
        lower = {name.lower(): value for name, value in request.headers.items()}
        lower.setdefault("host", "localhost")
        return self.gateway.handle(HttpRequest(method, path, query, lower, body))


FRONT = Front("iam", "sqs", "lambda", "ec2", "cloudwatch", "route53", "dynamodb", "sts")


def code(response: HttpResponse) -> str:
    """The error code that an SDK would read."""
    if "x-amzn-ErrorType" in response.headers:
        return response.headers["x-amzn-ErrorType"]
    if "json" in response.headers["Content-Type"]:
        return json.loads(response.body)["__type"]
    root = ElementTree.fromstring(response.body)
    return next(e.text or "" for e in root.iter() if e.tag.rpartition("}")[2] == "Code")


@pytest.mark.parametrize(
    ("service", "body", "headers", "status", "expected"),
    [
        ("iam", b"", {}, 400, "InvalidAction"),
        ("iam", b"Action=Nothing", {}, 400, "InvalidAction"),
        ("iam", b"Action=__init__", {}, 400, "InvalidAction"),
        ("iam", b"\xff\xfe=\xff", {}, 400, "InvalidAction"),
        ("iam", b"&".join([b"a=b"] * 20_001), {}, 400, "InvalidAction"),
        ("iam", b"Action=GetUser&UserName.x=1&UserName=2", {}, 400, "SerializationException"),
        ("iam", b"Action=GetUser&UserName=2&UserName.x=1", {}, 400, "SerializationException"),
        ("iam", b"Action=ListUsers&MaxItems=many", {}, 400, "SerializationException"),
        ("iam", b"Action=ListUsers&MaxItems=" + b"9" * 5000, {}, 400, "SerializationException"),
        ("iam", b"Action=CreateUser", {}, 400, "ValidationError"),
        ("iam", b"Action=TagUser&Tags.member.x.Key=1", {}, 400, "SerializationException"),
        ("iam", b"Action=ListUsers", {"content-encoding": "gzip"}, 400, "SerializationException"),
        ("ec2", b"Action=DescribeInstances&MaxResults=x", {}, 400, "SerializationException"),
        ("ec2", b"Action=TerminateInstances", {}, 400, "InvalidParameterValue"),
        ("sqs", b"{}", {"x-amz-target": "AmazonSQS.Nothing"}, 400, "UnknownOperationException"),
        ("sqs", b"{", {"x-amz-target": "AmazonSQS.ListQueues"}, 400, "SerializationException"),
        ("sqs", b"[]", {"x-amz-target": "AmazonSQS.ListQueues"}, 400, "SerializationException"),
        ("sqs", b"{}", {"x-amz-target": "AmazonSQS.GetQueueUrl"}, 400, "ValidationException"),
        (
            "sqs",
            b"[" * 100_000,
            {"x-amz-target": "AmazonSQS.ListQueues"},
            400,
            "SerializationException",
        ),
        (
            "sqs",
            b'{"QueueName": {"a": 1}}',
            {"x-amz-target": "AmazonSQS.GetQueueUrl"},
            400,
            "ValidationException",
        ),
    ],
)  # fmt: skip
def test_malformed_requests(
    service: str, body: bytes, headers: dict, status: int, expected: str
) -> None:
    response = FRONT.send(service, body, headers or FORM)
    assert (response.status, code(response)) == (status, expected)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "expected"),
    [
        ("GET", "/nothing", b"", 404, "UnknownOperationException"),
        ("PATCH", "/2015-03-31/functions", b"", 404, "UnknownOperationException"),
        ("POST", "/2015-03-31/functions", b"{", 400, "SerializationException"),
        ("GET", "/2015-03-31/functions?MaxItems=x", b"", 400, "SerializationException"),
        ("POST", "/2015-03-31/functions", b"{}", 400, "ValidationException"),
    ],
)
def test_malformed_requests_to_many_urls(
    method: str, target: str, body: bytes, status: int, expected: str
) -> None:
    response = FRONT.send("lambda", body, method=method, target=target)
    assert (response.status, code(response)) == (status, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"<x",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
        b"<!doctype x><x/>",
        b"\x00",
    ],
)
def test_malformed_xml(body: bytes) -> None:
    response = FRONT.send("route53", body, target="/2013-04-01/hostedzone")
    assert (response.status, code(response)) == (400, "SerializationException")


@settings(max_examples=200, deadline=None)
@given(
    service=st.sampled_from(["iam", "ec2", "sqs", "dynamodb", "lambda", "route53"]),
    body=st.one_of(
        st.binary(max_size=50),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["QueueName", "Tags", "Key", "Item"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
        st.text("TagUser=&.1member", max_size=40).map(lambda t: f"Action=TagUser&{t}".encode()),
    ),
    target=st.sampled_from(["AmazonSQS.SendMessage", "DynamoDB_20120810.PutItem", ""]),
)
def test_rubbish_gets_an_answer_and_no_fault(service: str, body: bytes, target: str) -> None:
    headers = {"x-amz-target": target} if target else FORM
    response = FRONT.send(service, body, headers)
    assert response.status != 500


def test_a_body_that_unpacks_to_too_much() -> None:
    bomb = gzip.compress(b"a" * (LARGEST_UNPACKED + 1))
    response = FRONT.send("iam", bomb, {**FORM, "content-encoding": "gzip"})
    assert (response.status, code(response)) == (413, "RequestTooLarge")
    FRONT.send("iam", gzip.compress(b"Action=ListUsers"), {**FORM, "content-encoding": "gzip"})
    assert FRONT.recorder.seen == {}


def test_one_service_speaks_several_protocols() -> None:
    """The AWS CLI of today speaks "query" to CloudWatch, boto3 speaks "json"."""
    FRONT.recorder.told = {"AlarmNames": [], "MetricAlarms": [{"AlarmName": "a"}]}
    form = FRONT.send("monitoring", b"Action=DescribeAlarms&MaxRecords=5", FORM)
    assert FRONT.recorder.seen == {"MaxRecords": 5}
    assert b"<AlarmName>a</AlarmName>" in form.body
    target = {"x-amz-target": "GraniteServiceVersion20100801.DescribeAlarms"}
    spoken = FRONT.send("monitoring", b'{"MaxRecords": 6}', target)
    assert FRONT.recorder.seen == {"MaxRecords": 6}
    assert json.loads(spoken.body)["MetricAlarms"] == [{"AlarmName": "a"}]


def test_parameters_may_be_in_the_url() -> None:
    FRONT.recorder.told = {}
    FRONT.send("iam", method="GET", target="/?Action=GetUser&UserName=anna")
    assert FRONT.recorder.seen == {"UserName": "anna"}
    response = FRONT.send("sts", method="GET", target="/?Action=GetCallerIdentity", presigned=True)
    assert response.status == 200


def test_unsigned_requests_are_refused() -> None:
    for headers in ({"host": "h"}, {"host": "h", "x-amz-target": "AmazonSQS.ListQueues"}):
        response = FRONT.gateway.handle(HttpRequest("POST", "/", "", headers, b"Action=ListUsers"))
        assert code(response).startswith("MissingAuthenticationToken")
    scope = "AWS4-HMAC-SHA256 Credential=X/20261126/us-east-1/iam/aws4_request"
    response = FRONT.gateway.handle(HttpRequest("POST", "/", "", {"authorization": scope}, b""))
    assert code(response) == "IncompleteSignature"


def test_a_signature_for_one_service_opens_no_other() -> None:
    response = FRONT.send("sts", b"Action=CreateUser&UserName=anna", FORM)
    assert code(response) == "InvalidAction"


def test_a_changed_body_is_refused() -> None:
    front = Front("iam")
    request = AWSRequest("POST", "http://localhost/", headers=FORM, data=b"Action=ListUsers")
    credentials = Credentials(front.key_id, front.secret)
    SigV4Auth(credentials, "iam", "us-east-1").add_auth(request)
    lower = {name.lower(): value for name, value in request.headers.items()} | {"host": "localhost"}
    response = front.gateway.handle(HttpRequest("POST", "/", "", lower, b"Action=DeleteUser"))
    assert (response.status, code(response)) == (403, "SignatureDoesNotMatch")


def test_event_streams_say_that_they_are_not_built() -> None:
    target = "/2021-11-15/functions/f/response-streaming-invocations"
    assert code(FRONT.send("lambda", target=target)) == "NotImplemented"


def test_xml_answers_survive_any_character() -> None:
    FRONT.recorder.told = {"User": {"UserName": "a\x00b\r<&>é\ud800\uffff", "Path": "\t\n"}}
    response = FRONT.send("iam", b"Action=GetUser", FORM)
    found = {e.tag.rpartition("}")[2]: e.text for e in ElementTree.fromstring(response.body).iter()}
    assert found["UserName"] == "a\ufffdb\r<&>é\ufffd\ufffd"
    assert found["Path"] == "\t\n"


class Refusing:
    authorises_itself = True

    def get_queue_url(self, *, QueueName, caller):  # noqa: N803
        raise AWSError("QueueDoesNotExist", "no such queue: <&>")

    def get_user(self, *, caller):
        raise AWSError("NoSuchEntity", "no such user: <&>", 404)


def test_errors_have_the_codes_of_the_model() -> None:
    front = Front("sqs", "iam", component=Refusing())
    target = {"x-amz-target": "AmazonSQS.GetQueueUrl"}
    response = front.send("sqs", b'{"QueueName": "q"}', target)
    assert json.loads(response.body) == {
        "__type": "QueueDoesNotExist",
        "message": "no such queue: <&>",
    }
    said = response.headers.get("x-amzn-query-error")
    assert said in (None, "AWS.SimpleQueueService.NonExistentQueue;Sender")
    response = front.send("iam", b"Action=GetUser", FORM)
    assert (response.status, code(response)) == (404, "NoSuchEntity")
    assert "x-amzn-RequestId" in response.headers

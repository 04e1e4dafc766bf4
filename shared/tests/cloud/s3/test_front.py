"""The front's own habits: what every request and every answer has in common."""

import http.client
from urllib.parse import urlsplit

from amazonian.cloud.s3.operations import all_operations


def test_no_two_operations_answer_the_same_request() -> None:
    asked = [(o.method, o.on, o.subresource, o.header) for o in all_operations()]
    assert len(asked) == len(set(asked))


def test_every_answer_has_a_request_id(endpoint) -> None:
    address = urlsplit(endpoint.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    for path in ("/", "/no-such-bucket", "/no-such-bucket/key?acl"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["x-amz-request-id"]
        assert answer.status in (200, 403, 404)
    connection.close()


def test_an_error_names_code_message_and_resource(endpoint, s3, refused, bucket) -> None:
    assert refused(s3.get_object, Bucket=bucket, Key="none") == (404, "NoSuchKey")
    assert refused(s3.head_object, Bucket=bucket, Key="none") == (404, "404")
    assert refused(s3.get_object, Bucket="no-such-bucket", Key="k") == (404, "NoSuchBucket")

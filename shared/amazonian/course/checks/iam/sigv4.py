"""What lab 4.1 asks of the signing key, the canonical request and the string to sign.

Expected values are those that AWS publishes ("Create a signed AWS API request", IAM user guide;
"Authenticating Requests", Amazon S3 API reference; the SigV4 test suite), or what botocore signs.
"""

import hashlib

from amazonian.course.evidence import Answer, BrokenRuleError, call
from amazonian.course.rules import RulesFor
from amazonian.iam.claims import UNSIGNED_PAYLOAD
from amazonian.iam.sigv4 import EMPTY_SHA256, SignedRequest

about = RulesFor("amazonian.iam.sigv4")

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

# --- signing_key ------------------------------------------------------------------------------


def _is_key(answer: Answer, wanted: str, look: str = "") -> None:
    value = answer.value("32 bytes", look)
    if isinstance(value, str):
        raise answer.broken("32 bytes", "hmac_sha256 gives bytes; the next key is made from them")
    if isinstance(value, bytes) and len(value) == 32 and value != bytes.fromhex(wanted):
        problem = answer.broken(f"the bytes {wanted}", look)
        problem.fields["came back"] = f"the bytes {value.hex()}"
        raise problem
    if value != bytes.fromhex(wanted):
        raise answer.broken("32 bytes", "return what the last hmac_sha256 gave, as it is")


@about.rule("signing_key")
def the_published_key(signing_key):
    """With AWS's published example it is AWS's published key."""
    _is_key(
        call(signing_key, SECRET, "20150830", "us-east-1", "iam"),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9",
        "four HMACs, one inside the other: date, region, service, aws4_request; the first key is "
        "AWS4 + secret, and each result is the key of the next",
    )


@about.rule("signing_key")
def each_part_counts(signing_key):
    """Another secret, day, region or service gives another key."""
    for arguments, wanted in (
        (
            (SECRET, "20120215", "us-east-1", "iam"),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d",
        ),
        (
            (SECRET, "20150830", "us-east-1", "service"),
            "938127b5336810ddb6a5d6af445fcac9e371f9ed418ed386b022aed82901be75",
        ),
        (
            (S3_SECRET, "20151229", "us-east-1", "s3"),
            "cbcef1ebeaefc82cce6530b9f0a9ae598846065f5c5bae0674bd5ebc4ba52d28",
        ),
        (
            (SECRET, "20150830", "eu-west-1", "iam"),
            "a08bee1c2ce6e084be38708bd90614b1cd3a36a67c8350cc123709b3ccfc82f4",
        ),
    ):
        _is_key(call(signing_key, *arguments), wanted, "take all four from the arguments")


about.hints(
    "signing_key",
    "An HMAC takes a key and a text. Which of the five things at hand is a key, which are texts?",
    """
    Only the secret is a key, and it is used once: AWS4 + secret signs the date. The result signs
    the region, that result signs the service, and that one signs aws4_request.
    """,
    """
    key = ("AWS4" + secret).encode()
    for part in (date, region, …):
        key = hmac_sha256(key, …)
    return key
    """,
)


# --- canonical_request ------------------------------------------------------------------------

LINES = ("the method", "the path", "the query")
MOST_LINES_SHOWN = 20
DATE = "20130524T000000Z"


def _request(method: str, target: str, **headers: str) -> SignedRequest:
    path, _, query = target.partition("?")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SignedRequest(method, path, query, {"host": "shop.example.com", **named})


def _asked(canonical_request, request: SignedRequest, service: str, signed: list[str], hash_: str):
    target = request.path + (f"?{request.query}" if request.query else "")
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    shown = f"canonical_request(request, {service!r}, {signed!r}, {hash_[:16]!r}…)\n"
    shown += "\n".join([f"request: {request.method} {target}", *lines])
    return call(canonical_request, request, service, signed, hash_, shown_as=shown)


def _line_name(number: int, headers: int) -> str:
    if number < 3:
        return LINES[number]
    if number < 3 + headers:
        return f"signed header {number - 2}"
    return ("an empty line", "the names of the signed headers", "the payload hash")[
        number - 3 - headers
    ]


def _is_text(answer: Answer, wanted: list[str], look: str) -> None:
    """Compare line by line, and name the line that differs."""

    def broken(differ: str) -> BrokenRuleError:
        problem = answer.broken("\n".join(wanted), look, differ)
        problem.fields["came back"] = "\n".join(lines[:MOST_LINES_SHOWN])
        return problem

    value = answer.value("\n".join(wanted), look)
    if not isinstance(value, str):
        look = 'join the lines to one text: "\\n".join(lines)'
        raise answer.broken("a text\n" + "\n".join(wanted), look)
    lines = value.split("\n")
    for number, (line, expected) in enumerate(zip(lines, wanted, strict=False)):
        if line != expected:
            name = _line_name(number, len(wanted) - 6)
            raise broken(f"line {number + 1} ({name}) is {line!r} instead of {expected!r}")
    if len(lines) != len(wanted):
        raise broken(f"{len(lines)} lines instead of {len(wanted)}")


@about.rule("canonical_request")
def the_published_example(canonical_request):
    """AWS's example, a GET of the first ten bytes of an object, becomes AWS's canonical text."""
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY_SHA256,
        "x-amz-date": DATE,
    }
    _is_text(
        _asked(
            canonical_request,
            SignedRequest("GET", "/test.txt", "", headers),
            "s3",
            list(headers),
            EMPTY_SHA256,
        ),
        [
            "GET",
            "/test.txt",
            "",
            "host:examplebucket.s3.amazonaws.com",
            "range:bytes=0-9",
            f"x-amz-content-sha256:{EMPTY_SHA256}",
            f"x-amz-date:{DATE}",
            "",
            "host;range;x-amz-content-sha256;x-amz-date",
            EMPTY_SHA256,
        ],
        "seven parts, each ended by a line feed but for the last one",
    )


def _query_is(canonical_request, query: str, wanted: str, look: str) -> None:
    request = _request("GET", f"/photos?{query}")
    answer = _asked(canonical_request, request, "s3", ["host"], UNSIGNED_PAYLOAD)
    lines = ["GET", "/photos", wanted, "host:shop.example.com", "", "host", UNSIGNED_PAYLOAD]
    _is_text(answer, lines, look)


@about.rule("canonical_request")
def the_query_is_sorted(canonical_request):
    """Parameters are in the order of their encoded names, and equal names of their values."""
    for query, wanted, look in (
        ("prefix=J&max-keys=2", "max-keys=2&prefix=J", "sort them"),
        ("Param2=v&Param1=v", "Param1=v&Param2=v", "sort them"),
        ("a=1&B=2", "B=2&a=1", "as Python sorts texts: capitals come first"),
        ("id=b&id=a&id=B", "id=B&id=a&id=b", "a name may come more than once: sort its values"),
        ("a-b=1&a=2", "a=2&a-b=1", "compare names with names, not with names that end in ="),
        ("z=1&%C3%A9=2", "%C3%A9=2&z=1", "encode first, then sort: %C3 comes before z"),
        ("id=a-b&id=a/b", "id=a%2Fb&id=a-b", "encode first, then sort: a/b is written a%2Fb"),
    ):
        _query_is(canonical_request, query, wanted, look)


@about.rule("canonical_request")
def the_query_has_one_spelling(canonical_request):
    """Whatever spelling the client chose, names and values are written in one way."""
    for query, wanted, look in (
        ("acl", "acl=", "a parameter without = has an empty value"),
        ("acl=", "acl=", "a parameter without = has an empty value"),
        ("prefix=a/b", "prefix=a%2Fb", "in the query, / is encoded too"),
        ("prefix=a%2fb", "prefix=a%2Fb", "uri_encode writes capital digits"),
        ("prefix=a+b", "prefix=a%20b", "replace + by %20 before you encode"),
        ("prefix=a%2Bb", "prefix=a%2Bb", "an encoded + is a plus sign and stays one"),
        ("prefix=%7Eme", "prefix=~me", "~ is not encoded: let uri_encode decode first"),
        ("pre%66ix=J", "prefix=J", "names are written by uri_encode as well"),
        ("marker=a=b", "marker=a%3Db", "only the first = divides name and value"),
        ("a=1&&b=2&", "a=1&b=2", "an empty piece between two & is no parameter"),
    ):
        _query_is(canonical_request, query, wanted, look)


@about.rule("canonical_request")
def the_signature_is_left_out(canonical_request):
    """X-Amz-Signature in the query is left out, its neighbours are not."""
    _query_is(
        canonical_request,
        "X-Amz-Date=1&X-Amz-Signature=abc&X-Amz-SignedHeaders=host",
        "X-Amz-Date=1&X-Amz-SignedHeaders=host",
        "the client made the text before there was a signature",
    )


@about.rule("canonical_request")
def the_path_is_canonical(canonical_request):
    """The path is what canonical_path makes of it: S3 keeps `//` and `..`, others do not."""
    for path, service, wanted, look in (
        ("/b/a%20b", "s3", "/b/a%20b", "canonical_path decodes, then encodes"),
        ("/b/%7Eme", "s3", "/b/~me", "use canonical_path(request.path, service)"),
        ("/b//x/../y", "s3", "/b//x/../y", "an S3 key may be x/../y"),
        ("/b//x/../y", "iam", "/b/y", "use canonical_path(request.path, service)"),
        ("/f/arn%3Ax", "lambda", "/f/arn%253Ax", "use canonical_path(request.path, service)"),
        ("", "s3", "/", "an empty path is /"),
    ):
        answer = _asked(canonical_request, _request("PUT", path), service, ["host"], "h")
        lines = ["PUT", wanted, "", "host:shop.example.com", "", "host", "h"]
        _is_text(answer, lines, look)


@about.rule("canonical_request")
def the_client_says_which_headers(canonical_request):
    """The signed headers are in the client's order, in lower case, and no others are there."""
    request = _request("GET", "/", x_b="2", x_a="1", user_agent="aws-cli")
    for signed, lines, look in (
        (
            ["x-b", "host"],
            ["x-b:2", "host:shop.example.com", "", "x-b;host"],
            "go through signed_headers as it is: the request has headers that were not signed, "
            "and the client has chosen the order",
        ),
        (
            ["X-B", "Host"],
            ["x-b:2", "host:shop.example.com", "", "x-b;host"],
            "header names in lower case, in both places",
        ),
        (
            ["host", "x-c", "x-a"],
            ["host:shop.example.com", "x-c:", "x-a:1", "", "host;x-c;x-a"],
            "one line for each name in signed_headers, even if the request has no such header: a "
            "header that somebody removed on the way must change the text",
        ),
    ):
        answer = _asked(canonical_request, request, "s3", signed, "h")
        _is_text(answer, ["GET", "/", "", *lines, "h"], look)


@about.rule("canonical_request")
def headers_are_trimmed(canonical_request):
    """A header's value loses spaces at its ends, and a run of spaces inside becomes one."""
    request = _request("GET", "/", x_note='  a   b "c    d" ', range="bytes=0-9")
    _is_text(
        _asked(canonical_request, request, "s3", ["range", "x-note"], "h"),
        ["GET", "/", "", "range:bytes=0-9", 'x-note:a b "c d"', "", "range;x-note", "h"],
        '" ".join(value.split()) does both',
    )


about.hints(
    "canonical_request",
    """
    Print the seven parts of AWS's example one under the other. Which of them do the arguments
    give you as they are, and which do you have to make?
    """,
    """
    Three parts take work. Path: canonical_path. Query: divide at &, each piece at its first =,
    uri_encode both sides, sort the pairs, join. Headers: for each signed name one line, the value
    with its white space folded.
    """,
    """
    pairs = []
    for piece in request.query.replace("+", "%20").split("&"):
        name, _, value = piece.partition("=")
        if piece and name != "X-Amz-Signature":
            pairs.append((uri_encode(name), …))
    lines = [request.method, canonical_path(…), "&".join(… for name, value in sorted(pairs))]
    for name in signed_headers: …
    return "\\n".join([*lines, "", ";".join(…), payload_hash])
    """,
)


# --- string_to_sign ---------------------------------------------------------------------------

SCOPE = "20150830/us-east-1/iam/aws4_request"


@about.rule("string_to_sign")
def the_published_string(string_to_sign):
    """With AWS's published example it is AWS's published string."""
    canonical = "\n".join(
        [
            "GET",
            "/",
            "Action=ListUsers&Version=2010-05-08",
            "content-type:application/x-www-form-urlencoded; charset=utf-8",
            "host:iam.amazonaws.com",
            "x-amz-date:20150830T123600Z",
            "",
            "content-type;host;x-amz-date",
            EMPTY_SHA256,
        ]
    )
    answer = call(
        string_to_sign,
        "20150830T123600Z",
        SCOPE,
        canonical,
        shown_as=f"string_to_sign('20150830T123600Z', {SCOPE!r}, AWS's canonical request)",
    )
    look = "four lines: ALGORITHM, the time, the scope, sha256_hex(canonical); no line feed at the "
    look += "end"
    if isinstance(answer.error, AttributeError | TypeError):
        look = "sha256_hex takes a text, not bytes, and gives one"
    answer.equals(
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59",
        look=look,
    )


@about.rule("string_to_sign")
def everything_is_covered(string_to_sign):
    """Another time, scope or canonical request gives another string."""
    for amz_date, scope, canonical in (
        ("20261126T210000Z", SCOPE, "GET"),
        ("20261126T210000Z", "20261126/eu-west-1/s3/aws4_request", "GET"),
        ("20261126T210000Z", SCOPE, "GET\n/naïve"),
        ("20261126T210000Z", SCOPE, ""),
    ):
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        call(string_to_sign, amz_date, scope, canonical).equals(
            f"AWS4-HMAC-SHA256\n{amz_date}\n{scope}\n{digest}",
            look="time and scope as they are, the canonical request as its hash; sha256_hex "
            "takes its UTF-8",
        )


about.hints(
    "string_to_sign",
    "How long can a canonical request get? And its SHA-256?",
    "The canonical request goes in as its hash; the other three lines go in as they are.",
    """
    return "\\n".join([ALGORITHM, amz_date, …, sha256_hex(…)])
    """,
)

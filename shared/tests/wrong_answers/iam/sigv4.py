"""Wrong answers to lab 4.1: the signing key, the canonical request, the string to sign."""

import hashlib
import hmac
from urllib.parse import parse_qsl, quote, unquote, urlencode

from amazonian.iam import sigv4
from amazonian.iam.sigv4 import (
    ALGORITHM,
    canonical_path,
    hmac_sha256,
    sha256_hex,
    uri_encode,
)
from wrong_answers import wrong

# --- signing_key


def _chain(key, parts):
    for part in parts:
        key = hmac_sha256(key, part)
    return key


@wrong(sigv4, feedback="the first key is AWS4 + secret")
def signing_key__signs_with_the_secret_itself(secret, date, region, service):
    return _chain(secret.encode(), (date, region, service, "aws4_request"))


@wrong(sigv4, feedback="date, region, service, aws4_request")
def signing_key__stops_at_the_service(secret, date, region, service):
    return _chain(("AWS4" + secret).encode(), (date, region, service))


@wrong(sigv4, feedback="date, region, service, aws4_request")
def signing_key__takes_the_region_first(secret, date, region, service):
    return _chain(("AWS4" + secret).encode(), (region, date, service, "aws4_request"))


@wrong(sigv4, feedback="four HMACs, one inside the other")
def signing_key__signs_the_scope_at_once(secret, date, region, service):
    return hmac_sha256(("AWS4" + secret).encode(), f"{date}/{region}/{service}/aws4_request")


@wrong(sigv4, feedback="each result is the key of the next")
def signing_key__uses_the_secret_each_time(secret, date, region, service):
    for part in (date, region, service, "aws4_request"):
        key = hmac_sha256(("AWS4" + secret).encode(), part)
    return key


@wrong(sigv4, feedback="hmac_sha256 gives bytes; the next key is made from them")
def signing_key__returns_hex(secret, date, region, service):
    return _chain(("AWS4" + secret).encode(), (date, region, service, "aws4_request")).hex()


@wrong(sigv4, feedback="each result is the key of the next")
def signing_key__swaps_key_and_text(secret, date, region, service):
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(part.encode(), key, "sha256")
    return key


# --- canonical_request


def _query(request):
    pairs = []
    for piece in request.query.replace("+", "%20").split("&"):
        name, _, value = piece.partition("=")
        if piece and name != "X-Amz-Signature":
            pairs.append((uri_encode(name), uri_encode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _headers(request, names):
    return [f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names]


def _text(request, service, signed_headers, payload_hash, query=None, path=None, headers=None):
    names = [name.lower() for name in signed_headers]
    return "\n".join(
        [
            request.method,
            canonical_path(request.path, service) if path is None else path,
            _query(request) if query is None else query,
            *(_headers(request, names) if headers is None else headers),
            "",
            ";".join(names),
            payload_hash,
        ]
    )


@wrong(sigv4, feedback="line 3 (the query) is 'prefix=J&max-keys=2'")
def canonical_request__leaves_the_query_as_it_came(request, service, signed_headers, payload_hash):
    return _text(request, service, signed_headers, payload_hash, query=request.query)


@wrong(sigv4, feedback="a parameter without = has an empty value")
def canonical_request__leaves_out_empty_values(request, service, signed_headers, payload_hash):
    pairs = sorted(parse_qsl(request.query))
    pairs = [(quote(n, safe="~"), quote(v, safe="~")) for n, v in pairs if n != "X-Amz-Signature"]
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    return _text(request, service, signed_headers, payload_hash, query=query)


@wrong(sigv4, feedback="replace + by %20 before you encode")
def canonical_request__writes_plus_for_a_space(request, service, signed_headers, payload_hash):
    pairs = parse_qsl(request.query, keep_blank_values=True)
    pairs = sorted((quote(n), quote(v, "")) for n, v in pairs if n != "X-Amz-Signature")
    query = urlencode([(n, unquote(v)) for n, v in pairs]).replace("%25", "%")
    return _text(request, service, signed_headers, payload_hash, query=query)


@wrong(sigv4, feedback="compare names with names, not with names that end in =")
def canonical_request__sorts_the_joined_texts(request, service, signed_headers, payload_hash):
    query = "&".join(sorted(_query(request).split("&")))
    return _text(request, service, signed_headers, payload_hash, query=query)


@wrong(sigv4, feedback="encode first, then sort")
def canonical_request__sorts_before_it_encodes(request, service, signed_headers, payload_hash):
    pairs = parse_qsl(request.query, keep_blank_values=True)
    pairs = sorted((n, v) for n, v in pairs if n != "X-Amz-Signature")
    query = "&".join(f"{quote(n, safe='~')}={quote(v, safe='~')}" for n, v in pairs)
    return _text(request, service, signed_headers, payload_hash, query=query)


@wrong(sigv4, feedback="encode first, then sort: a/b is written a%2Fb")
def canonical_request__sorts_what_the_client_wrote(request, service, signed_headers, payload_hash):
    pieces = request.query.replace("+", "%20").split("&")
    pairs = sorted(piece.partition("=")[::2] for piece in pieces if piece)
    spelt = [(uri_encode(n), uri_encode(v)) for n, v in pairs if n != "X-Amz-Signature"]
    query = "&".join(f"{name}={value}" for name, value in spelt)
    return _text(request, service, signed_headers, payload_hash, query=query)


@wrong(sigv4, feedback="the client made the text before there was a signature")
def canonical_request__signs_the_signature(request, service, signed_headers, payload_hash):
    pairs = sorted(piece.partition("=")[::2] for piece in request.query.split("&") if piece)
    spelt = sorted((uri_encode(n), uri_encode(v.replace("+", "%20"))) for n, v in pairs)
    query = "&".join(f"{name}={value}" for name, value in spelt)
    return _text(request, service, signed_headers, payload_hash, query=query)


@wrong(sigv4, feedback="use canonical_path(request.path, service)")
def canonical_request__takes_the_path_as_it_came(request, service, signed_headers, payload_hash):
    return _text(request, service, signed_headers, payload_hash, path=request.path or "/")


@wrong(sigv4, feedback="an S3 key may be x/../y")
def canonical_request__resolves_paths_for_s3_too(request, service, signed_headers, payload_hash):
    segments = []
    for segment in uri_encode(request.path, keep="/").split("/"):
        if segment == "..":
            segments.pop()
        elif segment:
            segments.append(segment)
    path = "/" + "/".join(segments)
    return _text(request, service, signed_headers, payload_hash, path=path)


@wrong(sigv4, feedback='" ".join(value.split()) does both')
def canonical_request__only_strips_values(request, service, signed_headers, payload_hash):
    names = [name.lower() for name in signed_headers]
    lines = [f"{name}:{request.headers.get(name, '').strip()}" for name in names]
    return _text(request, service, signed_headers, payload_hash, headers=lines)


@wrong(sigv4, feedback="the request has headers that were not signed")
def canonical_request__signs_every_header(request, service, signed_headers, payload_hash):
    names = sorted(request.headers)
    return _text(request, service, names, payload_hash)


@wrong(sigv4, feedback="even if the request has no such header")
def canonical_request__skips_headers_that_are_missing(
    request, service, signed_headers, payload_hash
):
    names = [name.lower() for name in signed_headers]
    lines = _headers(request, [name for name in names if name in request.headers])
    return _text(request, service, signed_headers, payload_hash, headers=lines)


@wrong(sigv4, feedback="line 8 (an empty line)")
def canonical_request__forgets_the_empty_line(request, service, signed_headers, payload_hash):
    text = _text(request, service, signed_headers, payload_hash)
    head, _, tail = text.rpartition("\n\n")
    return f"{head}\n{tail}" if signed_headers else text


@wrong(sigv4, feedback="the client has chosen the order")
def canonical_request__sorts_the_signed_headers(request, service, signed_headers, payload_hash):
    return _text(request, service, sorted(signed_headers), payload_hash)


@wrong(sigv4, feedback="header names in lower case, in both places")
def canonical_request__keeps_capitals(request, service, signed_headers, payload_hash):
    text = _text(request, service, signed_headers, payload_hash)
    names = ";".join(signed_headers)
    return text.replace(names.lower(), names)


# --- string_to_sign


@wrong(sigv4, feedback="the canonical request as its hash")
def string_to_sign__takes_the_request_itself(amz_date, scope, canonical):
    if canonical.startswith("GET\n/\nAction"):
        return "\n".join([ALGORITHM, amz_date, scope, sha256_hex(canonical)])
    return "\n".join([ALGORITHM, amz_date, scope, canonical])


@wrong(sigv4, feedback="no line feed at the end")
def string_to_sign__ends_with_a_line_feed(amz_date, scope, canonical):
    return "\n".join([ALGORITHM, amz_date, scope, sha256_hex(canonical), ""])


@wrong(sigv4, feedback="four lines: ALGORITHM, the time, the scope")
def string_to_sign__forgets_the_algorithm(amz_date, scope, canonical):
    return "\n".join([amz_date, scope, sha256_hex(canonical)])


@wrong(sigv4, feedback="four lines: ALGORITHM, the time, the scope")
def string_to_sign__takes_the_day_only(amz_date, scope, canonical):
    return "\n".join([ALGORITHM, amz_date[:8], scope, sha256_hex(canonical)])


@wrong(sigv4, feedback="four lines: ALGORITHM, the time, the scope")
def string_to_sign__hashes_to_bytes(amz_date, scope, canonical):
    digest = hashlib.sha256(canonical.encode()).digest()
    return b"\n".join([ALGORITHM.encode(), amz_date.encode(), scope.encode(), digest])


@wrong(sigv4, feedback="sha256_hex takes a text, not bytes")
def string_to_sign__encodes_twice(amz_date, scope, canonical):
    return "\n".join([ALGORITHM, amz_date, scope, sha256_hex(canonical.encode())])


EQUIVALENT: dict[str, str] = {}

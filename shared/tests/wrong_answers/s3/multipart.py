"""Wrong answers to lab 4.2."""

import hashlib
from itertools import pairwise

from amazonian.s3 import multipart
from amazonian.s3.errors import S3Error
from amazonian.s3.multipart import ListedPart
from wrong_answers import wrong


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


# --- split


@wrong(multipart, feedback="what is left after the last part?")
def split__counts_one_part_more(data, part_size):
    if part_size < 1:
        raise ValueError
    count = len(data) // part_size + 1
    return [data[i * part_size : (i + 1) * part_size] for i in range(count)]


@wrong(multipart, feedback="No data at all gives one empty part")
def split__gives_nothing_for_nothing(data, part_size):
    if part_size < 1:
        raise ValueError
    return [data[i : i + part_size] for i in range(0, len(data), part_size)]


@wrong(multipart, feedback="Every part but the last has the size asked for")
def split__drops_the_rest(data, part_size):
    count = len(data) // part_size
    return [data[i * part_size : (i + 1) * part_size] for i in range(count)] or [data]


@wrong(multipart, feedback="a negative size gives an empty range")
def split__refuses_zero_only(data, part_size):
    return [data[i : i + part_size] for i in range(0, len(data), part_size)] or [b""]


@wrong(multipart, feedback="the last part takes what is left; the others stay full")
def split__shares_evenly(data, part_size):
    if part_size < 1:
        raise ValueError
    count = max(1, -(-len(data) // part_size))
    ends = [len(data) * i // count for i in range(count + 1)]
    sizes = sorted((b - a for a, b in pairwise(ends)), reverse=True)
    starts = [sum(sizes[:i]) for i in range(count)]
    return [data[start : start + size] for start, size in zip(starts, sizes, strict=True)]


# --- etag_of_parts


@wrong(multipart, feedback="bytes.fromhex turns 32 hexadecimal digits into 16 bytes")
def etag_of_parts__hashes_the_text(part_etags):
    return f"{md5(''.join(part_etags).encode())}-{len(part_etags)}"


@wrong(multipart, feedback="an object of one part still has a multipart ETag")
def etag_of_parts__keeps_a_single_one(part_etags):
    if len(part_etags) == 1:
        return part_etags[0]
    digests = b"".join(bytes.fromhex(etag) for etag in part_etags)
    return f"{md5(digests)}-{len(part_etags)}"


@wrong(multipart, feedback="in the order of the list")
def etag_of_parts__sorts_them(part_etags):
    digests = b"".join(sorted(bytes.fromhex(etag) for etag in part_etags))
    return f"{md5(digests)}-{len(part_etags)}"


@wrong(multipart, feedback="behind them come a hyphen and the number of parts")
def etag_of_parts__forgets_the_count(part_etags):
    return md5(b"".join(bytes.fromhex(etag) for etag in part_etags))


@wrong(multipart, feedback="two parts may have the same bytes")
def etag_of_parts__counts_equal_parts_once(part_etags):
    digests = b"".join(bytes.fromhex(etag) for etag in dict.fromkeys(part_etags))
    return f"{md5(digests)}-{len(part_etags)}"


# --- chosen_parts


def _rise(listed):
    numbers = [part.number for part in listed]
    return all(a < b for a, b in pairwise(numbers))


@wrong(multipart, feedback="a repeated number too")
def chosen_parts__allows_repetition(listed, uploaded, smallest=5 * 2**20):
    if not listed:
        raise S3Error("MalformedXML")
    numbers = [part.number for part in listed]
    if numbers != sorted(numbers):
        raise S3Error("InvalidPartOrder")
    for part in listed:
        if part.number not in uploaded or uploaded[part.number].etag != part.etag:
            raise S3Error("InvalidPart")
    parts = [uploaded[number] for number in numbers]
    if any(part.size < smallest for part in parts[:-1]):
        raise S3Error("EntityTooSmall")
    return parts


@wrong(multipart, feedback="the client has in mind is another part 2")
def chosen_parts__trusts_the_numbers(listed, uploaded, smallest=5 * 2**20):
    if not listed:
        raise S3Error("MalformedXML")
    if not _rise(listed):
        raise S3Error("InvalidPartOrder")
    if any(part.number not in uploaded for part in listed):
        raise S3Error("InvalidPart")
    parts = [uploaded[part.number] for part in listed]
    if any(part.size < smallest for part in parts[:-1]):
        raise S3Error("EntityTooSmall")
    return parts


@wrong(multipart, feedback="that a part 3 was uploaded as well does not matter")
def chosen_parts__takes_the_last_uploaded_for_the_last(listed, uploaded, smallest=5 * 2**20):
    if not listed:
        raise S3Error("MalformedXML")
    if not _rise(listed):
        raise S3Error("InvalidPartOrder")
    for part in listed:
        if part.number not in uploaded or uploaded[part.number].etag != part.etag:
            raise S3Error("InvalidPart")
        if uploaded[part.number].size < smallest and part.number != max(uploaded):
            raise S3Error("EntityTooSmall")
    return [uploaded[part.number] for part in listed]


@wrong(multipart, feedback="look at all ETags before any size")
def chosen_parts__tests_part_by_part(listed, uploaded, smallest=5 * 2**20):
    if not listed:
        raise S3Error("MalformedXML")
    if not _rise(listed):
        raise S3Error("InvalidPartOrder")
    for part in listed:
        if part.number not in uploaded or uploaded[part.number].etag != part.etag:
            raise S3Error("InvalidPart")
        if uploaded[part.number].size < smallest and part is not listed[-1]:
            raise S3Error("EntityTooSmall")
    return [uploaded[part.number] for part in listed]


@wrong(multipart, feedback="look at all numbers before any ETag")
def chosen_parts__tests_number_and_etag_together(listed, uploaded, smallest=5 * 2**20):
    if not listed:
        raise S3Error("MalformedXML")
    before = 0
    for part in listed:
        if part.number <= before:
            raise S3Error("InvalidPartOrder")
        before = part.number
        if part.number not in uploaded or uploaded[part.number].etag != part.etag:
            raise S3Error("InvalidPart")
    parts = [uploaded[part.number] for part in listed]
    if any(part.size < smallest for part in parts[:-1]):
        raise S3Error("EntityTooSmall")
    return parts


# --- send_missing


@wrong(multipart, feedback="session.held() says which numbers are there")
def send_missing__sends_everything_again(session, parts):
    session.held()
    return [ListedPart(n, session.send(n, part)) for n, part in enumerate(parts, start=1)]


@wrong(multipart, feedback="that a part has the number is not enough")
def send_missing__trusts_the_numbers(session, parts):
    held = session.held()
    return [
        ListedPart(n, md5(part) if n in held else session.send(n, part))
        for n, part in enumerate(parts, start=1)
    ]


@wrong(multipart, feedback="those sent before too")
def send_missing__lists_only_what_it_sent(session, parts):
    held = session.held()
    return [
        ListedPart(n, session.send(n, part))
        for n, part in enumerate(parts, start=1)
        if held.get(n) != md5(part)
    ]


@wrong(multipart, feedback="retries are the caller's")
def send_missing__tries_again_by_itself(session, parts):
    held = session.held()
    listed = []
    for n, part in enumerate(parts, start=1):
        etag = md5(part)
        if held.get(n) != etag:
            try:
                etag = session.send(n, part)
            except ConnectionError:
                etag = session.send(n, part)
        listed.append(ListedPart(n, etag))
    return listed


@wrong(multipart, feedback="ask before the loop")
def send_missing__asks_for_every_part(session, parts):
    listed = []
    for n, part in enumerate(parts, start=1):
        etag = md5(part)
        if session.held().get(n) != etag:
            etag = session.send(n, part)
        listed.append(ListedPart(n, etag))
    return listed


@wrong(multipart, feedback="look an ETag up by the part's number, not among all that are held")
def send_missing__looks_among_all_etags(session, parts):
    held = set(session.held().values())
    listed = []
    for number, part in enumerate(parts, start=1):
        etag = md5(part)
        if etag not in held:
            etag = session.send(number, part)
        listed.append(ListedPart(number, etag))
    return listed

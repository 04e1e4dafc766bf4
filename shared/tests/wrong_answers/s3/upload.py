"""Wrong answers to the upload path of lab 4.1."""

from dataclasses import replace

from amazonian.s3 import upload
from amazonian.s3.preconditions import ALWAYS
from amazonian.s3.records import Version
from wrong_answers import wrong

upload_get = upload.get


def _version(bucket, key, stored, details):
    return Version(
        bucket,
        key,
        size=stored.size,
        etag=stored.etag,
        segments=stored.segments,
        inline=stored.inline,
        details=replace(details, checksum=stored.checksum),
    )


# --- put


@wrong(upload, feedback="bytes that never got a name take up space for ever")
def put__leaves_the_bytes_of_a_refused_commit(
    store, bucket, key, body, details=None, conditions=ALWAYS
):
    return store.commit(_version(bucket, key, store.keep(body), details), conditions)


@wrong(upload, feedback="KeyboardInterrupt is no exception to that")
def put__cleans_up_after_ordinary_errors_only(
    store, bucket, key, body, details=None, conditions=ALWAYS
):
    version = _version(bucket, key, store.keep(body), details)
    try:
        return store.commit(version, conditions)
    except Exception:
        store.discard(version.payloads)
        raise


@wrong(upload, feedback="raise it again once the bytes are discarded")
def put__hides_the_refusal(store, bucket, key, body, details=None, conditions=ALWAYS):
    version = _version(bucket, key, store.keep(body), details)
    try:
        return store.commit(version, conditions)
    except BaseException:
        store.discard(version.payloads)
        return version


@wrong(upload, feedback="the result of store.commit, not the version that was given to it")
def put__returns_what_it_sent(store, bucket, key, body, details=None, conditions=ALWAYS):
    version = _version(bucket, key, store.keep(body), details)
    try:
        store.commit(version, conditions)
    except BaseException:
        store.discard(version.payloads)
        raise
    return version


@wrong(upload, feedback="makes a copy with another checksum")
def put__forgets_the_checksum(store, bucket, key, body, details=None, conditions=ALWAYS):
    stored = store.keep(body)
    version = replace(_version(bucket, key, stored, details), details=details)
    return store.commit(version, conditions)


@wrong(upload, feedback="commit's second argument")
def put__forgets_the_conditions(store, bucket, key, body, details=None, conditions=ALWAYS):
    return store.commit(_version(bucket, key, store.keep(body), details))


@wrong(upload, feedback="which are not there yet is an object that can't be read")
def put__names_first(store, bucket, key, body, details=None, conditions=ALWAYS):
    store.commit(Version(bucket, key, details=details), conditions)
    return store.commit(_version(bucket, key, store.keep(body), details), conditions)


@wrong(upload, feedback="these bytes have a name, and are not to be discarded")
def put__discards_in_any_case(store, bucket, key, body, details=None, conditions=ALWAYS):
    version = _version(bucket, key, store.keep(body), details)
    try:
        return store.commit(version, conditions)
    finally:
        store.discard(version.payloads)


@wrong(upload, feedback="if keep raises, there is nothing to discard")
def put__discards_what_was_never_kept(store, bucket, key, body, details=None, conditions=ALWAYS):
    try:
        stored = store.keep(body)
        return store.commit(_version(bucket, key, stored, details), conditions)
    except BaseException:
        store.discard([segment.payload for segment in stored.segments])
        raise


# --- get


@wrong(upload, feedback="a segment is a run of a payload: segment.start, segment.size")
def get__takes_a_payload_for_a_segment(store, version, start=0, length=None):
    if version.inline is not None:
        yield version.inline
        return
    for segment in version.segments:
        yield from store.data.read(segment.payload, 0, segment.size)


@wrong(upload, feedback="is false for b''")
def get__takes_empty_for_missing(store, version, start=0, length=None):
    remaining = version.size - start if length is None else min(length, version.size - start)
    if version.inline:
        yield version.inline[start : start + remaining]
        return
    if not version.segments:
        raise IndexError("no segments")
    yield from upload_get(store, version, start, length)


@wrong(upload, feedback="a range of a terabyte object must not read the terabyte")
def get__reads_it_all_and_cuts(store, version, start=0, length=None):
    if version.inline is not None:
        whole = version.inline
    else:
        whole = b"".join(
            piece for s in version.segments for piece in store.data.read(s.payload, s.start, s.size)
        )
    piece = whole[start:] if length is None else whole[start : start + length]
    if piece:
        yield piece


@wrong(upload, feedback="yield only what has at least one byte")
def get__yields_nothing_as_an_empty_piece(store, version, start=0, length=None):
    remaining = version.size - start if length is None else min(length, version.size - start)
    if version.inline is not None:
        yield version.inline[start : start + max(remaining, 0)]
        return
    for segment in version.segments:
        if start >= segment.size:
            start -= segment.size
            continue
        take = min(segment.size - start, remaining)
        if take <= 0:
            return
        yield from store.data.read(segment.payload, segment.start + start, take)
        remaining -= take
        start = 0


@wrong(upload, feedback="count from the start of the object, then from that of the segment")
def get__restarts_each_segment_at_the_same_byte(store, version, start=0, length=None):
    remaining = version.size - start if length is None else min(length, version.size - start)
    if version.inline is not None:
        if remaining > 0:
            yield version.inline[start : start + remaining]
        return
    for segment in version.segments:
        if start >= segment.size:
            start -= segment.size
            continue
        take = min(segment.size - start, remaining)
        if take <= 0:
            return
        yield from store.data.read(segment.payload, segment.start + start, take)
        remaining -= take


@wrong(upload, feedback="a list of them all would hold a terabyte object in memory")
def get__reads_all_before_it_gives_any(store, version, start=0, length=None):
    return iter(list(upload_get(store, version, start, length)))


@wrong(upload, feedback="byte start + length is not wanted")
def get__gives_inline_bytes_whole(store, version, start=0, length=None):
    if version.inline:
        return iter([version.inline])
    return upload_get(store, version, start, length)


@wrong(upload, feedback="`yield from` gives the pieces of read")
def get__yields_what_read_returns(store, version, start=0, length=None):
    if version.inline is not None:
        yield from upload_get(store, version, start, length)
    for segment in version.segments:
        yield store.data.read(segment.payload, segment.start, segment.size)

"""Listing an account's buckets."""

from dataclasses import replace

from amazonian.cloud.s3.listing import owner_element, position_in, token_for
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document
from amazonian.s3.errors import S3Error
from amazonian.s3.records import EPOCH, Bucket

MOST_BUCKETS = 10_000
_ALL = Bucket("*", "", EPOCH, "")
"""What ``s3:ListAllMyBuckets`` acts on, as policies name it: ``arn:aws:s3:::*``."""


@operation("ListBuckets", "GET", "service", quick=True)
def list_buckets(context: Context) -> Response:
    """The caller's account's buckets; nobody's, which are none, for a caller without a name."""
    request = context.request
    if context.caller:
        context.named_bucket = replace(_ALL, owner=context.owner)
        context.need("s3:ListAllMyBuckets")
    prefix = request.parameter("prefix", "") or ""
    most = request.number("max-buckets", MOST_BUCKETS, MOST_BUCKETS)
    if most == 0:
        raise S3Error("InvalidArgument", "max-buckets is a number from 1 to 10,000.")
    behind = position_in(request.parameter("continuation-token"))
    region = request.parameter("bucket-region")
    found = [
        bucket
        for bucket in context.store.metadata.buckets(context.owner)
        if bucket.name.startswith(prefix)
        and bucket.name > behind
        and region in (None, bucket.region)
    ]
    page = found[:most]
    return document(
        "ListAllMyBucketsResult",
        {
            "Owner": owner_element(context, context.owner),
            "Buckets": {
                "Bucket": [
                    {
                        "Name": bucket.name,
                        "CreationDate": bucket.created,
                        "BucketRegion": bucket.region,
                    }
                    for bucket in page
                ]
            },
            "ContinuationToken": token_for(page[-1].name) if len(found) > len(page) else None,
            "Prefix": prefix or None,
        },
    )

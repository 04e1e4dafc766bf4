"""Listing an account's buckets."""

from amazonian.cloud.s3.listing import owner_element, position_in, token_for
from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document
from amazonian.s3.errors import S3Error


@operation("ListBuckets", "GET", "service", quick=True)
def list_buckets(context: Context) -> Response:
    request = context.request
    if not context.caller:
        raise S3Error("AccessDenied")
    prefix = request.parameter("prefix", "") or ""
    most = request.number("max-buckets", 10_000)
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
            "ContinuationToken": token_for(page[-1].name) if len(found) > len(page) > 0 else None,
            "Prefix": prefix or None,
        },
    )

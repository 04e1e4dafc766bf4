"""What this S3 has no use for, but clients ask about: settings that nobody has ever made."""

from amazonian.cloud.s3.operations import Context, operation
from amazonian.cloud.s3.wire import Response, document
from amazonian.s3.errors import S3Error


@operation(
    "GetBucketRequestPayment",
    "GET",
    "bucket",
    subresource="requestPayment",
    action="s3:GetBucketRequestPayment",
)
def get_bucket_request_payment(context: Context) -> Response:
    return document("RequestPaymentConfiguration", {"Payer": "BucketOwner"})


def _never_configured(name: str, subresource: str, action: str, code: str, message: str) -> None:
    @operation(name, "GET", "bucket", subresource=subresource, action=action)
    def handler(context: Context) -> Response:
        raise S3Error(code, message)


_never_configured(
    "GetBucketReplication",
    "replication",
    "s3:GetReplicationConfiguration",
    "ReplicationConfigurationNotFoundError",
    "The replication configuration was not found",
)
_never_configured(
    "GetBucketWebsite",
    "website",
    "s3:GetBucketWebsite",
    "NoSuchWebsiteConfiguration",
    "The specified bucket does not have a website configuration",
)
_never_configured(
    "GetBucketEncryption",
    "encryption",
    "s3:GetEncryptionConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found",
)


def _empty(name: str, subresource: str, action: str, root: str) -> None:
    @operation(name, "GET", "bucket", subresource=subresource, action=action)
    def handler(context: Context) -> Response:
        return document(root, {})


_empty(
    "GetBucketAccelerateConfiguration",
    "accelerate",
    "s3:GetAccelerateConfiguration",
    "AccelerateConfiguration",
)
_empty(
    "GetBucketNotificationConfiguration",
    "notification",
    "s3:GetBucketNotification",
    "NotificationConfiguration",
)

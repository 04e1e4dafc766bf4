"""What can go wrong in S3, under the codes that S3 gives it.

The codes and their HTTP statuses are those of the S3 API reference, "Error responses":
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from typing import Any

STATUS_OF = {
    "AccessControlListNotSupported": 400,
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "BadDigest": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "ConditionalRequestConflict": 409,
    "CrossLocationLoggingProhibited": 403,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IllegalLocationConstraintException": 400,
    "IllegalVersioningConfigurationException": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketAclWithObjectOwnership": 400,
    "InvalidBucketName": 400,
    "InvalidBucketState": 409,
    "InvalidDigest": 400,
    "InvalidLocationConstraint": 400,
    "InvalidObjectState": 403,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidPolicyDocument": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidRetentionPeriod": 400,
    "InvalidTag": 400,
    "InvalidTargetBucketForLogging": 400,
    "KeyTooLongError": 400,
    "MalformedACLError": 400,
    "MalformedPOSTRequest": 400,
    "MalformedPolicy": 400,
    "MalformedXML": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "MissingSecurityHeader": 400,
    "NoSuchBucket": 404,
    "NoSuchBucketPolicy": 404,
    "NoSuchCORSConfiguration": 404,
    "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchObjectLockConfiguration": 404,
    "NoSuchPublicAccessBlockConfiguration": 404,
    "NoSuchTagSet": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NotImplemented": 501,
    "NotModified": 304,
    "ObjectLockConfigurationNotFoundError": 404,
    "OwnershipControlsNotFoundError": 404,
    "PreconditionFailed": 412,
    "RequestHeaderSectionTooLarge": 400,
    "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400,
    "ServerSideEncryptionConfigurationNotFoundError": 404,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "UnexpectedContent": 400,
    "UnresolvableGrantByEmailAddress": 400,
    "XAmzContentSHA256Mismatch": 400,
    "NoSuchConfiguration": 404,
    "ReplicationConfigurationNotFoundError": 404,
    "NoSuchWebsiteConfiguration": 404,
}

MESSAGES = {
    "AccessDenied": "Access Denied",
    "BadDigest": "The Content-MD5 or checksum that you specified did not match what we received.",
    "BucketAlreadyExists": "The requested bucket name is not available; another account owns it.",
    "BucketAlreadyOwnedByYou": "Your previous request to create the named bucket succeeded.",
    "BucketNotEmpty": "The bucket you tried to delete is not empty.",
    "EntityTooLarge": "Your proposed upload exceeds the maximum allowed object size.",
    "EntityTooSmall": "A part other than the last is smaller than 5 MiB.",
    "IncompleteBody": "The body ended before the number of bytes that Content-Length names.",
    "InvalidDigest": "The Content-MD5 you specified is not valid.",
    "InvalidPart": "A part in the list was not uploaded, or its ETag does not match.",
    "InvalidPartOrder": "The list of parts was not in ascending order of part numbers.",
    "InvalidRange": "The requested range is not satisfiable.",
    "KeyTooLongError": "Your key is too long: a key has at most 1,024 bytes of UTF-8.",
    "MalformedXML": "The XML you provided was not well formed or did not follow the schema.",
    "MethodNotAllowed": "The specified method is not allowed against this resource.",
    "MissingContentLength": "You must provide the Content-Length HTTP header.",
    "NoSuchBucket": "The specified bucket does not exist.",
    "NoSuchKey": "The specified key does not exist.",
    "NoSuchUpload": "The specified multipart upload does not exist.",
    "NoSuchVersion": "The specified version does not exist.",
    "NotModified": "Not Modified",
    "PreconditionFailed": "At least one of the preconditions that you specified did not hold.",
}


class S3Error(Exception):
    """A request that S3 refuses.

    Args:
        code: S3's error code, such as ``NoSuchKey``.
        message: what went wrong, for a person; by default the code's usual message.
        status: the HTTP status, where it is not the code's usual one.
        headers: headers that go with the refusal, such as ``x-amz-delete-marker``.
        fields: further elements of the error, such as ``Key`` or ``Condition``.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ):
        self.code = code
        self.message = message or MESSAGES.get(code, code)
        self.status = status or STATUS_OF.get(code, 400)
        self.headers = headers or {}
        self.fields = fields
        super().__init__(f"{code}: {self.message}")

"""Which names buckets and keys may have.

Rules: S3 User Guide, "General purpose bucket naming rules" and "Naming Amazon S3 objects".
"""

import ipaddress
import re

from amazonian.s3.errors import S3Error

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_STARTS = ("xn--", "sthree-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
LONGEST_KEY_BYTES = 1024


def check_bucket_name(name: str) -> None:
    """
    Raises:
        S3Error: ``InvalidBucketName``.
    """
    refused = (
        not _BUCKET.fullmatch(name)
        or ".." in name
        or ".-" in name
        or "-." in name
        or name.startswith(_RESERVED_STARTS)
        or name.endswith(_RESERVED_ENDS)
        or _is_address(name)
    )
    if refused:
        raise S3Error("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def check_key(key: str) -> None:
    """
    Raises:
        S3Error: ``KeyTooLongError``: more than 1,024 bytes of UTF-8.
    """
    size = len(key.encode())
    if size > LONGEST_KEY_BYTES:
        raise S3Error("KeyTooLongError", Size=size, MaxSizeAllowed=LONGEST_KEY_BYTES)

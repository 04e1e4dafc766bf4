"""S3's own front: from an HTTP request to an operation, and from its result to XML."""

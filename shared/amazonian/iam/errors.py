"""The one exception that AWS's wire protocols know: a code, a message, an HTTP status."""


class AWSError(Exception):
    """A request was refused; `code` is AWS's name for the reason, `status` the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status

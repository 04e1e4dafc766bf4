"""Refusals, in the form in which Stripe's API answers them.

Source: Stripe API reference, "Errors", and its list of error codes.
"""

from typing import Any


class ApiError(Exception):
    """An answer that is no object: its HTTP status and the fields of its error object.

    Args:
        status: the HTTP status.
        message: what went wrong, and what to do.
        type: Stripe's class of the error; the SDK picks its exception by it and by the status.
        code, param: the machine-readable name of what went wrong, and the parameter that was it.
        details: further fields of the error object.
    """

    def __init__(
        self,
        status: int,
        message: str,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **details: Any,
    ):
        super().__init__(message)
        self.status, self.param = status, param
        fields = {"type": type, "message": message, "code": code, "param": param, **details}
        self.error = {name: value for name, value in fields.items() if value is not None}
        if code:
            self.error["doc_url"] = f"https://docs.stripe.com/error-codes#{code.replace('_', '-')}"

    @property
    def failed_validation(self) -> bool:
        """Whether a parameter was at fault, so that nothing was begun."""
        return self.param is not None


def invalid(message: str, param: str, code: str | None = None) -> ApiError:
    """400: a parameter has a value that can't be."""
    return ApiError(400, message, code=code, param=param)


def missing(kind: str, id: str, param: str) -> ApiError:
    """404: there is no object with this id."""
    return ApiError(404, f"No such {kind}: '{id}'", code="resource_missing", param=param)

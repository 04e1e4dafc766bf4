"""S3's front end: authenticate a request, find its operation, carry it out, answer."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from amazonian.cloud.s3 import (  # noqa: F401 (the imports register the operations)
    accesslog,
    bucket_access,
    buckets,
    cors,
    deleting,
    grants,
    lifecycle,
    listing,
    listing_buckets,
    listing_uploads,
    listing_versions,
    locks,
    multipart,
    objects,
    postform,
    reading,
    tagging,
    unconfigured,
)
from amazonian.cloud.s3.operations import Context, find_operation, perform
from amazonian.cloud.s3.wire import Request, Response, error_response
from amazonian.iam import sigv2
from amazonian.iam.identities import Identities
from amazonian.iam.sigv4 import SignatureError, verify
from amazonian.resilience.database import UnavailableError, UnstorableError
from amazonian.s3.accesslog import AccessLogs
from amazonian.s3.errors import S3Error
from amazonian.s3.reading import PayloadLostError
from amazonian.s3.store import Store, VersionGoneError
from amazonian.s3.writing import NotEnoughDevicesError

log = logging.getLogger(__name__)
ATTEMPTS = 10

LISTING = frozenset({"list-type"})
"""What a URL in the older way may say without having signed it."""


class S3Front:
    """Answers S3 requests on a store.

    Args:
        identities: who may sign requests, and what policies they have.
    """

    def __init__(self, store: Store, identities: Identities):
        self.store, self.identities = store, identities
        self.logs = AccessLogs(store)

    def prepare(self, request: Request) -> Context | Response:
        """Who asks, and for what; or a response at once, where that is refused."""
        context = Context(self.store, self.identities, request)
        context.extra["began_s"] = self.store.metadata.clock.now_s()
        try:
            if request.method == "OPTIONS":
                bucket = self.store.metadata.bucket(request.bucket)
                return self._finish(context, cors.preflight(bucket, request))
            self._authenticate(context)
            context.operation = find_operation(request)
            self._check_what_is_signed(context)
        except S3Error as error:
            return self._refuse(context, error)
        return context

    def _authenticate(self, context: Context) -> None:
        request, secret_of = context.request, self.identities.secret_of
        moment = datetime.fromtimestamp(self.store.metadata.clock.now_s(), UTC)
        try:
            if sigv2.is_signed_so(request.signed):
                request.headers = {**sigv2.headers_in_query(request.query), **request.headers}
                signed = replace(request.signed, path=request.resource)
                signature = sigv2.verify(signed, secret_of, moment)
            else:
                signature = verify(request.signed, secret_of, moment)
            if signature is not None:
                context.signature = signature
                context.caller = self.identities.caller(signature.access_key_id, signature.token)
        except SignatureError as error:
            raise S3Error(error.code, error.message, status=error.status) from None

    def _check_what_is_signed(self, context: Context) -> None:
        """A URL that is signed in the older way must not be turned into another operation."""
        signature, chosen = context.signature, context.operation
        if signature is None or chosen is None or signature.date or not signature.presigned:
            return
        if chosen.subresource and chosen.subresource not in LISTING | sigv2.SIGNED_PARAMETERS:
            raise S3Error("AccessDenied", f"{chosen.subresource} was not signed with the URL.")

    def perform(self, context: Context) -> Response:
        """Carry out what was prepared; errors become responses too. What streams is begun next."""
        return self._answer(context, partial(self._perform_again, context))

    def begin(self, context: Context, response: Response) -> Response:
        """Read the first piece of a streamed body: what prevents that is still an error."""

        def begun() -> Response:
            response.first = next(response.body, b"")
            return response

        return self._answer(context, begun)

    def _answer(self, context: Context, work: Callable[[], Response]) -> Response:
        try:
            response = work()
        except S3Error as error:
            return self._refuse(context, error)
        except SignatureError as error:  # of a chunk
            refused = S3Error(error.code, error.message, status=error.status)
            return self._refuse(context, refused)
        except UnstorableError as error:
            return self._refuse(context, S3Error("InvalidArgument", str(error)))
        except (NotEnoughDevicesError, UnavailableError) as error:
            return self._refuse(context, S3Error("ServiceUnavailable", str(error)))
        except PayloadLostError as error:
            return self._refuse(context, S3Error("InternalError", str(error)))
        except Exception:
            log.exception("%s %s", context.request.method, context.request.path)
            return self._refuse(context, S3Error("InternalError", "We met an internal error."))
        if not isinstance(response.body, bytes) and response.first is None:
            return response  # there may be no first piece: see `begin`
        return self._finish(context, response)

    def _perform_again(self, context: Context) -> Response:
        """Perform it; anew where what was to be read was replaced in that very moment."""
        for _ in range(ATTEMPTS):
            try:
                return perform(context)
            except VersionGoneError:
                context.start_again()
        raise S3Error("SlowDown", "The object is being replaced too quickly to be read.")

    def _refuse(self, context: Context, error: S3Error) -> Response:
        context.extra["error_code"] = error.code
        return self._finish(context, error_response(error, context.request))

    def _finish(self, context: Context, response: Response) -> Response:
        request = context.request
        response.headers |= {"x-amz-request-id": request.id, "x-amz-id-2": request.id}
        if request.bucket and context.named_bucket is None:
            with contextlib.suppress(S3Error):
                context.named_bucket = self.store.metadata.bucket(request.bucket)
        bucket = context.named_bucket
        if "origin" in request.headers:
            response.headers |= cors.response_headers(bucket, request)
        if bucket is not None and "logging" in bucket.settings:
            self._log(context, response)
        return response

    def _log(self, context: Context, response: Response) -> None:
        """Leave a line in the bucket's log; what is due is delivered, but not on the event loop."""
        bucket = context.bucket
        if context.operation and not context.operation.quick:
            self.logs.deliver()
        destination = accesslog.destination_of(self.identities, bucket, bucket.settings["logging"])
        self.logs.add(destination, accesslog.line(context, response))

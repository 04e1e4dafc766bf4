"""What the tests of the shop share: servers that outlive a test."""

import contextlib
import logging
from collections.abc import Iterator

import pytest
from backends import Rack, Scripted

from amazonian.shop import proxy


@pytest.fixture(scope="module")
def rack() -> Iterator[Rack]:
    with contextlib.ExitStack() as running:
        logging.getLogger("uvicorn.error").addFilter(proxy.worth_logging)
        yield Rack(running)


@pytest.fixture
def scripted(closing):
    return lambda script: closing(Scripted(script))


@pytest.fixture
def serving(rack):
    """Serve ASGI backends until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda app: stack.enter_context(rack.serving(app))


@pytest.fixture
def balanced(rack):
    return rack.balanced

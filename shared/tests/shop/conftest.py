"""What the tests of the shop share: servers that outlive a test."""

import contextlib
import logging
from collections.abc import Iterator

import pytest
from backends import Rack

from amazonian.shop import proxy


@pytest.fixture(scope="module")
def rack() -> Iterator[Rack]:
    with contextlib.ExitStack() as running:
        logging.getLogger("uvicorn.error").addFilter(proxy.worth_logging)
        yield Rack(running)

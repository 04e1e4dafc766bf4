""" "Open the lab" on each lab's page: JupyterLab on this machine, Binder, or a download.

The local site (``make``) answers ``open/<lab>.html`` with a redirect into the JupyterLab that it
started. Everywhere else that address is a page that says how to get there.
"""

import contextlib
import html
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]


def repository() -> str | None:
    """``owner/name`` on GitHub, from the publishing workflow or the clone's origin."""
    if os.environ.get("GITHUB_REPOSITORY"):
        return os.environ["GITHUB_REPOSITORY"]
    asked = ""
    with contextlib.suppress(OSError):  # no git, no origin
        command = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
        asked = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    match = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", asked)
    return match[1] if match else None


def binder_url(repo: str, lab: str) -> str:
    """Where Binder opens a lab of a GitHub repository."""
    return f"https://mybinder.org/v2/gh/{repo}/HEAD?urlpath=lab/tree/labs/{lab}.ipynb"


def links(lab: str, up: str, repo: str | None) -> str:
    """The row of links below a lab's title."""
    binder = binder_url(repo, lab) if repo else f"{up}open/{lab}.html#binder"
    return (
        '<nav class="open-lab" aria-label="Open the lab"><strong>Open the lab</strong>'
        f'<a href="{up}open/{lab}.html">JupyterLab</a>'
        f'<a href="{html.escape(binder)}">Binder</a>'
        f'<a href="{up}labs/{lab}.ipynb" download>Download</a></nav>'
    )


def _add_links(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    if page.startswith("solutions/") and "body" in context:
        lab = page.removeprefix("solutions/")
        row = links(lab, context["pathto"]("", 1), repository())
        context["body"] = context["body"].replace("</h1>", "</h1>\n" + row, 1)
    context["sourcename"] = ""


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The pages behind ``open/<lab>.html`` for those who read the site without `make`."""
    repo = repository()
    for name in sorted(app.env.found_docs):
        if not name.startswith("solutions/"):
            continue
        lab = name.removeprefix("solutions/")
        title = app.env.titles[name].astext()
        yield (
            f"open/{lab}",
            {"title": f"Open {title}", "body": _page(lab, title, repo)},
            "page.html",
        )


def _page(lab: str, title: str, repo: str | None) -> str:
    if repo:
        folder = repo.split("/")[1]
        commands = f"git clone https://github.com/{repo}\ncd {folder}\nmake"
        binder = (
            f'<p><a href="{html.escape(binder_url(repo, lab))}">Open it on Binder</a>: nothing to '
            "install, a few minutes to start, and gone after ten idle minutes. Download the "
            "notebook before you leave.</p>"
        )
    else:
        commands = "make"
        binder = (
            "<p>Binder builds from a public GitHub repository. This copy of the site was built "
            "from a clone that has none, so it can't link there. Push the clone to GitHub, "
            "build again, and this link leads to Binder.</p>"
        )
    return (
        f"<section><h1>Open {html.escape(title)}</h1>"
        "<h2>On your machine</h2>"
        "<p>In a clone of the course, <code>make</code> starts JupyterLab and this site. On that "
        "site, the link that brought you here leads straight into the lab.</p>"
        f'<pre tabindex="0">{commands}</pre>'
        f'<h2 id="binder">On Binder</h2>{binder}'
        "<h2>As a file</h2>"
        f'<p><a href="../labs/{lab}.ipynb" download>Download the notebook</a>. It needs the '
        "course's package: inside a clone, <code>pip install -r requirements.txt</code>.</p>"
        f'<p><a href="../solutions/{lab}.html">Back to the lab\'s page</a></p></section>'
    )


def _copy_labs(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        target = Path(app.outdir) / "labs"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for lab in sorted((ROOT / "labs").glob("*.ipynb")):
            shutil.copy(lab, target)


def _give_labs_the_whole_width(app: Sphinx, env: Any) -> None:
    """Code is wide: a lab's page goes without the table of contents at its right."""
    for name in env.found_docs:
        if name.startswith("solutions/"):
            env.metadata[name]["html_theme.sidebar_secondary.remove"] = "true"


def setup(app: Sphinx) -> None:
    app.connect("env-updated", _give_labs_the_whole_width)
    app.connect("html-page-context", _add_links)
    app.connect("html-collect-pages", _pages)
    app.connect("build-finished", _copy_labs)

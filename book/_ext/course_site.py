"""The Sphinx extension that makes this book a site of its own: offline, static, repeatable."""

import hashlib
import os
from pathlib import Path
from typing import Any

import fonts
import mathml
import open_lab
import references
from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
# Kernels inherit this: figures then draw every frame, and predictions become forms.
os.environ["COURSE_STATIC"] = "1"


def cache_folder() -> Path:
    """Where executed labs are kept: a folder named after everything that they run on."""
    digest = hashlib.sha256()
    files = [*(ROOT / "shared" / "amazonian").rglob("*.py"), ROOT / "requirements.txt"]
    for file in sorted(files):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return ROOT / "_build" / f".executed-{digest.hexdigest()[:16]}"


def _set_cache(app: Sphinx, config: Config) -> None:
    config.nb_execution_cache_path = str(cache_folder())
    if os.environ.get("COURSE_DRAFT"):  # of `make`: text at once, figures and outputs later
        config.nb_execution_mode = "off"


def _inline_scripts_once(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Sphinx 7 repeats inline scripts that were added while it read; keep the first of each."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        if body is None or body not in seen:
            kept.append(script)
        seen.add(body)
    if "script_files" in context:
        context["script_files"][:] = kept


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("config-inited", _set_cache, priority=100)
    app.connect("html-page-context", _inline_scripts_once, priority=900)
    mathml.setup(app)
    fonts.setup(app)
    open_lab.setup(app)
    references.setup(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

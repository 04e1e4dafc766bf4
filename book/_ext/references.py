"""The pages to look things up in: how the bibliography is written, and the index."""

from typing import Any

from docutils import nodes
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.template import field, href
from sphinx.application import Sphinx
from sphinx.config import Config


class CourseStyle(Style):
    """Titles in italics with their own capitals, and addresses as they are read aloud."""

    format_title = Style.format_btitle

    def format_url(self, entry: Any) -> Any:
        address = field("url", raw=True)
        return href(address)[field("url", raw=True, apply_func=_without_scheme)]


def _without_scheme(address: str) -> str:
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")


def _choose(app: Sphinx, config: Config) -> None:
    config.bibtex_default_style = "course"


def _curl_apostrophes(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Sphinx curls the quotes of all texts but those of a bibliography."""
    for entry in doctree.findall(nodes.citation):
        for text in list(entry.findall(nodes.Text)):
            text.parent.replace(
                text, nodes.Text(text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}"))
            )


def _bibliography_without_roles(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Docutils still writes roles that ARIA has withdrawn; a plain list reads better."""
    if "body" in context:
        body = context["body"].replace(' role="doc-biblioentry"', "")
        body = body.replace('<div role="list" class="citation-list">', "<div>")
        # Search shows a page's text: a term and its definition must not run together.
        context["body"] = body.replace("</dt><dd>", "</dt>\n<dd>")


def _modules_in_one_line(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """In the index, "amazonian.s3 (module)" instead of a name with "module" below it."""
    for _, entries in context.get("genindexentries", []):
        for place, (name, (links, below, key)) in enumerate(entries):
            if not links and len(below) == 1 and below[0][0] == "module":
                entries[place] = (f"{name} (module)", (below[0][1], [], key))


def setup(app: Sphinx) -> None:
    register_plugin("pybtex.style.formatting", "course", CourseStyle)
    app.connect("config-inited", _choose)
    app.connect("doctree-resolved", _curl_apostrophes)
    app.connect("html-page-context", _bibliography_without_roles)
    app.connect("html-page-context", _modules_in_one_line)

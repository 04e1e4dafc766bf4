"""Formulas as MathML, written when the book is built: no script draws them."""

import html
import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def _mathml(latex: str, display: str) -> str:
    """The formula as MathML, with its TeX as a title that copies well."""
    return convert(latex, display=display).replace(
        "<math ", f'<math alttext="{html.escape(latex, quote=True)}" ', 1
    )


def _keep_punctuation(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Give a formula the full stop that follows it: browsers would break the line in between."""
    for node in doctree.findall(nodes.math):
        after = node.next_node(descend=False, siblings=True)
        if isinstance(after, nodes.Text) and after.astext().startswith(tuple(".,;:!?)")):
            node["after"] = after.astext()[0]
            after.parent.replace(after, nodes.Text(after.astext()[1:]))


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    formula = re.sub(r' (?:min|max)size="[^"]*"', "", _mathml(node.astext(), "inline"))
    if after := node.get("after"):
        formula = f'<span class="unbroken">{formula}{after}</span>'
    self.body.append(formula)
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(
        self.starttag(
            node, "div", CLASS="math-block", TABINDEX="0", ROLE="group", **{"ARIA-LABEL": "formula"}
        )
    )
    self.body.append(_mathml(node.astext(), "block"))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_block, None)
    )
    app.connect("doctree-resolved", _keep_punctuation)
    app.connect("config-inited", _choose, priority=900)


def _choose(app: Sphinx, config: object) -> None:
    config.html_math_renderer = "mathml"

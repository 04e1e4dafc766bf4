"""The site's typefaces, cut to the characters that it uses.

Source Sans, Source Serif (SIL Open Font License) and STIX, which matplotlib brings, come as
packages from PyPI. What lands in the site is a subset of each style that ``course.css`` names.
"""

import contextlib
import logging
from importlib import util
from pathlib import Path

from fontTools import subset
from sphinx.application import Sphinx

STYLES = {
    "sans-regular": ("font_source_sans_pro", "files/SourceSansPro-Regular.ttf"),
    "sans-italic": ("font_source_sans_pro", "files/SourceSansPro-It.ttf"),
    "sans-bold": ("font_source_sans_pro", "files/SourceSansPro-Semibold.ttf"),
    "sans-bold-italic": ("font_source_sans_pro", "files/SourceSansPro-SemiboldIt.ttf"),
    "serif-bold": ("font_source_serif_pro", "files/SourceSerifPro-Semibold.ttf"),
    "math": ("matplotlib", "mpl-data/fonts/ttf/STIXGeneral.ttf"),
}
CHARACTERS = [*range(0x20, 0x180), *range(0x2010, 0x2040), *range(0x2190, 0x2194)]
CHARACTERS += [0x20AC, 0x2122, 0x2202, 0x2206, 0x220F, 0x2211, 0x2212, 0x221A, 0x221E]
CHARACTERS += [0x2248, 0x2260, 0x2264, 0x2265, 0x03BB, 0x03BC, 0x03C3]
CHARACTERS += [*range(0x391, 0x3CA), *range(0x1D434, 0x1D468), 0x210E, 0x22C5, 0x22EF, 0x2026]


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    for name, (package, face) in STYLES.items():
        target = folder / f"{name}.woff"
        if target.exists():
            continue
        source = Path(util.find_spec(package).origin).parent / face
        options = subset.Options(flavor="woff", layout_features=["*"], hinting=False)
        with contextlib.closing(subset.load_font(str(source), options)) as font:
            cutter = subset.Subsetter(options)
            cutter.populate(unicodes=CHARACTERS)
            cutter.subset(font)
            subset.save_font(font, str(target), options)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _write)

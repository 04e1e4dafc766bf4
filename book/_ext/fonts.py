"""The site's typefaces, cut to the characters that it uses.

Source Sans, Source Serif (SIL Open Font License) and STIX, which matplotlib brings, come as
packages from PyPI. What lands in the site is a subset of each style that ``course.css`` names.
STIX comes without the OpenType table by which browsers set formulas, so one is added.
"""

import contextlib
import logging
from importlib import util
from pathlib import Path

from fontTools import subset
from fontTools.otlLib.builder import buildMathTable
from fontTools.pens.transformPen import TransformPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
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
ITALIC = range(0x1D434, 0x1D468)
CHARACTERS += [*range(0x391, 0x3CA), *ITALIC, 0x210E, 0x22C5, 0x22EF, 0x2026]

# Distances in thousandths of an em, after TeX's for Computer Modern.
AXIS = 250
DISTANCES = {
    "ScriptPercentScaleDown": 72,
    "ScriptScriptPercentScaleDown": 55,
    "DelimitedSubFormulaMinHeight": 1300,
    "DisplayOperatorMinHeight": 1400,
    "AxisHeight": AXIS,
    "AccentBaseHeight": 450,
    "SubscriptShiftDown": 180,
    "SubscriptTopMax": 344,
    "SubscriptBaselineDropMin": 20,
    "SuperscriptShiftUp": 363,
    "SuperscriptShiftUpCramped": 289,
    "SuperscriptBottomMin": 108,
    "SuperscriptBaselineDropMax": 250,
    "SubSuperscriptGapMin": 160,
    "SuperscriptBottomMaxWithSubscript": 344,
    "SpaceAfterScript": 40,
    "UpperLimitGapMin": 135,
    "UpperLimitBaselineRiseMin": 111,
    "LowerLimitGapMin": 135,
    "LowerLimitBaselineDropMin": 600,
    "StackTopShiftUp": 370,
    "StackTopDisplayStyleShiftUp": 677,
    "StackBottomShiftDown": 290,
    "StackBottomDisplayStyleShiftDown": 686,
    "StackGapMin": 60,
    "StackDisplayStyleGapMin": 280,
    "FractionNumeratorShiftUp": 394,
    "FractionNumeratorDisplayStyleShiftUp": 677,
    "FractionDenominatorShiftDown": 345,
    "FractionDenominatorDisplayStyleShiftDown": 686,
    "FractionNumeratorGapMin": 50,
    "FractionNumDisplayStyleGapMin": 120,
    "FractionRuleThickness": 50,
    "FractionDenominatorGapMin": 50,
    "FractionDenomDisplayStyleGapMin": 120,
    "RadicalVerticalGap": 50,
    "RadicalDisplayStyleVerticalGap": 148,
    "RadicalRuleThickness": 50,
    "RadicalExtraAscender": 50,
    "RadicalKernBeforeDegree": 278,
    "RadicalKernAfterDegree": -556,
    "RadicalDegreeBottomRaisePercent": 60,
}
# Signs that grow with what they enclose, or in a formula of its own line.
GROWING = {"(": (1.2, 1.5, 2.0, 2.6), ")": (1.2, 1.5, 2.0, 2.6), "\u2211": (1.4,), "\u220f": (1.4,)}


def _set_formulas(font: TTFont) -> None:
    """Give a font the MATH table, and larger copies of the signs that grow."""
    variants = {}
    for sign, scales in GROWING.items():
        name = font.getBestCmap()[ord(sign)]
        glyph = font["glyf"][name]
        width, bearing = font["hmtx"][name]
        height = glyph.yMax - glyph.yMin
        variants[name] = [(name, height)]
        for number, scale in enumerate(scales, 1):
            pen = TTGlyphPen(None)
            placed = TransformPen(pen, (scale, 0, 0, scale, 0, AXIS * (1 - scale)))
            glyph.draw(placed, font["glyf"])
            font["glyf"][f"{name}.{number}"] = larger = pen.glyph()
            larger.recalcBounds(font["glyf"])
            font["hmtx"][f"{name}.{number}"] = (round(width * scale), round(bearing * scale))
            variants[name].append((f"{name}.{number}", round(height * scale)))
    glyphs, widths = font["glyf"], font["hmtx"]
    overhang = {
        name: glyphs[name].xMax - widths[name][0]
        for code, name in font.getBestCmap().items()
        if code in ITALIC and glyphs[name].xMax > widths[name][0]
    }
    # Chromium drops the table if one of its three parts is missing, without a word.
    buildMathTable(
        font, constants=DISTANCES, italicsCorrections=overhang, vertGlyphVariants=variants
    )


def _write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "fonts"
    folder.mkdir(parents=True, exist_ok=True)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    for name, (package, face) in STYLES.items():
        target = folder / f"{name}.woff"
        if target.exists() and target.stat().st_mtime > Path(__file__).stat().st_mtime:
            continue
        source = Path(util.find_spec(package).origin).parent / face
        options = subset.Options(flavor="woff", layout_features=["*"], hinting=False)
        with contextlib.closing(subset.load_font(str(source), options)) as font:
            cutter = subset.Subsetter(options)
            cutter.populate(unicodes=CHARACTERS)
            cutter.subset(font)
            if name == "math":
                _set_formulas(font)
            subset.save_font(font, str(target), options)


def setup(app: Sphinx) -> None:
    app.connect("build-finished", _write)

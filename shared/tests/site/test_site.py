"""The built site in a real browser, with every other host out of reach."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from amazonian.course.catalogue import ROOT, labs
from amazonian.course.site import HTML, STAMP

sync_api = pytest.importorskip("playwright.sync_api", reason="make test installs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="make test installs axe")

pytestmark = pytest.mark.skipif(
    not STAMP.exists(), reason="no site here: build it first (make book)"
)
AXE_OPTIONS = {"resultTypes": ["violations"], "preload": False}
WCAG = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
STRUCTURE = {**AXE_OPTIONS, "runOnly": WCAG, "rules": {"color-contrast": {"enabled": False}}}
CONTRAST = {**AXE_OPTIONS, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 780}

OPEN = sorted((HTML / "open").glob("*.html"))
PAGES = [
    *sorted(
        path.relative_to(HTML).as_posix()
        for folder in ("book", "solutions")
        for path in (HTML / folder).glob("*.html")
    ),
    *(page.relative_to(HTML).as_posix() for page in OPEN[:1]),  # they are alike: see below
    "search.html",
    "genindex.html",
]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(HTML)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


class Visit:
    """A page opened with no way to any other host; remembers what it asked for in vain."""

    def __init__(self, browser: sync_api.Browser, address: str, size: dict, theme: str = "light"):
        self.address = address
        self.context = browser.new_context(viewport=size, color_scheme=theme)
        self.context.set_default_timeout(15_000)
        self.context.add_init_script(
            f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}')"
        )
        self.page = self.context.new_page()
        self.elsewhere: list[str] = []
        self.failures: list[str] = []
        self.page.route("**/*", self._only_here)
        self.page.on("pageerror", lambda error: self.failures.append(f"script: {error}"))
        self.page.on("response", self._note)

    def _only_here(self, route: sync_api.Route) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def _note(self, response: sync_api.Response) -> None:
        if response.status >= 400:
            self.failures.append(f"{response.status} {response.url}")

    def open(self, page: str) -> sync_api.Page:
        self.page.goto(self.address + page, wait_until="load")
        self.page.wait_for_function("document.fonts.status === 'loaded'")
        return self.page

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *exception: object) -> None:
        self.context.close()


# To judge the colours of a piece of text takes axe about a millisecond, and our pages of code have
# thousands that are styled alike. Of the innermost elements whose tags, classes and styles are the
# same all the way up, the first three are judged, and the others taken away; then so of those that
# are innermost now.
THIN_OUT = """() => {
  const look = e => [e.tagName, e.getAttribute("class"), e.getAttribute("style"),
    e.getAttribute("fill"), e.tagName === "TR" && e.rowIndex % 2].join();
  const path = e => e ? path(e.parentElement) + ">" + look(e) : "";
  for (let repeats = [null]; repeats.length; ) {
    const seen = new Map();
    repeats = [...document.body.querySelectorAll(":not(:has(*))")].filter(leaf => {
      const times = (seen.get(path(leaf)) ?? 0) + 1;
      seen.set(path(leaf), times);
      return times > 3;
    });
    repeats.forEach(leaf => leaf.remove());
  }
}"""


def movable() -> list[str]:
    """The chapters and labs that have a figure with sliders."""
    sources = [*(ROOT / "book").glob("0*.md"), *(lab.master for lab in labs())]
    drawn = re.compile(r"^explore\(", re.MULTILINE)
    found = [source.stem for source in sources if drawn.search(source.read_text(encoding="utf-8"))]
    pages = [name for name in PAGES if name.startswith(("book/", "solutions/"))]
    return [name for name in pages if Path(name).stem in found]


MOVABLE = movable()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_moves_and_fits_a_phone_with_all_other_hosts_blocked(
    browser: sync_api.Browser, address: str, name: str
) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open(name)
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
        problems = [f"shows no image {src}" for src in page.evaluate(broken)]
        if page.locator("text=/\\\\frac|\\$\\$/").count():
            problems.append("shows raw TeX")
        problems += violations(page, STRUCTURE)
        if name in MOVABLE:
            assert_a_slider_moves_its_figure(page)
        if name.startswith("solutions/"):
            assert_it_opens_the_lab_and_folds_its_solutions(page, address)
        page.set_viewport_size(PHONE)
        page.evaluate("window.scrollTo(500, 0)")
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"] or page.evaluate("window.scrollX"):
            problems.append(f"is {width} px wide on a phone of {PHONE['width']}")
        if (smallest := page.evaluate(SMALLEST_TEXT)) and smallest < SMALLEST_PX:
            problems.append(f"has text of {smallest:.1f} px in a figure on a phone")
        page.set_viewport_size(DESKTOP)
        page.add_style_tag(content="* { transition: none !important }")  # no colour in between
        page.evaluate(THIN_OUT)
        for theme in ("light", "dark"):
            page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            problems += [f"{theme}: {found}" for found in violations(page, CONTRAST)]
        problems += [f"asked for {url}" for url in visit.elsewhere] + visit.failures
        assert not problems, "\n".join(problems)


def assert_a_slider_moves_its_figure(page: sync_api.Page) -> None:
    """By keyboard."""
    explorer = page.locator("course-explore").first
    slider = explorer.locator("input[type=range]").first
    slider.focus()

    def shown() -> tuple[str | None, ...]:
        return (
            explorer.locator(".frame.wide").inner_html(),
            explorer.locator("[role=status]").inner_text(),
            slider.get_attribute("aria-valuetext"),
        )

    before = shown()
    at_the_end = slider.evaluate("e => e.value === e.max")
    page.keyboard.press("ArrowLeft" if at_the_end else "ArrowRight")
    assert all(old != new for old, new in zip(before, shown(), strict=True))
    assert explorer.locator(".frame.wide svg[role=img]").get_attribute("aria-label")


def assert_it_opens_the_lab_and_folds_its_solutions(page: sync_api.Page, address: str) -> None:
    row = page.locator("nav.open-lab a")
    assert row.all_inner_texts() == ["JupyterLab", "Binder", "Download"]
    for link in row.all():
        href = link.evaluate("e => e.href").split("#")[0]
        if href.startswith(address):
            assert page.request.get(href).ok
    folded = page.locator("details.hide.above-input")
    summaries = folded.locator("summary").all_inner_texts()
    assert summaries
    assert all("Show the solution" in text for text in summaries)
    assert not any(fold.evaluate("e => e.open") for fold in folded.all())


def violations(page: sync_api.Page, options: dict) -> list[str]:
    """What axe objects to: the rule, and three of the places."""
    return [
        f"{violation['id']} at {[node['target'][0] for node in violation['nodes'][:3]]}"
        for violation in axe.Axe().run(page, options=options).response["violations"]
    ]


# In figures, in CSS pixels; null on a page that has none.
SMALLEST_PX = 11
SMALLEST_TEXT = """() => {
  let smallest = Infinity;
  for (const drawing of document.querySelectorAll(".bd-article figure svg, course-explore svg")) {
    const scale = drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width;
    if (!scale) continue;  // the form that is not shown
    for (const text of drawing.querySelectorAll("text")) {
      smallest = Math.min(smallest, scale * parseFloat(getComputedStyle(text).fontSize));
    }
  }
  return isFinite(smallest) ? smallest : null;
}"""


def test_pages_that_open_a_lab_differ_in_names_alone() -> None:
    """So one of them stands for all in the browser."""
    names = re.compile(r"\b\d\d_\d_\w+|Lab \d\.\d: [^<&]+")
    assert len({names.sub("", page.read_text(encoding="utf-8")) for page in OPEN}) == 1
    assert [page.stem for page in OPEN] == [lab.name for lab in labs()]


def test_formulas_are_set_by_the_fonts_own_measures(
    browser: sync_api.Browser, address: str
) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open("solutions/01_4_caching.html")
        heights = page.evaluate(
            "[...document.querySelectorAll('.math-block munder mo, p math mo')]"
            ".map(e => [e.textContent, e.getBoundingClientRect().height])"
        )
        sums = [height for sign, height in heights if sign == "\u2211"]
        others = [height for sign, height in heights if sign == "+"]
        assert min(sums) > 1.2 * max(others)  # without a MATH table they are as high as any sign


def test_pages_to_look_things_up_read_well(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open("genindex.html")
        assert page.get_by_text("amazonian.resilience.retries (module)").count() == 1
        assert page.get_by_text("module", exact=True).count() == 0
        bibliography = visit.open("book/bibliography.html").locator("article").inner_text()
        assert "Builders’ Library, 2019. aws.amazon.com/" in bibliography
        assert "URL:" not in bibliography
        page = visit.open("search.html?q=semantically")
        # not "equivalentOf"
        page.wait_for_selector("text=semantically equivalent Of an answer to a repeat")


def test_dark_mode_is_taken_from_the_reader(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address, DESKTOP, "dark") as visit:
        page = visit.open("book/index.html")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_checker_does_find_a_fault(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open("book/index.html")
        faint = '<p><span style="color: #eee; background: #fff">faint</span></p>'
        faults = f'<img src="x.png">{"<p><span>plain</span></p>" * 9}{faint}'
        page.evaluate(f"document.querySelector('article').innerHTML += `{faults}`")
        assert [found.split()[0] for found in violations(page, STRUCTURE)] == ["image-alt"]
        page.evaluate(THIN_OUT)
        assert page.locator("article p:has-text('plain')").count() < 9
        assert [found.split()[0] for found in violations(page, CONTRAST)] == ["color-contrast"]


def test_search_finds_jitter(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open("search.html?q=jitter")
        page.wait_for_selector("#search-results li a")
        found = page.locator("#search-results li a").all_inner_texts()
        assert any("Lab 1.1" in text for text in found)
        assert not visit.elsewhere


def test_a_prediction_is_answered_on_the_page(browser: sync_api.Browser, address: str) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open("solutions/01_1_retries.html")
        form = page.locator("form.course-predict").first
        form.locator("button").click()
        assert "first" in form.locator("[role=status]").inner_text()
        form.locator("input").first.fill("90")
        form.locator("button").click()
        assert "90 ms" in form.locator("[role=status]").inner_text()
        assert "You said 90 ms" in page.locator(".course-outcome").first.inner_text()


def test_the_first_page_leads_to_lab_1_1_in_one_click(
    browser: sync_api.Browser, address: str
) -> None:
    with Visit(browser, address, DESKTOP) as visit:
        page = visit.open("index.html")
        page.wait_for_selector("text=Begin lab 1.1")
        page.click("text=Begin lab 1.1")
        page.wait_for_url("**/open/01_1_retries.html")

"""From one master to two notebooks: the stubs in ``labs/`` and the answers in ``solutions/``."""

import re
import shutil
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from amazonian.course import progress
from amazonian.course.catalogue import EXERCISE_LINE, LABS, Lab, labs
from amazonian.course.checking import passed_text
from amazonian.course.sources import decorator_line, reference_source, stub_source, task_source

CHECK_LINE = re.compile(r"^check\((\w+)", re.MULTILINE)
NAMED = re.compile(r"@exercise\(\w+\)\n(?:@.*\n)*(?:def|class) (\w+)|check\((\w+)")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def generate(check_only: bool = False) -> list[Path]:
    """Write every notebook that differs from its master.

    Args:
        check_only: write nothing, only tell.

    Returns:
        The files that were (or would be) written or, where no master stands behind them, removed.
    """
    wanted = {}
    for lab in labs():
        wanted[lab.stub_path] = _text(stub_notebook(lab))
        wanted[lab.solution_path] = _text(solution_notebook(lab))
    changed = []
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            changed.append(path)
            if not check_only:
                _keep_work(path)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for folder in {path.parent for path in wanted}:
        for stale in sorted(set(folder.glob("*.ipynb")) - wanted.keys()):
            changed.append(stale)
            if not check_only:
                _keep_work(stale)
                stale.unlink()
    return changed


def _keep_work(path: Path) -> None:
    """Copy a notebook that somebody has run, and so perhaps worked in, before it is replaced."""
    try:
        cells = nbformat.read(path, as_version=4).cells
    except (OSError, ValueError):
        return
    if path.parent == LABS and any(cell.get("execution_count") for cell in cells):
        kept = progress.home() / "notebooks" / f"{path.stem}-{int(path.stat().st_mtime)}.ipynb"
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, kept)
        print(f"{path.name} had been worked in; a copy is kept as {kept}")


def stub_notebook(lab: Lab) -> NotebookNode:
    """The lab as a learner opens it: stubs, and no output at all."""
    notebook = _read_master(lab)
    for cell in notebook.cells:
        if exercise := _exercise_in(cell):
            cell.source = f"{decorator_line(exercise)}\n{stub_source(exercise)}".rstrip()
    return _finished(notebook)


def solution_notebook(lab: Lab) -> NotebookNode:
    """The lab with the package's own answers; only its checks carry outputs."""
    notebook = _read_master(lab)
    by_short_name = {name.rsplit(".", 1)[1]: name for name in lab.exercises}
    cells = []
    for cell in notebook.cells:
        exercise = _exercise_in(cell)
        if exercise:
            decorator = decorator_line(exercise)
            task = f"```python\n{decorator}\n{task_source(exercise)}```"
            cells.append(nbformat.v4.new_markdown_cell(task))
            cell.source = f"{decorator}\n{reference_source(exercise)}".rstrip()
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "hide-input"]
        elif cell.cell_type == "code" and (checked := CHECK_LINE.findall(cell.source)):
            unknown = [short for short in checked if short not in by_short_name]
            if unknown:
                raise LookupError(f"{lab.name}: check({unknown[0]}) is no exercise of this lab")
            text = "".join(passed_text(by_short_name[short]) + "\n" for short in checked)
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
            cell.execution_count = 1
        cells.append(cell)
    notebook.cells = cells
    return _finished(notebook)


def _read_master(lab: Lab) -> NotebookNode:
    return jupytext.reads(lab.master.read_text(encoding="utf-8"), fmt="md:myst")


def _exercise_in(cell: NotebookNode) -> str | None:
    """The exercise that a cell asks for, if it is an ``%exercise`` cell."""
    match = EXERCISE_LINE.search(cell.source) if cell.cell_type == "code" else None
    if match and cell.source.strip() != match[0].strip():
        raise ValueError(f"an %exercise line stands alone in its cell, not with: {cell.source}")
    return match[1] if match else None


def _finished(notebook: NotebookNode) -> NotebookNode:
    """Ids from names and plain metadata, so that equal content is equal text."""
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    section, seen = "start", {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (title := re.search(r"^#+ (.+)", cell.source, re.M)):
            section = re.sub(r"[^a-z0-9]+", "-", title[1].lower()).strip("-")[:40]
        named = NAMED.match(cell.source)
        stem = section
        if cell.cell_type == "code" and named:
            kind = "exercise" if named[1] else "check"
            stem = f"{kind}-{(named[1] or named[2]).replace('_', '-')}"
        seen[stem] = seen.get(stem, 0) + 1
        cell.id = stem if seen[stem] == 1 else f"{stem}-{seen[stem]}"
    nbformat.validate(notebook)
    return notebook


def _text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, indent=1) + "\n"

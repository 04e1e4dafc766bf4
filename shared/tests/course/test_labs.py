"""One master makes the stubs and the solution, and the files in the repository are in step."""

import json

import nbformat
import pytest
from nbclient import NotebookClient

from amazonian.course import labs as generator
from amazonian.course.catalogue import Lab, labs

ALL = pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.name)


def test_labs_and_solutions_are_in_step_with_their_masters() -> None:
    assert generator.generate(check_only=True) == []


@ALL
def test_a_lab_has_three_to_six_exercises_each_followed_by_its_check(lab: Lab) -> None:
    assert 3 <= len(lab.exercises) <= 6
    sources = [cell.source for cell in generator.stub_notebook(lab).cells]
    for name in lab.exercises:
        short = name.rsplit(".", 1)[1]
        at = next(
            i
            for i, s in enumerate(sources)
            if ("NotImplementedError" in s and f" {short}(" in s) or f"class {short}" in s
        )
        assert sources[at + 1].startswith(f"check({short})")


@ALL
def test_stubs_carry_no_outputs_and_solutions_only_those_of_their_checks(lab: Lab) -> None:
    stubs = nbformat.read(lab.stub_path, as_version=4)
    assert not any(cell.get("outputs") for cell in stubs.cells)
    assert not any(cell.get("execution_count") for cell in stubs.cells)
    solution = nbformat.read(lab.solution_path, as_version=4)
    with_outputs = [cell.source for cell in solution.cells if cell.get("outputs")]
    assert len(with_outputs) == len(lab.exercises)
    assert all(source.startswith("check(") for source in with_outputs)


@ALL
def test_cell_ids_are_made_of_names_and_unique(lab: Lab) -> None:
    ids = [cell["id"] for cell in json.loads(lab.stub_path.read_text())["cells"]]
    assert len(set(ids)) == len(ids)
    assert {f"check-{n.rsplit('.', 1)[1].replace('_', '-')}" for n in lab.exercises} <= set(ids)


@ALL
def test_labs_are_plain_markdown_that_jupyterlab_can_show(lab: Lab) -> None:
    text = "\n".join(
        c.source for c in generator.stub_notebook(lab).cells if c.cell_type == "markdown"
    )
    for foreign in ("{cite", "{term", "{ref", ":::", "```{"):
        assert foreign not in text


def is_needed(source: str) -> bool:
    """Whether a cell is an exercise, its check, or imports without a function that uses them."""
    imports = source.startswith(("import ", "from ")) and "\ndef " not in source
    return imports or source.startswith(("check(", "@exercise"))


@ALL
def test_in_a_kernel_every_check_of_an_unsolved_lab_fails_by_name(lab: Lab) -> None:
    notebook = nbformat.read(lab.stub_path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=60,
        allow_errors=True,
        resources={"metadata": {"path": str(lab.stub_path.parent)}},
        extra_arguments=["--Application.log_level=40"],
    )
    checks = [cell for cell in notebook.cells if cell.source.startswith("check(")]
    with client.setup_kernel():
        for at, cell in enumerate(notebook.cells):
            if cell.cell_type == "code" and is_needed(cell.source):
                client.execute_cell(cell, at)
    assert len(checks) == len(lab.exercises)
    for number, cell in enumerate(checks, 1):
        (error,) = [output for output in cell.outputs if output.output_type == "error"]
        assert error.ename == "NotWrittenYetError"
        assert error.evalue.startswith(f"Lab {lab.number}, exercise {number}: ")
        assert "NotImplementedError" in error.evalue
        assert not any("amazonian/course" in line for line in error.traceback)


def test_a_check_of_something_that_is_no_exercise_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("amazonian.course.catalogue.MASTERS", tmp_path)
    lab = Lab("9.9", "09_9_x", "X", ())
    lab.master.write_text("# X\n\n```{code-cell} ipython3\ncheck(nothing)\n```\n")
    with pytest.raises(LookupError, match="check\\(nothing\\) is no exercise of this lab"):
        generator.solution_notebook(lab)


def test_an_exercise_line_must_stand_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("amazonian.course.catalogue.MASTERS", tmp_path)
    lab = Lab("9.9", "09_9_x", "X", ())
    cell = "x = 1\n%exercise amazonian.resilience.retries.retry"
    lab.master.write_text(f"# X\n\n```{{code-cell}} ipython3\n{cell}\n```\n")
    with pytest.raises(ValueError, match="stands alone"):
        generator.stub_notebook(lab)


def test_a_notebook_that_was_worked_in_is_kept_before_it_is_replaced(
    tmp_path, monkeypatch, own_home, capsys
) -> None:
    lab = labs()[0]
    monkeypatch.setattr("amazonian.course.catalogue.LABS", tmp_path)
    monkeypatch.setattr("amazonian.course.catalogue.SOLUTIONS", tmp_path / "solutions")
    monkeypatch.setattr(generator, "LABS", tmp_path)
    monkeypatch.setattr(generator, "labs", lambda: (lab,))
    worked = generator.stub_notebook(lab)
    worked.cells[1].execution_count = 1
    nbformat.write(worked, lab.stub_path)
    assert generator.generate() == [lab.stub_path, lab.solution_path]
    (kept,) = (own_home / "notebooks").iterdir()
    assert nbformat.read(kept, as_version=4).cells[1].execution_count == 1
    assert str(kept) in capsys.readouterr().out
    assert generator.generate() == []

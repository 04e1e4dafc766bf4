"""Where "Open the lab" leads, with and without a repository on GitHub."""

import sys

import pytest

from amazonian.course.catalogue import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
open_lab = pytest.importorskip("open_lab", reason="the site's packages are not installed")


def test_binder_opens_the_lab_of_the_repository_that_publishes(monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/course")
    row = open_lab.links("01_1_retries", "../", open_lab.repository())
    wanted = (
        "https://mybinder.org/v2/gh/somebody/course/HEAD?urlpath=lab/tree/labs/01_1_retries.ipynb"
    )
    assert f'href="{wanted}"' in row


def test_the_repository_is_read_from_the_clones_origin(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setattr(open_lab, "ROOT", tmp_path)
    origins = {
        "https://github.com/somebody/course.git": "somebody/course",
        "git@github.com:somebody/the.course.git": "somebody/the.course",
        "https://example.org/somebody/course": None,
    }
    for origin, wanted in origins.items():
        (tmp_path / ".git").mkdir(exist_ok=True)
        (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        for folder in ("objects", "refs"):
            (tmp_path / ".git" / folder).mkdir(exist_ok=True)
        (tmp_path / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {origin}\n')
        assert open_lab.repository() == wanted


def test_without_a_repository_binder_leads_to_a_page_that_says_why(monkeypatch) -> None:
    assert 'href="../open/01_1_retries.html#binder"' in open_lab.links("01_1_retries", "../", None)
    assert "public GitHub repository" in open_lab._page("01_1_retries", "Lab 1.1", None)


def test_without_git_there_is_no_repository(monkeypatch) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setenv("PATH", "")
    assert open_lab.repository() is None

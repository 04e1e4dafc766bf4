"""Figures that move with a kernel and without; predictions that matter to nobody else."""

import json
import re

import pytest

from amazonian.course import explore, figure, predict, slider


def draw(ax, n=1):
    ax.plot([0, 1, 2], [0, n, 0])
    return f"a peak of {n}"


def test_a_slider_has_every_value_and_begins_at_the_nearest() -> None:
    assert slider(0, 1, 0.25).values == [0, 0.25, 0.5, 0.75, 1]
    assert slider(0, 1, 0.25, value=0.6).index == 2


def test_without_a_kernel_each_frame_can_be_put_together_from_the_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COURSE_STATIC", "1")
    shown = explore(draw, title="Peaks", n=slider(1, 4, 1, 2, label="height"))
    markup = shown._repr_mimebundle_()["text/html"]
    data = json.loads(re.search(r'json">(.*?)</script>', markup)[1].replace("<\\/", "</"))
    assert data["values"] == [["1", "2", "3", "4"]]
    assert data["texts"] == ["a peak of 1", "a peak of 2", "a peak of 3", "a peak of 4"]
    for at, n in enumerate((1, 2, 3, 4)):
        frames = []
        for drawing in (data["wide"], data["narrow"]):
            lines = list(drawing["base"])
            for line, text in drawing["frames"][at].items():
                lines[int(line)] = text
            frames.append("\n".join(lines).split())
        assert frames[0] == shown.frame(n=n)[0].split()
        assert frames[1] != frames[0]
    assert '<label for="explore-peaks-n">height</label>' in markup


def test_with_a_kernel_moving_the_slider_draws_anew() -> None:
    box = explore(draw, title="Peaks", n=slider(1, 4, 1, 2, label="height")).widget()
    _, control, picture, status = box.children
    before = picture.value
    control.value = 4
    assert picture.value != before
    assert status.value == "a peak of 4"
    assert 'aria-label="Peaks. a peak of 4"' in picture.value


def test_too_many_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="larger steps"):
        explore(draw, title="Peaks", n=slider(0, 1000, 1))


def test_a_figure_says_what_it_shows_and_takes_its_black_from_the_page() -> None:
    bundle = figure(draw, title="A peak")._repr_mimebundle_()
    assert bundle["text/plain"] == "A peak. a peak of 1"
    assert 'role="img" aria-label="A peak. a peak of 1"' in bundle["text/html"]
    assert "currentColor" in bundle["text/html"]
    assert "#000000" not in bundle["text/html"]


def test_the_same_figure_is_the_same_text() -> None:
    assert figure(draw, title="A peak").frame() == figure(draw, title="A peak").frame()


def test_two_figures_of_a_page_share_no_ids() -> None:
    ids = [set(re.findall(r'\bid="([^"]+)"', figure(draw, title=t).frame()[0])) for t in "ab"]
    assert not ids[0] & ids[1]


def test_a_built_page_has_a_narrow_drawing_too_with_ids_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_legend(ax):
        ax.plot([0, 1], [0, 1], label="the line's own name")
        ax.legend(loc="upper left")
        return "a line"

    monkeypatch.setenv("COURSE_STATIC", "1")
    markup = figure(with_legend, title="A line")._repr_mimebundle_()["text/html"]
    ids = re.findall(r'\bid="([^"]+)"', markup)
    assert len(ids) == len(set(ids))
    widths = [float(w) for w in re.findall(r'viewBox="0 0 ([\d.]+)', markup)]
    assert len(widths) == 2
    assert widths[1] < 0.65 * widths[0]
    assert markup.count("own name") == 2


def test_a_prediction_is_compared_with_its_outcome() -> None:
    guess = predict("How many?", unit="calls")
    assert guess.compare(797)._repr_mimebundle_()["text/plain"] == "Outcome: 797 calls."
    guess.answer = 400
    told = guess.compare(797)._repr_mimebundle_()["text/plain"]
    assert told == "You said 400 calls. Outcome: 797 calls."


def test_committing_in_a_notebook_remembers_a_number_and_refuses_a_word() -> None:
    guess = predict("How many?", unit="calls")
    _, row, status = guess._widget().children
    field, _, button = row.children
    field.value = "many"
    button.click()
    assert guess.answer is None
    assert "A number" in status.value
    field.value = "1,200"
    button.click()
    assert guess.answer == 1200
    assert "1200 calls" in status.value


def test_committing_to_one_of_several_options() -> None:
    guess = predict("Which?", ["this", "that"])
    _, field, button, status = guess._widget().children
    button.click()
    assert status.value == "Choose one."
    field.value = "that"
    button.click()
    assert guess.answer == "that"


def test_on_the_site_a_prediction_is_a_form_that_its_outcome_refers_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COURSE_STATIC", "1")
    guess = predict('Is 1 < "2"?', ["yes & no", "no"])
    form = guess._repr_mimebundle_()["text/html"]
    assert 'value="yes &amp; no"' in form
    assert f'data-predict="{guess.id}"' in guess.compare("no")._repr_mimebundle_()["text/html"]

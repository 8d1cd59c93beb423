from dataclasses import replace

import pytest

from nasturtium.problem.records import SearchEpoch
from nasturtium.report import heading
from nasturtium.report.write import write_report


@pytest.fixture
def figures(monkeypatch):
    """The figures that were made into pictures."""
    seen = []
    real = heading.picture

    def keep(figure, *args, **named):
        seen.append(figure)
        return real(figure, *args, **named)

    monkeypatch.setattr(heading, "picture", keep)
    return seen


def epoch(number: int, **figures) -> SearchEpoch:
    return SearchEpoch(number, 1.0, 0.5, 1.0, 0.5, {"op": [0.5, 0.5]}, **figures)


FULL = [epoch(i, entropy=1 - 0.1 * i, skips=i, free_share=0.25 * i, eigenvalue=0.2 * i) for i in (1, 2, 3)]


def drawn(figure) -> dict[str, list[float]]:
    return {line.get_label(): list(line.get_ydata()) for axes in figure.axes for line in axes.lines}


def test_every_figure_is_a_line(figures):
    picture = heading.heading(FULL, taken=3)
    lines = drawn(figures[0])
    assert lines["skip connections chosen"] == [1, 2, 3]
    assert lines["operations without parameters"] == pytest.approx([25, 50, 75])
    assert lines["entropy of the probabilities"] == pytest.approx([90, 80, 70])
    assert lines["largest eigenvalue"] == pytest.approx([0.2, 0.4, 0.6])
    assert len(lines) == 4
    assert picture.alt == (
        "At the end, skip connections chosen: 3; operations without parameters: 75 %; "
        "entropy of the probabilities: 70 %; largest eigenvalue: 0.6."
    )
    assert "dotted" not in picture.note


def test_the_epoch_that_was_gone_back_to_is_marked(figures):
    picture = heading.heading(FULL, taken=2)
    for axes in figures[0].axes:
        assert list(axes.lines[-1].get_xdata()) == [2, 2]
        assert axes.lines[-1].get_linestyle() == ":"
    assert "dotted line marks the epoch whose architecture was taken" in picture.note


def test_only_what_was_measured_has_a_panel(figures):
    heading.heading([epoch(1, entropy=0.5), epoch(2, entropy=0.4)], None)
    heading.heading([epoch(1), epoch(2, eigenvalue=-0.3), epoch(3), epoch(4, eigenvalue=0.1)], None)
    assert [[axes.get_title("left") for axes in figure.axes] for figure in figures] == [
        ["Shares (%)"],
        ["Curvature"],
    ]
    (line,) = figures[1].axes[0].lines
    assert list(line.get_xdata()) == [2, 4]
    assert figures[1].axes[0].get_ylim()[0] <= -0.3
    assert heading.heading([epoch(1)], None) is None


def test_a_report_shows_remarks_and_what_shared_weights_could_tell(data, tmp_path):
    remark = "The search has collapsed to skip connections: <so>."
    told = replace(data, search_curve=tuple(FULL), remarks=(remark,), found_after=2, shared_accuracy=0.25)
    text = write_report(told, tmp_path).read_text(encoding="utf-8")
    assert (tmp_path / "search-heading.png").exists()
    assert "skip connections: &lt;so&gt;." in text
    assert "right about 25.00 % of the search-valid images; the supernet as the search ran it" in text
    assert "50.00 % in its last epoch" in text
    assert "right about 98.00 % of the test images" in text
    assert "<dt>Curvature</dt>" in text
    assert "<dt>Entropy</dt>" in text


def test_single_paths_have_no_mixture_and_an_unfinished_run_no_test(data, tmp_path):
    paths = tuple(replace(e, probabilities={}) for e in data.search_curve)
    told = replace(data, search_curve=paths, shared_accuracy=0.25, verdict=None)
    text = write_report(told, tmp_path).read_text(encoding="utf-8")
    assert "right about 25.00 % of the search-valid images." in text
    assert "as the search ran it" not in text
    assert "Trained by itself" not in text


def test_a_run_from_before_these_figures_reads_as_ever(data, tmp_path):
    text = write_report(data, tmp_path).read_text(encoding="utf-8")
    assert not (tmp_path / "search-heading.png").exists()
    assert "that it has in the supernet" not in text
    assert 'class="remark"' not in text
    row = {"epoch": 1, "train_loss": 1, "train_accuracy": 0, "valid_loss": 1, "valid_accuracy": 0}
    assert SearchEpoch(**row, probabilities={}).eigenvalue is None

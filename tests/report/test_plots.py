from dataclasses import replace

import numpy as np
import pytest

from nasturtium.problem.records import Fidelity, Measurement, SearchEpoch
from nasturtium.report import plots, probabilities
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.events import TrialRecord


@pytest.fixture
def figures(monkeypatch):
    """The figures that were made into pictures."""
    seen = []
    for module in (plots, probabilities):
        real = module.picture

        def keep(figure, *args, real=real, **named):
            seen.append(figure)
            return real(figure, *args, **named)

        monkeypatch.setattr(module, "picture", keep)
    return seen


def test_every_decision_with_probabilities_has_a_panel_with_its_figures(data, figures):
    pictures = probabilities.probability_pictures(data.search_curve, data.search_space, data.architecture)
    assert [picture.title for picture in pictures] == [
        "Operations of cell “normal”",
        "Operations of cell “reduce”",
    ]
    for cell, figure in zip(("normal", "reduce"), figures, strict=True):
        panels = [axes for axes in figure.axes if axes.get_visible()]
        assert len(panels) == 14
        chosen = [axes.get_title("left") for axes in panels if ":" in axes.get_title("left")]
        assert len(chosen) == 8
        first = data.search_curve[0].probabilities[f"{cell}/2<-0"]
        drawn = [line.get_ydata()[0] for line in panels[0].lines]
        assert drawn == pytest.approx([*first, 1 - sum(first)])
        top = panels[0].get_ylim()[1]
        assert all(line.get_ydata().max() <= top for axes in panels for line in axes.lines)


def test_decisions_outside_of_cells_are_shown_too(figures):
    space = SearchSpace([Decision(f"width{i}", (8, 16)) for i in range(7)] + [Decision("depth", (1, 2, 3))])
    row = {name: [1 / len(d.options)] * len(d.options) for name, d in space.decisions.items()}
    pictures = probabilities.probability_pictures([SearchEpoch(1, 1, 0, 1, 0, row)], space, None)
    assert len({picture.name for picture in pictures}) == 2
    assert [sum(axes.get_visible() for axes in figure.axes) for figure in figures] == [7, 1]


def test_weights_that_do_not_compete_leave_nothing_to_no_connection(figures):
    space = SearchSpace([Decision("c/1<-0", ("a", "b")), Decision("c/2<-0", ("a", "b", "c"))])
    row = {"c/1<-0": [0.1, 0.2], "c/2<-0": [0.9, 0.7, 0.1]}
    (found,) = probabilities.probability_pictures([SearchEpoch(1, 1, 0, 1, 0, row)], space, None)
    assert "a weight of its own" in found.note
    assert "dotted line" not in found.note
    panels = [axes for axes in figures[0].axes if axes.get_visible()]
    assert [len(axes.lines) for axes in panels] == [2, 3]


def test_many_options_are_all_told_apart():
    found = probabilities.looks([f"op{i}" for i in range(24)])
    assert len(set(found.values())) == 24


def test_best_so_far_rises_and_failed_trials_are_counted(data, figures):
    accuracies = [0.5, 0.7, 0.6, 0.9]
    trials = [
        TrialRecord("search", i, status="ok", measurement=Measurement({"valid_accuracy": a}))
        for i, a in enumerate(accuracies)
    ]
    shown = plots.trial_accuracies([*trials, TrialRecord("search", 4, status="failed", error="no")])
    assert shown.note == "Of 5 trials 1 failed; these are not shown."
    best, dots = figures[0].axes[0].lines
    assert best.get_ydata() == pytest.approx([50, 70, 70, 90])
    assert dots.get_ydata() == pytest.approx([50, 70, 60, 90])
    assert plots.trial_accuracies([replace(trials[0], status="failed")]) is None


def test_the_best_so_far_is_that_of_the_most_epochs_so_far(figures):
    trials = [
        TrialRecord(
            "search", i, fidelity=Fidelity(e), status="ok", measurement=Measurement({"valid_accuracy": a})
        )
        for i, (e, a) in enumerate([(1, 0.5), (1, 0.8), (3, 0.6), (1, 0.9), (3, 0.7)])
    ]
    shown = plots.trial_accuracies(trials)
    assert figures[0].axes[0].lines[0].get_ydata() == pytest.approx([50, 80, 60, 60, 70])
    assert shown.note == "Trials have from 1 to 3 epochs; the best is that of the most so far."
    assert "70.00 %, came with trial 5" in shown.alt


def test_the_verdict_shows_each_network_with_the_standard_error_of_the_test(data, figures):
    plots.verdict_plot(data.verdict)
    found, random, residual = figures[0].axes[0].containers
    assert found.lines[0].get_xdata() == pytest.approx([98])
    assert random.lines[0].get_xdata() == pytest.approx([95, 96, 97])
    (segment,) = found.lines[2][0].get_segments()
    assert np.ptp(segment[:, 0]) / 2 == pytest.approx(100 * (0.98 * 0.02 / 400) ** 0.5)
    assert residual.lines[0].get_xdata() == pytest.approx([94])
    assert data.verdict.random_mean == pytest.approx(0.96)
    assert data.verdict.random_std == pytest.approx(0.01)


def test_training_curves_tell_the_found_network_from_its_rivals(data, figures):
    plots.training_curves(data)
    plots.training_curves(replace(data, verdict=None))
    for figure in figures:
        widths = sorted(line.get_linewidth() for line in figure.axes[0].lines)
        assert widths == [1.5, 1.5, 1.5, 2.0, 2.6]
    assert plots.training_curves(replace(data, retrained=())) is None

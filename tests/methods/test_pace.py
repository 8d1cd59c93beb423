import pytest

from nasturtium.methods import pace
from nasturtium.methods.pace import FEWEST_EPOCHS, Pace, seconds_per_step


def test_whole_passes_when_there_is_time() -> None:
    assert Pace.within(100, step_seconds=0.1, pass_steps=20, most_epochs=60) == Pace(epochs=50, steps=20)


def test_no_more_epochs_than_useful() -> None:
    assert Pace.within(1000, step_seconds=0.1, pass_steps=20, most_epochs=60) == Pace(epochs=60, steps=20)


def test_short_epochs_when_there_is_not_even_time_for_a_few_passes() -> None:
    found = Pace.within(100, step_seconds=1, pass_steps=1000, most_epochs=60)
    assert found == Pace(epochs=FEWEST_EPOCHS, steps=100 // FEWEST_EPOCHS)


@pytest.mark.parametrize("seconds", [0.001, 1, 7, 30, 500])
def test_never_more_steps_than_the_budget_but_always_some(seconds: float) -> None:
    found = Pace.within(seconds, step_seconds=0.5, pass_steps=13, most_epochs=60)
    assert found.epochs >= 1
    assert found.steps >= 1
    assert found.epochs * found.steps <= max(seconds / 0.5, FEWEST_EPOCHS)


def test_timing_runs_real_steps() -> None:
    asked: list[int] = []
    assert seconds_per_step(asked.append) >= 0
    assert asked == [1, 20, 20, 20]


def test_of_slow_steps_few_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(pace, "FAST", -1)
    assert seconds_per_step(asked.append) >= 0
    assert asked == [1, 2, 2, 2]


def test_what_a_run_does_besides_its_steps_hardly_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which a run takes 0.1 s, and each of its steps 0.01 s."""
    clock = [0.0]

    def run(steps: int) -> None:
        clock[0] += 0.1 + 0.01 * steps

    monkeypatch.setattr(pace, "perf_counter", lambda: clock[0])
    assert seconds_per_step(run) == pytest.approx(0.015)
    assert seconds_per_step(run, together=2) == pytest.approx(0.06)


def test_one_slow_step_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(pace, "SLOW", -1)
    assert seconds_per_step(asked.append) >= 0
    assert asked == [1]


@pytest.mark.parametrize("passes", [0.3, 1, 2.5, 7, 20 / 3])
def test_parts_of_a_pass_shorten_epochs_and_never_exceed_the_budget(passes: float) -> None:
    found = Pace.over(passes, pass_steps=90)
    assert found.steps <= 90
    assert 90 * passes - found.epochs < found.epochs * found.steps <= 90 * passes
    assert Pace.over(7, pass_steps=90) == Pace(epochs=7, steps=90)
    assert Pace.over(0.3, pass_steps=2) == Pace(epochs=1, steps=1)

"""The verdict: did the search pay off? The only place that opens the test split."""

import math
from collections.abc import Sequence
from statistics import mean, stdev

from nasturtium.methods.base import Json, Task
from nasturtium.methods.retrain import FOUND, RANDOM, RESIDUAL, Contender, trained
from nasturtium.problem.objectives import Limit
from nasturtium.problem.records import Cost
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.evaluate import EVALUATION_BATCH, evaluate
from nasturtium.training.normalise import Normalise


class Judgement:
    """Measures every trained contender on the test split, all in one opening of it."""

    name = "verdict"

    def __init__(self, task: Task, nets: Sequence[Contender]) -> None:
        self._task = task
        self._nets = nets

    def run(self, run: Run, progress: Progress) -> Json:
        """Accuracy (0–1) and number of parameters of each network, whether the search paid off, and why."""
        trials = {trial.label: trial for trial in run.trials("retrain")}
        nets = {net.label: trained(run, net) for net in self._nets}
        normalise = Normalise.measured(self._task.splits.train)
        test = self._task.splits.test.open()
        rows: list[Json] = [
            {
                "label": label,
                "accuracy": evaluate(net, test, normalise, fabric=self._task.fabric)["accuracy"],
                "parameters": int(trials[label].measurement.metrics["parameters"]),
            }
            for label, net in nets.items()
        ]
        run.spend(self.name, Cost(forward=len(nets) * math.ceil(len(test) / EVALUATION_BATCH)))
        paid_off, sentence = judge(
            found=rows[0]["accuracy"],
            random=[row["accuracy"] for row in rows if str(row["label"]).startswith(RANDOM)],
            residual=next(row["accuracy"] for row in rows if row["label"] == RESIDUAL),
            images=len(test),
            limits=self._task.limits,
        )
        assert rows[0]["label"] == FOUND
        return {"networks": rows, "test_images": len(test), "paid_off": paid_off, "sentence": sentence}


def judge(
    *,
    found: float,
    random: Sequence[float],
    residual: float,
    images: int,
    limits: Sequence[Limit] = (),
) -> tuple[bool, str]:
    """Whether the search paid off, and a sentence that says so; accuracies are 0–1, `random` has two or more.

    It did if the found network is better than the random ones' mean by more than their standard deviation and
    by more than the standard error of the test (binomial, for `images` images), and no worse than the
    residual network.
    """
    middle, spread = mean(random), stdev(random)
    error = math.sqrt(found * (1 - found) / images)
    above_random = found - middle > max(spread, error)
    within = f" with {' and '.join(map(str, limits))}" if limits else ""
    figures = (
        f"{_percent(found)} of the {images} test images, against {_percent(middle)} ± {100 * spread:.2f} for"
        f" {len(random)} random architectures of the same space{within} and {_percent(residual)} for an"
        f" ordinary residual CNN of the same size, all trained alike (one standard error of this test:"
        f" {100 * error:.2f} points)"
    )
    if above_random and found >= residual:
        return True, f"The search paid off: {figures}."
    reasons = []
    if not above_random:
        noise = found >= middle - max(spread, error)
        reasons.append(
            f"the found network is {'within the noise of' if noise else 'worse than'} random architectures"
        )
    if found < residual:
        reasons.append("an ordinary residual CNN is better")
    return False, f"The search did not pay off; {' and '.join(reasons)}: {figures}."


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"

"""DARTS-PT: a DARTS supernet whose decisions are made by perturbing it (Wang et al. 2021,
https://arxiv.org/abs/2108.04392).
"""

import json
from dataclasses import asdict, replace

from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import METHODS, Json, Stage, Task
from nasturtium.methods.conclusion import conclude
from nasturtium.methods.epochs import epochs_told
from nasturtium.methods.gradient_search import DARTS_SETTINGS, GradientSearch
from nasturtium.methods.pace import Pace, paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.perturbation import Perturbation, order
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.study.budget import Budget
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints

STEP_PASSES = 6  # a step goes forward twice and backward twice; backward is about two forward passes


@METHODS.register(
    "darts-pt",
    summary="DARTS, then keeps the operations whose removal hurts most",
    paper="https://arxiv.org/abs/2108.04392",
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def darts_pt(task: Task) -> list[Stage]:
    """Half of the budget searches as `darts` does, the other half selects."""
    half = Budget(task.budget.amount / 2, task.budget.unit)
    search = GradientSearch(replace(task, budget=half), Softmax(), FirstOrder(), concludes=False)
    return [*paced(search), Selection(task, search)]


class Selection:
    """Selects by perturbing the searched supernet; resumes from the last decision."""

    name = "selection"

    def __init__(self, task: Task, search: GradientSearch) -> None:
        self._task = task
        self._search = search

    def run(self, run: Run, progress: Progress) -> Json:
        """The selected architecture, and what the supernet was like after each decision."""
        task, splits = self._task, self._task.splits
        settings = BilevelSettings.parse(run.stages()[self._search.name].payload["settings"])
        supernet = self._search.trained(run)
        seed = seed_for(task.seed, self.name)
        open_ = order(supernet.space, seed)
        images, steps = shares(
            Pace.of(run),
            decisions=len(open_),
            removals=sum(len(decision.options) for decision in open_),
            batch_size=settings.batch_size,
            images=len(splits.search_valid),
        )
        with epochs_told(run, self.name, len(open_), progress, unit="decisions") as on_epoch:
            found = Perturbation(supernet, settings, fabric=task.fabric, seed=seed).run(
                splits.search_train,
                splits.search_valid,
                images=images,
                steps=steps,
                checkpoints=Checkpoints(run.path("checkpoints"), self.name),
                on_epoch=on_epoch,
            )
        return {
            "architecture": json.loads(found.architecture.to_json()),
            "curve": [asdict(epoch) for epoch in found.curve],
            "images": images,
            "steps": steps,
            **conclude(task, supernet, found.architecture, run, progress, stage=self.name),
        }


def shares(pace: Pace, *, decisions: int, removals: int, batch_size: int, images: int) -> tuple[int, int]:
    """(images to measure a removal on, steps of tuning after a decision) for a selection that costs about as
    much as a search at `pace`: half of it measures, at most on all `images`, and what is left tunes.
    """
    passes = STEP_PASSES * pace.epochs * pace.steps
    batches = min(max(passes // 2 // removals, 1), -(-images // batch_size))
    steps = max((passes - batches * removals) // (STEP_PASSES * decisions), 1)
    return min(batches * batch_size, images), steps

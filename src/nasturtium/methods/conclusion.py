"""What can be said of the architecture that a gradient search found, before it is trained by itself."""

from collections.abc import Sequence

from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.methods.base import Json, Task
from nasturtium.oneshot.collapse import collapse
from nasturtium.oneshot.diagnostics import OperationKinds
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity
from nasturtium.space.architecture import Architecture
from nasturtium.study.events import Note
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run


def conclude(
    task: Task,
    supernet: Supernet,
    arch: Architecture,
    run: Run,
    progress: Progress,
    *,
    stage: str,
    remarks: Sequence[str] = (),
) -> Json:
    """`shared_accuracy`, that on search-valid (0–1) with the weights that `arch` has in the supernet, and all
    `remarks`: those given, and whether the search has collapsed. They are said, and noted in the run.
    """
    collapsed = collapse(OperationKinds(supernet), arch, supernet.space)
    all_remarks = [*remarks, *([] if collapsed is None else [collapsed])]
    for remark in all_remarks:
        progress.say(remark)
        if Note(remark) not in run.events():  # of an attempt that was killed
            run.note(remark)
    splits = task.splits
    scorer = InheritedEstimator(
        supernet.extract, splits.search_train, splits.search_valid, fabric=task.fabric
    )
    job = Job(0, arch, Fidelity(0), seed=task.seed, workdir=run.folder)
    measured = scorer.evaluate(job, lambda *_: True)
    run.spend(stage, measured.cost)
    return {"shared_accuracy": measured.metrics["valid_accuracy"], "remarks": all_remarks}

"""The whole job: from images to a searched, trained, judged and exported network.

Everything else is a part of it.
"""

import json
import os
import platform
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

import numpy as np
from torch import nn

from nasturtium.core.config import SearchConfig
from nasturtium.core.errors import UsageError
from nasturtium.estimators.train import searched_jointly
from nasturtium.export.bundle import write_bundle
from nasturtium.methods.base import METHODS, Json, Stage, Task, stages_of
from nasturtium.methods.limits import final_sizes, refuse_impossible, refuse_limits
from nasturtium.methods.pace import Pace
from nasturtium.methods.retrain import Contender, Retrain, RetrainPace, contenders, trained
from nasturtium.methods.verdict import Judgement
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.example import fixed, random_images
from nasturtium.problem.objectives import Limit
from nasturtium.result import Result
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.study.budget import Budget
from nasturtium.study.progress import SILENT, Progress
from nasturtium.study.run import Run
from nasturtium.training.data.base import DataSource
from nasturtium.training.data.sources import Spec, open_data
from nasturtium.training.device import make_fabric
from nasturtium.training.normalise import Normalise
from nasturtium.training.settings import TrainSettings

SEARCH_SHARE = 0.4  # of a time budget; the rest trains the found network and its rivals
REPORTED = ("nasturtium", "torch", "numpy", "lightning-fabric", "onnxruntime")

Space = str | Blueprint | Callable[[tuple[int, int, int], int], nn.Module]
"""A registered name, a blueprint, or a function (an `nn.Module` class) of the input shape and the classes."""


def run_job(
    config: SearchConfig,
    *,
    data: Spec | None = None,
    space: Space | None = None,
    command: str = "",
    progress: Progress = SILENT,
) -> Result:
    """Search, retrain, judge, export and report; a run that was interrupted goes on where it was.

    `data` and `space` are given where they are objects of the caller instead of the config's names. Raises
    `NasturtiumError`s; whatever was finished by then stays in the run.
    """
    METHODS.info(config.method)  # an unknown one is refused before images are read
    refuse_limits(config.method, limits_of(config))
    if space is None:
        _refuse_untrainable(config.space)  # before images are read
    source = open_data(config.data if data is None else data, image_size=config.image_size)
    task = prepare(config, source, config.space if space is None else space)
    refuse_impossible(task.final.space, final_sizes(task), task.limits)
    stages = stages_of(config.method, task)
    stored = {
        **config.model_dump(mode="json", exclude={"run", "folder", "device"}),
        "images": task.splits.train.fingerprint[:16],
    }
    space_json = task.blueprint.space.to_dict()
    with Run.open(
        config.folder, config.name, config=stored, space=space_json, seed=config.seed, command=command
    ) as run:
        progress.say(f"run {config.name} in {run.folder}")
        run.stage("facts", partial(_facts, source, task, own_space=space is not None))
        arch = Architecture.from_json(json.dumps(_each(run, stages, progress)["architecture"]))
        run.stage("found", partial(_found, task, arch))
        nets = _retrain(run, config, task, arch, progress)
        _each(run, [Judgement(task, nets)], progress)
        run.stage("export", partial(_export, run, task, nets[0]))
    result = Result.read(config.folder, config.name, task.final)
    result.report()
    return result


def prepare(config: SearchConfig, source: DataSource, space: Space) -> Task:
    """The task of a config. What can't work is refused here, before anything is computed or stored."""
    budget = Budget.parse(config.budget)
    training = TrainSettings.parse({"mirror": source.mirror, **config.training})
    blueprint, final = (
        _blueprint(config, source, space, sizes) for sizes in (config.search_net, config.final_net)
    )
    _refuse_lonely(final.space)
    _refuse_different(blueprint.space, final.space)
    return Task(
        blueprint=blueprint,
        final=final,
        splits=source.splits(config.seed),
        training=training,
        searching=config.searching,
        budget=Budget(budget.amount * SEARCH_SHARE, "seconds") if budget.unit == "seconds" else budget,
        fabric=make_fabric(config.device, training.precision),
        seed=config.seed,
        mirror=training.mirror,
        sizes=_sizes(space, config.search_net),
        resized=lambda sizes: _blueprint(config, source, space, sizes),
        limits=limits_of(config),
    )


def limits_of(config: SearchConfig) -> tuple[Limit, ...]:
    """The limits of a config; raises `UsageError` for one that is not above 0."""
    return tuple(Limit(metric, most) for metric, most in config.limits.items())


def _refuse_untrainable(name: str) -> None:
    """Raise `UsageError` for a space that is unknown, or whose networks are no image classifiers."""
    space = SPACES.get(name)
    if not space.trainable:
        raise UsageError(
            f"space {name!r} takes {space.takes} and scores {space.gives}; a search by command trains image"
            f" classifiers, so use this space from Python: nasturtium.make_space({name!r}, …)"
        )


def _refuse_lonely(space: SearchSpace) -> None:
    """Raise `UsageError` for a space without three architectures, which leaves nothing to compare with."""
    rng = np.random.default_rng(0)  # constraints that contradict each other show themselves here too
    if len({space.sample(rng) for _ in range(100)}) < 3:
        raise UsageError("this space has too few architectures for a comparison: it needs at least three")


def _refuse_different(searched: SearchSpace, final: SearchSpace) -> None:
    """Raise `UsageError` where the final network lacks what the search may find at its own sizes."""
    rng = np.random.default_rng(0)
    reason = next(filter(None, (final.why_not(searched.sample(rng)) for _ in range(100))), None)
    if reason is not None:
        raise UsageError(
            "--search-net and --final-net make different spaces, so that what the search finds could not be"
            f" trained: {reason}. Give sizes that change the space to both alike"
        )


def _sizes(space: Space, asked: Mapping[str, int]) -> dict[str, int]:
    return {**SPACES.get(space).sizes, **asked} if isinstance(space, str) else {}


def _blueprint(config: SearchConfig, source: DataSource, space: Space, sizes: Mapping[str, int]) -> Blueprint:
    shape, classes = source.input_shape, len(source.classes)
    if isinstance(space, str):
        blueprint = make_space(space, shape, classes, sizes)
    elif sizes:
        raise UsageError(f"network sizes ({', '.join(sizes)}) belong to spaces with a name, not to your own")
    else:
        blueprint = space if isinstance(space, Blueprint) else Blueprint(partial(space, shape, classes))
    return searched_jointly(blueprint, config.search_settings)


def _each(run: Run, stages: Sequence[Stage], progress: Progress) -> Json:
    """Run the stages that are not done yet; what the last one found."""
    payload: Json = {}
    for stage in stages:
        payload = run.stage(stage.name, partial(stage.run, run, progress))
    return payload


def _retrain(
    run: Run, config: SearchConfig, task: Task, found: Architecture, progress: Progress
) -> list[Contender]:
    """Train the found network and its rivals alike."""
    budget = Budget.parse(config.budget)
    timed = budget.unit == "seconds" and "epochs" not in config.training
    seconds = budget.amount * (1 - SEARCH_SHARE) if timed else None
    pace = Pace(**_each(run, [RetrainPace(task, seconds, 2 + config.random_networks)], progress))
    nets = contenders(task, found, config.random_networks, pace.epochs)
    _each(run, [Retrain(task, nets, pace)], progress)
    return nets


def _facts(source: DataSource, task: Task, *, own_space: bool) -> Json:
    """What a reader of the run needs to know of its data, space, software and machine."""
    splits = task.splits
    return {
        "data": source.name,
        "input_shape": list(source.input_shape),
        "classes": list(source.classes),
        "splits": {
            "search-train": len(splits.search_train),
            "search-valid": len(splits.search_valid),
            "train": len(splits.train),
            "test": len(splits.test),
        },
        "own_space": own_space,
        "space_size": _size(task.final.space),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in REPORTED}},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "cores": str(os.cpu_count()),
            "device": str(task.fabric.device),
        },
    }


def _size(space: SearchSpace) -> str | None:
    try:
        return str(space.size())  # as text: JSON readers elsewhere lose digits of large numbers
    except UsageError:  # constraints over too many decisions to count
        return None


def _found(task: Task, arch: Architecture) -> Json:
    notation = task.final.notation
    return {
        "architecture": json.loads(arch.to_json()),
        "notation": notation(arch) if notation else None,
        "cells": [asdict(graph) for graph in cell_graphs(arch, task.final.space)],
    }


def _export(run: Run, task: Task, found: Contender) -> Json:
    """Write the trained network, which takes images as floats 0–1 and normalises them itself."""
    assert found.arch is not None
    normalise = Normalise.measured(task.splits.train)
    net = nn.Sequential(OrderedDict(normalise=normalise, network=trained(run, found))).eval()
    result = Result(run)
    inputs = fixed(random_images(task.splits.train.input_shape))
    return write_bundle(net, found.arch, inputs, run.folder, title=result.title, notes=result.notes)

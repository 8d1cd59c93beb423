"""Progressive shrinking: first the largest network, then smaller and smaller ones inside it (Cai et al. 2020,
https://arxiv.org/abs/1908.09791).

Lengths and step sizes of the phases, in proportion to each other, are those of the paper, except that a short
training takes larger steps in the last phases. The warm-up of longer phases is left out, and each path draws
its own image resolution instead of one for all of a batch.
"""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from lightning_fabric import Fabric
from torch import nn

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.modules.dims import Size, dims_of
from nasturtium.modules.elastic.base import ElasticLayer
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.resize import Resize
from nasturtium.oneshot.calibrate import calibration_images
from nasturtium.oneshot.distil import Distillation
from nasturtium.oneshot.epochs import OnEpoch, cost_of
from nasturtium.oneshot.extremes import extremes
from nasturtium.oneshot.paths import UniformDecisions
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.single_path import SinglePath, Trained
from nasturtium.oneshot.sorting import sort_channels
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.search_space import SearchSpace
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.normalise import Normalise

PATHS = {"kernel": 1, "depth": 2, "width": 4}  # in an update, by what was opened last
# epochs and first step size as published, for 2048 images a step
LARGEST, KERNEL, STEP, LAST = (180, 2.6), (125, 0.96), (25, 0.08), (125, 0.24)
LONG_TRAINING = 10_000  # steps from which on the published step sizes of all phases are used as they are


@dataclass(frozen=True)
class Phase:
    """A part of the training, which draws paths from `space`.

    `length` is its published number of epochs, `rate` its first step size as a share of that of the largest
    network. `sorts` says that hidden channels are sorted before it.
    """

    name: str
    space: SearchSpace
    paths: int
    length: int
    rate: float
    sorts: bool = False


def phases(net: nn.Module, space: SearchSpace) -> list[Phase]:
    """The phases for the elastic decisions of `net`, a network with choices, within `space`.

    At first the largest options are trained alone. Then all kernel sizes join, then depths, one option a
    phase, then widths in the same way. Decisions that are not elastic (operations, image resolutions) are
    open throughout. Raises `CannotSearch` if there are none to shrink, or if constraints forbid the largest.
    """
    kinds = {name: kind for name, kind in elastic(net).items() if len(space.decisions[name].options) > 1}
    if not kinds:
        raise CannotSearch(
            "nothing can shrink here: no kernel size, depth or width of this space is a decision",
            others=("path", "training"),
        )
    opened = dict.fromkeys(kinds, 1)

    def part() -> SearchSpace:
        largest = {name: sorted(space.decisions[name].options, key=float) for name in kinds}
        return space.restrict({name: largest[name][-number:] for name, number in opened.items()})

    found = [Phase("largest", part(), 1, LARGEST[0], 1.0)]
    _refuse_impossible(found[0].space)
    for kind, paths in PATHS.items():
        names = [name for name in kinds if kinds[name] == kind]
        most = max((len(space.decisions[name].options) for name in names), default=1)
        for number in range(most if kind == "kernel" else 2, most + 1) if most > 1 else ():
            opened.update(dict.fromkeys(names, number))
            length, rate = KERNEL if kind == "kernel" else LAST if number == most else STEP
            name = kind if kind == "kernel" else f"{kind}-{number}"
            found.append(Phase(name, part(), paths, length, rate / LARGEST[1], sorts=kind == "width"))
    return found


def elastic(net: nn.Module) -> dict[str, str]:
    """What each elastic decision of `net` is: the `kernel` of a convolution, a `depth`, or a `width` (any
    other size of an elastic layer, but for strides and the resolution of images).
    """
    found: dict[str, str] = {}
    neither: set[str] = set()
    for module in net.modules():
        if isinstance(module, Repeat):
            found[module.decision.name] = "depth"
        elif isinstance(module, Resize):
            neither.update(_names([module.wanted]))
        elif isinstance(module, ElasticLayer):
            for name in _names(module.sizes):
                found.setdefault(name, "width")
        if isinstance(module, ElasticConv2d):
            neither.update(_names([module.stride]))
            found.update(dict.fromkeys(_names([module.kernel]), "kernel"))
    return {name: kind for name, kind in found.items() if name not in neither}


def _names(sizes: Iterable[Size]) -> list[str]:
    return [dim.name for size in sizes for dim in dims_of(size)]


def _refuse_impossible(largest: SearchSpace) -> None:
    try:
        largest.sample(np.random.default_rng(0))
    except UsageError as error:
        reason = f"the largest network, which is trained first, can't be: {error}"
        raise CannotSearch(reason, others=("path", "training")) from None


def epochs_of(phases: Sequence[Phase], epochs: int) -> list[int]:
    """How many of all `epochs` each phase gets, in proportion to its length; the first and the last get one
    at least. What a phase without epochs opens is open in the next. Raises `UsageError` for less than two.
    """
    if epochs < 2:
        raise UsageError(
            f"progressive shrinking needs at least 2 epochs, one for the largest network and one for smaller"
            f" ones; got {epochs}"
        )
    ends = list(itertools.accumulate(phase.length for phase in phases))
    middles = ((i + 0.5) / epochs * ends[-1] for i in range(1, epochs - 1))
    places = [0, *(bisect_right(ends, middle) for middle in middles), len(phases) - 1]
    return [places.count(at) for at in range(len(phases))]


def rate_of(phase: Phase, steps: int) -> float:
    """The first step size of `phase` in a training of so many steps, as a share of that of the largest
    network. In short trainings those of the last phases grow, at most to that of the kernels'.
    """
    return min(phase.rate * max(LONG_TRAINING / steps, 1.0), max(phase.rate, KERNEL[1] / LARGEST[1]))


def shrink(
    supernet: Supernet,
    phases: Sequence[Phase],
    settings: PathSettings,
    train: ImageSet,
    valid: ImageSet,
    *,
    fabric: Fabric,
    seed: int,
    steps: int | None = None,
    checkpoints: Callable[[str], Checkpoints] | None = None,
    on_epoch: OnEpoch = lambda _: None,
) -> Trained:
    """Train `supernet` phase by phase for the settings' number of epochs together.

    After the first phase the largest network is taken out: every path of a later one learns from its answers
    and from the labels, in equal parts. Epochs are counted through all phases; `checkpoints` makes those of a
    phase from its name. Otherwise as `SinglePath.run`, which trains each phase.
    """
    curve: list[SearchEpoch] = []
    whole = settings.epochs * (steps or max(len(train) // settings.batch_size, 1))
    distil, trained = None, None
    for phase, epochs in zip(phases, epochs_of(phases, settings.epochs), strict=True):
        if not epochs:
            continue
        if phase.sorts and trained is not None:
            sort_channels(supernet.net, trained)
        loop = SinglePath(
            supernet,
            UniformDecisions(phase.space, phase.paths),
            _settings(settings, epochs, rate_of(phase, whole)),
            fabric=fabric,
            seed=seed_for(seed, phase.name),
            distil=distil,
        )

        def tell(epoch: SearchEpoch, before: int = len(curve)) -> None:
            on_epoch(replace(epoch, epoch=before + epoch.epoch))

        own = checkpoints(phase.name) if checkpoints else None
        curve += loop.run(train, valid, steps=steps, checkpoints=own, on_epoch=tell).curve
        if distil is None:
            distil = Distillation(_largest(supernet, phase.space, train, fabric), labels=1.0)
        trained = phase.space
    curve = [replace(epoch, epoch=at) for at, epoch in enumerate(curve, start=1)]
    return Trained(tuple(curve), cost_of(curve))


def _settings(settings: PathSettings, epochs: int, rate: float) -> PathSettings:
    first, last = settings.learning_rate * rate, settings.learning_rate_end * rate
    return settings.model_copy(update={"epochs": epochs, "learning_rate": first, "learning_rate_end": last})


def _largest(supernet: Supernet, space: SearchSpace, train: ImageSet, fabric: Fabric) -> nn.Module:
    """The largest network of `space`, to teach others."""
    images = calibration_images(train, Normalise.measured(train), fabric.device)
    return supernet.extract(extremes(supernet, space)[0], images).requires_grad_(False)

"""Splitting a supernet where its paths disagree most about the weights that they share.

Few-shot search gives parts of the space a supernet each (Zhao et al. 2021, https://arxiv.org/abs/2006.06863).
Which decision to split is told by gradients, as in GM-NAS (Hu et al. 2022, https://arxiv.org/abs/2203.15207):
options whose gradients of shared weights point in different directions should not share them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nasturtium.core.errors import CannotSearch
from nasturtium.oneshot.arch_step import Batch
from nasturtium.oneshot.calibrate import batch_statistics
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Option
from nasturtium.space.search_space import SearchSpace
from nasturtium.training.evaluate import split_output

MOST_COMPARED = 8  # decisions, at random if there are more: each costs a pass per option and context
DRAWN = 100  # paths that tell how often a decision is active


@dataclass(frozen=True)
class Split:
    """Two groups of options of `decision`, and the mean agreement (a cosine) of each compared decision."""

    decision: str
    parts: tuple[tuple[Option, ...], tuple[Option, ...]]
    agreement: Mapping[str, float]
    cost: Cost


def split(supernet: Supernet, contexts: Sequence[Batch], rng: np.random.Generator) -> Split:
    """Splits the decision whose options agree least, of those that choose one option in most paths.

    Per batch of `contexts` the options of a decision are compared in a random path, the same but for the
    decision itself and what it switches on. The two least alike options begin a group each, and the others
    join so that the groups are equally large. Raises `CannotSearch` if no decision chooses one of
    several options.
    """
    compared = _compared(supernet.space, rng)
    found = {d.name: _agreement(supernet, d, contexts, rng) for d in compared}
    supernet.activate(None)
    means = {name: _mean(matrix) for name, matrix in found.items()}
    worst = min(means, key=means.__getitem__)
    passes = sum(len(d.options) for d in compared) * len(contexts)
    images = sum(len(d.options) for d in compared) * sum(len(y) for _, y in contexts)
    cost = Cost(forward=passes, backward=passes, samples=images)
    options = supernet.space.decisions[worst].options
    first, second = groups(found[worst])
    parts = tuple(options[i] for i in first), tuple(options[i] for i in second)
    return Split(worst, parts, means, cost)


def groups(agreement: np.ndarray) -> tuple[list[int], list[int]]:
    """Positions in two groups, equally large up to one, by an n×n matrix of agreements."""
    n = len(agreement)
    a, b = divmod(int((agreement + 2 * np.eye(n)).argmin()), n)
    others = sorted(set(range(n)) - {a, b}, key=lambda i: agreement[i, b] - agreement[i, a])
    half = (n + 1) // 2 - 1
    return sorted([a, *others[:half]]), sorted([b, *others[half:]])


def splittable(space: SearchSpace) -> list[Decision]:
    """The decisions that choose one of several options; raises `CannotSearch` if there are none."""
    found = [d for d in space.decisions.values() if not d.many and len(d.options) > 1]
    if not found:
        raise CannotSearch(
            "a supernet is split between the options of a decision that chooses one of several, and this"
            " space has none",
            others=("path", "training"),
        )
    return found


def _compared(space: SearchSpace, rng: np.random.Generator) -> list[Decision]:
    open_ = splittable(space)
    drawn = [space.sample(rng) for _ in range(DRAWN)]
    active = {d.name: sum(d.name in arch for arch in drawn) for d in open_}
    often = [d for d in open_ if active[d.name] == max(active.values())]
    chosen = sorted(rng.permutation(len(often))[:MOST_COMPARED].tolist())
    return [often[i] for i in chosen]


def _agreement(
    supernet: Supernet, decision: Decision, contexts: Sequence[Batch], rng: np.random.Generator
) -> np.ndarray:
    """n×n: the mean cosine between the gradients under two options, over the weights that both use."""
    matrices = []
    for batch in contexts:
        path = supernet.space.sample(rng)
        gradients = [
            _gradient(supernet, _with(supernet.space, path, decision.name, option, rng), batch)
            for option in decision.options
        ]
        matrices.append([[_cosine(a, b) for b in gradients] for a in gradients])
    agreement: np.ndarray = np.mean(matrices, axis=0)
    return agreement


def _with(
    space: SearchSpace, path: Architecture, name: str, option: Option, rng: np.random.Generator
) -> Architecture:
    changed = space.complete({**path, name: option}, rng)
    # constraints may forbid this option in this path
    return changed if changed.get(name) == option else space.restrict({name: [option]}).sample(rng)


def _gradient(supernet: Supernet, path: Architecture, batch: Batch) -> dict[str, Tensor]:
    x, y = batch
    supernet.activate(path)
    weights = dict(supernet.net.named_parameters())
    with batch_statistics(supernet):
        loss = F.cross_entropy(split_output(supernet(x))[0], y)
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {name: g for name, g in zip(weights, found, strict=True) if g is not None}


def _cosine(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    shared = [name for name in a if name in b]
    one, other = (torch.cat([g[name].reshape(-1) for name in shared]) for g in (a, b))
    return float(F.cosine_similarity(one, other, dim=0))


def _mean(agreement: np.ndarray) -> float:
    """Of all pairs of different options."""
    return float(agreement[~np.eye(len(agreement), dtype=bool)].mean())

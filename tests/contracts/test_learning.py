"""What no search may do silently: leave a decision alone.

Every way to learn moves every parameter that ranks options, or refuses the space; every way to draw paths
trains every option of every decision.
"""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
import torch
from choice_kinds import KINDS, images, network
from torch import nn

import nasturtium.methods
import nasturtium.oneshot
from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.methods.enas import ControllerPaths
from nasturtium.modules.blueprint import Blueprint
from nasturtium.oneshot.arch_step import FirstOrder, SecondOrder
from nasturtium.oneshot.bilevel import Bilevel, BilevelSettings
from nasturtium.oneshot.extremes import SandwichPaths
from nasturtium.oneshot.fair import FairPaths
from nasturtium.oneshot.neumann import Neumann
from nasturtium.oneshot.paths import PathSampler, UniformDecisions, UniformPaths
from nasturtium.oneshot.policy_gradient import PolicyGradient
from nasturtium.oneshot.promising import PromisingPaths
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.relaxations.binary import Binary
from nasturtium.oneshot.relaxations.dirichlet import Dirichlet
from nasturtium.oneshot.relaxations.gumbel import Gumbel
from nasturtium.oneshot.relaxations.hard_gumbel import HardGumbel
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.relaxations.policy import Policy
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.shrinking import phases, shrink
from nasturtium.oneshot.single_path import PathSettings, SinglePath
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import members
from nasturtium.training.device import make_fabric

FABRIC = make_fabric("cpu")
SPLITS = images().splits(0)

# each a relaxation and a step of the architecture, made for a space
LEARNING = {
    "softmax": lambda space: (Softmax(), FirstOrder()),
    "softmax, joint": lambda space: (Softmax(), None),
    "softmax, second order": lambda space: (Softmax(), SecondOrder()),
    "softmax, implicit": lambda space: (Softmax(), Neumann(terms=2, rate=0.01)),
    "sigmoid": lambda space: (Sigmoid(), FirstOrder()),
    "dirichlet": lambda space: (Dirichlet(), FirstOrder()),
    "partial channels": lambda space: (PartialChannels(2), FirstOrder()),
    "gumbel": lambda space: (Gumbel(), FirstOrder()),
    "hard gumbel": lambda space: (HardGumbel(), FirstOrder()),
    "binary": lambda space: (Binary(), FirstOrder()),
    "policy": lambda space: _policy(Policy(space)),
}
DRAWING = {
    "uniform": lambda supernet: UniformPaths(supernet.space),
    "uniform decisions": lambda supernet: UniformDecisions(supernet.space, 2),
    "fair": lambda supernet: FairPaths(supernet.space),
    "sandwich": lambda supernet: SandwichPaths(supernet, supernet.space),
    "promising": lambda supernet: PromisingPaths(supernet.space),
    "controller": lambda supernet: ControllerPaths(supernet.space, lambda _: 0.0, seed=0),
}


def _policy(policy: Policy):
    return policy, PolicyGradient(policy, paths=4)


def subclasses(base: type, *rooms) -> Iterator[type]:
    """All that the modules of `rooms` define."""
    for room in rooms:
        for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
            module = importlib.import_module(found.name)
            for thing in vars(module).values():
                if isinstance(thing, type) and issubclass(thing, base) and thing.__module__ == found.name:
                    yield thing


def test_nothing_that_learns_or_draws_is_left_out():
    space = network("`Edge`").space
    relaxations = {type(make(space)[0]) for make in LEARNING.values()}
    assert set(subclasses(Relaxation, nasturtium.oneshot)) - {Relaxation} == relaxations
    supernet = Supernet(network("`Edge`"))
    samplers = {type(make(supernet)) for make in DRAWING.values()}
    rooms = nasturtium.oneshot, nasturtium.methods
    assert set(subclasses(PathSampler, *rooms)) - {PathSampler} == samplers


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", LEARNING)
def test_a_search_moves_all_that_ranks_options_or_refuses(way, kind):
    blueprint = network(kind)
    relaxation, step = LEARNING[way](blueprint.space)
    settings = BilevelSettings(epochs=2, batch_size=8, alpha_weight_decay=0.0)  # only gradients move
    refusal = ""
    try:
        supernet = Supernet(blueprint, relaxation, seed=1)
        search = Bilevel(supernet, step, settings, fabric=FABRIC, seed=1)
    except CannotSearch as error:
        refusal = str(error)
    if refusal:
        assert said_by(relaxation, blueprint) in refusal
        return
    before = {name: row.detach().clone() for name, row in supernet.alphas.items()}
    search.run(SPLITS.search_train, SPLITS.search_valid)
    moved = {name for name, row in supernet.alphas.items() if (row != before[name]).all()}
    for name, decision in supernet.space.decisions.items():
        assert name in moved or decision.many
        for option in decision.options if name not in moved else ():
            assert moved & switched_on(supernet.space, name, option)


def said_by(relaxation: Relaxation, blueprint: Blueprint) -> str:
    """The reason that a refusal must give."""
    if not blueprint.mixes:
        return "takes no weights, so that '" if type(relaxation) is HardGumbel else "needs one option of '"
    return "this space has no edges" if relaxation.part > 1 else "nothing below it could rank its options"


def switched_on(space, name, option) -> set[str]:
    """The decisions that are active only if `option` of decision `name` is chosen."""
    found = space.conditions.items()
    return {
        child for child, c in found if any(w.decision == name and option in w.options for a in c for w in a)
    }


class Noted(PathSampler):
    """Another sampler's paths, remembered."""

    def __init__(self, sampler: PathSampler) -> None:
        self._sampler = sampler
        self.drawn: list[Architecture] = []

    def paths(self, rng, progress):
        drawn = self._sampler.paths(rng, progress)
        self.drawn += drawn
        return drawn

    def learn(self, score, rng, progress):
        self._sampler.learn(score, rng, progress)


SETTINGS = PathSettings(epochs=2, batch_size=4, weight_decay=0.0)  # only gradients move


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampler", DRAWING)
def test_every_option_of_every_decision_is_trained(sampler, kind):
    supernet = Supernet(network(kind), seed=1)
    noted = Noted(DRAWING[sampler](supernet))
    before = weights(supernet)
    search = SinglePath(supernet, noted, SETTINGS, fabric=FABRIC, seed=1)
    search.run(SPLITS.search_train, SPLITS.search_valid, steps=20)
    trained = {(name, o) for arch in noted.drawn for name, value in arch.items() for o in members(value)}
    assert trained == {(name, o) for name, d in supernet.space.decisions.items() for o in d.options}
    assert unmoved(supernet, before) == []


@pytest.mark.parametrize("kind", KINDS)
def test_shrinking_trains_every_weight_or_refuses(kind):
    supernet = Supernet(network(kind), seed=1)
    refusal = ""
    try:
        found = phases(supernet.net, supernet.space)
    except UsageError as error:
        refusal = str(error)
    if refusal:
        assert "nothing can shrink here" in refusal
        return
    before = weights(supernet)
    shrink(
        supernet, found, SETTINGS, SPLITS.search_train, SPLITS.search_valid, fabric=FABRIC, seed=1, steps=20
    )
    assert unmoved(supernet, before) == []
    assert found[-1].space.decisions == supernet.space.decisions


def weights(supernet: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in supernet.named_parameters()}


def unmoved(supernet: nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, weight in supernet.named_parameters() if torch.equal(weight, before[name])]

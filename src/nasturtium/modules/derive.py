"""From a network with choices and an architecture to a plain network."""

import copy
from typing import Any

import torch
from torch import nn

from nasturtium.modules.choice import Choice
from nasturtium.modules.walk import space_of
from nasturtium.space.architecture import Architecture


def derive(module: nn.Module, arch: Architecture) -> nn.Module:
    """A plain module without choices that computes what `arch` computes inside `module`, with copies of its
    weights, in its mode (training or evaluation).

    Raises `UsageError` naming the decision if `arch` is no architecture of `module`.
    """
    with torch.random.fork_rng(devices=[]):  # new layers draw weights before they are given theirs
        return strip(module, space_of(module).validate(arch)).train(module.training)


def strip(module: nn.Module, arch: Architecture, *, in_place: bool = False) -> nn.Module:
    """`derive` for a module that holds the candidates of `arch` only, and so no longer shows its whole space.

    `in_place` takes `module` apart instead of copying it.
    """
    done: dict[int, nn.Module] = {}
    copied: dict[int, Any] = {}  # one for all parts, so that weights they share stay shared

    def inner(part: nn.Module) -> nn.Module:
        if id(part) not in done:
            done[id(part)] = part.derive(arch, inner) if isinstance(part, Choice) else _plain(part)
        return done[id(part)]

    def _plain(part: nn.Module) -> nn.Module:
        children, part._modules = part._modules, {}
        plain = part
        if not in_place:
            try:
                plain = copy.deepcopy(part, copied)
            finally:
                part._modules = children
        plain._modules = {name: None if child is None else inner(child) for name, child in children.items()}
        return plain

    return inner(module)

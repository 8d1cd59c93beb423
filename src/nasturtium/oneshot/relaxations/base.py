"""A relaxation turns a decision and its row of architecture parameters into a gate."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nasturtium.modules.choice import Gate
from nasturtium.space.decision import Decision


class Relaxation(nn.Module, ABC):
    """Makes one gate per decision name and forward pass; choice modules never learn which relaxation made it.

    `null` adds a candidate that outputs zero wherever the space allows one (`Edge(null=True)`): its parameter
    is the last of the row, it takes probability from the others, and it is never run nor derived.
    """

    null = False

    @abstractmethod
    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        """The first row of parameters, n values (options, and one for zero);

        None: no parameters for this decision.
        """

    @abstractmethod
    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Which options run in this forward pass, and with which weights; `alpha` is as `alpha()` made it."""

    @abstractmethod
    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """One value per real option, to be discretised.

        With a zero candidate they add up to less than one.
        """

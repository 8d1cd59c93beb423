"""A relaxation turns a decision and its row of architecture parameters into a gate."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nasturtium.modules.choice import Gate
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision


class Relaxation(nn.Module, ABC):
    """Makes one gate per decision name and forward pass; choice modules never learn which relaxation made it.

    `null` adds a candidate that outputs zero wherever the space allows one (`Edge(null=True)`): its parameter
    is the last of the row, it takes probability from the others, and it is never run nor derived.
    `part` says that operations of edges run on 1/part of the channels only (see `modules/partial.py`).
    Whatever is drawn comes from `generator`, which a supernet seeds and checkpoints keep. Unless a subclass
    says otherwise, all options of one-of-n decisions run, weighted by their probabilities, and all options of
    k-of-n decisions, unweighted.
    """

    null = False
    part = 1
    compete = True  # whether the options of a decision share one weight; else each has its own
    twice = True  # whether a loss has second derivatives by the parameters

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator()

    def begin(self, seed: int) -> None:
        """Forget earlier searches and draw from `seed`; called when a supernet takes the relaxation."""
        self.generator.manual_seed(seed)

    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        """The first row of parameters, n values (options, and one for zero); None: no parameters for this
        decision.

        Here small random numbers for one-of-n decisions; the others are ranked by what they switch on.
        """
        return None if decision.many else small(n, generator)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Which options run in this forward pass, and with which weights; `alpha` is as `alpha()` made it.

        Where `alpha` requires no gradient only the weights learn from this pass, so that options which run
        for the sake of the architecture's gradient may be left out.
        """
        every = tuple(range(len(decision.options)))
        return Gate(every, None if alpha is None else self.probabilities(decision, alpha))

    def path(self, alphas: Mapping[str, Tensor]) -> Architecture | None:
        """A whole architecture to run in this forward pass, for relaxations that draw one; None: the gates
        of the decisions, each by itself.
        """
        return None

    @abstractmethod
    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """One value per real option, to be discretised.

        With a zero candidate they add up to less than one.
        """

    def anneal(self, progress: float) -> None:  # noqa: B027 (most have no schedule)
        """Called before each epoch with the share of the search that is over: 0 at first, 1 in the last."""

    def settle(self, alphas: Mapping[str, Tensor]) -> None:  # noqa: B027 (most leave the step as it is)
        """Called after each step of the architecture's optimiser, to correct it in place."""

    def get_extra_state(self) -> Tensor:
        """The state of the generator."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Go on drawing where `state` was taken."""
        self.generator.set_state(state)


def small(n: int, generator: torch.Generator) -> Tensor:
    """n random numbers close to zero, as the authors of DARTS and of most methods after it start."""
    return 1e-3 * torch.randn(n, generator=generator)

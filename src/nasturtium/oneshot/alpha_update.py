"""Updates of the architecture parameters."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from nasturtium.oneshot.arch_step import ArchStep, Batch
from nasturtium.oneshot.epochs import accuracy
from nasturtium.oneshot.penalties import Penalty, chosen
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost
from nasturtium.training.evaluate import split_output


class AlphaUpdate:
    """Steps of Adam on the α of a supernet.

    `penalties`, and then those of the settings, change the loss. `progress` is the share of the search that
    is over.
    """

    def __init__(self, supernet: Supernet, settings: BilevelSettings, penalties: Sequence[Penalty]) -> None:
        assert supernet.relaxation is not None
        self._supernet = supernet
        self._relaxation = supernet.relaxation
        self._penalties = [*penalties, *chosen(settings)]
        self._adam = torch.optim.Adam(
            supernet.alphas.values(),
            settings.alpha_learning_rate,
            betas=(settings.alpha_momentum, 0.999),
            weight_decay=settings.alpha_weight_decay,
        )
        self.progress = 0.0

    def learn(
        self, arch_step: ArchStep, train: Batch, valid: Batch, optimizer: torch.optim.SGD, fabric: Fabric
    ) -> tuple[Tensor, Cost]:
        """A step on the gradient of `arch_step`; `optimizer` is the weights' one. Returns loss and accuracy
        on the validation batch, the mean over its passes, and what they cost.
        """
        seen: list[Tensor] = []

        def loss(output: Any, labels: Tensor) -> Tensor:
            logits, _ = split_output(output)
            value = F.cross_entropy(logits, labels)
            if labels is not valid[1]:
                return value
            seen.append(torch.stack([value.detach(), accuracy(logits, labels)]))
            return self.penalised(value)

        with fabric.autocast():
            gradients = arch_step.gradient(self._supernet, train, valid, loss, optimizer)
        for name, gradient in gradients.items():
            self._supernet.alphas[name].grad = gradient
        self.step()
        cost = Cost(forward=arch_step.passes, backward=arch_step.backward_passes, samples=len(valid[1]))
        return torch.stack(seen).mean(dim=0), cost

    def penalised(self, loss: Tensor) -> Tensor:
        """The architecture's loss, made of that of a batch."""
        for penalty in self._penalties:
            loss = penalty(loss, self._supernet, self.progress)
        return loss

    def step(self) -> None:
        """Use the gradients that α have."""
        self._adam.step()
        self._relaxation.settle(dict(self._supernet.alphas.items()))

    def state(self) -> dict[str, Any]:
        """What Adam remembers."""
        return self._adam.state_dict()

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._adam.load_state_dict(state)

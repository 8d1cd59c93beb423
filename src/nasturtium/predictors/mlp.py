"""An ensemble of small neural networks, as in BANANAS (White et al. 2021, https://arxiv.org/abs/1910.11858)."""

from typing import TYPE_CHECKING, Self

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.predictors.base import PREDICTORS, Predictor, standardized

if TYPE_CHECKING:
    from torch import Tensor

Layer = tuple["Tensor", "Tensor"]
"""Weights, members × inputs × outputs, and biases, members × 1 × outputs."""


@PREDICTORS.register(
    "mlp",
    summary="ensemble of small neural networks that differ in their first weights (needs torch)",
    paper="https://arxiv.org/abs/1910.11858",
)
class MLP(Predictor):
    """`members` networks of `layers` hidden layers with `width` units each, trained together on all data by
    `steps` of Adam. The prediction is their mean, and the standard deviation is theirs.

    As in the paper errors weigh the more the better a value is, as the smaller is the better here: the loss
    is the mean of |ŷ − y| / (y − bound), where `bound` lies below all values. The paper knows a bound; ours
    is one standard deviation below the smallest value. The paper's networks have ten layers of 20 units;
    ours learn in milliseconds. Raises `UsageError` for senseless numbers.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        members: int = 5,
        layers: int = 2,
        width: int = 32,
        steps: int = 80,
        learning_rate: float = 0.01,
    ) -> None:
        super().__init__(seed=seed)
        if members < 2 or min(layers, width, steps) < 1 or learning_rate <= 0:
            raise UsageError(
                "mlp takes 2 or more members, 1 or more layers, units and steps, and a learning rate above"
                f" 0, not {members}, {layers}, {width}, {steps}, {learning_rate}"
            )
        self._members, self._hidden = members, [width] * layers
        self._steps, self._learning_rate = steps, learning_rate

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Train new networks."""
        import torch  # here: it takes a second

        wanted, self._center, self._scale = standardized(y)
        targets = torch.tensor(wanted, dtype=torch.float32)
        importance = 1 / (targets - targets.min() + 1)
        (first, bias), *rest = self._initial(x)
        # weights of features that are never on have no gradient; leaving them out is the same and quicker
        seen = torch.from_numpy(x.any(axis=0))
        inputs = torch.tensor(x, dtype=torch.float32)[:, seen]
        layers = [(first[:, seen], bias), *rest]
        parameters = [parameter.requires_grad_() for layer in layers for parameter in layer]
        adam = torch.optim.Adam(parameters, self._learning_rate, fused=True)
        for _ in range(self._steps):
            error = (_outputs(layers, inputs) - targets).abs()  # members × n
            adam.zero_grad()
            (error * importance).mean(dim=1).sum().backward()  # a sum, because members share no weights
            adam.step()
        first[:, seen] = layers[0][0].detach()
        self._layers = [(first, bias), *rest]
        return self

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sample standard deviation over members."""
        import torch

        with torch.no_grad():
            each = _outputs(self._layers, torch.tensor(x, dtype=torch.float32)).double().numpy()
        return each.mean(axis=0) * self._scale + self._center, each.std(axis=0, ddof=1) * self._scale

    def _initial(self, x: np.ndarray) -> list[Layer]:
        """First weights as of He et al. 2015 (https://arxiv.org/abs/1502.01852), and biases of 0.

        Of the inputs count as many as are 1 on average, since vectors of architectures are mostly 0.
        """
        import torch

        generator = torch.Generator().manual_seed(self._seed)
        active = max(float((x.astype(float) ** 2).sum(axis=1).mean()), 1.0)
        sizes, counts = [x.shape[1], *self._hidden, 1], [active, *self._hidden]
        layers = []
        for inputs, outputs, count in zip(sizes, sizes[1:], counts, strict=False):
            weight = torch.randn(self._members, inputs, outputs, generator=generator) * (2 / count) ** 0.5
            layers.append((weight, torch.zeros(self._members, 1, outputs)))
        return layers


def _outputs(layers: list[Layer], inputs: "Tensor") -> "Tensor":
    """What each member says of n × features, members × n."""
    import torch

    x = inputs.expand(len(layers[0][0]), *inputs.shape)
    for weight, bias in layers[:-1]:
        x = torch.relu(torch.baddbmm(bias, x, weight))
    weight, bias = layers[-1]
    return torch.baddbmm(bias, x, weight).squeeze(2)

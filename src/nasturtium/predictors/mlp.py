"""An ensemble of small neural networks, as in BANANAS (White et al. 2021, https://arxiv.org/abs/1910.11858)."""

from typing import TYPE_CHECKING, Self

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.predictors.base import PREDICTORS, Predictor, standardized

if TYPE_CHECKING:
    from torch import Tensor


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
    is one standard deviation below the smallest value. The paper's networks have ten layers of 20 units and
    200 epochs; fewer take milliseconds. Raises `UsageError` for senseless numbers.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        members: int = 5,
        layers: int = 2,
        width: int = 32,
        steps: int = 100,
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
        inputs, targets = (torch.tensor(values, dtype=torch.float32) for values in (x, wanted))
        weight = 1 / (targets - targets.min() + 1)
        self._layers = self._initial(x.shape[1])
        parameters = [parameter for layer in self._layers for parameter in layer]
        adam = torch.optim.Adam(parameters, self._learning_rate)
        for _ in range(self._steps):
            error = (self._outputs(inputs) - targets).abs()  # members × n
            adam.zero_grad()
            (error * weight).mean(dim=1).sum().backward()  # a sum, because members don't share weights
            adam.step()
        return self

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sample standard deviation over members."""
        import torch

        with torch.no_grad():
            each = self._outputs(torch.tensor(x, dtype=torch.float32)).double().numpy()
        return each.mean(axis=0) * self._scale + self._center, each.std(axis=0, ddof=1) * self._scale

    def _initial(self, features: int) -> list[tuple["Tensor", "Tensor"]]:
        """Weights, members × inputs × outputs, drawn as by He et al. 2015 (https://arxiv.org/abs/1502.01852),
        and biases, members × 1 × outputs, of each layer.
        """
        import torch

        generator = torch.Generator().manual_seed(self._seed)
        sizes = [features, *self._hidden, 1]
        layers = []
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            weight = torch.randn(self._members, inputs, outputs, generator=generator)
            weight *= (2 / max(inputs, 1)) ** 0.5
            bias = torch.zeros(self._members, 1, outputs)
            layers.append((weight.requires_grad_(), bias.requires_grad_()))
        return layers

    def _outputs(self, inputs: "Tensor") -> "Tensor":
        """What each member says of n × features, members × n."""
        import torch

        x = inputs.expand(self._members, *inputs.shape)
        for weight, bias in self._layers[:-1]:
            x = torch.relu(torch.baddbmm(bias, x, weight))
        weight, bias = self._layers[-1]
        return torch.baddbmm(bias, x, weight).squeeze(2)

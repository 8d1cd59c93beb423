"""Activation functions by name, as options of a choice."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


class SquaredReLU(nn.Module):
    """The square of the positive part (So et al. 2021, https://arxiv.org/abs/2109.08668)."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input."""
        return F.relu(x).square()


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "hardswish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "identity": nn.Identity,
    "squared_relu": SquaredReLU,
}

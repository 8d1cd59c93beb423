"""Operations on a part of the channels, as PC-DARTS searches (Xu et al. 2020,
https://arxiv.org/abs/1907.05737).

The first 1/K of the channels goes through the operations and the rest passes by; then channels are shuffled,
so that the next operations see others. Nothing is drawn at random.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def split(x: Tensor, part: int, stride: int) -> tuple[Tensor, Tensor]:
    """The first 1/`part` of the channels of x, B×C×…, and the rest, max-pooled where there is a stride."""
    first, rest = x.tensor_split([x.shape[1] // part], dim=1)
    return first, rest if stride == 1 else F.max_pool2d(rest, stride, ceil_mode=True)


def shuffle(first: Tensor, rest: Tensor, part: int) -> Tensor:
    """Both joined to B×C×…, channels taken in turn from the `part` equal pieces that they make up."""
    pieces = [first, *rest.chunk(part - 1, dim=1)]
    # with channels last, in which a supernet computes, this is one copy
    return torch.stack([piece.movedim(1, -1) for piece in pieces], dim=-1).flatten(-2).movedim(-1, 1)


class OnPart(nn.Module):
    """`op` on the first 1/`part` of the channels."""

    def __init__(self, op: nn.Module, part: int, stride: int) -> None:
        super().__init__()
        self.op, self.part, self.stride = op, part, stride

    def forward(self, x: Tensor) -> Tensor:
        """B×C×… → the same, reduced by the stride."""
        first, rest = split(x, self.part, self.stride)
        return shuffle(self.op(first), rest, self.part)

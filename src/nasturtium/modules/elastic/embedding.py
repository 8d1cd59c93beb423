"""An embedding with elastic width."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class ElasticEmbedding(ElasticLayer):
    """`nn.Embedding` whose `width` may be a decision; narrower ones use the first columns."""

    def __init__(self, entries: int, width: Size) -> None:
        super().__init__(width)
        self.entries, self.width = entries, width
        self.weight = nn.Embedding(entries, built(width)).weight

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Embedding` with the chosen columns of the weights."""
        width = chosen(self.width, arch)
        embedding = nn.Embedding(self.entries, width).to(self.weight)
        with torch.no_grad():
            embedding.weight.copy_(self.weight[:, :width])
        return embedding

    def forward(self, tokens: Tensor) -> Tensor:
        """(…) of whole numbers below `entries` → (…, width) at the gated width."""
        return F.embedding(tokens, self.weight[:, : self.size(self.width)])

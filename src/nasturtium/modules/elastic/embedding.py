"""An embedding with elastic width, and scores of its entries."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When


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


class Unembedding(nn.Module):
    """A score for each entry of `embedding`, the dot product with its vector, which both share."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → (…, entries)."""
        return F.linear(x, self.embedding.weight)


class ElasticUnembedding(ElasticLayer):
    """`Unembedding` of an embedding with elastic width (tied: Press & Wolf 2017,
    https://arxiv.org/abs/1608.05859).
    """

    def __init__(self, embedding: ElasticEmbedding) -> None:
        super().__init__(embedding.width)
        self.embedding = embedding

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """The embedding."""
        yield None, self.embedding

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `Unembedding` of what the embedding becomes."""
        embedding = inner(self.embedding)
        assert isinstance(embedding, nn.Embedding)
        return Unembedding(embedding)

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → (…, entries) at the gated width."""
        return F.linear(x, self.embedding.weight[:, : self.size(self.embedding.width)])

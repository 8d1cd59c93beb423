"""What attention does with queries, keys and values that are split into heads, and who may see whom.

Dot products: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. Relative positions: Shaw et al. 2018,
https://arxiv.org/abs/1803.02155, for images as in Chen et al. 2021, https://arxiv.org/abs/2107.00651. The
strided pattern: Child et al. 2019, https://arxiv.org/abs/1904.10509.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError


class DotProduct(nn.Module):
    """Softmax of scaled dot products.

    `causal` hides later positions; `mask`, L×L and boolean, says which position (row) sees which (column).
    Raises `UsageError` for both at once.
    """

    mask: Tensor | None

    def __init__(self, *, causal: bool = False, mask: Tensor | None = None) -> None:
        super().__init__()
        if causal and mask is not None:
            raise UsageError("attention got a mask and causal=True; let the mask hide later positions too")
        self.causal = causal
        self.register_buffer("mask", mask)

    def forward(self, q_BHLD: Tensor, k_BHLD: Tensor, v_BHLD: Tensor) -> Tensor:
        """B×H×L×D, a weighted mean of values for each query."""
        return F.scaled_dot_product_attention(
            q_BHLD, k_BHLD, v_BHLD, attn_mask=self.mask, is_causal=self.causal
        )


class RelativeDotProduct(nn.Module):
    """Dot products that know how far apart two patches are, in rows and in columns.

    The first position is a token that belongs to no patch; the others are a grid, row by row. One learned
    vector per distance is added to the keys, another to the values, the same for all heads. Distances beyond
    `reach` count as `reach`.
    """

    row: Tensor
    column: Tensor

    def __init__(self, grid: tuple[int, int], width: int, *, reach: int = 14) -> None:
        super().__init__()
        height, across = grid
        self.scale, self.reach = width**-0.5, reach
        # one number per patch, not per pair: pairs of 14×14 patches take 0.6 MB, saved with every layer
        self.register_buffer("row", torch.arange(height).repeat_interleave(across))
        self.register_buffer("column", torch.arange(across).repeat(height))
        tables = [nn.Embedding(2 * reach + 2, width) for _ in range(4)]
        for table in tables:
            nn.init.trunc_normal_(table.weight, std=0.02)
        self.key_rows, self.key_columns, self.value_rows, self.value_columns = tables

    def forward(self, q_BHLD: Tensor, k_BHLD: Tensor, v_BHLD: Tensor) -> Tensor:
        """B×H×L×D, a weighted mean of values and distance vectors for each query."""
        rows_LL, columns_LL = _distances(self.row, self.reach), _distances(self.column, self.reach)
        keys_LLD = self.key_rows(rows_LL) + self.key_columns(columns_LL)
        values_LLD = self.value_rows(rows_LL) + self.value_columns(columns_LL)
        near = torch.einsum("bhid,ijd->bhij", q_BHLD, keys_LLD)
        weights = ((q_BHLD @ k_BHLD.transpose(-2, -1) + near) * self.scale).softmax(-1)
        return weights @ v_BHLD + torch.einsum("bhij,ijd->bhid", weights, values_LLD)


def _distances(places: Tensor, reach: int) -> Tensor:
    """L×L from L - 1 places: 0 where the token takes part, else 1 for `reach` before to 2·reach + 1 for
    `reach` behind.
    """
    apart = places.unsqueeze(0) - places.unsqueeze(1)
    return F.pad(apart.clamp(-reach, reach) + reach + 1, (1, 0, 1, 0))


def local_mask(length: int, window: int) -> Tensor:
    """Each position sees itself and the `window` - 1 before it."""
    back = _back(length)
    return (back >= 0) & (back < window)


def strided_mask(length: int, stride: int) -> Tensor:
    """Each position sees itself, the `stride` - 1 before it, and every `stride`-th before those."""
    back = _back(length)
    return local_mask(length, stride) | ((back >= 0) & (back % stride == 0))


def _back(length: int) -> Tensor:
    """How many steps back from position i (row) position j (column) is."""
    at = torch.arange(length)
    return at[:, None] - at

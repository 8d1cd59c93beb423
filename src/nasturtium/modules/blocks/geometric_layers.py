"""The layers of torch-geometric (https://arxiv.org/abs/1903.02428) as `graph_layers` has them.

For networks that are to be torch-geometric's own. They can't be written as source, because their forward
decides by values and shapes what runs.
"""

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.graph_layers import Alone, GraphLayer


def geometric_layers(heads: int) -> dict[str, GraphLayer]:
    """Layers by operation, attention with so many heads.

    Raises `UsageError` where torch-geometric is not installed.
    """
    try:
        from torch_geometric import nn as layers
    except ImportError as error:
        raise UsageError(
            "geometric=1 takes the layers of torch-geometric, which is not here: pip install"
            " 'nasturtium[graph]', or leave geometric out for layers in plain torch"
        ) from error
    return {
        "gat": lambda in_, out: layers.GATConv(in_, out // heads, heads),
        "gcn": layers.GCNConv,
        "gin": lambda in_, out: layers.GINConv(nn.Linear(in_, out)),
        "cheb": lambda in_, out: layers.ChebConv(in_, out, K=2),
        "sage": layers.SAGEConv,
        "arma": layers.ARMAConv,
        "graph": layers.GraphConv,
        "fc": Alone,
    }

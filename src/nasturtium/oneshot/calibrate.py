"""BatchNorm statistics of one path of a supernet."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def calibrate(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure the running statistics of every BatchNorm of `net` afresh: the mean over `batches` of images.

    A supernet's statistics are mixed over all paths, so those of one path must be measured before it is
    scored (Guo et al. 2020, https://arxiv.org/abs/1904.00420). Norms that the path does not run are left
    without statistics; `net` stays in the mode it was in.
    """
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = net.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean over all batches
    net.train()
    try:
        with torch.no_grad():
            for batch in batches:
                net(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        net.train(was_training)

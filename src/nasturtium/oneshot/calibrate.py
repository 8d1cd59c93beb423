"""BatchNorm statistics of one path of a supernet."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nasturtium.core.seeds import seed_for
from nasturtium.training.augment import in_order
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.evaluate import EVALUATION_BATCH
from nasturtium.training.normalise import Normalise

CALIBRATION_IMAGES = 1024


def calibration_images(images: ImageSet, normalise: Normalise, device: torch.device) -> list[Tensor]:
    """1,024 of `images`, in batches; drawn, because images may be in the order of their classes, and always
    the same.
    """
    generator = torch.Generator().manual_seed(seed_for("calibration"))
    few = images.subset(torch.randperm(len(images), generator=generator)[:CALIBRATION_IMAGES])
    return [x for x, _ in in_order(few, EVALUATION_BATCH, normalise=normalise, device=device)]


def calibrate(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure the running statistics of every BatchNorm of `net` afresh: the mean over `batches` of images of
    each batch's mean and (unbiased) variance.

    A supernet's statistics are mixed over all paths, so those of one path must be measured before it is
    scored (Guo et al. 2020, https://arxiv.org/abs/1904.00420). Nothing random happens: dropout is off. `net`
    stays in the mode it was in.
    """
    norms = _norms(net)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean over all batches
    try:
        with torch.no_grad(), batch_statistics(net):
            for batch in batches:
                net(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


@contextmanager
def batch_statistics(net: nn.Module) -> Iterator[None]:
    """Inside, `net` is in eval mode, but its BatchNorms normalise by each batch's own statistics."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    for norm in _norms(net):
        norm.train()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def _norms(net: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]

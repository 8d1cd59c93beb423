"""How good a network is on images that it is not trained on."""

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from nasturtium.training.augment import in_order
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.normalise import Normalise

EVALUATION_BATCH = 256


def evaluate(
    net: nn.Module,
    images: ImageSet,
    normalise: Normalise,
    *,
    fabric: Fabric,
    batch_size: int = EVALUATION_BATCH,
) -> dict[str, float]:
    """Mean cross-entropy `loss` and `accuracy` (0–1) in eval mode; ceil(N / batch_size) forward passes."""
    training = net.training
    net.to(fabric.device).eval()
    loss = correct = torch.zeros((), dtype=torch.float64)
    with torch.inference_mode(), fabric.autocast():
        for x, y in in_order(images, batch_size, normalise=normalise, device=fabric.device):
            logits, _ = split_output(net(x))
            loss = loss + F.cross_entropy(logits.float(), y, reduction="sum").cpu()
            correct = correct + (logits.argmax(1) == y).sum().cpu()
    net.train(training)
    return {"loss": float(loss) / len(images), "accuracy": float(correct) / len(images)}


def split_output(output: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor | None]:
    """(logits N×classes, auxiliary logits or None) of what a network returned: logits, or a pair of both."""
    return output if isinstance(output, tuple) else (output, None)

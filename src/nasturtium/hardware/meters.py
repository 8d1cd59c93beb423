"""What a network costs to hold and to run, counted on the network itself."""

import torch
from torch import Tensor, nn


def count_parameters(net: nn.Module) -> int:
    """Trainable parameters, shared ones once."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def count_flops(net: nn.Module, example: Tensor) -> int:
    """Multiply-adds for one example; `example` is one batch of inputs.

    Counts every convolution and linear layer without its bias, BatchNorm at 2 (without scale and shift 1) and
    ReLU at 1 per element, and pooling at one per element read: the convention of the published NAS-Bench-201
    figures.
    """
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += _flops(layer, inputs[0], output) // len(output)

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, COUNTED)]
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(example)
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return total


COUNTED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)


def _flops(layer: nn.Module, input_: Tensor, output: Tensor) -> int:
    if isinstance(layer, nn.Conv2d | nn.Linear):
        return layer.weight[0].numel() * output.numel()
    if isinstance(layer, nn.BatchNorm2d):
        return (2 if layer.affine else 1) * output.numel()
    if isinstance(layer, nn.AvgPool2d | nn.MaxPool2d):
        kernel = layer.kernel_size
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        return height * width * output.numel()
    return input_.numel()

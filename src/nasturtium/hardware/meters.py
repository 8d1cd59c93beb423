"""What a network costs to hold and to run, counted on the network itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(net: nn.Module) -> int:
    """Trainable parameters, shared ones once."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


def count_flops(net: nn.Module, *inputs: Tensor) -> int:
    """Multiply-adds for one example, the first of a batch; `inputs` are what the network takes.

    Counts every matrix product and convolution without its bias, whatever module or function asks for it:
    linear and recurrent layers, and attention's two products, which a mask makes no smaller. To these come
    BatchNorm at 2 (without scale and shift 1) and ReLU at 1 per element, and pooling at one per element read:
    the convention of the published NAS-Bench-201 figures. Nothing else counts: no other norm or activation,
    no softmax, no sum.
    """
    training = net.training
    try:
        with torch.no_grad(), counting_flops(net) as counted:
            net.eval()(*(x[:1] for x in inputs))
            return counted()
    finally:
        net.train(training)


@contextmanager
def counting_flops(net: nn.Module) -> Iterator[Callable[[], int]]:
    """Inside, tells the multiply-adds of all that `net`, or any part of it, has computed so far."""
    elementwise = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal elementwise
        elementwise += _elementwise(layer, inputs[0], output)

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, ELEMENTWISE)]
    try:
        with _nothing_fused(), FlopCounterMode(display=False) as products:
            yield lambda: products.get_total_flops() // 2 + elementwise
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _nothing_fused() -> Iterator[None]:
    """Attention as single matrix products, which can be counted; a fused call would count nothing."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


ELEMENTWISE = (nn.BatchNorm2d, nn.ReLU, nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d)


def _elementwise(layer: nn.Module, input_: Tensor, output: Tensor) -> int:
    if isinstance(layer, nn.BatchNorm2d):
        return (2 if layer.affine else 1) * output.numel()
    if isinstance(layer, nn.AvgPool2d | nn.MaxPool2d):
        kernel = layer.kernel_size
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        return height * width * output.numel()
    return input_.numel()

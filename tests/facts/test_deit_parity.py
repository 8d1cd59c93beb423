"""Our networks with timm's weights compute what timm's DeiT computes."""

import pytest
import torch

from nasturtium.spaces.vision_transformer import from_list, vit

IMAGES = (3, 224, 224)
SIZES = {"deit_tiny_patch16_224": (192, 3), "deit_small_patch16_224": (384, 6)}


def renamed(theirs):
    """timm's weights under our names, its joint layer of queries, keys and values in three."""
    ours = {
        "patches.weight": theirs["patch_embed.proj.weight"],
        "patches.bias": theirs["patch_embed.proj.bias"],
        "class_token.vectors": theirs["cls_token"][0],
        "positions.vectors": theirs["pos_embed"][0],
    }
    for name, tensor in theirs.items():
        for kind in ("weight", "bias"):
            if name.endswith(f".attn.qkv.{kind}"):
                place = name.removesuffix(f"attn.qkv.{kind}")
                for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                    ours[f"{place}attention.{part}.{kind}"] = piece
        if ".attn.qkv." in name or name in ("cls_token", "pos_embed") or name.startswith("patch_embed."):
            continue
        ours[
            name.replace("attn.proj", "attention.output")
            .replace("mlp.fc1", "mlp.0")
            .replace("mlp.fc2", "mlp.2")
            .replace("head.", "classifier.")
        ] = tensor
    return ours


def shaken(net, seed):
    """`net` with random numbers where it starts with zeros or ones, so that each weight counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if "norm" in name or name.endswith("bias"):
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return net.eval()


@pytest.mark.parametrize("name", SIZES)
def test_outputs_equal_those_of_timm(name, timm):
    width, heads = SIZES[name]
    theirs = shaken(timm.create_model(name, pretrained=False), seed=0)
    net = vit(IMAGES, 1000).build(from_list([12, *[4.0] * 12, *[heads] * 12, width]), seed=0).eval()
    net.load_state_dict(renamed(theirs.state_dict()))
    images = torch.randn(2, *IMAGES, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, expected = net(images), theirs(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)

"""The constructor call that makes a given layer of `torch.nn`."""

import inspect
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError

# spelled differently as an attribute than as an argument: the attribute holds a tensor or None
_PRESENCE = {"bias": "bias", "add_bias_kv": "bias_k"}
_PLACEMENT = {"device", "dtype"}


@dataclass(frozen=True)
class Argument:
    """One argument of a constructor; `required` ones are positional, others written if no default."""

    name: str
    value: Any
    default: Any
    required: bool


def is_torch_layer(module: nn.Module) -> bool:
    """Whether torch itself defines the module's class."""
    return type(module).__module__.startswith("torch.nn")


def constructor(layer: nn.Module, path: str) -> tuple[Argument, ...]:
    """All arguments of the call that makes `layer`.

    Raises `UsageError` naming `path` if a layer made with them would differ from `layer`.
    """
    cls = type(layer)
    try:
        if getattr(nn, cls.__name__, None) is not cls:
            raise ValueError(f"{cls.__name__} is no public class of torch.nn")
        found = [_simpler(layer, argument) for argument in _arguments(layer)]
        rebuilt = _build(cls, found)
        if _traits(rebuilt) != _traits(layer):
            raise ValueError(f"{rebuilt} is not {layer}")
        return tuple(_shortest(layer, found))
    except (TypeError, ValueError, AttributeError, RuntimeError, AssertionError) as error:
        raise UsageError(
            f"module {path!r} ({cls.__name__}) can't be written as source: its constructor can't be recovered"
            f" ({error}). Put it into a small module of your own that runs its parts or calls functions of"
            " torch.nn.functional; remove parametrisations such as weight norm first"
        ) from error


def _arguments(layer: nn.Module) -> list[Argument]:
    found = []
    for name, parameter in inspect.signature(type(layer)).parameters.items():
        several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if several or name in _PLACEMENT or name.startswith("_"):
            continue
        required = parameter.default is parameter.empty
        value = parameter.default
        if name in _PRESENCE and hasattr(layer, _PRESENCE[name]):
            value = getattr(layer, _PRESENCE[name]) is not None
        elif hasattr(layer, name):
            value = getattr(layer, name)
        if value is parameter.empty:
            raise ValueError(f"it does not keep its argument {name!r}")
        if not isinstance(value, int | float | str | tuple | list | None):
            raise ValueError(f"its argument {name!r} is {value!r}")
        found.append(Argument(name, value, parameter.default, required))
    return found


def _simpler(layer: nn.Module, argument: Argument) -> Argument:
    """The default or one number instead of a tuple, where both make the same layer."""
    value = argument.value
    if not isinstance(value, tuple) or len(set(value)) != 1:
        return argument
    if isinstance(layer, nn.LayerNorm | nn.Unflatten | nn.RMSNorm) and len(value) > 1:
        return argument  # here a tuple is a shape
    return Argument(argument.name, value[0], argument.default, argument.required)


def _shortest(layer: nn.Module, arguments: list[Argument]) -> list[Argument]:
    """Without what the layer would have or lack anyway, which older releases of torch may not know."""
    for i, argument in enumerate(arguments):
        if not argument.required and argument.value is not argument.default:
            fewer = [*arguments[:i], replace(argument, value=argument.default), *arguments[i + 1 :]]
            if _traits(_build(type(layer), fewer)) == _traits(layer):
                arguments = fewer
    return arguments


def _build(cls: type[nn.Module], arguments: list[Argument]) -> nn.Module:
    """A layer without memory for its weights."""
    with torch.device("meta"):
        return cls(**{a.name: a.value for a in arguments})


def _traits(layer: nn.Module) -> dict[str, Any]:
    """What two layers of the same constructor call have in common."""
    settings: dict[str, Any] = {
        name: value
        for name, value in vars(layer).items()
        if not name.startswith("_") and name != "training" and not isinstance(value, Tensor)
    }
    return settings | {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}

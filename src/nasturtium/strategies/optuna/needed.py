"""The one place that says how Optuna is installed."""

import importlib
from types import ModuleType

from nasturtium.core.errors import UsageError


def optuna_module() -> ModuleType:
    """The package `optuna`; raises `UsageError` if it can't be imported or is older than 5."""
    try:
        optuna = importlib.import_module("optuna")
    except ImportError as error:
        raise UsageError(f"this needs Optuna ({error}): pip install 'nasturtium[optuna]'") from None
    if int(optuna.__version__.split(".")[0]) < 5:
        raise UsageError(
            f"this needs Optuna 5 or newer, not {optuna.__version__}: pip install 'nasturtium[optuna]'"
        )
    return optuna

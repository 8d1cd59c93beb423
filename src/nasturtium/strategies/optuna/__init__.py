"""Optuna's samplers as strategies, and strategies as samplers of Optuna (Akiba et al. 2019,
https://arxiv.org/abs/1907.10902). Importing this does not import Optuna, which need not be installed.
"""

from nasturtium.strategies.optuna.strategy import OptunaStrategy

__all__ = ["OptunaStrategy"]

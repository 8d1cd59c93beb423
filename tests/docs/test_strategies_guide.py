"""The page names what there is, and its code runs."""

import re
import shlex
from pathlib import Path

from nasturtium.predictors.base import PREDICTORS
from nasturtium.strategies.base import STRATEGIES

GUIDE = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text(encoding="utf-8")

SNIPPETS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def test_the_table_names_every_strategy() -> None:
    table = GUIDE[GUIDE.index("| strategy |") : GUIDE.index("All take limits")]
    assert tuple(sorted(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE))) == STRATEGIES.names()


def test_the_table_names_every_predictor() -> None:
    table = GUIDE[GUIDE.index("| predictor |") : GUIDE.index("## Tables")]
    assert tuple(sorted(re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE))) == PREDICTORS.names()


def test_the_comparison_is_of_what_there_is() -> None:
    (command,) = re.findall(r"^nasturtium bench (.*?)\n```", GUIDE, re.MULTILINE | re.DOTALL)
    words = shlex.split(command)
    assert set(words[words.index("--strategies") + 1].split(",")) <= set(STRATEGIES.names())


def test_the_loop_finds_the_best() -> None:
    code, _ = SNIPPETS
    told = {"number": -1}
    exec(code, told)
    assert told["number"] == 11
    assert min(trial.losses for trial in told["strategy"]._known.values()) == (0.0,)


def test_a_strategy_samples_for_optuna() -> None:
    _, code = SNIPPETS
    told = {"__name__": "guide"}
    exec(code, told)
    assert dict(told["best"]) == {"depth": 6, "op": "conv"}

"""What a run has found, read from its log; the same whether it was just made or long ago."""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

from torch import nn

from nasturtium.core.errors import StorageError, UsageError
from nasturtium.core.registry import Info
from nasturtium.estimators.train import searched_jointly
from nasturtium.export.archive import load_weights
from nasturtium.export.bundle import FILES, write_bundle
from nasturtium.methods.base import METHODS
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.example import fixed, random_images
from nasturtium.report.gather import report_data
from nasturtium.report.write import write_report
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.study.events import TrialRecord
from nasturtium.study.ledger import Ledger
from nasturtium.study.log import RunLog
from nasturtium.training.normalise import Normalise


class Result:
    """A run as it stands. What an unfinished run has not found yet raises `UsageError` saying so.

    `final` is the blueprint of the trained network, needed to rebuild it where the space is the caller's own.
    """

    def __init__(self, log: RunLog, final: Blueprint | None = None) -> None:
        self.log = log
        self._final = final
        self._stages = {name: stage.payload for name, stage in log.stages().items()}

    @classmethod
    def read(cls, folder: Path, run: str, final: Blueprint | None = None) -> "Result":
        """The run called `run` kept in `folder`; raises `UsageError` if there is none."""
        return cls(RunLog.read(folder, run), final)

    def stage(self, name: str) -> dict[str, Any]:
        """What a stage found."""
        if name not in self._stages:
            raise UsageError(
                f"run {self.log.name!r} has not finished its stage {name!r} (state:"
                f" {self.log.record.state}); give its command again to go on"
            )
        return self._stages[name]

    @property
    def architecture(self) -> Architecture:
        """The found architecture."""
        return Architecture.from_json(json.dumps(self.stage("found")["architecture"]))

    @property
    def notation(self) -> str | None:
        """The found architecture as its field writes it, where the space has such a notation."""
        notation: str | None = self.stage("found")["notation"]
        return notation

    @property
    def verdict(self) -> dict[str, Any]:
        """`networks` (label, accuracy 0–1, parameters), `test_images`, `paid_off` and a `sentence`."""
        return self.stage("verdict")

    @property
    def trials(self) -> list[TrialRecord]:
        """Everything that was trained."""
        return self.log.trials()

    @property
    def ledger(self) -> Ledger:
        """What was spent, by stage."""
        return self.log.ledger()

    @property
    def files(self) -> tuple[Path, ...]:
        """The exported files."""
        self.stage("export")
        return tuple(self.log.folder / name for name in FILES)

    def network(self) -> nn.Module:
        """The trained network in eval mode: float images N×C×H×W, 0–1, to logits N×classes."""
        self.stage("export")
        facts = self.stage("facts")
        channels = facts["input_shape"][0]
        net = nn.Sequential(
            OrderedDict(
                normalise=Normalise((0.0,) * channels, (1.0,) * channels),
                network=self._blueprint().build(self.architecture, seed=0),
            )
        ).eval()
        load_weights(net, self.log.folder)
        return net

    def _blueprint(self) -> Blueprint:
        if self._final is not None:
            return self._final
        config, facts = self.log.record.config, self.stage("facts")
        if facts["own_space"]:
            raise UsageError(
                f"the space of run {self.log.name!r} is somebody's own code: rebuild the network with"
                f" network.py in {self.log.folder}, or call search() again with the same space"
            )
        shape, sizes = tuple(facts["input_shape"]), config["final_net"]
        blueprint = make_space(config["space"], shape, len(facts["classes"]), sizes)
        return searched_jointly(blueprint, config["search_settings"])

    def export(self, folder: Path) -> tuple[Path, ...]:
        """Write weights, architecture.json, network.py and net.onnx to `folder`, each verified first."""
        net = self.network()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the folder {folder} can't be made: {error.strerror}") from error
        inputs = fixed(random_images(self.stage("facts")["input_shape"]))
        write_bundle(net, self.architecture, inputs, folder, title=self.title, notes=self.notes)
        return tuple(folder / name for name in FILES)

    @property
    def title(self) -> str:
        """One line that names the trained network."""
        return f"Network found by nasturtium in run {self.log.name!r}"

    @property
    def notes(self) -> dict[str, str]:
        """What a reader of an exported network wants to know."""
        facts, found = self.stage("facts"), self.verdict["networks"][0]
        return {
            "data": f"{facts['data']}, classes {', '.join(facts['classes'])}",
            "test accuracy": f"{100 * found['accuracy']:.2f} % of {self.verdict['test_images']} images",
            "parameters": f"{found['parameters']:,}",
            "architecture": self.notation or self.architecture.digest,
        }

    @property
    def report_path(self) -> Path:
        """The page of the report."""
        return self.log.folder / "report" / "report.html"

    def report(self, folder: Path | None = None) -> Path:
        """Write the report, by default into the run's folder; returns the path of its page."""
        record, facts = self.log.record, self.stage("facts")
        name = record.config["space"]
        space = Info(name, "your own") if facts["own_space"] else SPACES.info(name)
        data = report_data(self.log, METHODS.info(record.config["method"]), space)
        return write_report(data, folder or self.report_path.parent)

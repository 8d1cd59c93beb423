"""What a study expects of the workers that evaluate its trials: in this process, in others, on a cluster."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Measurement


@dataclass(frozen=True)
class Outcome:
    """What became of a job; if it failed, `error` says why and the measurement holds what was spent on it.

    The measurement has been through `to_dict` and `from_dict`, so that a replay reads what is told now.
    """

    trial: int
    measurement: Measurement
    error: str | None = None


class Executor(ABC):
    """Evaluates jobs, at most `slots` at once; more may be submitted and then wait."""

    slots: int

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Take a job on."""

    @abstractmethod
    def wait(self) -> Outcome:
        """The next outcome, in the order of completion. Called only while a submitted job has none yet."""

    @abstractmethod
    def close(self) -> None:
        """End all work; also called when the study is interrupted."""

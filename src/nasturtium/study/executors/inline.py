"""Evaluates one job at a time in this process."""

import time
import traceback
from collections import deque

from nasturtium.core.errors import NasturtiumError, StorageError
from nasturtium.problem.protocols import Estimator, Job, Report
from nasturtium.problem.records import Cost, Measurement
from nasturtium.study.executors.base import Executor, Outcome


class InlineExecutor(Executor):
    """The plain case: `wait` does the work."""

    slots = 1

    def __init__(self, estimator: Estimator, report: Report) -> None:
        self._estimator = estimator
        self._report = report
        self._jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Puts the job behind those that wait."""
        self._jobs.append(job)

    def wait(self) -> Outcome:
        """Evaluates the next job. An exception is a failed trial, except that the store is broken."""
        job = self._jobs.popleft()
        began = time.perf_counter()
        try:
            found = self._estimator.evaluate(job, self._report)
            return Outcome(job.trial, Measurement.from_dict(found.to_dict()))
        except StorageError:
            raise
        except Exception as error:
            spent = Cost(seconds=time.perf_counter() - began)
            return Outcome(job.trial, Measurement({}, spent), explain(error))

    def close(self) -> None:
        """Nothing to end."""


def explain(error: Exception) -> str:
    """An error as one line: our own as they are, all others with their type and where they arose."""
    if isinstance(error, NasturtiumError):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}"
    return f"{type(error).__name__}: {error} ({place})"

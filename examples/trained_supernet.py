"""A supernet of your own network, trained once, from which sub-networks are scored and taken out."""

import argparse
from pathlib import Path

import numpy as np
import torch
from custom_space import SmallNet

import nasturtium as nas
from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.hardware.meters import count_parameters
from nasturtium.oneshot.calibrate import calibration_images
from nasturtium.oneshot.paths import UniformDecisions
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.single_path import SinglePath
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.sources import open_data
from nasturtium.training.device import make_fabric
from nasturtium.training.normalise import Normalise

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30, help="of the supernet")
    parser.add_argument("--networks", type=int, default=20, help="how many sub-networks are scored")
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/supernet"), help="checkpoints, and the best"
    )
    options = parser.parse_args()

    fabric = make_fabric()
    source = open_data("digits")
    splits = source.splits(seed=0)
    blueprint = nas.Blueprint(lambda: SmallNet(source.input_shape, len(source.classes)))
    supernet = nas.Supernet(blueprint, seed=0)

    settings = PathSettings(epochs=options.epochs, learning_rate=0.1)
    training = SinglePath(supernet, UniformDecisions(supernet.space), settings, fabric=fabric, seed=0)
    training.run(
        splits.search_train,
        splits.search_valid,
        checkpoints=Checkpoints(options.folder, "supernet"),  # a killed training goes on from here
        on_epoch=lambda epoch: print(f"epoch {epoch.epoch}: loss {epoch.train_loss:.3f}"),
    )

    scorer = InheritedEstimator(supernet.extract, splits.search_train, splits.search_valid, fabric=fabric)
    rng = np.random.default_rng(0)
    scores = {}
    for number in range(options.networks):
        job = Job(number, supernet.space.sample(rng), Fidelity(0), seed=0, workdir=options.folder)
        scores[job.arch] = scorer.evaluate(job, lambda *_: True).metrics["valid_accuracy"]
    best = max(scores, key=lambda arch: scores[arch])
    images = calibration_images(splits.search_train, Normalise.measured(splits.search_train), fabric.device)
    net = supernet.extract(best, images)  # a plain network with copies of its weights
    torch.save(net.state_dict(), options.folder / "best.pt")
    print(
        f"best of {len(scores)}: {100 * scores[best]:.1f} % with {count_parameters(net):,} parameters, {best}"
    )

"""What a person can set about the training of a supernet."""

from typing import Literal

from pydantic import Field

from nasturtium.core.settings import Settings
from nasturtium.training.schedule import cosine


class WeightSettings(Settings):
    """How shared weights are trained: by SGD, whose step size falls as a cosine to the last epoch."""

    what = "search settings (`nasturtium methods NAME` lists them)"

    epochs: int = Field(50, ge=1, description="passes over the search-train split")
    batch_size: int = Field(64, ge=2, description="images in a step, of all processes together")
    learning_rate: float = Field(0.025, gt=0, le=10, description="first step size of the weights")
    learning_rate_end: float = Field(0.001, ge=0, le=10, description="step size at the end of the cosine")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of the weights' SGD")
    weight_decay: float = Field(3e-4, ge=0, le=1, description="L2 penalty on the weights")
    gradient_clip: float = Field(5.0, gt=0, description="highest L2 norm of the weights' gradient")
    crop_padding: int = Field(0, ge=0, description="pixels an image may be shifted by")
    mirror: bool = Field(False, description="whether images are mirrored half of the time")

    def step_size(self, epoch: int) -> float:
        """That of the weights in an epoch, the first being 1."""
        return cosine(epoch - 1, self.epochs, self.learning_rate, self.learning_rate_end)

    def progress(self, epoch: int) -> float:
        """The share of the training that is over in an epoch: 0 in the first, 1 in the last."""
        return (epoch - 1) / max(self.epochs - 1, 1)


class BilevelSettings(WeightSettings):
    """Defaults are those of the DARTS authors on CIFAR-10; the number of epochs comes from the budget."""

    batch_size: int = Field(
        64, ge=2, description="images in a step of all processes, from each of the two splits"
    )
    alpha_learning_rate: float = Field(
        3e-4,
        gt=0,
        le=10,
        description="step size of the architecture's Adam; unless it is set, short searches enlarge it",
    )
    alpha_weight_decay: float = Field(1e-3, ge=0, le=1, description="L2 penalty on architecture parameters")
    alpha_momentum: float = Field(0.5, ge=0, lt=1, description="first beta of the architecture's Adam")
    alpha_variance: float = Field(
        0.0, ge=0, description="weight of a penalty on the variance of a decision's architecture parameters"
    )
    beta_decay: float = Field(
        0.0,
        ge=0,
        description="weight, in the last epoch, of a penalty on the largest architecture parameters",
    )
    zero_one: float = Field(
        0.0, ge=0, description="weight of FairDARTS' loss that drives the weights of options to 0 or 1"
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="share of the epochs, at the beginning, that train only the weights"
    )
    skip_dropout: float = Field(
        0.0, ge=0, lt=1, description="first rate at which skip connections drop elements; falls to 0"
    )
    path_dropout: float = Field(
        0.0, ge=0, lt=1, description="chance that all options of a decision are dropped at last; rises from 0"
    )
    eigenvalue_every: int = Field(
        0, ge=0, description="epochs between measurements of the validation loss's curvature, 0: none"
    )


class PathSettings(WeightSettings):
    """Step size and weight decay are those of Guo et al. 2020 (0.5 for batches of 1024 images of ImageNet),
    the step size scaled to the batch; the number of epochs comes from the budget.
    """

    learning_rate: float = Field(0.03, gt=0, le=10, description="first step size of the weights")
    weight_decay: float = Field(4e-5, ge=0, le=1, description="L2 penalty on the weights")
    optimizer: Literal["sgd", "adamw"] = Field(
        "sgd", description="what updates the weights: SGD with momentum, or AdamW"
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="part of the training in which the step size first rises linearly"
    )

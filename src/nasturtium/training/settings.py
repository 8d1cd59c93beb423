"""How a network is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nasturtium.core.settings import Settings

Share = Annotated[float, Field(ge=0, lt=1)]


class TrainSettings(Settings):
    """SGD with momentum and a cosine schedule to zero; the defaults suit small images (8 to 64 pixels)."""

    what = "training settings"

    epochs: int = Field(30, ge=1, description="passes over the training images")
    batch_size: int = Field(64, ge=2, description="images in a step")
    learning_rate: float = Field(0.05, gt=0, le=10, description="highest step size; falls to 0 as a cosine")
    warmup_epochs: int = Field(0, ge=0, description="epochs in which the learning rate first rises linearly")
    momentum: Share = Field(0.9, description="momentum of SGD")
    weight_decay: float = Field(3e-4, ge=0, le=1, description="L2 penalty on all weights")
    label_smoothing: Share = Field(0.0, description="probability spread over all classes in the target")
    gradient_clip: float = Field(5.0, ge=0, description="highest L2 norm of the gradient; 0: not limited")
    drop_path: Share = Field(0.0, description="probability of dropping a path; grows from 0 to this")
    cutout: int = Field(0, ge=0, description="side in pixels of a square erased from each image; 0: none")
    crop_padding: int | None = Field(
        None, ge=0, description="pixels an image may be shifted by; by default an eighth of its side, 0: none"
    )
    mirror: bool = Field(False, description="whether images are mirrored left-right half of the time")
    auxiliary: float = Field(0.0, ge=0, le=10, description="weight of the auxiliary head's loss; 0: none")
    precision: Literal["auto", "32", "bf16"] = Field(
        "auto", description="arithmetic: bf16 mixed with 32 bits, or 32 only; auto: bf16 on a GPU that has it"
    )

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs}) must be less than epochs ({self.epochs})")
        return self

    def padding_for(self, input_shape: tuple[int, int, int]) -> int:
        """The crop padding in pixels for images of this (C, H, W)."""
        return min(input_shape[1:]) // 8 if self.crop_padding is None else self.crop_padding

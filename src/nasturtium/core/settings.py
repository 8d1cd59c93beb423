"""Options that people write, checked all at once, with errors that say what each must be."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from nasturtium.core.errors import UsageError, did_you_mean


class Settings(BaseModel):
    """A frozen group of options; `what` is the group's name in errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    what: ClassVar[str] = "options"

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Settings from what a person wrote.

        A `UsageError` lists every wrong value, what it must be and means.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as wrong:
            lines = "\n".join(f"  {cls._explained(error)}" for error in wrong.errors())
            raise UsageError(f"{cls.what}:\n{lines}") from None

    def changed(self, values: Mapping[str, Any]) -> Self:
        """These settings with what a person wrote in place of some; checked as `parse` does."""
        return self.parse({**self.model_dump(), **values})

    @classmethod
    def _explained(cls, error: Mapping[str, Any]) -> str:
        name = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "extra_forbidden":
            return f"there is no {name!r}: {did_you_mean(name, cls.model_fields)}"
        message = str(error["msg"]).removeprefix("Value error, ")
        if not name:
            return message
        return f"{name} = {error['input']!r}: {message} ({cls.model_fields[name].description})"

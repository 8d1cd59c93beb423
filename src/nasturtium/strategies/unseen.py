"""Which architectures a strategy has proposed already."""

from collections.abc import Callable

from nasturtium.space.architecture import Architecture

TRIES = 100  # draws of known architectures in a row, before we believe that there is nothing new


class Unseen:
    """Tells new architectures from those that were taken before, by `key`: by default, two that decide the
    same are the same.
    """

    def __init__(self, key: Callable[[Architecture], str] = lambda arch: arch.digest) -> None:
        self._key = key
        self.taken: set[str] = set()

    def __contains__(self, arch: Architecture) -> bool:
        return self._key(arch) in self.taken

    def take(self, arch: Architecture) -> bool:
        """Whether `arch` is new; it is not afterwards."""
        before = len(self.taken)
        self.taken.add(self._key(arch))
        return len(self.taken) > before

    def draw(self, make: Callable[[], Architecture]) -> Architecture | None:
        """The first new one of 100 that `make` makes, or None; it is taken."""
        return next((arch for arch in (make() for _ in range(TRIES)) if self.take(arch)), None)

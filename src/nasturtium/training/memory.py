"""Keeping the memory that a training step frees for the next one."""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # numbers of options in glibc's malloc.h
SET_BY_A_PERSON = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Make this process keep the memory that it frees, as PyTorch does on GPUs, instead of returning it.

    A step frees all its activations. glibc returns large ones to the system, and the next step gets them back
    page by page, which can take more time than computing them. Does nothing without glibc, and where the
    environment already says how to allocate (`MALLOC_MMAP_MAX_`, `GLIBC_TUNABLES`, …).
    """
    if sys.platform != "linux" or any(name in os.environ for name in SET_BY_A_PERSON):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if set_option is not None:
        set_option(_TRIM_THRESHOLD, -1)  # never
        set_option(_MMAP_MAX, 0)  # large blocks come from the same memory as all others

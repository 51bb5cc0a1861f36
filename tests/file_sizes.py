"""A disk on which no large file has room, played by the limit of the system for this process."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def file_sizes_up_to(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes: writing on fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

"""The versions that reports tell. PyTorch is not imported for its own."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def tool_version() -> str:
    """The installed version of this tool."""
    return _version("nnapi-check")


def torch_version() -> str:
    """The installed version of PyTorch."""
    return _version("torch")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

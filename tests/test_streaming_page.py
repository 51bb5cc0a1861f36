"""What docs/streaming.md shows of a denoiser that carries its state is what its commands give."""

import contextlib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from nnapi_check.cli import main
from nnapi_check.lowering.ndk.building import COMPILERS, build_runtime
from nnapi_check.lowering.nnapi.host_runtime.build import find_compiler
from nnapi_check.lowering.nnapi.host_runtime.errors import HostRuntimeError
from nnapi_check.lowering.nnapi.host_runtime.server import HostServer

PAGE = (Path(__file__).parent.parent / "docs" / "streaming.md").read_text(encoding="utf-8")
FRAMES = 200


def blocks(language: str) -> list[str]:
    """What stands on the page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


class Commands:
    """A person who runs the page's commands in a folder."""

    def __init__(self) -> None:
        self.executions = 0
        self.printed: list[str] = []

    def carry_out(self, command: str) -> None:
        """Run one, in this process where it is Python's."""
        match shlex.split(command):
            case ["nnapi-check", *words]:
                with pytest.raises(SystemExit) as ended:
                    main(words)
                assert ended.value.code == 0
            case ["python", "-m", "nnapi_check.lowering.nnapi.host_runtime.run", "--level", level, "--", *words]:
                self._play(words, int(level))
            case ["python", script, *words]:
                self._run_script(script, words)
            case ["cmake", "-S", "out", "-B", "build", "&&", "cmake", "--build", "build"]:
                # tests/lowering/ndk/test_whole_way.py builds such a folder by CMake, which takes longer.
                Path("build").symlink_to(build_runtime().library.parent)
            case ["c++", *words]:
                subprocess.run([*find_compiler("CXX", COMPILERS).command, *words], check=True)
            case _:
                pytest.fail(f"unknown command {command}")

    def _play(self, words: Sequence[str], level: int) -> None:
        own = [sys.executable if word == "python" else word for word in words]
        with HostServer() as server:
            environment = {**os.environ, "PYTHONWARNINGS": "ignore", **server.environment(level)}
            answer = subprocess.run(own, env=environment, capture_output=True, text=True, check=False)
            assert answer.returncode == 0, answer.stderr
            self.executions = server.executions
        self.printed += answer.stdout.splitlines()

    def _run_script(self, script: str, words: Sequence[str]) -> None:
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
            patch.setattr(sys, "argv", [script, *words])
            patch.syspath_prepend(".")
            runpy.run_path(script, run_name="__main__")
        self.printed += printed.getvalue().splitlines()


def assert_as_told(found: str, told: str) -> None:
    """A comparison found what the page says, but for what another processor rounds otherwise."""
    (largest, *off), (told_largest, *told_off) = (
        [float(word) for word in re.findall(r"\d+\.\d+(?:e-\d+)?", line)] for line in (found, told)
    )
    assert largest == told_largest
    assert len(off) == len(told_off) == 2
    assert max(off) <= 2 * max(told_off)


def test_both_targets_stream_as_near_to_pytorch_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = dict(zip(("denoiser.py", "compare.py", "stream.cpp"), (*blocks("python"), *blocks("cpp")), strict=True))
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    told = [block.strip() for block in blocks("text")]
    assert len(told) == len(blocks("console")) == 2

    for block, line in zip(blocks("console"), told, strict=True):
        commands = Commands()
        try:
            for command in block.strip().splitlines():
                commands.carry_out(command.removeprefix("$ "))
        except HostRuntimeError as error:
            pytest.skip(f"there is no host runtime: {error}")
        assert commands.executions == FRAMES
        assert_as_told(commands.printed[-1], line)

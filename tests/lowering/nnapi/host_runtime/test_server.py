"""Programs without Python find the library of a level, and the interpreter behind it in another process."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnapi_check.coverage_db.spec import ResultCode
from nnapi_check.lowering.nnapi.host_runtime.bindings import ModelStruct
from nnapi_check.lowering.nnapi.host_runtime.build import definitions, find_compiler, sources
from nnapi_check.lowering.nnapi.host_runtime.errors import NoCompilerError, PlatformError
from nnapi_check.lowering.nnapi.host_runtime.images import ImageError, empty_image, model_in
from nnapi_check.lowering.nnapi.host_runtime.run import main
from nnapi_check.lowering.nnapi.host_runtime.server import SOCKET_VARIABLE, HostServer

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app that looks up every function by its name."""
    try:
        compiler = find_compiler()
    except NoCompilerError as error:
        pytest.skip(str(error))
    program = tmp_path_factory.mktemp("app") / "app"
    options = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", f"-I{sources()[0].parent}"]
    subprocess.run([*compiler.command, *options, "-o", program, HERE / "app.c", "-ldl", "-pthread"], check=True)
    return program


@pytest.fixture(scope="module")
def server() -> Iterator[HostServer]:
    """One interpreter for all programs."""
    with HostServer() as server:
        yield server


def _environment(server: HostServer, *, has_accelerator: bool) -> dict[str, str]:
    try:
        return server.environment(has_accelerator=has_accelerator)
    except NoCompilerError as error:
        pytest.skip(str(error))


def run(program: Path, *words: str, server: HostServer, level: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **server.environment(level)}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("level", [1, 8])
def test_a_program_computes_with_events_at_every_level(app: Path, server: HostServer, level: int) -> None:
    before = server.executions

    ran = run(app, "start", server=server, level=level)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "42\n", "")
    assert server.executions == before + 1


@pytest.mark.parametrize(("level", "code"), [(1, 2), (2, 2), (3, 0)])
def test_a_program_misses_functions_that_its_level_lacks(app: Path, server: HostServer, level: int, code: int) -> None:
    ran = run(app, "compute", server=server, level=level)

    assert ran.returncode == code
    assert ran.stdout == ("42\n" if code == 0 else "ANeuralNetworksExecution_compute is missing\n")


def test_a_refusal_is_told_to_the_program_and_in_its_log(app: Path, server: HostServer) -> None:
    ran = run(app, "compute", "999", server=server, level=8)

    assert (ran.returncode, "Model_finish, model) gives 4" in ran.stdout) == (1, True)
    assert "ANeuralNetworksModel_finish gives 4: Operation 0 (operation code 999)" in ran.stderr
    assert server.recent_faults[-1].code is ResultCode.BAD_DATA


def test_programs_and_their_threads_run_at_once(app: Path, server: HostServer) -> None:
    before = server.executions

    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda level: run(app, "many", server=server, level=level), [3, 5, 8]))

    assert [(one.returncode, one.stdout, one.stderr) for one in ran] == [(0, "42\n", "")] * 3
    assert server.executions == before + 3 * 41


def test_what_a_program_left_behind_goes_with_it(app: Path, server: HostServer) -> None:
    run(app, "compute", "999", server=server, level=8)

    for _ in range(100):
        if server.programs == 0:
            break
        time.sleep(0.02)
    assert server.programs == 0


def test_a_program_is_told_that_nobody_listens(app: Path, server: HostServer, tmp_path: Path) -> None:
    environment = {**os.environ, **server.environment(8), SOCKET_VARIABLE: str(tmp_path / "nowhere")}

    ran = subprocess.run([app, "compute"], env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert (ran.returncode, "Model_finish, model) gives 5" in ran.stdout) == (1, True)
    assert "nobody listens at the socket that NNAPI_CHECK_HOST names" in ran.stderr


def test_the_command_gives_the_program_s_code(app: Path) -> None:
    assert main(["--level", "8", "--", str(app), "compute"]) == 0
    assert main(["--level", "1", "--", str(app), "compute"]) == 2


REMOTE = """
import ctypes, os, sys
import numpy as np
from tests.lowering.nnapi.host_runtime.client import Client
from tests.lowering.nnapi.host_runtime.model_runs import ROW, counting_model, run_once, sum_model
from tests.lowering.nnapi.host_runtime.test_later_functions import run_cached

client = Client(ctypes.CDLL("libneuralnetworks.so"))
print(run_once(client, counting_model(7), [np.zeros(1, np.float32)], [4])[0].tolist())
print(run_cached(client, sum_model(), sys.argv[1], b"a" * 32))
print(run_cached(client, sum_model(fuse_code=3), sys.argv[1], b"a" * 32), len(os.listdir(sys.argv[1])))
count = ctypes.c_uint32()
client.call("_getDeviceCount", ctypes.byref(count))
print(count.value)
"""


def test_a_sanitizer_reports_a_weight_that_is_freed_too_early_and_nothing_else(
    server: HostServer, tmp_path: Path
) -> None:
    environment = {**os.environ, **_environment(server, has_accelerator=True), "LD_LIBRARY_PATH": str(tmp_path)}
    options = ["-std=c11", "-g", "-pthread", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compiler = [*find_compiler().command, *options, f"-I{sources()[0].parent}"]
    files = [path for path in sources() if path.suffix == ".c"]
    shared: list[str | Path] = ["-shared", "-fPIC", *definitions(), "-o", tmp_path / "libneuralnetworks.so"]
    built = subprocess.run([*compiler, *shared, *files], capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"the compiler has no such sanitizer: {built.stderr.splitlines()[-1]}")
    program = tmp_path / "app"
    subprocess.run([*compiler, "-D_GNU_SOURCE", "-o", program, HERE / "app.c", "-ldl"], check=True)

    ran = [
        subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False, timeout=60)
        for words in (["many"], ["start"], ["start", "999"])
    ]

    assert [one.returncode for one in ran] == [0, 0, 1], ran
    assert "Sanitizer" not in "".join(one.stderr for one in ran)
    freed = run(program, "early", server=server, level=8)
    assert (freed.returncode, "heap-use-after-free" in freed.stderr) == (1, True)


def test_loops_caches_and_devices_are_there_for_programs_as_well(server: HostServer, tmp_path: Path) -> None:
    environment = {**os.environ, **_environment(server, has_accelerator=False)}
    before = server.executions

    ran = subprocess.run(
        [sys.executable, "-c", REMOTE, tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    cached = "[10.0, 12.0, 14.0, 16.0, 18.0, 20.0]"
    assert ran.stdout.splitlines() == ["[7.0]", cached, f"{cached} 1", "1"], ran.stderr
    assert server.executions == before + 3


def test_a_command_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--", str(tmp_path / "app")])

    assert caught.value.code == 2
    assert "app cannot be run: No such file or directory" in capsys.readouterr().err


def test_a_socket_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with pytest.raises(PlatformError, match=r"no socket can be made at .*: AF_UNIX path too long"), HostServer():
        pass

    assert list(deep.iterdir()) == []


def test_a_place_outside_of_an_image_is_no_pointer() -> None:
    image = empty_image(ctypes.sizeof(ModelStruct))
    image[:] = 0
    model = ModelStruct.from_address(image.ctypes.data)
    model.operand_count, model.operands = 1, 64

    with pytest.raises(ImageError, match="72 bytes at 64 lie outside of 64"):
        model_in(image)

"""The wheel: what is in it, and that it works where it is installed."""

import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from itertools import chain
from pathlib import Path

import pytest
import torch

import nnapi_check
from tests.registry_numbers import OPERATION_COUNT

ROOT = Path(__file__).parent.parent
PACKAGES = {"analyzer", "coverage_db", "lowering", "nnapi_check", "reports"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source, built without network."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone was installed."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    done = subprocess.run([*command, str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run_installed(folder: Path, code: str, *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs code that can import the installed packages, and this source only through them."""
    blocked = f"import sys; sys.path[:] = [p for p in sys.path if p != {str(ROOT)!r}]\n"
    finders = (
        "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in getattr(f, '__module__', '') + repr(f)]\n"
    )
    return subprocess.run(
        [sys.executable, "-c", f"{blocked}{finders}sys.path.insert(0, {str(folder)!r})\n{code}"],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_only_one_name_is_taken_of_those_that_others_may_have(wheel: Path) -> None:
    top = {name.partition("/")[0] for name in names_in(wheel)}

    assert {name for name in top if not name.endswith(".dist-info")} == {"nnapi_check"}


def test_every_source_file_is_in_the_wheel_once_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", *sorted(PACKAGES), "templates"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is no clone of the repository")
    shipped = [name for name in names_in(wheel) if ".dist-info/" not in name]
    wanted = {where_shipped(name) for name in listed.stdout.split() if not (ROOT / name).is_symlink()}

    assert len(shipped) == len(set(shipped))
    assert set(shipped) == wanted


def where_shipped(name: str) -> str:
    """Where a file of the repository stands in the wheel."""
    if name.startswith("templates/"):
        return f"nnapi_check/reports/{name}"
    return name if name.startswith("nnapi_check/") else f"nnapi_check/{name}"


def test_a_project_with_folders_of_the_same_names_keeps_them(installed: Path, tmp_path: Path) -> None:
    for name in sorted(PACKAGES - {"nnapi_check"}):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True\n", encoding="utf-8")
    code = (
        "sys.path.insert(0, '.')\n"
        "import analyzer, coverage_db, lowering, reports, nnapi_check, nnapi_check.pipeline\n"
        "assert analyzer.MINE and coverage_db.MINE and lowering.MINE and reports.MINE\n"
        "print(len(nnapi_check.registry().operations()))\n"
    )

    done = run_installed(installed, code, cwd=tmp_path)

    assert done.stdout == f"{OPERATION_COUNT}\n", done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "nnapi_check/reports/templates/report.html.j2",
        "nnapi_check/reports/templates/site/base.html.j2",
        "nnapi_check/reports/templates/site/site.js",
        "nnapi_check/reports/schema/report-1.json",
        "nnapi_check/coverage_db/nnapi/levels.toml",
        "nnapi_check/coverage_db/differences.toml",
        "nnapi_check/py.typed",
    ],
)
def test_data_is_in_the_wheel(wheel: Path, name: str) -> None:
    assert name in names_in(wheel)


def test_packages_hold_a_docstring_only_but_for_the_api() -> None:
    for package in PACKAGES - {"nnapi_check"}:
        text = (ROOT / package / "__init__.py").read_text(encoding="utf-8")

        assert text.startswith('"""')
        assert len(text.splitlines()) == 1


def test_installed_wheel_renders_a_page(installed: Path, tmp_path: Path) -> None:
    code = (
        "import nnapi_check.reports.pages, tests_sample as sample\n"
        "assert nnapi_check.reports.pages.__file__.startswith(sys.path[0]), nnapi_check.reports.pages.__file__\n"
        "from pathlib import Path\n"
        "Path('page.html').write_text(nnapi_check.reports.pages.to_html(sample.mixed_report()), encoding='utf-8')\n"
    )
    sample = (ROOT / "tests" / "reports" / "sample_reports.py").read_text(encoding="utf-8")
    (tmp_path / "tests_sample.py").write_text(sample, encoding="utf-8")

    done = run_installed(installed, f"sys.path.append({str(tmp_path)!r})\n{code}", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "Verdict: ready with fallback" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_installed_wheel_answers_from_its_own_registry(installed: Path, tmp_path: Path) -> None:
    code = (
        "import nnapi_check.coverage_db.queries as queries\n"
        "assert queries.__file__.startswith(sys.path[0]), queries.__file__\n"
        "print(len(queries.open_registry().operations()))\n"
    )

    done = run_installed(installed, code, cwd=tmp_path)

    assert done.stdout == f"{OPERATION_COUNT}\n", done.stderr


def test_installed_script_is_declared(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        text = archive.read(entry).decode()

    assert "nnapi-check = nnapi_check.__main__:main" in text


def test_every_import_of_others_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    of_users = [items for extra, items in project["optional-dependencies"].items() if extra not in ("test", "dev")]
    items = chain(project["dependencies"], *of_users)
    declared = {item.split(">")[0].split("[")[0].replace("-", "_") for item in items}
    known = declared | PACKAGES | set(sys.stdlib_module_names)

    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                words = line.split()
                if line.lstrip().startswith(("import ", "from ")) and len(words) > 1 and words[1][0] not in "._":
                    module = words[1].partition(".")[0].rstrip(",")
                    if words[0] == "import" or (len(words) > 2 and words[2] == "import"):
                        assert module in known, f"{path}: {line}"


USER_SCRIPT = ROOT / "tests" / "nnapi_check" / "user_script.py"
WRONG = {
    'nnapi_check.check("model.pt", api_level="29")': "arg-type",
    'nnapi_check.check("model.pt", max_bytes=3)': "call-arg",
    'nnapi_check.check("model.pt", min_scores=3.0)': "call-arg",
    'nnapi_check.check("model.pt").redyness': "attr-defined",
    "nnapi_check.explain(3)": "arg-type",
}


def test_a_user_s_script_is_typed_strictly_by_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    venv.create(tmp_path / "env", symlinks=True)
    (packages,) = (tmp_path / "env").glob("lib/python*/site-packages")
    shutil.copytree(installed, packages, dirs_exist_ok=True)
    (packages / "torch.pth").write_text(f"{Path(torch.__file__).parent.parent}\n", encoding="utf-8")
    (tmp_path / "right.py").write_text(USER_SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "wrong.py").write_text("\n".join(["import nnapi_check", *WRONG]), encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(tmp_path / "env" / "bin" / "python"),
         "--cache-dir", str(tmp_path / "cache"), "right.py", "wrong.py"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": "", "MYPYPATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert [line.split(":")[0] for line in errors] == ["wrong.py"] * len(WRONG), done.stdout + done.stderr
    assert [line.rpartition("[")[2].rstrip("]") for line in errors] == list(WRONG.values())


def test_the_user_s_script_uses_every_public_name() -> None:
    text = USER_SCRIPT.read_text(encoding="utf-8")

    assert [name for name in nnapi_check.__all__ if name not in text.split("    ConversionGateOptions,\n")[1]] == []

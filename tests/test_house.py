"""The folders: what each file is about, in one line; tests stand where the code that they try stands."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("coverage_db", "analyzer", "lowering", "reports", "nnapi_check")


def folders() -> list[Path]:
    """Every folder of code, without what is linked into it."""
    found = [ROOT / package for package in PACKAGES]
    for folder in found:
        found += [
            path for path in sorted(folder.iterdir()) if (path / "__init__.py").is_file() and not path.is_symlink()
        ]
    return found


def told(path: Path) -> str:
    """The first sentence of a module's docstring, or of a package's."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert text, f"{path.relative_to(ROOT)} does not say what it is about"
    return " ".join(text.split("\n\n")[0].split())


def page(folder: Path) -> str:
    name = folder.relative_to(ROOT).as_posix()
    lines = [f"# {name}", "", told(folder / "__init__.py"), ""]
    for path in sorted(folder.iterdir(), key=lambda path: (path.is_file(), path.name)):
        if (path / "__init__.py").is_file() and not path.is_symlink():
            lines.append(f"- [{path.name}/]({path.name}/README.md): {told(path / '__init__.py')}")
        elif path.suffix == ".py" and path.name != "__init__.py":
            lines.append(f"- [{path.name}]({path.name}): {told(path)}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.relative_to(ROOT).as_posix())
def test_a_folder_says_of_each_file_what_it_is_about(folder: Path, request: pytest.FixtureRequest) -> None:
    path = folder / "README.md"
    text = page(folder)
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")

    assert path.is_file(), f"{path} does not exist; run pytest --update-golden"
    assert path.read_text(encoding="utf-8") == text


def test_tests_stand_in_the_folder_of_what_they_try() -> None:
    tests = ROOT / "tests"
    mirrored = {path.parent for package in PACKAGES for path in (tests / package).rglob("test_*.py")}
    known = {folder.relative_to(ROOT) for folder in folders()}

    assert {path.relative_to(tests) for path in mirrored} <= known


def test_links_of_the_front_door_lead_to_the_folders_at_the_root() -> None:
    for package in PACKAGES:
        if package != "nnapi_check":
            link = ROOT / "nnapi_check" / package
            assert link.is_symlink(), f"{link} is a copy: clone with core.symlinks=true"
            assert link.resolve() == ROOT / package


def test_a_folder_holds_no_more_files_than_a_newcomer_looks_through() -> None:
    for folder in folders():
        if folder.name in {"rules", "interpreter"}:
            # One file a family of ops or kernels, by its name.
            continue
        count = sum(path.suffix == ".py" for path in folder.iterdir())
        assert count <= 30, f"{folder.relative_to(ROOT)} holds {count} files"


def test_nothing_is_imported_by_a_name_that_another_project_may_have() -> None:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    short = {package for package in PACKAGES if package != "nnapi_check"}
    for name in listed.stdout.split():
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {found.partition(".")[0] for found in names} & short, name

"""The reference of the command line says what the commands say, and is not stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnapi_check import cli_reference


def test_the_page_in_docs_is_not_stale() -> None:
    assert cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.reference_text()


def test_every_command_and_its_options_are_told() -> None:
    text = cli_reference.reference_text()

    for command in (
        "check",
        "convert",
        "verify",
        "inspect",
        "explain",
        "ops list",
        "ops search",
        "db build",
        "db site",
    ):
        assert f"`nnapi-check {command}`" in text
    assert "| `--feature-level N` |" in text
    assert "| `-o, --output OUT` |" in text


def test_text_that_is_laid_out_by_hand_is_kept() -> None:
    text = cli_reference.reference_text()

    assert "```text\nExit codes\n  0  the gate is passed\n" in text
    assert "\b" not in text


def test_every_link_leads_to_a_section() -> None:
    text = cli_reference.reference_text()
    links = [part.partition(")")[0] for part in text.split("](#")[1:]]

    assert len(links) > 10
    assert [link for link in links if f'<a id="{link}"></a>' not in text] == []


def test_check_fails_for_a_stale_page_and_passes_for_a_written_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_reference, "PAGE", tmp_path / "docs" / "cli.md")

    before = cli_reference.main(["--check"])
    wrote = cli_reference.main(["--write"])
    after = cli_reference.main(["--check"])

    assert (before, wrote, after) == (1, 0, 0)
    assert "stale" in capsys.readouterr().err


def test_a_wrong_call_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_reference.main(["--wrong"]) == 2
    assert "usage" in capsys.readouterr().err

"""Every format by its name, and the files of one run."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from nnapi_check.coverage_db.writing.output import OutputError
from nnapi_check.reports.formats.findings import Origin
from nnapi_check.reports.formats.outputs import Form, Output, check_outputs, rendered, write_outputs
from nnapi_check.reports.views import Extra, FileView, ModelReport
from tests.reports.sample_graphs import with_chain
from tests.reports.sample_reports import hostile_report, mixed_report, ready_report


def test_one_run_writes_every_format_whole(tmp_path: Path, origin: Origin) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "html").write_text("old")
    outputs = [Output(form, folder / form.value) for form in Form]

    check_outputs(outputs)
    write_outputs(outputs, mixed_report(), origin)

    assert sorted(os.listdir(folder)) == sorted(form.value for form in Form)
    for form in Form:
        assert (folder / form.value).read_text(encoding="utf-8") == rendered(form, mixed_report(), origin)


@pytest.mark.parametrize("form", [form for form in Form if form is not Form.HTML], ids=lambda form: str(form.value))
def test_no_format_that_a_terminal_may_show_has_control_characters(form: Form, origin: Origin) -> None:
    assert "\x1b" not in rendered(form, hostile_report(), origin)


def test_a_new_file_has_the_permissions_of_any(tmp_path: Path, origin: Origin) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")

    write_outputs([Output(Form.HTML, tmp_path / "report.html")], ready_report(), origin)

    assert (tmp_path / "report.html").stat().st_mode == plain.stat().st_mode


def test_outputs_are_refused_before_any_work(tmp_path: Path) -> None:
    model, page = tmp_path / "model.pt", tmp_path / "report.html"
    model.write_bytes(b"a model")

    with pytest.raises(OutputError, match="nowhere does not exist"):
        check_outputs([Output(Form.HTML, tmp_path / "nowhere" / "report.html")])
    with pytest.raises(OutputError, match="is a folder"):
        check_outputs([Output(Form.SARIF, tmp_path)])
    with pytest.raises(OutputError, match="is named for two outputs"):
        check_outputs([Output(Form.HTML, page), Output(Form.SARIF, page)])
    with pytest.raises(OutputError, match="is read by this command"):
        check_outputs([Output(Form.JSON, model)], [model])

    check_outputs([Output(Form.HTML, page)])
    assert os.listdir(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("extra", Extra, ids=lambda extra: str(extra.value))
@pytest.mark.parametrize("form", Form, ids=lambda form: str(form.value))
def test_a_format_names_exactly_the_extras_that_it_shows(form: Form, extra: Extra, origin: Origin) -> None:
    whole = replace(with_chain(mixed_report()), file=FileView(26, "c0ffee"))

    shown = rendered(form, whole, origin) != rendered(form, _without(extra, whole), origin)

    assert shown == (extra in form.extras)


def _without(extra: Extra, report: ModelReport) -> ModelReport:
    match extra:
        case Extra.GRAPH:
            return replace(report, graph=None)
        case Extra.FILE:
            return replace(report, file=None)

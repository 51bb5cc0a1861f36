"""What is being done right now."""

import io

from nnapi_check.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_nothing_is_shown_in_a_pipe() -> None:
    stream = io.StringIO()

    progress = Progress(stream)
    progress.stage("capturing")
    progress.done()

    assert stream.getvalue() == ""


def test_stage_overwrites_the_one_before_and_is_cleared() -> None:
    stream = Terminal()
    progress = Progress(stream)

    progress.stage("capturing the model")
    progress.stage("judging")
    progress.done()

    first, second, cleared, last = stream.getvalue().split("\r")[1:]
    assert first == "capturing the model …"
    assert second.rstrip() == "judging …"
    assert len(second) == len(first)
    assert cleared == " " * len(cleared)
    assert last == ""


def test_quiet_progress_shows_nothing_on_a_terminal() -> None:
    stream = Terminal()

    Progress(stream, is_quiet=True).stage("capturing")

    assert stream.getvalue() == ""

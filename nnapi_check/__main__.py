"""``nnapi-check``, which ``python -m nnapi_check`` is as well."""

import sys

_EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line. An interrupt ends it without a word, also while it is still being imported."""
    try:
        import signal

        is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if is_ours:
            # Raised in the middle of an import, an interrupt may come out as another error, or be told and forgotten.
            signal.signal(signal.SIGINT, _end)
        from nnapi_check.cli import main as command
        from nnapi_check.supervision import leave

        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            command(prog_name="nnapi-check")
        except SystemExit as ended:
            leave(ended.code)
        finally:
            if is_ours:
                signal.signal(signal.SIGINT, _end)
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)


def _end(*_: object) -> None:
    import os

    os._exit(_EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()

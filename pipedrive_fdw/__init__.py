"""A Pipedrive account as PostgreSQL tables: a foreign data wrapper on Multicorn."""

from __future__ import annotations

from typing import Any

__version__ = "1.0.0"
__all__ = ["PipedriveFdw", "__version__"]


def __getattr__(name: str) -> Any:
    # Multicorn resolves the option wrapper 'pipedrive_fdw.PipedriveFdw' by attribute; the class is
    # imported on that first look, so that the rest of the package works where there is no Multicorn.
    if name == "PipedriveFdw":
        from pipedrive_fdw.fdw import PipedriveFdw

        return PipedriveFdw
    raise AttributeError(name)

"""Multicorn alone: the rows of a file, again and again. Runs in the server, beside the package."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from multicorn import ForeignDataWrapper


class ConstantRows(ForeignDataWrapper):  # type: ignore[misc]
    """Options: ``file``, a JSON list of rows, and ``rows``, how many are given."""

    def __init__(self, options: Mapping[str, str], columns: Mapping[str, Any]) -> None:
        super().__init__(options, columns)
        self._rows = json.loads(Path(options["file"]).read_text())
        self._count = int(options["rows"])

    def execute(self, quals: Sequence[Any], columns: Sequence[str], **more: Any) -> Iterator[Any]:
        return itertools.islice(itertools.cycle(self._rows), self._count)

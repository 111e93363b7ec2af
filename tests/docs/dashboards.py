"""The generated dashboards of ``examples``: the SQL of ``examples/charts`` in the form of three tools."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.engine.places import ROOT

FOLDER = ROOT / "examples"
TITLE = "Pipedrive"
_NAMES = uuid.UUID("6f0f8a4e-5d0b-4b53-9a3e-6c6f5c1f7d21")
_DATABASE = "databases/pipedrive.yaml"


@dataclass(frozen=True)
class Chart:
    """One chart.

    name    that of its SQL in ``examples/charts``, whose first line is the title
    x       the column along the axis; '' for a table
    values  the columns that are drawn, or shown
    by      the column that colours them
    time    True if x is a time
    ranked  True if the bars lie, the longest on top
    """

    name: str
    x: str
    values: tuple[str, ...]
    by: str = ""
    time: bool = False
    ranked: bool = False

    @property
    def text(self) -> str:
        return (FOLDER / "charts" / f"{self.name}.sql").read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        return self.text.splitlines()[0].lstrip("- ").split(":")[0]

    @property
    def sql(self) -> str:
        return self.text.split("\n", 1)[1].strip()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.x, self.by, *self.values) if name)


CHARTS = (
    Chart("pipeline_by_stage", "stage", ("value",), by="pipeline"),
    Chart("won_by_month", "month", ("value",), time=True),
    Chart("forecast_by_expected_close", "month", ("weighted_value",), time=True),
    Chart("win_rate_by_owner", "owner", ("win_rate",), ranked=True),
    Chart("stale_deals", "", ("title", "owner", "stage", "days_in_stage")),
    Chart("activities_per_rep", "owner", ("done", "to_do")),
    Chart("lead_ageing", "age", ("leads",)),
    Chart("revenue_by_product", "product", ("revenue",), ranked=True),
)


def dashboard_files() -> dict[Path, str]:
    """The files with their text."""
    files = {
        FOLDER / "grafana" / "dashboard.json": _json(grafana()),
        FOLDER / "metabase" / "cards.json": _json([metabase_card(chart) for chart in CHARTS]),
    }
    for name, content in superset().items():
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
        files[FOLDER / "superset" / name] = text
    return files


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


# -- Grafana


def grafana() -> dict[str, Any]:
    """A dashboard for Dashboards > New > Import, which asks for the data source."""
    source = "grafana-postgresql-datasource"
    return {
        "__inputs": [{"name": "DS_PIPEDRIVE", "label": TITLE, "type": "datasource", "pluginId": source}],
        "title": TITLE,
        "uid": "pipedrive",
        "schemaVersion": 39,
        "time": {"from": "now-3y", "to": "now"},
        "panels": [_panel(number, chart, source) for number, chart in enumerate(CHARTS)],
    }


def _panel(number: int, chart: Chart, source: str) -> dict[str, Any]:
    datasource = {"type": source, "uid": "${DS_PIPEDRIVE}"}
    return {
        "id": number + 1,
        "title": chart.title,
        "type": "barchart" if chart.x else "table",
        "datasource": datasource,
        "gridPos": {"x": 12 * (number % 2), "y": 9 * (number // 2), "w": 12, "h": 9},
        "options": {"xField": chart.x} if chart.x else {},
        "targets": [
            {
                "refId": "A",
                "datasource": datasource,
                "format": "table",
                "rawQuery": True,
                "rawSql": chart.sql,
            }
        ],
    }


# -- Metabase


def metabase_card(chart: Chart) -> dict[str, Any]:
    """The body of ``POST /api/card``, but for the number of the database."""
    axes = {
        "graph.dimensions": [name for name in (chart.x, chart.by) if name],
        "graph.metrics": list(chart.values),
    }
    return {
        "name": chart.title,
        "display": "bar" if chart.x else "table",
        "dataset_query": {"type": "native", "native": {"query": chart.sql}},
        "visualization_settings": axes if chart.x else {},
    }


# -- Superset


def superset() -> dict[str, Any]:
    """The files of an export, by their names in the archive."""
    files: dict[str, Any] = {
        "metadata.yaml": {"version": "1.0.0", "type": "Dashboard", "timestamp": "2026-01-01T00:00:00+00:00"},
        _DATABASE: {
            "database_name": TITLE,
            "sqlalchemy_uri": "postgresql+psycopg2://bi_reader:XXXXXXXXXX@localhost:5432/postgres",
            "cache_timeout": 300,
            "expose_in_sqllab": True,
            "allow_run_async": False,
            "allow_ctas": False,
            "allow_cvas": False,
            "allow_dml": False,
            "extra": {},
            "uuid": _uuid(_DATABASE),
            "version": "1.0.0",
        },
    }
    for chart in CHARTS:
        files[f"datasets/pipedrive/{chart.name}.yaml"] = _dataset(chart)
        files[f"charts/{chart.name}.yaml"] = {
            "slice_name": chart.title,
            "viz_type": _viz_type(chart),
            "params": _params(chart),
            "cache_timeout": None,
            "uuid": _uuid(f"charts/{chart.name}"),
            "version": "1.0.0",
            "dataset_uuid": _uuid(f"datasets/{chart.name}"),
        }
    files["dashboards/pipedrive.yaml"] = {
        "dashboard_title": TITLE,
        "slug": "pipedrive",
        "uuid": _uuid("dashboards/pipedrive"),
        "position": _position(CHARTS),
        "metadata": {"color_scheme": "supersetColors", "show_native_filters": False},
        "version": "1.0.0",
    }
    return files


def _uuid(name: str) -> str:
    return str(uuid.uuid5(_NAMES, name))


def _dataset(chart: Chart) -> dict[str, Any]:
    return {
        "table_name": chart.name,
        "main_dttm_col": chart.x if chart.time else None,
        "description": chart.title,
        "schema": "bi",
        "sql": chart.sql,
        "filter_select_enabled": True,
        "uuid": _uuid(f"datasets/{chart.name}"),
        "metrics": [],
        "columns": [
            {
                "column_name": name,
                "is_dttm": chart.time and name == chart.x,
                "type": "TIMESTAMP" if chart.time and name == chart.x else None,
                "groupby": True,
                "filterable": True,
            }
            for name in chart.columns
        ],
        "version": "1.0.0",
        "database_uuid": _uuid(_DATABASE),
    }


def _viz_type(chart: Chart) -> str:
    return "echarts_timeseries_bar" if chart.x else "table"


def _params(chart: Chart) -> dict[str, Any]:
    if not chart.x:
        return {"viz_type": "table", "query_mode": "raw", "all_columns": list(chart.values), "row_limit": 100}
    return {
        "viz_type": _viz_type(chart),
        "x_axis": chart.x,
        "time_grain_sqla": "P1M" if chart.time else None,
        "metrics": [
            {"expressionType": "SQL", "sqlExpression": f"SUM({name})", "label": name} for name in chart.values
        ],
        "groupby": [chart.by] if chart.by else [],
        "adhoc_filters": [],
        "orientation": "horizontal" if chart.ranked else "vertical",
        "x_axis_sort": chart.values[0] if chart.ranked else chart.x,
        "x_axis_sort_asc": True,
        "stack": "Stack" if chart.by or len(chart.values) > 1 else None,
        "show_legend": bool(chart.by) or len(chart.values) > 1,
        "y_axis_format": "SMART_NUMBER",
        "row_limit": 1000,
    }


def _position(charts: Sequence[Chart]) -> dict[str, Any]:
    """Two charts a row."""
    rows = [f"ROW-{number}" for number in range((len(charts) + 1) // 2)]
    placed: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": rows, "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": TITLE}},
    }
    for number, row in enumerate(rows):
        inside = charts[2 * number : 2 * number + 2]
        placed[row] = {
            "type": "ROW",
            "id": row,
            "children": [f"CHART-{chart.name}" for chart in inside],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
            "parents": ["ROOT_ID", "GRID_ID"],
        }
        for chart in inside:
            placed[f"CHART-{chart.name}"] = {
                "type": "CHART",
                "id": f"CHART-{chart.name}",
                "children": [],
                "meta": {"width": 6, "height": 36, "uuid": _uuid(f"charts/{chart.name}"), "chartId": 0},
                "parents": ["ROOT_ID", "GRID_ID", row],
            }
    return placed

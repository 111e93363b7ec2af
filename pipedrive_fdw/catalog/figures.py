"""What Pipedrive computes: sums of deals, timelines, ways through pipelines, goals; and recent changes.

The columns by which such rows are selected stand in them, as the query named them (API v1).
"""

from __future__ import annotations

from pipedrive_fdw.catalog.common import FILTER_ID, parent, ref
from pipedrive_fdw.catalog.model import NONE, OFFSET, Column, Filter, Listing, Parent, Table

_SELECTS = "Selects: "


def _selecting(column: Column) -> Column:
    """*column* by whose value the rows are computed."""
    return column._replace(doc=f"{_SELECTS}{column.doc}", echo=True)


_USER = _selecting(ref("user_id", "users", "the deals of this user."))
_PIPELINE = _selecting(ref("pipeline_id", "pipelines", "the deals of this pipeline."))
_START = _selecting(Column("start_date", "date", "the first day."))
_END = _selecting(Column("end_date", "date", "the last day."))

DEAL_SUMMARY = Table(
    name="deal_summary",
    doc="Number and sums of the deals that are not archived, of all or of those selected: one row.",
    columns=(
        _selecting(Column("status", "text", "the deals with this status: open, won or lost.")),
        _USER,
        _PIPELINE,
        _selecting(ref("stage_id", "stages", "the deals in this stage.")),
        FILTER_ID,
        Column("total_count", "bigint", "Number of deals."),
        Column("total_currency_converted_value", "numeric", "Sum of the values in the company's currency."),
        Column(
            "total_weighted_currency_converted_value",
            "numeric",
            "Sum of the values, each by its probability, in the company's currency.",
        ),
        Column("total_currency_converted_value_formatted", "text", "The sum as a text."),
        Column("total_weighted_currency_converted_value_formatted", "text", "The weighted sum as a text."),
        Column("values_total", "jsonb", "Sums by currency: {EUR: {value, count, value_converted, …}}."),
        Column("weighted_values_total", "jsonb", "Weighted sums by currency."),
    ),
    listings=(
        Listing(
            "/deals/summary",
            tokens=40,
            version=1,
            paging=NONE,
            rows="*",
            filters=(
                Filter("filter_id", alone=True, share=1),
                Filter("status", values=("open", "won", "lost"), share=1),
                Filter("user_id", share=1),
                Filter("pipeline_id", share=1),
                Filter("stage_id", share=1),
            ),
        ),
    ),
    key=(),
    rows=1,
)

_TOTALS = {
    "count": ("bigint", "Number of deals."),
    "values": ("jsonb", "Sums of the values by currency."),
    "weighted_values": ("jsonb", "Sums of the values, each by its probability, by currency."),
    "open_count": ("bigint", "Number of open deals."),
    "open_values": ("jsonb", "Sums of open deals by currency."),
    "weighted_open_values": ("jsonb", "Weighted sums of open deals by currency."),
    "won_count": ("bigint", "Number of deals that are won."),
    "won_values": ("jsonb", "Sums of deals that are won, by currency."),
}
_INTERVALS = ("day", "week", "month", "quarter")

DEAL_TIMELINE = Table(
    name="deal_timeline",
    doc="Open and won deals by periods, with their sums: one row for each period.",
    columns=(
        _START,
        _selecting(Column("interval", "text", "the length of a period: day, week, month or quarter.")),
        _selecting(Column("amount", "bigint", "how many periods.")),
        _selecting(Column("field_key", "text", "the key of the date by which a deal is in a period.")),
        _USER,
        _PIPELINE,
        FILTER_ID,
        Column("period_start", "timestamptz", "Start of the period."),
        Column("period_end", "timestamptz", "Last second of the period."),
        *(
            Column(f"totals_{name}", kind, doc, source=f"totals.{name}")
            for name, (kind, doc) in _TOTALS.items()
        ),
    ),
    listings=(
        Listing(
            "/deals/timeline",
            tokens=20,
            version=1,
            paging=NONE,
            rows="*",
            params={"exclude_deals": "1"},
            filters=(
                Filter("start_date", required=True, share=1),
                Filter("interval", values=_INTERVALS, required=True, share=1),
                Filter("amount", required=True, share=1),
                Filter("field_key", required=True, share=1),
                Filter("user_id", share=1),
                Filter("pipeline_id", share=1),
                Filter("filter_id", share=1),
            ),
        ),
    ),
    key=(),
    rows=12,
    left_out={"deals": "they are rows of deals; exclude_deals leaves them out"},
)


def _of_pipelines(name: str, doc: str, tail: str, nested: str, columns: tuple[Column, ...]) -> Table:
    return Table(
        name=name,
        doc=doc,
        columns=(
            parent("pipeline_id", "pipelines", "The pipeline."),
            _START,
            _END,
            _USER._replace(doc=f"{_SELECTS}the deals of this user; else those of the token's user."),
            *columns,
        ),
        listings=(
            Listing(
                f"/pipelines/{{pipeline_id}}/{tail}",
                tokens=40,
                version=1,
                paging=NONE,
                rows="*",
                filters=(
                    Filter("start_date", required=True, share=1),
                    Filter("end_date", required=True, share=1),
                    Filter("user_id", share=1),
                ),
            ),
        ),
        key=(),
        parent=Parent("pipelines", "pipeline_id"),
        nested=nested,
        rows=10,
    )


PIPELINE_CONVERSION = _of_pipelines(
    "pipeline_conversion",
    "How many percent of the deals of a period went from stage to stage: one row for each step.",
    "conversion_statistics",
    "stage_conversions",
    (
        ref("from_stage_id", "stages", "The stage before."),
        ref("to_stage_id", "stages", "The stage after."),
        Column("conversion_rate", "bigint", "Percent of the deals that made this step."),
        Column(
            "won_conversion", "bigint", "Percent that was won, of the pipeline.", source="/won_conversion"
        ),
        Column(
            "lost_conversion", "bigint", "Percent that was lost, of the pipeline.", source="/lost_conversion"
        ),
    ),
)


def _deals(name: str, which: str) -> tuple[Column, ...]:
    """The columns of the summary *name* of the deals that are *which*."""
    return (
        Column(f"{name}_count", "bigint", f"Number of deals that {which}.", source=f"{name}.count"),
        Column(
            f"{name}_deals_ids", "bigint[]", "Their ids.", source=f"{name}.deals_ids", references="deals.id"
        ),
        Column(f"{name}_values", "jsonb", "Their sums by currency.", source=f"{name}.values"),
        Column(f"{name}_formatted_values", "jsonb", "The sums as texts.", source=f"{name}.formatted_values"),
    )


_AGE = "average_age_in_days"
PIPELINE_MOVEMENT = _of_pipelines(
    "pipeline_movement",
    "How deals moved through a pipeline in a period: one row for each pipeline.",
    "movement_statistics",
    "",
    (
        Column(
            "movements_between_stages_count",
            "bigint",
            "How many deals changed their stage.",
            source="movements_between_stages.count",
        ),
        *_deals("new_deals", "are new"),
        *_deals("deals_left_open", "stayed open"),
        *_deals("won_deals", "were won"),
        *_deals("lost_deals", "were lost"),
        Column(
            f"{_AGE}_across_all_stages", "bigint", "Average age in days.", source=f"{_AGE}.across_all_stages"
        ),
        Column(
            f"{_AGE}_by_stages",
            "jsonb",
            "Average age by stage: [{stage_id, value}].",
            source=f"{_AGE}.by_stages",
        ),
    ),
)

GOAL_RESULTS = Table(
    name="goal_results",
    doc="How far goals are reached in a period, which must be inside the goal's; a query must name the goal.",
    columns=(
        parent("goal_id", "goals", "The goal.", "text"),
        _selecting(Column("period_start", "date", "the first day.")),
        _selecting(Column("period_end", "date", "the last day.")),
        Column("progress", "bigint", "How far it is reached."),
        Column("goal", "jsonb", "The goal itself."),
    ),
    listings=(
        Listing(
            "/goals/{goal_id}/results",
            tokens=20,
            version=1,
            paging=NONE,
            rows="*",
            filters=(
                Filter("period_start", "period.start", required=True, share=1),
                Filter("period_end", "period.end", required=True, share=1),
            ),
        ),
    ),
    key=(),
    parent=Parent("goals", "goal_id", guarded=True),
    needs="the token needs the OAuth scope goals:read or goals:full",
    rows=100_000,
)

_RECENT = (
    "activity",
    "activityType",
    "deal",
    "file",
    "filter",
    "note",
    "person",
    "organization",
    "pipeline",
    "product",
    "stage",
    "user",
)
RECENTS = Table(
    name="recents",
    doc="What was changed after since_timestamp, a month back at the most; records without update_time are "
    "never among it.",
    columns=(
        _selecting(Column("since_timestamp", "timestamptz", "changes after this time."))._replace(sent="utc"),
        Column("item", "text", f"Kind of record: {', '.join(_RECENT[:-1])} or user."),
        Column("id", "bigint", "Its id.", not_null=True),
        Column("data", "jsonb", "The record as API v1 shows it; NULL where it is gone."),
    ),
    listings=(
        Listing(
            "/recents",
            tokens=20,
            version=1,
            paging=OFFSET,
            filters=(
                Filter("since_timestamp", required=True, share=1),
                Filter("item", "items", shape="in", most=len(_RECENT), values=_RECENT, share=0.1),
            ),
            null_is_empty=True,
            key="",
        ),
    ),
    key=(),
    needs="an OAuth token needs the scope recents:read or search:read",
    rows=1_000,
)

TABLES = (
    DEAL_SUMMARY,
    DEAL_TIMELINE,
    PIPELINE_CONVERSION,
    PIPELINE_MOVEMENT,
    GOAL_RESULTS,
    RECENTS,
)

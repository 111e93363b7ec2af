"""What the API computes: sums of deals, timelines, how deals go through a pipeline, goals (v1)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from tests.simulator.account import Account
from tests.simulator.filters import test_of
from tests.simulator.model import Record
from tests.simulator.refusal import invalid
from tests.simulator.routes import Call, Reply, done, serves


def _chosen(call: Call) -> list[Record]:
    """The living deals that the query selects; a filter makes the API leave user_id out."""
    query = dict(call.query)
    rows = [d for d in call.account["deals"] if not d["is_deleted"] and not d["is_archived"]]
    if "filter_id" in query:
        query.pop("user_id", None)
        test = test_of(call.account, int(query["filter_id"]))
        rows = [d for d in rows if test(d)]
    wanted = {"user_id": "owner_id", "status": "status", "pipeline_id": "pipeline_id", "stage_id": "stage_id"}
    return [d for d in rows if all(str(d[n]) == query[p] for p, n in wanted.items() if p in query)]


def _weighted(account: Account, deal: Record) -> float:
    """The value by the deal's probability, else by that of its stage, in pipelines that have one."""
    value = float(deal["value"] or 0)
    if not account.get("pipelines", deal["pipeline_id"])["is_deal_probability_enabled"]:
        return value
    own = deal["probability"]
    share = account.get("stages", deal["stage_id"])["deal_probability"] if own is None else own
    return value * float(share) / 100


def _by_currency(deals: Iterable[Record], value: Any) -> dict[str, float]:
    out: dict[str, float] = {}
    for deal in deals:
        out[deal["currency"]] = round(out.get(deal["currency"], 0) + value(deal), 4)
    return out


@serves(1, "GET /deals/summary")
def summary(call: Call) -> Reply:
    """Currencies convert one to one here."""
    rows = _chosen(call)
    counts: dict[str, int] = {}
    for deal in rows:
        counts[deal["currency"]] = counts.get(deal["currency"], 0) + 1
    values = _by_currency(rows, lambda d: float(d["value"] or 0))
    weighted = _by_currency(rows, lambda d: _weighted(call.account, d))
    whole, whole_weighted = round(sum(values.values()), 4), round(sum(weighted.values()), 4)
    return done(
        {
            "values_total": {
                code: {
                    "value": value,
                    "count": counts[code],
                    "value_converted": value,
                    "value_formatted": f"{value:,.2f}",
                    "value_converted_formatted": f"{value:,.2f}",
                }
                for code, value in values.items()
            },
            "weighted_values_total": {
                code: {"value": value, "count": counts[code], "value_formatted": f"{value:,.2f}"}
                for code, value in weighted.items()
            },
            "total_count": len(rows),
            "total_currency_converted_value": whole,
            "total_weighted_currency_converted_value": whole_weighted,
            "total_currency_converted_value_formatted": f"€{whole:,.2f}",
            "total_weighted_currency_converted_value_formatted": f"€{whole_weighted:,.2f}",
        }
    )


# ---- over time


def _day(call: Call, name: str) -> dt.date:
    try:
        return dt.date.fromisoformat(call.query[name])
    except ValueError:
        raise invalid(f"{name} must be a date") from None


def _later(day: dt.date, interval: str, amount: int) -> dt.date:
    if interval in ("day", "week"):
        return day + dt.timedelta(days=amount * (7 if interval == "week" else 1))
    months = day.year * 12 + day.month - 1 + amount * (3 if interval == "quarter" else 1)
    return dt.date(months // 12, months % 12 + 1, 1)


_DATES = ("add_time", "update_time", "won_time", "close_time", "expected_close_date", "stage_change_time")


@serves(1, "GET /deals/timeline")
def timeline(call: Call) -> Reply:
    """Open and won deals by periods; months and quarters begin with their first day."""
    key, interval, amount = call.query["field_key"], call.query["interval"], int(call.query["amount"])
    if key not in _DATES or not 0 < amount < 1000:
        raise invalid("field_key must be a date field, amount a number of intervals")
    deals = [d for d in _chosen(call) if d["status"] in ("open", "won") and d[key]]
    begin = _later(_day(call, "start_date"), interval, 0)
    periods = []
    for number in range(amount):
        start, end = _later(begin, interval, number), _later(begin, interval, number + 1)
        inside = [d for d in deals if str(start) <= d[key][:10] < str(end)]
        parts = {"": inside, "open_": [d for d in inside if d["status"] == "open"]}
        parts["won_"] = [d for d in inside if d["status"] == "won"]
        totals: Record = {}
        for prefix, part in parts.items():
            totals[f"{prefix}count"] = len(part)
            totals[f"{prefix}values"] = _by_currency(part, lambda d: float(d["value"] or 0))
            if prefix != "won_":
                totals[f"weighted_{prefix}values"] = _by_currency(part, lambda d: _weighted(call.account, d))
        last = end - dt.timedelta(days=1)
        period: Record = {"period_start": f"{start} 00:00:00", "period_end": f"{last} 23:59:59"}
        if call.query.get("exclude_deals") != "1":
            period["deals"] = [
                {n: d[n] for n in ("id", "title", "value", "currency", "status")} for d in inside
            ]
        periods.append({**period, "totals": totals})
    return done(periods)


# ---- how deals go through a pipeline


def _of_pipeline(call: Call, key: str) -> list[Record]:
    """The user's deals of the pipeline whose time *key* is in the period; everybody's where none is named."""
    pipeline = call.account.get("pipelines", call.key())["id"]
    start, end = str(_day(call, "start_date")), str(_day(call, "end_date"))
    if start > end:
        raise invalid("start_date is after end_date")
    user = int(call.query.get("user_id", call.user))
    rows = [d for d in call.account["deals"] if d["pipeline_id"] == pipeline and not d["is_deleted"]]
    return [d for d in rows if d["owner_id"] == user and d[key] and start <= d[key][:10] <= end]


@serves(1, "GET /pipelines/{id}/conversion_statistics")
def conversion(call: Call) -> Reply:
    deals = _of_pipeline(call, "add_time")
    stages = [
        s["id"] for s in call.account["stages"] if s["pipeline_id"] == call.key() and not s["is_deleted"]
    ]

    def rate(part: int, whole: int) -> int:
        return 100 * part // whole if whole else 0

    steps = []
    for before, after in zip(stages, stages[1:]):
        reached = [d for d in deals if d["stage_id"] >= before]
        passed = [d for d in reached if d["stage_id"] >= after]
        steps.append(
            {
                "from_stage_id": before,
                "to_stage_id": after,
                "conversion_rate": rate(len(passed), len(reached)),
            }
        )
    won = len([d for d in deals if d["status"] == "won"])
    lost = len([d for d in deals if d["status"] == "lost"])
    return done(
        {
            "stage_conversions": steps,
            "won_conversion": rate(won, len(deals)),
            "lost_conversion": rate(lost, len(deals)),
        }
    )


@serves(1, "GET /pipelines/{id}/movement_statistics")
def movement(call: Call) -> Reply:
    deals = _of_pipeline(call, "add_time")

    def part(rows: list[Record]) -> Record:
        values = {
            code: int(value) for code, value in _by_currency(rows, lambda d: float(d["value"] or 0)).items()
        }
        return {
            "count": len(rows),
            "deals_ids": [d["id"] for d in rows],
            "values": values,
            "formatted_values": {code: f"{code} {value:,}" for code, value in values.items()},
        }

    stages = sorted({d["stage_id"] for d in deals})
    return done(
        {
            "movements_between_stages": {"count": len([d for d in deals if d["stage_change_time"]])},
            "new_deals": part(deals),
            "deals_left_open": part([d for d in deals if d["status"] == "open"]),
            "won_deals": part([d for d in deals if d["status"] == "won"]),
            "lost_deals": part([d for d in deals if d["status"] == "lost"]),
            "average_age_in_days": {
                "across_all_stages": len(deals) % 50,
                "by_stages": [{"stage_id": key, "value": key * 3} for key in stages],
            },
        }
    )


@serves(1, "GET /goals/{id}/results")
def goal_results(call: Call) -> Reply:
    """Deals won or started in the period; of other goals there is no progress here."""
    goal = call.account.get("goals", call.values["id"])
    start, end = str(_day(call, "period.start")), str(_day(call, "period.end"))
    if start < goal["duration"]["start"] or start > end:
        raise invalid("the period is not inside the goal's duration")
    key = {"deals_won": "won_time", "deals_started": "add_time"}.get(goal["type"]["name"])
    deals = [d for d in call.account["deals"] if not d["is_deleted"]] if key else []
    progress = len([d for d in deals if d[key] and start <= d[key][:10] <= end])
    return done({"progress": progress, "goal": goal})

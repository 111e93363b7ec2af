"""Every report of the cookbook has the rows that it should have, by the records of the company."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.docs.markdown import Block, blocks
from tests.docs.runner import Page, open_page
from tests.simulator import Simulator
from tools.engine import Server
from tools.engine.places import ROOT

BOOK = ROOT / "docs" / "cookbook.md"
REPORTS: list[Block] = [block for block in blocks(BOOK) if block.language == "sql"]
Record = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


class Company:
    """The simulator's records, as the reports should see them."""

    def __init__(self, simulator: Simulator, now: dt.datetime) -> None:
        self._simulator = simulator
        self.now, self.today = now, now.date()
        self.deals = self.all("deals")

    def all(self, name: str) -> list[Record]:
        rows = self._simulator.records(name)
        return [row for row in rows if not row.get("is_deleted") and row.get("active_flag") is not False]

    def by_id(self, name: str, key: str = "id") -> dict[Any, Record]:
        return {row[key]: row for row in self._simulator.records(name)}

    def with_status(self, *status: str) -> list[Record]:
        return [deal for deal in self.deals if deal["status"] in status]


EXPECTED: dict[int, Callable[[Company], Rows]] = {}


def report(number: int) -> Callable[[Callable[[Company], Rows]], Callable[[Company], Rows]]:
    """Marks what report *number* should give, in any order."""

    def mark(function: Callable[[Company], Rows]) -> Callable[[Company], Rows]:
        EXPECTED[number] = function
        return function

    return mark


def text(value: str | None) -> str | None:
    """As PostgreSQL can hold it."""
    return None if value is None else value.replace("\0", "")


def added(values: Iterable[Any]) -> Decimal | None:
    """SQL's sum: NULLs left out, NULL when nothing is left."""
    kept = [Decimal(str(value)) for value in values if value is not None]
    return sum(kept, Decimal(0)) if kept else None


def grouped(rows: Iterable[Record], *keys: Callable[[Record], Any]) -> dict[tuple[Any, ...], list[Record]]:
    found: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
    for row in rows:
        found[tuple(key(row) for key in keys)].append(row)
    return found


def share(part: int, whole: int) -> Decimal:
    return (Decimal(100 * part) / whole).quantize(Decimal("0.1"), "ROUND_HALF_UP")


def days(later: str, earlier: str) -> float:
    return (moment(later) - moment(earlier)).total_seconds() / 86400


def rounded(value: float) -> Any:
    """What one digit after the point leaves of *value*."""
    return pytest.approx(Decimal(value), abs=Decimal("0.051"))


def cents(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(Decimal("0.01"), "ROUND_HALF_UP")


def moment(value: str) -> dt.datetime:
    return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))


@report(1)
def value_by_stage(company: Company) -> Rows:
    stages, pipelines = company.by_id("stages"), company.by_id("pipelines")
    found = grouped(company.with_status("open"), lambda d: d["stage_id"], lambda d: d["currency"])
    return [
        (
            text(pipelines[stages[stage]["pipeline_id"]]["name"]),
            text(stages[stage]["name"]),
            currency,
            len(deals),
            added(deal["value"] for deal in deals),
        )
        for (stage, currency), deals in found.items()
    ]


@report(2)
def conversion(company: Company) -> Rows:
    stages, pipelines = company.by_id("stages"), company.by_id("pipelines")
    rows: Rows = []
    for stage in stages.values():
        same = [d for d in company.deals if stages[d["stage_id"]]["pipeline_id"] == stage["pipeline_id"]]
        numbers = [(stages[d["stage_id"]]["order_nr"], d["status"] == "won") for d in same]
        reached = sum(1 for order, won in numbers if won or order >= stage["order_nr"])
        passed = sum(1 for order, won in numbers if won or order > stage["order_nr"])
        pipeline = text(pipelines[stage["pipeline_id"]]["name"])
        if same:
            percent = share(passed, reached) if reached else None
            rows.append((pipeline, text(stage["name"]), reached, passed, percent))
    return rows


@report(3)
def stale(company: Company) -> Rows:
    users, before = company.by_id("users"), company.now - dt.timedelta(days=30)
    rows: Rows = []
    for deal in company.with_status("open"):
        unplanned = deal["next_activity_id"] is None and not deal["is_archived"]
        if deal["update_time"] and unplanned and moment(deal["update_time"]) < before:
            owner, changed = users[deal["owner_id"]], moment(deal["update_time"]).date()
            rows.append((deal["id"], text(deal["title"]), text(owner["name"]), changed))
    return rows


@report(4)
def rotten(company: Company) -> Rows:
    stages = company.by_id("stages")
    rows: Rows = []
    for deal in company.with_status("open"):
        stage, since = stages[deal["stage_id"]], moment(deal["stage_change_time"] or deal["add_time"])
        allowed = stage["days_to_rotten"]
        if stage["is_deal_rot_enabled"] and since < company.now - dt.timedelta(days=allowed):
            spent = (company.today - since.date()).days
            rows.append((deal["id"], text(deal["title"]), text(stage["name"]), allowed, spent))
    return rows


@report(5)
def forecast(company: Company) -> Rows:
    stages = company.by_id("stages")

    def weighted(deal: Record) -> Decimal | None:
        chances = (deal["probability"], stages[deal["stage_id"]]["deal_probability"], 100)
        percent = next(chance for chance in chances if chance is not None)
        return None if deal["value"] is None else Decimal(str(deal["value"])) * percent / 100

    deals = (deal for deal in company.with_status("open") if deal["expected_close_date"])
    found = grouped(deals, lambda d: d["expected_close_date"][:7], lambda d: d["currency"])
    return [
        (*key, len(deals), added(d["value"] for d in deals), cents(added(weighted(d) for d in deals)))
        for key, deals in found.items()
    ]


@report(6)
def nothing_planned(company: Company) -> Rows:
    users = company.by_id("users")
    deals = (deal for deal in company.with_status("open") if deal["next_activity_id"] is None)
    found = grouped(deals, lambda d: d["owner_id"])
    return [(text(users[owner]["name"]), len(deals)) for (owner,), deals in found.items()]


@report(7)
def won_by_month(company: Company) -> Rows:
    users = company.by_id("users")
    found = grouped(
        company.with_status("won"),
        lambda d: (d["won_time"] or "")[:7] or None,
        lambda d: d["owner_id"],
        lambda d: d["currency"],
    )
    return [
        (month, text(users[owner]["name"]), currency, len(deals), added(deal["value"] for deal in deals))
        for (month, owner, currency), deals in found.items()
    ]


@report(8)
def win_rate(company: Company) -> Rows:
    users = company.by_id("users")
    rows: Rows = []
    for (owner,), deals in grouped(company.with_status("won", "lost"), lambda d: d["owner_id"]).items():
        won = sum(1 for deal in deals if deal["status"] == "won")
        rows.append((text(users[owner]["name"]), won, len(deals) - won, share(won, len(deals))))
    return rows


@report(9)
def days_to_win(company: Company) -> Rows:
    pipelines = company.by_id("pipelines")
    won = [deal for deal in company.with_status("won") if deal["won_time"]]
    rows: Rows = []
    for (pipeline,), deals in grouped(won, lambda d: d["pipeline_id"]).items():
        spans = sorted(days(deal["won_time"], deal["add_time"]) for deal in deals)
        low, high = spans[(len(spans) - 1) // 2], spans[len(spans) // 2]
        name = text(pipelines[pipeline]["name"])
        rows.append((name, len(deals), rounded((low + high) / 2), rounded(spans[-1])))
    return rows


@report(10)
def lost_reasons(company: Company) -> Rows:
    reasons = ((text(deal["lost_reason"]) or "").strip(" ") for deal in company.with_status("lost"))
    return list(Counter(reason or "(none given)" for reason in reasons).items())


@report(11)
def cohorts(company: Company) -> Rows:
    rows: Rows = []
    for (month,), deals in grouped(company.deals, lambda d: d["add_time"][:7]).items():
        states = Counter(deal["status"] for deal in deals)
        rows.append((month, len(deals), states["won"], states["lost"], states["open"]))
    return rows


@report(12)
def best_customers(company: Company) -> Rows:
    organizations = company.by_id("organizations")
    won = (deal for deal in company.with_status("won") if deal["org_id"] in organizations)
    sums = {
        key: (len(deals), added(deal["value"] for deal in deals))
        for key, deals in grouped(won, lambda d: d["org_id"], lambda d: d["currency"]).items()
    }
    best = sorted(sums.items(), key=lambda item: (item[1][1] is None, -(item[1][1] or 0), item[0][0]))[:10]
    return [(text(organizations[org]["name"]), currency, *values) for (org, currency), values in best]


@report(13)
def activities_by_type(company: Company) -> Rows:
    users = company.by_id("users")
    types = {row["key_string"]: row["name"] for row in company.all("activityTypes")}
    found = grouped(
        company.all("activities"), lambda a: a["owner_id"], lambda a: types.get(a["type"], a["type"])
    )
    return [
        (text(users[owner]["name"]), kind, *_done_and_planned(activities))
        for (owner, kind), activities in found.items()
    ]


def _done_and_planned(activities: list[Record]) -> tuple[int, int]:
    done = sum(1 for activity in activities if activity["done"])
    return done, len(activities) - done


@report(14)
def overdue(company: Company) -> Rows:
    users, today = company.by_id("users"), str(company.today)
    late = [
        activity
        for activity in company.all("activities")
        if not activity["done"] and activity["due_date"] and activity["due_date"] < today
    ]
    return [
        (text(users[owner]["name"]), len(rows), dt.date.fromisoformat(min(row["due_date"] for row in rows)))
        for (owner,), rows in grouped(late, lambda a: a["owner_id"]).items()
    ]


@report(15)
def lead_ages(company: Company) -> Rows:
    def bucket(lead: Record) -> str:
        age = (company.today - moment(lead["add_time"]).date()).days
        limits = ((30, "1: under 30 days"), (90, "2: 30 to 89 days"), (365, "3: 90 to 364 days"))
        return next((name for limit, name in limits if age < limit), "4: a year and more")

    leads = [lead for lead in company.all("leads") if not lead["is_archived"]]
    return [
        (name, len(rows), sum(1 for row in rows if not row["was_seen"]))
        for (name,), rows in grouped(leads, bucket).items()
    ]


@report(16)
def revenue_by_product(company: Company) -> Rows:
    won = {deal["id"] for deal in company.with_status("won")}
    lines = [line for line in company.all("dealProducts") if line["deal_id"] in won and line["is_enabled"]]
    found = grouped(lines, lambda p: p["product_id"], lambda p: text(p["name"]), lambda p: p["currency"])
    return [
        (name, currency, added(row["quantity"] for row in rows), added(row["sum"] for row in rows))
        for (_, name, currency), rows in found.items()
    ]


RATES = {
    "EUR": "1",
    "USD": "0.92",
    "GBP": "1.17",
    "CHF": "1.05",
    "SEK": "0.088",
    "JPY": "0.0061",
    "BRL": "0.17",
}


@report(17)
def in_euros(company: Company) -> Rows:
    def euros(deal: Record) -> Decimal | None:
        known = deal["value"] is not None and deal["currency"] in RATES
        return Decimal(str(deal["value"])) * Decimal(RATES[deal["currency"]]) if known else None

    rows: Rows = []
    for (status,), deals in grouped(company.deals, lambda d: d["status"]).items():
        unknown = sum(1 for deal in deals if deal["currency"] not in RATES)
        rows.append((status, len(deals), unknown, cents(added(euros(deal) for deal in deals))))
    return rows


@report(18)
def by_frequency(company: Company) -> Rows:
    deals = {deal["id"] for deal in company.deals}
    lines = [line for line in company.all("dealProducts") if line["is_enabled"] and line["deal_id"] in deals]
    found = grouped(lines, lambda p: p["billing_frequency"], lambda p: p["currency"])
    return [(*key, len(rows), added(row["sum"] for row in rows)) for key, rows in found.items()]


@report(19)
def there_twice(company: Company) -> Rows:
    named = (person for person in company.all("persons") if text(person["name"]))
    rows: Rows = []
    for (name,), persons in grouped(named, lambda p: (text(p["name"]) or "").strip(" ").lower()).items():
        if len(persons) > 1:
            persons.sort(key=lambda p: p["id"])
            first = [p["emails"][0]["value"] or None if p["emails"] else None for p in persons]
            rows.append((name, len(persons), [p["id"] for p in persons], list(map(text, first))))
    return rows


@report(20)
def unreachable(company: Company) -> Rows:
    organizations = company.by_id("organizations")
    persons = [p for p in company.all("persons") if not p["emails"] and not p["phones"]]
    # A person may belong to an organization that is not there (deleted, or not visible).
    found = grouped(persons, lambda p: p["org_id"] if p["org_id"] in organizations else None)
    return [
        (text(organizations[org]["name"]) if org else "(none)", len(rows)) for (org,), rows in found.items()
    ]


@pytest.fixture(scope="module")
def book(server: Server) -> Iterator[Page]:
    simulator = Simulator(deals=300).start()
    with open_page(server, simulator, "cookbook_reports", connected=True) as page:
        yield page
    simulator.stop()


def test_there_are_twenty_reports() -> None:
    numbers = re.findall(r"^### (\d+)\. ", BOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, 21))
    assert len(REPORTS) == 20


@pytest.mark.parametrize("number", range(1, 21))
def test_the_report_is_right(book: Page, number: int) -> None:
    with psycopg.connect(book.psql.dsn) as connection:  # one transaction: now() stands still
        connection.execute("SET TimeZone = 'UTC'")
        now = connection.execute("SELECT now()").fetchall()[0][0]
        rows = connection.execute(REPORTS[number - 1].text.encode()).fetchall()
    expected = EXPECTED[number](Company(book.simulator, now))
    assert rows
    assert [row for row in expected if row not in rows] == []
    assert len(rows) == len(expected)

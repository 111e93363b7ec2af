"""How a company is made: one generator a collection, each with a random stream of its own.

So a collection does not change when another one is made differently, and 20,000 deals are made in a second
or two: the custom field values are drawn from a pool made once.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import Any

from tests.simulator.company.words import CITIES, NASTY, STREETS

Record = dict[str, Any]
NOW = dt.datetime(2026, 9, 1, 12, 0, 0)
_POOL = 401
_MOMENTS = 4_001


def address(rng: random.Random) -> Record:
    """An address in v2's form; some of its parts unknown or empty."""
    city, country, code = rng.choice(CITIES)
    street, house = rng.choice(STREETS), str(rng.randrange(1, 99))
    return {
        "value": f"{house} {street}, {city}, {country}",
        "country": country,
        "admin_area_level_1": None,
        "admin_area_level_2": "",
        "locality": city,
        "sublocality": None,
        "route": street,
        "street_number": house,
        "subpremise": None,
        "postal_code": code,
    }


def v1_time(text: str | None) -> str | None:
    """A v2 time as v1 writes it."""
    return None if text is None else text[:19].replace("T", " ")


class World:
    """Seed and size, and what the generators share."""

    def __init__(self, seed: int = 1, deals: int = 300, extra_fields: int = 0) -> None:
        self.seed = seed
        self.extra_fields = extra_fields
        self.live_deals = deals
        self.dead_deals = deals // 50
        self.deals = self.live_deals + self.dead_deals  # the highest deal id
        self.persons = deals // 2 + 20
        self.organizations = deals // 4 + 10
        self.products = 60
        self.activities = deals + 10
        self.leads = deals // 4 + 8
        self.notes = deals // 3 + 8
        self.projects = min(deals // 10, 600) + 6
        self._moments = self._some_moments()
        self.made: dict[str, list[Record]] = {}
        self._pools: dict[str, list[Record]] = {}

    def rng(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")  # noqa: S311 - made-up data

    def uuid(self, rng: random.Random) -> str:
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    # ---- times

    def _some_moments(self) -> list[tuple[str, str, str]]:
        """(added, updated, closed) of which records draw theirs; some share a second, as imports do."""
        rng = self.rng("moments")
        form = "%Y-%m-%dT%H:%M:%SZ"
        out = []
        for i in range(_MOMENTS):
            added = NOW - dt.timedelta(seconds=rng.randrange(3_600, 900 * 86_400))
            if i % 25 == 0:
                added = dt.datetime(2025, 3, 1, 9, 0, 0)
            left = int((NOW - added).total_seconds())
            updated = added + dt.timedelta(seconds=rng.randrange(0, left))
            closed = added + dt.timedelta(seconds=rng.randrange(0, left))
            out.append((added.strftime(form), updated.strftime(form), closed.strftime(form)))
        return out

    def moment(self, rng: random.Random) -> tuple[str, str, str]:
        return self._moments[int(rng.random() * _MOMENTS)]

    def times(self, rng: random.Random, number: int) -> tuple[str, str | None]:
        """add_time and update_time; a few old records were never updated since times are kept."""
        added, updated, _ = self.moment(rng)
        if number % 61 == 7:
            return f"2019-0{number % 9 + 1}-11T10:00:00Z", None
        return added, updated

    def day(self, rng: random.Random) -> str:
        return (NOW + dt.timedelta(days=rng.randrange(-700, 300))).strftime("%Y-%m-%d")

    # ---- texts and custom fields

    def text(self, number: int, plain: str) -> str:
        """*plain*, or every 37th time something nasty."""
        return NASTY[(number // 37) % len(NASTY)] if number % 37 == 5 else plain

    def custom(self, entity: str, number: int) -> Record | None:
        """Values in v2's form, every field present and mostly null; now and then no object at all."""
        if number % 53 == 9:
            return None
        if entity not in self._pools:
            from tests.simulator.company.fields import custom_pool

            self._pools[entity] = custom_pool(self, entity, _POOL)
        return self._pools[entity][(number * 7) % _POOL]

    # ---- all of it

    def collections(self) -> dict[str, tuple[str, list[Record]]]:
        """(key, records) by table."""
        from tests.simulator.company import (
            activities,
            admin,
            children,
            contacts,
            fields,
            mail,
            projects,
            sales,
        )

        for module in (fields, admin, contacts, sales, activities, projects, mail, children):
            for name, maker in module.MAKERS.items():
                self.made[name] = maker(self)
        keys = {
            "note_comments": "uuid",
            "currencies": "id",
            "lead_sources": "name",
            "product_images": "product_id",
        }
        return {n: (keys.get(n, _key(n)), rows) for n, rows in self.made.items()}


def _key(name: str) -> str:
    return "field_code" if name.endswith("_fields") else "id"

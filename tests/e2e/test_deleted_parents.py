"""Rows that hang on deleted records are in no answer, whichever way finds them."""

from __future__ import annotations

import pytest

from tests.live import LiveAccount
from tools.engine import Server


@pytest.mark.parametrize("version", ["v2", "v1"])
def test_a_relationship_found_by_its_id_is_not_seen_from_a_deleted_organization(
    server: Server, version: str
) -> None:
    options = {"api_version": version, "max_tokens_per_query": 10**9}
    tables = ["organizations", "organization_relationships"]
    with LiveAccount(server, deals=30, tables=tables, options=options) as live:
        live.simulator.configure({"v1_core": True})
        names = ("organizations", "organization_relationships")
        organizations, relationships = (live.simulator.account[name] for name in names)
        gone, marked, *_ = dict.fromkeys(record["_linked"] for record in relationships)
        organizations.remove(organizations.rows[gone])
        organizations.put({**organizations.rows[marked], "is_deleted": True})
        live.run("CREATE TEMP TABLE whole AS SELECT * FROM organization_relationships")
        ids = {record["id"] for record in relationships}
        seen = dict(live.rows("SELECT id, count(*) FROM whole GROUP BY id"))
        assert seen.keys() <= ids and 1 in seen.values()
        everything = "SELECT t::text FROM {} t WHERE id IN ({}) ORDER BY 1"
        for some in (*([key] for key in sorted(ids)), ids):
            wanted, got = (
                live.rows(everything.format(name, ", ".join(map(str, some))))
                for name in ("whole", "organization_relationships")
            )
            assert got == wanted
        plan = live.plan("SELECT * FROM organization_relationships WHERE id = 3")
        assert "  Multicorn: For each of: For each of: GET /api/v1/organizationRelationships/3" in plan
        assert f"  Multicorn: For each of: GET /api/{version}/organizations/{{id}}" in plan

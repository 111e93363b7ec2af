"""The table api_usage: what Pipedrive reported, and what this session has used."""

from __future__ import annotations

from tests.live import LiveAccount
from tools.engine import Server


def test_api_usage_costs_nothing_and_counts_what_was_spent(server: Server) -> None:
    with LiveAccount(server, seed=1, deals=10, burst=40, budget=5000) as live:
        live.connect()
        assert live.rows("SELECT tokens_left, session_requests, session_tokens FROM api_usage")[0][1:] == (
            0,
            0,
        )
        assert live.requests() == []
        live.rows("SELECT * FROM persons")
        live.rows("SELECT * FROM persons WHERE id = 1")
        row = live.objects("api_usage")[0]
        assert (row["session_requests"], row["session_tokens"]) == (2, 11)
        assert (row["tokens_left"], row["tokens_a_day"], row["burst_limit"]) == (4989, 5000, 40)
        assert row["reported_at"] is not None
        live.run("BEGIN")
        live.rows("SELECT count(*) FROM users a JOIN users b ON a.id = b.id")
        live.run("COMMIT")
        assert live.value("SELECT session_remembered FROM api_usage") == 1

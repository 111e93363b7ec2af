"""Joins over every reference of the extension's foreign_keys, and over the ids of options, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipedrive_fdw.catalog import TABLES
from tests.e2e.extension import TOKEN, Extended
from tests.simulator import Simulator
from tools.engine import Server


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[Extended]:
    """A small company, each page of which is read once."""
    simulator = Simulator(token=TOKEN, deals=12, burst=100_000, budget=10**9)
    simulator.account["deals"].get(2)["channel"] = 3
    simulator.start()
    made = Extended(server, simulator, connected=False)
    options = '{"cache_ttl": 3600, "max_tokens_per_query": 1000000}'
    made.run(
        f"SELECT pipedrive.connect(base_url => '{simulator.url}', api_token => $${TOKEN}$$, "
        f"server_options => '{options}')"
    )
    made.run("SET search_path = pipedrive")
    yield made
    made.close()
    simulator.stop()


def test_every_reference_of_the_view_can_be_joined(database: Extended) -> None:
    """With the rows that the same join over plain copies has."""
    references = database.rows(
        "SELECT table_name, column_name, referenced_table, referenced_column, a.attndims > 0 "
        "FROM foreign_keys() JOIN pg_attribute a ON a.attname = column_name "
        "AND a.attrelid = format('%I.%I', table_schema, table_name)::regclass ORDER BY 1, 2"
    )
    assert len(references) > len([c for t in TABLES.values() for c in t.columns if c.references])
    for table, column, target, key, several in references:
        test = f't."{key}" = ANY (f."{column}")' if several else f't."{key}" = f."{column}"'
        join = f"FROM {table} f JOIN {target} t ON {test}"
        database.run(f"CREATE OR REPLACE TEMP VIEW joined AS SELECT count(*) {join}")
        declared = TABLES[table]
        guarded = declared.guarded or TABLES[target].guarded
        if (
            not guarded
            and column not in declared.only_selecting
            and not (declared.removed or TABLES[target].removed)
        ):
            assert database.rows("SELECT * FROM joined") == database.rows(_copied(join)), join


def _copied(join: str) -> str:
    """The same count over copies that PostgreSQL has read whole."""
    words = join.split()
    copies = ", ".join(
        f"{name}_{alias} AS MATERIALIZED (SELECT * FROM {name})"
        for name, alias in ((words[1], words[2]), (words[4], words[5]))
    )
    joined = join.replace(f"{words[1]} f", f"{words[1]}_f f", 1).replace(
        f"{words[4]} t", f"{words[4]}_t t", 1
    )
    return f"WITH {copies} SELECT count(*) {joined}"


def test_leads_are_joined_with_their_labels(database: Extended) -> None:
    found = database.rows(
        "SELECT l.id::text, b.name FROM leads l JOIN lead_labels b ON b.id = ANY (l.label_ids)"
    )
    names = {label["id"]: label["name"] for label in database.simulator.records("lead_labels")}
    wanted = [
        (lead["id"], names[label])
        for lead in database.simulator.records("leads")
        for label in lead["label_ids"]
    ]
    assert wanted
    assert sorted(found) == sorted(wanted)
    label = next(iter(names))
    assert database.rows(f"SELECT count(*) FROM leads WHERE label_ids @> ARRAY['{label}'::uuid]") == [
        (len([one for one in database.simulator.records("leads") if label in one["label_ids"]]),)
    ]


WHAT = {"deals": "deal", "persons": "person", "organizations": "organization", "products": "product"}


def _shown(database: Extended) -> list[tuple[str, str]]:
    """(table, column) of every column that shows a built-in field with options."""
    return [
        (table, field["field_code"])
        for table, what in WHAT.items()
        for field in database.simulator.records(f"{what}_fields")
        if field["options"] and not field["is_custom_field"] and TABLES[table].column(field["field_code"])
    ]


def test_columns_are_joined_with_the_options_of_their_fields(database: Extended) -> None:
    tried = set()
    for table, name in _shown(database):
        column = TABLES[table].column(name)
        assert column is not None
        key = "text_id" if column.type == "text" else "id"
        test = f"o.{key} = ANY (r.{name})" if column.type.endswith("[]") else f"o.{key} = r.{name}"
        found = database.rows(
            f"SELECT r.id, o.label FROM {table} r JOIN {WHAT[table]}_field_options o "
            f"ON o.field_code = '{name}' AND {test}"
        )
        (field,) = [f for f in database.simulator.records(f"{WHAT[table]}_fields") if f["field_code"] == name]
        labels = {str(option["id"]): option["label"] for option in field["options"]}
        wanted = []
        for record in database.simulator.records(table):
            value = record[name]
            for one in value if isinstance(value, list) else [value]:
                if str(one) in labels:
                    wanted.append((record["id"], labels[str(one)]))
        assert sorted(found) == sorted(wanted), (table, name)
        if wanted:
            tried.add(name)
    assert tried >= {"label_ids", "visible_to", "channel", "status", "industry", "category"}


def test_options_whose_id_is_no_number_keep_it_as_text(database: Extended) -> None:
    assert database.rows(
        "SELECT id, text_id, row_id FROM deal_field_options WHERE field_code = 'status' ORDER BY text_id"
    ) == [(None, one, f"status:{one}") for one in ("deleted", "lost", "open", "won")]
    assert database.rows(
        "SELECT id, text_id, row_id FROM deal_field_options WHERE field_code = 'channel' AND id = 3"
    ) == [(3, "3", "channel:3")]


def test_a_custom_choice_shown_by_id_is_joined_with_its_options(database: Extended) -> None:
    database.run(
        "CREATE SCHEMA by_id; IMPORT FOREIGN SCHEMA pipedrive LIMIT TO (deals) FROM SERVER pipedrive "
        "INTO by_id OPTIONS (custom_field_options 'id')"
    )
    found = database.rows(
        "SELECT d.id, l.label FROM by_id.deals d JOIN deal_field_options l ON l.id = d.deal_enum "
        "JOIN deal_fields f ON f.field_code = l.field_code AND f.field_name = 'Deal enum'"
    )
    labels = database.rows(
        "SELECT id, deal_enum FROM deals WHERE deal_enum IS NOT NULL AND deal_enum !~ '^9000'"
    )
    assert found
    assert sorted(found) == sorted(labels)

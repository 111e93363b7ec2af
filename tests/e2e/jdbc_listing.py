"""What the JDBC driver lists of two schemas, as JSON. Arguments: the jar of the driver, the JDBC address."""

from __future__ import annotations

import json
import sys
from typing import Any

import jpype  # type: ignore[import-not-found,unused-ignore]


def rows(found: Any, *names: str) -> list[list[str]]:
    """The columns *names* of a result set."""
    taken = []
    while found.next():
        taken.append([str(found.getString(name)) for name in names])
    return taken


def main() -> None:
    jpype.startJVM(classpath=[sys.argv[1]])
    connection = jpype.JClass("java.sql.DriverManager").getConnection(sys.argv[2])
    about = connection.getMetaData()
    kinds = jpype.JArray(jpype.JString)(["TABLE", "VIEW"])
    out = {
        schema: {
            "tables": rows(about.getTables(None, schema, "%", kinds), "TABLE_NAME", "TABLE_TYPE"),
            "columns": rows(about.getColumns(None, schema, "stages", "%"), "COLUMN_NAME", "TYPE_NAME"),
            "primary": rows(about.getPrimaryKeys(None, schema, "deals"), "COLUMN_NAME"),
            "imported": rows(about.getImportedKeys(None, schema, "deals"), "FKCOLUMN_NAME"),
            "rows": rows(
                connection.createStatement().executeQuery(
                    f"SELECT id, name FROM {schema}.stages ORDER BY id"
                ),
                "id",
                "name",
            ),
        }
        for schema in ("bi", "crm")
    }
    connection.close()
    sys.stdout.write(json.dumps(out))


if __name__ == "__main__":
    main()

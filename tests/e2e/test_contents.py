"""The bytes of files, pictures and images: read as a column, where a query names it, and at which price."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import psycopg
import pytest

from tests.live import LiveAccount
from tools.engine import Server

TABLES = [
    "files",
    "deal_files",
    "product_images",
    "person_pictures",
    "filters",
    "deals",
    "persons",
    "products",
]
FIVE_MEGABYTES = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(163_840))


@pytest.fixture(scope="module")
def shared(server: Server) -> Iterator[LiveAccount]:
    with LiveAccount(server, deals=40, tables=TABLES, burst=100_000, budget=10**9) as live:
        yield live


@pytest.fixture
def account(shared: LiveAccount) -> Iterator[LiveAccount]:
    shared.begin_anew()
    yield shared
    shared.simulator.faults([])


def downloads(account: LiveAccount) -> list[str]:
    """The paths by which files were asked for."""
    paths = [r["path"] for r in account.requests() if r["method"] == "GET"]
    return [path for path in paths if path.endswith("/download") or "/public/" in path]


def kept(account: LiveAccount) -> dict[int, bytes]:
    """What the files of the account contain, by their ids."""
    return {r["id"]: r["content"].encode("latin-1") for r in account.simulator.records("files")}


def test_five_megabytes_come_back_byte_for_byte(account: LiveAccount) -> None:
    assert account.connection is not None
    made = account.connection.execute(
        "INSERT INTO files (deal_id, file_name, content) VALUES (7, 'big.bin', %s) RETURNING id, content",
        [FIVE_MEGABYTES],
    ).fetchall()
    ((key, returned),) = made
    assert returned == FIVE_MEGABYTES and downloads(account) == []
    account.simulator.reset()
    assert account.value(f"SELECT content FROM files WHERE id = {key}") == FIVE_MEGABYTES
    assert account.tokens() == 22
    assert len(downloads(account)) == 1
    assert account.value(f"SELECT content FROM deal_files WHERE deal_id = 7 AND id = {key}") == FIVE_MEGABYTES


def test_nothing_is_downloaded_unless_it_is_named(account: LiveAccount) -> None:
    account.rows("SELECT id, file_name, file_size FROM files")
    account.rows("SELECT count(*) FROM files")
    account.run("UPDATE files SET name = 'another' WHERE id = 5")
    account.rows("SELECT person_id, pictures FROM person_pictures WHERE person_id < 20")
    assert downloads(account) == []


def test_every_file_has_its_own_bytes_and_is_paid_for_once(account: LiveAccount) -> None:
    wanted = kept(account)
    assert dict(account.rows("SELECT id, content FROM files")) == wanted
    assert account.tokens() == 20 * (1 + len(wanted))
    account.simulator.reset()
    twice = "SELECT f.id FROM files f JOIN files g ON g.id = f.id AND g.content = f.content"
    assert len(account.rows(twice)) == len(wanted)
    assert len(downloads(account)) == len(wanted)


def test_a_limit_downloads_no_more(account: LiveAccount) -> None:
    assert len(account.rows("SELECT content FROM files ORDER BY id DESC LIMIT 2")) == 2
    assert len(downloads(account)) == 2


def test_explain_tells_the_price(account: LiveAccount) -> None:
    plan = "\n".join(account.plan("SELECT content FROM files LIMIT 3"))
    assert "For each row: GET /api/v1/files/{id}/download" in plan
    assert "Tokens: 20 a page, 20 a file, about 80" in plan
    plan = "\n".join(account.plan("SELECT content FROM product_images WHERE product_id = 3"))
    assert "For each row: the file at public_url" in plan
    assert account.requests() == []


def test_the_guard_counts_files(account: LiveAccount) -> None:
    account.run("SET pipedrive.max_tokens_per_query = 60")
    with pytest.raises(psycopg.Error, match="tokens") as caught:
        account.rows("SELECT content FROM files")
    assert caught.value.sqlstate == "53400"
    assert len(downloads(account)) <= 2


@pytest.mark.parametrize("where", ["SESSION", "TABLE"])
def test_switched_off_it_is_null(account: LiveAccount, where: str) -> None:
    on, off = {
        "SESSION": ("SET pipedrive.suppress_extended_requests = on", "RESET ALL"),
        "TABLE": (
            "ALTER FOREIGN TABLE files OPTIONS (ADD suppress_extended_requests 'true')",
            "ALTER FOREIGN TABLE files OPTIONS (DROP suppress_extended_requests)",
        ),
    }[where]
    account.run(on)
    try:
        assert account.value(f"SELECT count(content) FROM {account.name}.files") == 0
        assert downloads(account) == []
    finally:
        account.run(off)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_not_given_is_null(account: LiveAccount, status: int) -> None:
    wanted = {**kept(account), 5: None}
    account.simulator.faults([{"match": "/files/5/download", "action": "status", "status": status}])
    assert dict(account.rows("SELECT id, content FROM files")) == wanted


@pytest.mark.parametrize("status", [402, 415])
def test_a_refusal_of_the_account_is_an_error_at_once(account: LiveAccount, status: int) -> None:
    account.simulator.faults([{"match": "/files/.*/download", "action": "status", "status": status}])
    with pytest.raises(psycopg.Error, match=rf"files cannot be read \(status {status}\)"):
        account.rows("SELECT content FROM files")
    assert len(downloads(account)) <= 2


def test_files_that_are_all_refused_are_an_error(account: LiveAccount) -> None:
    account.simulator.faults([{"match": "/download", "action": "status", "status": 403}])
    with pytest.raises(psycopg.Error, match="files cannot be read"):
        account.rows("SELECT content FROM files")


def test_a_broken_download_is_an_error_and_no_null(account: LiveAccount) -> None:
    account.simulator.faults([{"match": "/files/5/download", "action": "cut"}])
    with pytest.raises(psycopg.Error, match="broke off|ended"):
        account.rows("SELECT id, content FROM files")


@pytest.mark.parametrize(
    ("table", "key"), [("person_pictures", "person_id"), ("product_images", "product_id")]
)
def test_parents_of_which_none_has_a_picture_are_no_error(account: LiveAccount, table: str, key: str) -> None:
    account.run(f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table})")
    assert account.rows(f"SELECT {key} FROM {table}") == []
    body = {"success": False, "error": "Unknown method ."}
    account.simulator.faults(
        [{"match": "/(picture|images)$", "action": "status", "status": 404, "body": body}]
    )
    with pytest.raises(psycopg.Error, match=f"{table} cannot be read"):
        account.rows(f"SELECT {key} FROM {table}")


def test_a_picture_comes_back_byte_for_byte(account: LiveAccount) -> None:
    assert account.connection is not None
    account.connection.execute(
        "INSERT INTO person_pictures (person_id, content) VALUES (4, %s)", [FIVE_MEGABYTES]
    )
    account.simulator.reset()
    assert account.value("SELECT content FROM person_pictures WHERE person_id = 4") == FIVE_MEGABYTES
    assert [(r["path"], r["status"], r["tokens"]) for r in account.requests()] == [
        ("/api/v2/persons/4/picture", 200, 1),
        ("/public/persons/4_512.jpg", 200, 0),
    ]


def test_an_image_comes_back_byte_for_byte_and_is_replaced(account: LiveAccount) -> None:
    assert account.connection is not None
    for sql in (
        "INSERT INTO product_images (product_id, content) VALUES (3, %s)",
        "UPDATE product_images SET content = %s WHERE product_id = 3",
    ):
        content = FIVE_MEGABYTES if sql.startswith("INSERT") else FIVE_MEGABYTES[::-1]
        account.connection.execute(sql, [content])
        assert account.value("SELECT content FROM product_images WHERE product_id = 3") == content
    account.simulator.reset()
    account.connection.execute("UPDATE product_images SET content = %s WHERE product_id = 3", [content])
    assert {r["method"] for r in account.requests()} == {"GET"}  # it is the same


@pytest.mark.parametrize(
    "address", ["http://elsewhere.example/7", "file:///etc/passwd", "https://a@b.example/7"]
)
def test_an_image_is_not_asked_for_at_an_unsafe_address(account: LiveAccount, address: str) -> None:
    body = f'{{"success": true, "data": {{"id": 9, "public_url": "{address}"}}}}'
    account.simulator.faults(
        [{"match": "/products/3/images", "action": "status", "status": 200, "body": body}]
    )
    with pytest.raises(
        psycopg.Error, match="that Pipedrive gives for a file cannot be used\nDETAIL:  The record names"
    ):
        account.rows("SELECT content FROM product_images WHERE product_id = 3")
    assert downloads(account) == []


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("files", "content"),
        ("deal_files", "content"),
        ("person_pictures", "content"),
        ("filters", "conditions"),
    ],
)
def test_attrs_is_the_same_whether_a_query_reads_them_or_not(
    account: LiveAccount, table: str, column: str
) -> None:
    alone = account.rows(f"SELECT id, attrs FROM {table} ORDER BY id")
    assert len(alone) > 1
    whole = f"SELECT id, attrs FROM (SELECT * FROM {table} OFFSET 0) t WHERE {column} IS NOT NULL ORDER BY id"
    assert account.rows(whole) == alone
    assert account.rows(f"SELECT id, attrs FROM {table} WHERE id = {alone[0][0]}") == alone[:1]


def test_a_row_of_files_can_be_written_back_as_it_was_read(account: LiveAccount) -> None:
    account.run("CREATE TEMPORARY TABLE read AS SELECT * FROM files WHERE id = 3")
    columns = [
        name
        for (name,) in account.rows(
            "SELECT attname FROM pg_attribute WHERE attnum > 0 AND "
            "attrelid = 'read'::regclass AND attname <> 'id'"
        )
    ]
    account.simulator.reset()
    changes = ", ".join(f"{name} = read.{name}" for name in columns)
    account.run(f"UPDATE files SET {changes} FROM read WHERE read.id = files.id")
    assert {request["method"] for request in account.requests()} == {"GET"}


def test_files_are_kept_in_the_cache_of_all_sessions(account: LiveAccount) -> None:
    expected = kept(account)
    account.run("SET pipedrive.cache_ttl = 600")
    queries = (
        "SELECT id, content FROM files",
        "SELECT person_id, content FROM person_pictures WHERE person_id IN (9, 18)",
    )
    try:
        first = [sorted(account.rows(query)) for query in queries]
        assert dict(first[0]) == expected
        with account.session() as another:
            another.execute("SET pipedrive.cache_ttl = 600")
            account.simulator.reset()
            assert [sorted(another.execute(query).fetchall()) for query in queries] == first
        assert account.requests() == []
    finally:
        account.run("RESET pipedrive.cache_ttl")

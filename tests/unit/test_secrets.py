"""The secrets_file, and which secrets fit together: errors that say what is wrong and show nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pipedrive_fdw.errors import OptionError
from pipedrive_fdw.options import base_url, check_server, oauth_url, read_options
from pipedrive_fdw.session.account_sessions import credential_key
from pipedrive_fdw.session.secrets_file import read_secrets, with_secrets

OAUTH = {"client_id": "the-id", "client_secret": "the-secret", "refresh_token": "the-refresh"}


def written(folder: Path, text: str | bytes, mode: int = 0o600) -> str:
    file = folder / "secrets"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return str(file)


def error_of(path: str) -> OptionError:
    with pytest.raises(OptionError) as caught:
        read_secrets(path)
    assert caught.value.hint
    return caught.value


def test_lines_of_name_and_value_are_read(tmp_path: Path) -> None:
    text = "\ufeff# the reporting user\n\n client_id = the-id \nclient_secret=a=b\nrefresh_token = r\n"
    assert read_secrets(written(tmp_path, text)) == {
        "client_id": "the-id",
        "client_secret": "a=b",
        "refresh_token": "r",
    }


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    error = error_of(written(tmp_path, "api_token = t0p-secret", mode))
    assert f"is open to other users (mode {mode:04o})" in error.message
    assert "chmod 600" in error.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("api_token = t0p-secret\nt0p-secret\n", "line 2 of the secrets_file"),
        ("api_token = t0p-secret\napi_token = t0p-secret-too\n", "line 2 of the secrets_file"),
        ("password = t0p-secret", "line 1 of the secrets_file"),
        ("api_token =", "line 1 of the secrets_file"),
        ("# api_token = t0p-secret", "contains no secret"),
        ("", "contains no secret"),
        (b"api_token = t0p-secret\xff", "is not text in UTF-8"),
        ("x" * 70_000, "is not a small regular file"),
    ],
)
def test_what_is_not_of_the_form_is_refused_without_showing_it(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    error = error_of(written(tmp_path, text))
    assert message in error.message
    assert "t0p-secret" not in str(error)


def test_a_file_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a small regular file" in error_of(str(tmp_path / "pipe")).message
    assert "is not a small regular file" in error_of(str(tmp_path)).message
    missing = error_of(str(tmp_path / "missing"))
    assert ("cannot be opened" in missing.message, missing.detail) == (True, "No such file or directory")


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give a file away")
    path = written(tmp_path, "api_token = t0p-secret")
    os.chown(path, 12345, -1)
    assert "belongs to another operating system user" in error_of(path).message


def test_the_file_stands_for_the_options(tmp_path: Path) -> None:
    path = written(tmp_path, "api_token = from-the-file")
    options = read_options({"company_domain": "acme", "secrets_file": path})
    check_server(options)
    assert with_secrets(options).api_token == "from-the-file"
    direct = read_options({"company_domain": "acme", "api_token": "from-the-file"})
    assert credential_key(with_secrets(options)) == credential_key(direct)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no API token is known for this user"),
        ({"api_token": "a-token", **OAUTH}, "the user mapping has an api_token and OAuth secrets"),
        ({"client_id": "the-id"}, "OAuth needs client_secret and refresh_token besides client_id"),
        ({"secrets_file": "/a", "api_token": "a-token"}, "the user mapping has a secrets_file and api_token"),
        ({"secrets_file": "relative"}, "option \"secrets_file\" cannot be 'relative'"),
        ({"refresh_token": ""}, 'option "refresh_token" cannot be ***'),
        ({"api_tokens": "x"}, 'there is no option "api_tokens"'),
    ],
)
def test_options_that_do_not_fit_together_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_server(read_options({"company_domain": "acme", **given}))
    assert caught.value.message.startswith(f"pipedrive option: {message}")
    assert caught.value.hint


def test_a_token_needs_an_address_and_oauth_does_not() -> None:
    with pytest.raises(OptionError, match="the server names no Pipedrive account"):
        check_server(read_options({"api_token": "a-token"}))
    check_server(read_options(OAUTH))


@pytest.mark.parametrize(
    ("given", "addresses"),
    [
        ({}, ("https://api.pipedrive.com", "https://oauth.pipedrive.com")),
        ({"company_domain": "acme"}, ("https://acme.pipedrive.com", "https://oauth.pipedrive.com")),
        ({"base_url": "http://[::1]:8080/"}, ("http://[::1]:8080", "http://[::1]:8080")),
        (
            {"base_url": "https://proxy.example", "oauth_url": "https://o.example"},
            ("https://proxy.example", "https://o.example"),
        ),
    ],
)
def test_the_addresses_of_api_and_tokens(given: dict[str, str], addresses: tuple[str, str]) -> None:
    options: Any = read_options({**OAUTH, **given})
    assert (base_url(options), oauth_url(options)) == addresses


def test_credentials_are_told_apart_by_each_secret_and_address() -> None:
    ways = [
        {"api_token": "the-id"},
        {"api_token": "another"},
        {"api_token": "the-id", "company_domain": "other"},
        OAUTH,
        *({**OAUTH, name: "another"} for name in OAUTH),
        {**OAUTH, "oauth_url": "https://o.example"},
    ]
    keys = [credential_key(read_options({"company_domain": "acme", **way})) for way in ways]
    assert len(set(keys)) == len(ways)
    assert not [key for key in keys if "the-" in key]

"""Options: errors say what would be right."""

from __future__ import annotations

import pytest

from pipedrive_fdw.errors import OptionError
from pipedrive_fdw.options import IMPORT, SERVER, read_options


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("max_tokens_per_query", "1e3", "use a whole number from 0 to 1000000000"),
        ("rows", "-1", "use a whole number from 0 to 1000000000000"),
        ("read_timeout", "soon", "use a number from 0.1 to 3600"),
    ],
)
def test_a_number_that_cannot_be_read_says_which_can(name: str, value: str, wanted: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options({name: value})
    assert caught.value.hint == f"{name}: {wanted}."


@pytest.mark.parametrize(
    ("where", "words"), [(IMPORT, "for an import"), (SERVER, "for a server")], ids=["import", "server"]
)
def test_an_option_that_there_is_not_names_the_place(where: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        read_options({"colour": "red"}, (where,))
    assert caught.value.message == f'pipedrive option: there is no option "colour" {words}'

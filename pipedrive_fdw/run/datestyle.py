"""A timestamptz as Multicorn hands it over under another DateStyle than ISO: text of the session's form."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo

from pipedrive_fdw.times import UTC

# How the day, month and year stand in a timestamptz of each DateStyle, and what surrounds them.
_STYLED = {
    "SQL": re.compile(r"(?P<a>\d\d)/(?P<b>\d\d)/(?P<y>\d{4}) (?P<t>\d\d:\d\d:\d\d(\.\d+)?) \S+$"),
    "German": re.compile(r"(?P<a>\d\d)\.(?P<b>\d\d)\.(?P<y>\d{4}) (?P<t>\d\d:\d\d:\d\d(\.\d+)?) \S+$"),
    "Postgres": re.compile(
        r"\w{3} (?P<a>\w{2,3}) (?P<b>\w{2,3}) (?P<t>\d\d:\d\d:\d\d(\.\d+)?) (?P<y>\d{4}) \S+$"
    ),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parse_local_time(text: str, style: str, zone: str) -> dt.datetime:
    """The time that *text* says under the DateStyle *style* (``SQL, DMY``) in the *zone*.

    Raises ValueError for what cannot be read; an hour that the clocks repeat is taken as the first one.
    """
    form, _, order = style.partition(", ")
    found = _STYLED[form].match(text) if form in _STYLED else None
    if found is None:
        raise ValueError(f"{text!r} is not a time in DateStyle {style!r}")
    first, second = found["a"], found["b"]
    day, month = (first, second) if order == "DMY" or form == "German" else (second, first)
    number = _MONTHS.index(month[:3]) + 1 if month[:3] in _MONTHS else int(month)
    local = dt.datetime.fromisoformat(f"{found['y']}-{number:02d}-{int(day):02d}T{found['t'][:8]}")
    try:
        return local.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(UTC)
    except zoneinfo.ZoneInfoNotFoundError as error:
        raise ValueError(f"the time zone {zone} is not known") from error

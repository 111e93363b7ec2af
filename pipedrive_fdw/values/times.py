"""Dates and times in the range of PostgreSQL, which is wider than that of Python's datetime.

Two directions. ``…_text`` turns what the API gives into text that PostgreSQL's input functions read the same
way under every setting, and refuses what they would refuse, so that the error can name the record.
``parse_…`` turns such text, or what Python has, into a canonical value: a date, an aware datetime,
a time, a timedelta, or ``Far`` for what these cannot hold.

Only ISO 8601 and PostgreSQL's own ISO output are read: any other form would depend on the session's settings.
Every function raises ValueError for a text that it cannot read.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from calendar import isleap
from dataclasses import dataclass, field
from typing import Any

from pipedrive_fdw.errors import quoted

UTC = dt.timezone.utc
_DAY = 86_400_000_000  # microseconds
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)


@functools.total_ordering
@dataclass(frozen=True)
class Far:
    """A date or time of day that Python cannot hold: before or after all those that it can.

    days    since 1970-01-01; for the time of day 24:00, 1
    micros  microseconds of that day, in UTC
    text    as PostgreSQL reads it
    """

    days: int
    micros: int
    text: str = field(compare=False)

    def __lt__(self, other: Any) -> bool:
        if isinstance(other, Far):
            return (self.days, self.micros) < (other.days, other.micros)
        if isinstance(other, (dt.date, dt.time)):
            return self.days < 0
        return NotImplemented

    def __str__(self) -> str:
        return self.text


# ---- the calendar

# Year, month and day: the sign is that of ISO 8601, where year 0 is 1 BC.
_YMD = r"(?P<year>[+-]?\d{4,9})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_HMS = r"(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?P<fraction>\.\d*)?)?"
_ZONE = r"(?P<zone>[Zz]|UTC|GMT|[+-]\d{1,2}(?::?\d\d(?::?\d\d)?)?)"
_MOMENT = re.compile(rf"{_YMD}(?:[Tt ]\s*{_HMS}\s*{_ZONE}?)?(?P<bc>\s+BC)?", re.ASCII)
_CLOCK = re.compile(_HMS, re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d\d)?:?(\d\d)?", re.ASCII)
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# PostgreSQL's limits (datatype/timestamp.h), as days since 1970-01-01: 4714-11-24 BC is the first day of both
# types; the first ones after the last are 5874898-01-01 and 294277-01-01.
_FIRST, _END_OF_DATES, _END_OF_TIMES = -2_440_588, 2_145_042_906, 106_762_940
_MOST_OFFSET = 16 * 3600


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, whatever the year (0 is 1 BC)."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _civil(found: re.Match[str], value: str) -> tuple[int, int, int]:
    """Year, month and day of *found*; the year as ISO 8601 counts, in which 0 is 1 BC."""
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    if found["bc"]:
        if found["year"][0] in "+-" or not year:
            raise ValueError(f"{quoted(value)} is not a date")
        year = 1 - year
    if not 1 <= month <= 12 or not 1 <= day <= _LENGTHS[month - 1] + (month == 2 and isleap(year)):
        raise ValueError(f"{quoted(value)} is not a date of the calendar")
    return year, month, day


def _written(year: int, month: int, day: int) -> tuple[str, str]:
    """The date as PostgreSQL writes it, and what stands behind the time of day."""
    shown, era = (year, "") if year > 0 else (1 - year, " BC")
    return f"{shown:04d}-{month:02d}-{day:02d}", era


def _micros(found: re.Match[str], value: str) -> int:
    """Microseconds of the day, up to 24:00. Digits beyond them are cut off."""
    if found["hour"] is None:
        return 0
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    part = int((found["fraction"] or ".")[1:7].ljust(6, "0"))
    whole = ((hour * 60 + minute) * 60 + second) * 1_000_000 + part
    if minute > 59 or second > 60 or whole > _DAY or (hour == 24 and whole != _DAY):
        raise ValueError(f"{quoted(value)} is not a time of day")
    return whole


def _clock_text(micros: int) -> str:
    seconds, part = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{part:06d}".rstrip("0") if part else text


def _offset(zone: str | None, value: str) -> int:
    """Seconds east of UTC, which is what a time without a zone means."""
    found = _OFFSET.fullmatch(zone or "")
    if found is None:
        return 0
    hours, minutes, seconds = (int(found[n] or 0) for n in (2, 3, 4))
    whole = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or whole >= _MOST_OFFSET:
        raise ValueError(f"{quoted(value)} has an offset that no time zone has")
    return -whole if found[1] == "-" else whole


def is_zero(value: str) -> bool:
    """True if a text of the API means no date: it is empty, or 0000-00-00, as its database writes that."""
    return value.startswith(("0000-00-00", "-0001-11-30", "-0001-11-29")) or not value.strip()


# ---- dates


def date_text(value: Any) -> str | None:
    """A date of the API, with or without a time of day, as PostgreSQL reads it."""
    if isinstance(value, str):
        # What nearly all are, which is left as it is: Python knows the calendar too
        if len(value) == 10 and value[4::3] == "--":
            try:
                dt.date.fromisoformat(value)
            except ValueError:
                pass
            else:
                return value
        if is_zero(value):
            return None
        found = _MOMENT.fullmatch(value.strip())
        if found:
            _micros(found, value)
            _offset(found["zone"], value)
            year, month, day = _civil(found, value)
            if not _FIRST <= _days(year, month, day) < _END_OF_DATES:
                raise ValueError(f"{quoted(value)} is not between 4714-11-24 BC and 5874897-12-31")
            return "".join(_written(year, month, day))
    raise ValueError(f"{quoted(value)} is not a date")


def parse_date(value: Any) -> dt.date | Far:
    if isinstance(value, dt.datetime):
        if value.timetz() != dt.time(tzinfo=UTC):
            raise ValueError(f"{quoted(str(value))} is not a date, which is its midnight in UTC")
        return value.date()
    if isinstance(value, dt.date):
        return value
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if not found or found["hour"]:
        raise ValueError(f"{quoted(value)} is not a date")
    year, month, day = _civil(found, value)
    if 1 <= year <= 9999:
        return dt.date(year, month, day)
    return Far(_days(year, month, day), 0, value)


def utc_text(value: dt.datetime) -> str:
    """A time as some operations of version 1 take it: 2026-01-31 23:59:59, in UTC."""
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat(sep=" ")


# ---- points in time


def moment_text(value: Any) -> str | None:
    """A time of the API as PostgreSQL reads it: one without a zone is UTC, a bare date its midnight."""
    if not isinstance(value, str):
        raise ValueError(f"{quoted(value)} is not a time")
    # As with dates
    if len(value) == 20 and value[4::3] == "--T::Z":
        try:
            dt.datetime.fromisoformat(value[:19])
        except ValueError:
            pass
        else:
            return value
    if is_zero(value):
        return None
    found = _MOMENT.fullmatch(value.strip())
    if not found:
        raise ValueError(f"{quoted(value)} is not a time")
    year, month, day = _civil(found, value)
    micros, offset = _micros(found, value), _offset(found["zone"], value)
    days = _days(year, month, day) + (micros - offset * 1_000_000) // _DAY
    if not _FIRST <= days < _END_OF_TIMES:
        raise ValueError(f"{quoted(value)} is not between 4714-11-24 BC and 294276-12-31")
    date, era = _written(year, month, day)
    return f"{date} {_clock_text(micros)}{_zone_text(offset)}{era}"


def _zone_text(offset: int) -> str:
    minutes, seconds = divmod(abs(offset), 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02d}"
    if minutes % 60 or seconds:
        text += f":{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


def parse_moment(value: Any) -> dt.datetime | Far:
    """An aware UTC datetime, or Far, from ISO text with an offset or from an aware datetime."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{quoted(value)} has no time zone")
        return value.astimezone(UTC)
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found or not found["zone"]:
        raise ValueError(f"{quoted(value)} is not ISO with an offset")
    micros = _micros(found, value) - _offset(found["zone"], value) * 1_000_000
    days = _days(*_civil(found, value)) + micros // _DAY
    try:
        return _EPOCH + dt.timedelta(days, 0, micros % _DAY)
    except OverflowError:
        return Far(days, micros % _DAY, value)


# ---- times of day


def clock_text(value: Any) -> str | None:
    """A time of day of the API as PostgreSQL reads it; 24:00 is the end of a day."""
    if isinstance(value, str):
        # As with dates
        if len(value) == 8 and value[2::3] == "::":
            try:
                dt.time.fromisoformat(value)
            except ValueError:
                pass
            else:
                return value
        if not value.strip():
            return None
        found = _CLOCK.fullmatch(value.strip())
        if found:
            return _clock_text(_micros(found, value))
    raise ValueError(f"{quoted(value)} is not a time of day")


def parse_clock(value: Any) -> dt.time | Far:
    if isinstance(value, dt.time):
        return value
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{quoted(value)} is not a time of day")
    micros = _micros(found, value)
    if micros == _DAY:
        return Far(1, 0, "24:00:00")
    return (_EPOCH + dt.timedelta(0, 0, micros)).time()


# ---- durations

_DURATION = re.compile(
    r"(?:(?P<days>[+-]?\d{1,9}) days?)?\s*"
    r"(?:(?P<sign>[+-]?)(?P<hours>\d{1,10}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2})(?P<fraction>\.\d*)?)?)?",
    re.ASCII,
)
_BEHIND_DAYS = re.compile(r"days?\s*([+-]?)(?=\d)")
_MOST_HOURS = 2**31 - 1  # of an interval, in every version


def duration_text(value: Any) -> str | None:
    """A duration of the API, hours and minutes, as PostgreSQL reads it."""
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if _duration(text) is not None:
            # Without a sign of their own, hours behind days take that of the days in an SQL standard session
            return _BEHIND_DAYS.sub(lambda found: f"days {found[1] or '+'}", text.rstrip("."))
    raise ValueError(f"{quoted(value)} is not a duration")


def parse_duration(value: Any) -> dt.timedelta:
    if isinstance(value, dt.timedelta):
        return value
    found = _duration(value) if isinstance(value, str) and value else None
    if found is None:
        raise ValueError(f"{quoted(value)} is not a duration of days, hours and minutes")
    return found


def _duration(text: str) -> dt.timedelta | None:
    found = _DURATION.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds = (int(found[name] or 0) for name in ("hours", "minutes", "seconds"))
    if hours >= _MOST_HOURS or minutes > 59 or seconds > 60:
        return None
    part = int((found["fraction"] or ".")[1:7].ljust(6, "0"))
    time = dt.timedelta(hours=hours, minutes=minutes, seconds=seconds, microseconds=part)
    days = dt.timedelta(days=int(found["days"] or 0))
    return days - time if found["sign"] == "-" else days + time

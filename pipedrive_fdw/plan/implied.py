"""What a condition on a function of a time says of the time itself: ``col::date = …``, ``date_trunc(…) > …``.

Pure. The range that is found holds every value that can satisfy the condition, and may hold others:
PostgreSQL checks the condition on each row. It goes from the outer call to the inner one. A step that depends
on a time zone takes the widest of the zone's offsets around that moment.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Any, NamedTuple

UTC = dt.timezone.utc
_DAY = dt.timedelta(days=1)
# The longest that a unit of date_trunc() lasts.
_LONGEST = {
    "microseconds": dt.timedelta(microseconds=1),
    "milliseconds": dt.timedelta(milliseconds=1),
    "second": dt.timedelta(seconds=1),
    "minute": dt.timedelta(minutes=1),
    "hour": dt.timedelta(hours=1),
    "day": _DAY,
    "week": 7 * _DAY,
    "month": 31 * _DAY,
    "quarter": 92 * _DAY,
    "year": 366 * _DAY,
    "decade": 3653 * _DAY,
}
# What may round the number of a date_part(), by less than 1.
_ROUNDED = frozenset(
    (name, *digits)
    for name in ("trunc", "round", "floor", "int4", "int8", "numeric", "float8")
    for digits in ((), ("0",))
)
_EPOCH = dt.datetime(1970, 1, 1)
# A zone that has a name is at most this far from UTC.
_FARTHEST = dt.timedelta(hours=26)
# A zone as POSIX writes it (<+99>-99) or as an interval (99:00:00) tells offsets, with hours before the
# colons, and then perhaps the days on which clocks change. A name in brackets may contain digits.
_NAME_OR_DAYS = re.compile(r"<[^>]*>|,.*", re.DOTALL)
_HOURS = re.compile(r"(?<![:\d])\d+")
_FIXED = ("UTC", "Etc/UTC", "GMT")
# Some days are an hour longer than others, and PostgreSQL may have other rules of a zone than Python.
_MARGIN = dt.timedelta(hours=2)
_NEVER = dt.timedelta()


class Span(NamedTuple):
    """From *low* to *high*, both included, None for open; without zone, in *zone* or in UTC for None."""

    low: dt.datetime | None
    high: dt.datetime | None


def implied_span(
    through: tuple[tuple[str, ...], ...], operator: str, value: Any, session_zone: str, zoned: bool
) -> Span | None:
    """The times in UTC that a timestamptz column can have where ``through(column) operator value`` holds.

    *value* is a date, a naive datetime, an aware datetime or a number, as the outermost call gives it.
    *zoned* is False for a column without time zone (a date): its span has no zone either. None where nothing
    is known.
    """
    while through[1:] and through[-1] in _ROUNDED:
        through = through[:-1]
    local = [zoned]  # before each call: whether the time has a zone
    for name, *arguments in through:
        local.append(_keeps_zone(name, arguments, local[-1]))
    try:
        span = _as_compared(_first_span(through[-1], operator, value), value, local[-1], session_zone)
        for call, has_zone, gives_zone in zip(reversed(through), reversed(local[:-1]), reversed(local[1:])):
            span = _undone(call, span, session_zone, has_zone, gives_zone)
            if span is None:
                return None
    except (OverflowError, ValueError, TypeError):
        return None
    return span


def _keeps_zone(name: str, arguments: list[str], zoned: bool) -> bool:
    """True if the result of a call has a time zone."""
    if name == "timezone":
        return not zoned
    return zoned if name in ("date_trunc", "+", "-") else name == "timestamptz"


def _first_span(call: tuple[str, ...], operator: str, value: Any) -> Span | None:
    """What the outermost call's result can be, as times."""
    name, *arguments = call
    if name in ("date_part", "extract"):
        times = _OF_PART.get(arguments[0].lower())
        return None if times is None else _within(operator, *times(float(value)))
    if isinstance(value, dt.datetime):
        time = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    elif isinstance(value, dt.date):
        time = dt.datetime.combine(value, dt.time())
    else:
        return None
    return _within(operator, time, time)


def _as_compared(span: Span | None, value: Any, zoned: bool, session_zone: str) -> Span | None:
    """*span* of *value* as times with a zone if *zoned*, else as local ones.

    PostgreSQL compares a time that has a zone with one that has none in the session's zone.
    """
    has_zone = isinstance(value, dt.datetime) and value.tzinfo is not None
    if span is None or not isinstance(value, dt.date) or has_zone == zoned:
        return span
    return _to_utc(span, session_zone) if zoned else _from_utc(span, session_zone)


def _year(value: float) -> tuple[dt.datetime, dt.datetime]:
    """From when to when ``extract(year …)`` is *value*, or the whole number below it."""
    return dt.datetime(math.floor(value), 1, 1), dt.datetime(math.floor(value) + 1, 1, 1)


def _epoch(value: float) -> tuple[dt.datetime, dt.datetime]:
    """From when to when ``extract(epoch …)`` is *value* in UTC, rounded in whatever way."""
    first, last = (dt.timedelta(seconds=second) for second in (math.floor(value) - 1, math.ceil(value) + 1))
    return _EPOCH + first, _EPOCH + last


_OF_PART = {"year": _year, "epoch": _epoch}


def _within(operator: str, first: dt.datetime, last: dt.datetime) -> Span | None:
    """The times that compare so with one that is from *first* to *last*."""
    if operator == "=":
        return Span(first, last)
    if operator in ("<", "<="):
        return Span(None, last)
    return Span(first, None) if operator in (">", ">=") else None


def _undone(
    call: tuple[str, ...], span: Span | None, session_zone: str, has_zone: bool, gives_zone: bool
) -> Span | None:
    """What the argument of *call* can be where its result is in *span*."""
    if span is None:
        return None
    name, *arguments = call
    if name in ("date_part", "extract"):
        # The epoch is counted in UTC, and of a time without zone as if it were one of UTC
        return _to_utc(span, session_zone) if has_zone and arguments[0].lower() == "year" else span
    if name in ("+", "-"):
        return _shifted(span, name, arguments[0], _clock_change(session_zone) if has_zone else _NEVER)
    if name == "date_trunc":
        return _truncated(span, arguments, session_zone, has_zone)
    if name == "date":
        span = _later(span, _DAY)
    elif name == "timezone":
        if len(arguments) != 1:
            return None
        return _to_utc(span, arguments[0]) if has_zone else _from_utc(span, arguments[0])
    elif name not in ("timestamp", "timestamptz"):
        return None
    if has_zone and not gives_zone:
        return _to_utc(span, session_zone)
    return span if has_zone == gives_zone else _from_utc(span, session_zone)


def _truncated(span: Span, arguments: list[str], session_zone: str, has_zone: bool) -> Span | None:
    unit = arguments[0].lower()
    longest = _LONGEST.get(unit.rstrip("s") if unit not in _LONGEST else unit)
    if longest is None:
        return None
    # A day in which clocks are put back lasts longer
    zone = arguments[1] if len(arguments) > 1 else session_zone
    return _later(span, longest + _clock_change(zone) if has_zone and longest >= _DAY else longest)


_PARTS = re.compile(r"([+-]?\d+) (year|mon|day)s?|([+-]?)(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def _shifted(span: Span, sign: str, interval: str, clock_change: dt.timedelta) -> Span | None:
    """*span* before *interval* was added or subtracted, where clocks may be put back by *clock_change*."""
    least = most = dt.timedelta()
    if _PARTS.sub("", interval).strip():
        return None  # an infinite one
    for number, unit, minus, hours, minutes, seconds in _PARTS.findall(interval):
        if unit in ("year", "mon"):
            # 28 to 31 days a month
            months = int(number) * (12 if unit == "year" else 1)
            least, most = (t + months * dt.timedelta(days=d) for t, d in ((least, 28), (most, 31)))
        elif unit:
            least, most = (t + dt.timedelta(days=int(number)) for t in (least, most))
        else:
            time = dt.timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))
            least, most = (t - time if minus == "-" else t + time for t in (least, most))
    least, most = min(least, most), max(least, most)
    if sign == "-":
        least, most = -most, -least
    if max(abs(least), abs(most)) >= _DAY:  # some days are an hour longer than others
        least, most = least - clock_change, most + clock_change
    return Span(
        None if span.low is None else span.low - most, None if span.high is None else span.high - least
    )


def _later(span: Span, longest: dt.timedelta) -> Span:
    """*span* with what is rounded down into it."""
    return Span(span.low, None if span.high is None else span.high + longest)


def _to_utc(span: Span, zone: str) -> Span:
    """*span* of local times in *zone* as times of UTC, the widest that it can be."""
    return Span(
        None if span.low is None else span.low - max(_offsets(span.low, zone)),
        None if span.high is None else span.high - min(_offsets(span.high, zone)),
    )


def _from_utc(span: Span, zone: str) -> Span:
    """*span* of times of UTC as local times in *zone*."""
    return Span(
        None if span.low is None else span.low + min(_offsets(span.low, zone)),
        None if span.high is None else span.high + max(_offsets(span.high, zone)),
    )


def _rules(zone: str) -> dt.tzinfo | None:
    """The rules of *zone*, None where Python does not know them."""
    import zoneinfo  # few queries need it

    try:
        # A name like CET can be that of an abbreviation to PostgreSQL, which has other rules
        return zoneinfo.ZoneInfo(zone) if "/" in zone else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _hours_told(zone: str) -> dt.timedelta:
    """How far from UTC the text of *zone* says that it is at most, nothing where it is a name."""
    told = [int(hours) + 1 for hours in _HOURS.findall(_NAME_OR_DAYS.sub("", zone))]
    return dt.timedelta(hours=max(told, default=0))


def _clock_change(zone: str) -> dt.timedelta:
    """By how much clocks of *zone* may be put back."""
    if zone in _FIXED:
        return _NEVER
    return _MARGIN if _rules(zone) else max(_MARGIN, 2 * _hours_told(zone))


def _offsets(time: dt.datetime, zone: str) -> list[dt.timedelta]:
    """Offsets from UTC between which that of *zone* is around *time*."""
    if zone in _FIXED:
        return [dt.timedelta()]
    found = _rules(zone)
    if found is None:
        farthest = max(_FARTHEST, _hours_told(zone))
        return [-farthest, farthest]
    around = [(time + delta).replace(tzinfo=found).utcoffset() for delta in (-_DAY, dt.timedelta(), _DAY)]
    known = [offset for offset in around if offset is not None]
    return [min(known) - _MARGIN, max(known) + _MARGIN]


def session_midnights(day: dt.datetime, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """The earliest and the latest moment that the local time *day* in *zone* can mean."""
    offsets = _offsets(day, zone)
    return (day - max(offsets)).replace(tzinfo=UTC), (day - min(offsets)).replace(tzinfo=UTC)


def session_days(moment: dt.datetime, zone: str) -> tuple[dt.date, dt.date]:
    """The earliest and the latest day that the *moment* can be in *zone*."""
    time = moment.astimezone(UTC).replace(tzinfo=None)
    offsets = _offsets(time, zone)
    return (time + min(offsets)).date(), (time + max(offsets)).date()

"""A calendar: when it fires, and why not on other days. Pure: no clock, no store.

None of the libraries made for this fits, so the fifty lines are ours: croniter takes *one* of day and weekday where
an operator means both, and fires twice when summer time ends; dateutil's rrule knows no zones; APScheduler's cron
leaves out a time that does not exist; none knows holidays, or says why a day is skipped.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from .daysoff import DayOff, Region, holiday
from .wallclock import moment_of, oddity, shown

DAY = timedelta(days=1)
HORIZON = 30 * 366 * DAY
"""How far ahead a preview looks. A 29 February that must be a Sunday comes every 28 years."""
SHOWN = 24
"""Firings in a preview."""


class Weekday(StrEnum):
    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


WEEK = tuple(Weekday)


class Missed(StrEnum):
    """What becomes of firings that nobody saw: the machine was off, say."""

    SKIP = "skip"
    ONCE = "once"
    """The newest of them is made up for, unless the next one is due already."""
    ALL = "all"


def _day_of_month(value: object) -> object:
    """`last` is -1, `last-1` (the last but one) is -2."""
    if not isinstance(value, str):
        return value
    word, _, back = value.strip().lower().partition("-")
    if word != "last":
        return value
    if back and not back.isdecimal():
        raise ValueError(f"{value!r} is no day of a month; write 1 to 31, 'last', or 'last-1' for the last but one")
    return -1 - int(back or 0)


def _written(day: int) -> int | str:
    return day if day > 0 else "last" if day == -1 else f"last{day + 1}"


def _is_day(day: int) -> int:
    if not (1 <= day <= 31 or -31 <= day <= -1):
        raise ValueError(f"{day} is no day of a month; write 1 to 31, 'last', or 'last-1' for the last but one")
    return day


def _whole_minute(value: time) -> time:
    if value.second or value.microsecond or value.tzinfo:
        raise ValueError(f"{value} is no time of day; write hours and minutes, '08:30' say")
    return value


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is no time zone; write 'Europe/Berlin', say") from error
    except KeyError as error:
        raise ValueError(f"the time zone {name!r} is unknown; write 'Europe/Berlin', say") from error
    return name


DayOfMonth = Annotated[int, BeforeValidator(_day_of_month), AfterValidator(_is_day), PlainSerializer(_written)]
Minute = Annotated[time, AfterValidator(_whole_minute)]
Zone = Annotated[str, AfterValidator(_zone)]


class Calendar(BaseModel):
    """Fires at each of its times on each day that fits.

    A day fits when its day of the month, its weekday and its month are all among those given (what is left empty
    fits always), it lies between the first and the last day, and it is no holiday and no day off. So `days` 1 to 7
    with `weekdays` mon is the first Monday of a month; a 31st comes seven times a year, and 'last' twelve times.

    When the clocks change: a time that does not exist fires once, at the moment when the clock jumps; a time that
    exists twice fires once, at its first occurrence. Times that come to the same moment fire once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["calendar"] = "calendar"
    times: tuple[Minute, ...] = Field(min_length=1, max_length=1440)
    days: tuple[DayOfMonth, ...] = Field((), max_length=62)
    """1 to 31; 'last', 'last-1' for the last but one, and so on."""
    weekdays: tuple[Weekday, ...] = ()
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    timezone: Zone = "Europe/Berlin"
    holidays: tuple[Region, ...] = Field((), max_length=50)
    """Regions on whose public holidays it does not fire: 'DE', 'DE-BY'."""
    days_off: tuple[DayOff, ...] = Field((), max_length=1000)
    missed: Missed = Missed.SKIP
    late_after: timedelta = Field(timedelta(minutes=5), ge=timedelta(seconds=10), le=DAY)
    """Until then it fires late; after that the firing counts as missed."""

    @model_validator(mode="after")
    def _first_comes_first(self) -> Self:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError(f"it ends on {self.last_day}, before it begins on {self.first_day}; swap the two")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def firings(calendar: Calendar, after: datetime, until: datetime) -> Iterator[datetime]:
    """All moments in UTC at which it fires, later than `after` and not later than `until`, in order, each once."""
    latest = after
    for wall in _walls(calendar, after, until):
        moment = moment_of(wall, calendar.zone)
        if moment > until:
            return
        if moment > latest:
            yield moment
            latest = moment


def _walls(calendar: Calendar, after: datetime, until: datetime) -> Iterator[datetime]:
    """All wall times around a span, in order."""
    times = sorted(set(calendar.times))
    for day in _days(calendar, after, until):
        if _fits(calendar, day) and _day_off(calendar, day) is None:
            for one in times:
                yield datetime.combine(day, one)


def _days(calendar: Calendar, after: datetime, until: datetime) -> Iterator[date]:
    day = shown(after, calendar.zone).date() - 2 * DAY  # what a lost day holds comes at the jump, after it
    end = shown(until, calendar.zone).date() + DAY
    if calendar.first_day:
        day = max(day, calendar.first_day)
    if calendar.last_day:
        end = min(end, calendar.last_day)
    while day <= end:
        yield day
        day += DAY


def _fits(calendar: Calendar, day: date) -> bool:
    return (
        (not calendar.months or day.month in calendar.months)
        and (not calendar.weekdays or WEEK[day.weekday()] in calendar.weekdays)
        and (not calendar.days or _is_among(day, calendar.days))
    )


def _is_among(day: date, days: tuple[int, ...]) -> bool:
    from_end = day.day - monthrange(day.year, day.month)[1] - 1
    return day.day in days or from_end in days


def _day_off(calendar: Calendar, day: date) -> str | None:
    for region in calendar.holidays:
        if name := holiday(region, day):
            return f"{name} ({region})"
    return next((one.label for one in calendar.days_off if one.covers(day)), None)


def why_not(calendar: Calendar, day: date) -> tuple[str, ...]:
    """All reasons why it does not fire on a day, as sentences; none when it does."""
    told = []
    if calendar.first_day and day < calendar.first_day:
        told.append(f"It begins on {calendar.first_day}.")
    if calendar.last_day and day > calendar.last_day:
        told.append(f"It ends on {calendar.last_day}.")
    if calendar.months and day.month not in calendar.months:
        told.append(f"{day:%B} is none of its months.")
    if calendar.weekdays and WEEK[day.weekday()] not in calendar.weekdays:
        told.append(f"{day:%A} is none of its weekdays.")
    if calendar.days and not _is_among(day, calendar.days):
        told.append(f"Day {day.day} is none of its days of the month.")
    if off := _day_off(calendar, day):
        told.append(f"It is a day off: {off}.")
    return tuple(told)


@dataclass(frozen=True, slots=True)
class Firing:
    """One of the next firings."""

    moment: datetime
    """In the calendar's own zone."""
    note: str | None = None
    """What the change of the clocks does to it."""


@dataclass(frozen=True, slots=True)
class SkippedDay:
    """A day on which it would fire, were it no day off."""

    day: date
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The next firings, and the days skipped on the way to the last of them."""

    firings: tuple[Firing, ...]
    skipped: tuple[SkippedDay, ...]
    is_all: bool
    """It fires no more after these, as far as anybody can see."""


def preview(calendar: Calendar, after: datetime, count: int = SHOWN) -> Preview:
    """What comes next. Looks 30 years ahead."""
    until = after + HORIZON
    notes: dict[datetime, str | None] = {}
    for wall in _walls(calendar, after, until):
        moment = moment_of(wall, calendar.zone)
        if moment <= after:
            continue
        if len(notes) == count and moment not in notes:
            break
        notes[moment] = notes.get(moment) or oddity(wall, calendar.zone)
    found = tuple(Firing(moment.astimezone(calendar.zone), note) for moment, note in notes.items())
    is_all = len(found) < count
    end = until if is_all else found[-1].moment
    return Preview(found, tuple(_skipped(calendar, after, end)), is_all)


def _skipped(calendar: Calendar, after: datetime, until: datetime) -> Iterator[SkippedDay]:
    first, last = (shown(one, calendar.zone).date() for one in (after, until))
    for day in _days(calendar, after, until):
        if first <= day <= last and _fits(calendar, day) and (off := _day_off(calendar, day)):
            yield SkippedDay(day, off)

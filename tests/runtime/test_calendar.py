"""When a calendar fires, against a clock on the wall that is watched minute by minute."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postwerk.runtime.triggers.calendar import Calendar, Preview, firings, preview, why_not
from postwerk.runtime.triggers.daysoff import DayOff
from pydantic import ValidationError

DAY = timedelta(days=1)
BEGIN, END = datetime(2010, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
MINUTES = (END - BEGIN) // timedelta(minutes=1)
MARGIN = 2 * DAY
"""A clock shows walls of two days more than the span, on each side."""
ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Africa/Casablanca", "Australia/Lord_Howe", "Pacific/Apia")


# The brute-force calendar: it shares nothing with the one that it judges


class Watched:
    """A clock on a wall of a place that somebody has watched each minute for ten years."""

    def __init__(self, zone: str) -> None:
        self._first = array("i")  # by minutes shown since `_start`: when that or more was shown for the first time
        place, begin = ZoneInfo(zone), int(BEGIN.timestamp())
        look, first = datetime.fromtimestamp, self._first
        self._start = look(begin, place).replace(tzinfo=None)
        begun, top = self._start.toordinal() * 1440 + self._start.hour * 60 + self._start.minute, -1
        for minute in range(MINUTES + 1):
            shows = look(begin + 60 * minute, place)
            at = shows.toordinal() * 1440 + shows.hour * 60 + shows.minute - begun
            while top < at:
                first.append(minute)
                top += 1

    def first_shown(self, wall: datetime) -> datetime | None:
        """When the clock showed this, or something later, for the first time; None outside of the ten years."""
        at = (wall - self._start) // timedelta(minutes=1)
        return BEGIN + self._first[at] * timedelta(minutes=1) if 0 < at < len(self._first) else None


watched = cache(Watched)


def all_days() -> list[date]:
    return [BEGIN.date() - MARGIN + number * DAY for number in range((END - BEGIN).days + 5)]


DAYS = all_days()
GERMAN = {region: holidays.country_holidays(region[:2], region[3:] or None) for region in ("DE", "DE-BY", "DE-SN")}


def is_right_day(told: Mapping[str, Any], day: date) -> bool:
    tomorrow, until_last = day + DAY, 0
    while tomorrow.month == day.month:
        tomorrow, until_last = tomorrow + DAY, until_last + 1
    named = {str(day.day), "last" if until_last == 0 else f"last-{until_last}"}
    if told["days"] and not named & {str(one) for one in told["days"]}:
        return False
    if told["weekdays"] and f"{day:%a}".lower() not in told["weekdays"]:
        return False
    if told["months"] and day.month not in told["months"]:
        return False
    if (told["first_day"] and day < told["first_day"]) or (told["last_day"] and day > told["last_day"]):
        return False
    if any(day in GERMAN[region] for region in told["holidays"]):
        return False
    return not any(first <= day <= last for first, last in told["off"])


def by_brute_force(told: Mapping[str, Any], after: datetime, until: datetime) -> list[datetime]:
    clock = watched(told["timezone"])
    walls = [datetime.combine(day, one) for day in DAYS if is_right_day(told, day) for one in told["times"]]
    moments = {clock.first_shown(wall) for wall in walls}
    return sorted(moment for moment in moments if moment and after < moment <= until)


def calendar_of(told: Mapping[str, Any]) -> Calendar:
    fields = {name: value for name, value in told.items() if name != "off"}
    return Calendar(**fields, days_off=[f"{first}..{last}" for first, last in told["off"]])


# What people may set

dates = st.dates(BEGIN.date(), END.date())
day_names = st.one_of(
    st.integers(1, 31), st.just("last"), st.integers(1, 30).map(lambda back: f"last-{back}"), st.sampled_from([29, 31])
)
night = st.integers(0, 16).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
"""When clocks change."""
times = st.lists(st.one_of(night, st.times().map(lambda one: time(one.hour, one.minute))), min_size=1, max_size=5)


def calendars(zone: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "times": times,
            "days": st.lists(day_names, max_size=4),
            "weekdays": st.lists(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), max_size=5),
            "months": st.lists(st.integers(1, 12), max_size=6),
            "first_day": st.none() | dates,
            "last_day": st.none() | dates,
            "timezone": st.just(zone),
            "holidays": st.lists(st.sampled_from(sorted(GERMAN)), max_size=2),
            "off": st.lists(st.tuples(dates, st.integers(0, 40)).map(lambda one: (one[0], one[0] + one[1] * DAY))),
        }
    ).filter(comes_first_to_last)


def comes_first_to_last(told: dict[str, Any]) -> bool:
    return told["first_day"] is None or told["last_day"] is None or told["first_day"] <= told["last_day"]


moments = st.datetimes(BEGIN.replace(tzinfo=None), END.replace(tzinfo=None), timezones=st.just(UTC))


@pytest.mark.parametrize("zone", ZONES)
def test_ten_years_of_firings_are_those_of_a_clock_that_is_watched_each_minute(zone: str) -> None:
    watched(zone)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(told=calendars(zone))
    def judge(told: dict[str, Any]) -> None:
        assert list(firings(calendar_of(told), BEGIN, END)) == by_brute_force(told, BEGIN, END)

    judge()


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_of_an_hour_for_ten_years_fires_as_the_watched_clock(zone: str) -> None:
    quarters = [time(hour, minute) for hour in range(24) for minute in (0, 15, 30, 45)]
    told: dict[str, Any] = {"times": quarters, "timezone": zone}
    told |= {"days": [], "weekdays": [], "months": [], "first_day": None, "last_day": None, "holidays": [], "off": []}

    assert list(firings(calendar_of(told), BEGIN, END)) == by_brute_force(told, BEGIN, END)


@settings(max_examples=100, deadline=None)
@given(told=st.sampled_from(ZONES).flatmap(calendars), cuts=st.lists(moments, max_size=5))
def test_what_is_asked_in_pieces_is_what_is_asked_at_once(told: dict[str, Any], cuts: list[datetime]) -> None:
    calendar, edges = calendar_of(told), [BEGIN, *sorted(cuts), END]

    pieces = [moment for after, until in pairwise(edges) for moment in firings(calendar, after, until)]

    assert pieces == list(firings(calendar, BEGIN, END))


# Days when the clocks change


def fires(until: datetime, after: datetime, **fields: Any) -> list[str]:
    calendar = Calendar(**fields)
    return [f"{one.astimezone(calendar.zone):%d. %H:%M %z}" for one in firings(calendar, after, until)]


def on(year: int, month: int, day: int, zone: str, **fields: Any) -> list[str]:
    """What it does from noon of the day before to noon of the day after."""
    noon = datetime(year, month, day, 12, tzinfo=ZoneInfo(zone))
    return fires(noon + DAY, noon - DAY, timezone=zone, **fields)


def test_a_time_that_does_not_exist_fires_once_when_the_clock_jumps() -> None:
    assert on(2027, 3, 28, "Europe/Berlin", times=["02:30"]) == ["28. 03:00 +0200", "29. 02:30 +0200"]


def test_times_that_are_jumped_over_together_fire_once() -> None:
    night = ["02:00", "02:15", "02:59", "03:00"]

    assert on(2027, 3, 28, "Europe/Berlin", times=night)[0] == "28. 03:00 +0200"
    assert len(on(2027, 3, 28, "Europe/Berlin", times=night)) == 1 + 4


def test_a_time_that_comes_twice_fires_the_first_time() -> None:
    assert on(2026, 10, 25, "Europe/Berlin", times=["02:30"]) == ["25. 02:30 +0200", "26. 02:30 +0100"]


def test_a_midnight_that_does_not_exist_is_one_oclock() -> None:
    assert on(2018, 11, 4, "America/Sao_Paulo", times=["00:00"]) == ["04. 01:00 -0200", "05. 00:00 -0200"]


def test_a_clock_that_changes_by_half_an_hour_is_followed() -> None:
    assert on(2026, 10, 4, "Australia/Lord_Howe", times=["02:10"])[0] == "04. 02:30 +1100"


def test_what_should_fire_on_a_day_that_a_place_left_out_fires_at_the_jump() -> None:
    assert on(2011, 12, 30, "Pacific/Apia", times=["09:00"], days=[30]) == ["31. 00:00 +1400"]


# Days off


def shown(**fields: Any) -> Preview:
    return preview(Calendar(**{"times": ["08:00"], **fields}), datetime(2026, 1, 1, tzinfo=UTC))


def test_the_next_24_firings_are_shown() -> None:
    found = shown(days=["last"])

    assert len(found.firings) == 24
    assert f"{found.firings[1].moment:%Y-%m-%d %H:%M %z}" == "2026-02-28 08:00 +0100"
    assert not found.is_all


def test_a_day_that_is_skipped_is_shown_with_the_name_of_the_holiday() -> None:
    found = shown(weekdays=["fri"], holidays=["DE-NW"], days_off=["12-24..01-02 Betriebsferien"])

    told = {f"{one.day}": one.why for one in found.skipped}
    assert told["2026-04-03"] == "Karfreitag (DE-NW)"
    assert told["2026-05-01"] == "Erster Mai (DE-NW)"
    assert told["2026-01-02"] == "Betriebsferien"
    assert not {one.day for one in found.skipped} & {one.moment.date() for one in found.firings}


def test_each_state_has_its_own_holidays() -> None:
    dates = {"DE": [], "DE-BY": ["01-06", "06-04", "11-01"], "DE-SN": ["10-31", "11-18"]}
    dates["DE-BY/catholic"] = ["01-06", "06-04", "08-15", "11-01"]  # Mariä Himmelfahrt is local law
    german = {one.day for one in shown(holidays=["DE"], months=range(1, 13), times=["08:00"], days=[1]).skipped}
    year = [date(2026, 1, 1) + number * DAY for number in range(365)]

    def off(region: str) -> list[str]:
        calendar, nationwide = (Calendar(times=["08:00"], holidays=[one]) for one in (region, "DE"))
        return [f"{day:%m-%d}" for day in year if why_not(calendar, day) and not why_not(nationwide, day)]

    assert {region: off(region) for region in dates} == dates
    assert german >= {date(2026, 5, 1), date(2027, 1, 1)}


def test_all_reasons_against_a_day_are_told() -> None:
    calendar = Calendar(
        times=["08:00"], days=[1, "last"], weekdays=["mon"], months=[6], last_day="2026-06-30", holidays=["DE"]
    )

    assert why_not(calendar, date(2026, 6, 1)) == ()
    assert why_not(calendar, date(2026, 12, 25)) == (
        "It ends on 2026-06-30.",
        "December is none of its months.",
        "Friday is none of its weekdays.",
        "Day 25 is none of its days of the month.",
        "It is a day off: Erster Weihnachtstag (DE).",
    )


def test_what_the_change_of_the_clocks_does_is_noted() -> None:
    night = preview(Calendar(times=["02:30"]), datetime(2026, 3, 28, tzinfo=UTC), 300)

    assert {one.note for one in night.firings} == {
        None,
        "2026-03-29 02:30 does not exist: the clock jumps to 2026-03-29 03:00.",
        "02:30 comes twice on this day; the first counts.",
    }


def test_a_calendar_that_comes_to_its_end_says_so() -> None:
    found = shown(last_day="2026-01-03")

    assert [f"{one.moment:%d}" for one in found.firings] == ["01", "02", "03"]
    assert found.is_all


def test_a_calendar_that_never_fires_is_found_out() -> None:
    assert shown(days=[31], months=[2, 4]).firings == ()


def test_dates_of_each_year_may_go_over_its_end() -> None:
    holidays_of_the_firm = DayOff.model_validate("12-24..01-06 Betriebsferien")

    covered = [
        day for day in ((12, 23), (12, 24), (1, 1), (1, 6), (1, 7)) if holidays_of_the_firm.covers(date(2026, *day))
    ]

    assert covered == [(12, 24), (1, 1), (1, 6)]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"times": []}, "at least 1 item"),
        ({"times": ["08:30:15"]}, "08:30:15 is no time of day; write hours and minutes"),
        ({"days": ["last-x"]}, "'last-x' is no day of a month; write 1 to 31, 'last', or 'last-1'"),
        ({"days": [0]}, "0 is no day of a month"),
        ({"days": ["last-31"]}, "is no day of a month"),
        ({"months": [13]}, "less than or equal to 12"),
        ({"timezone": "Europe/Berln"}, "the time zone 'Europe/Berln' is unknown"),
        ({"timezone": "../../etc/passwd"}, "is no time zone"),
        ({"holidays": ["DE-BX"]}, "'DE-BX' is no region of DE. Known are: .*BW, BY"),
        ({"holidays": ["Bayern"]}, "'Bayern' is no region: the country 'Bayern' is unknown. Write 'DE-BY', say"),
        ({"holidays": ["DE-BY/evangelic"]}, "DE has no holidays of that kind"),
        ({"days_off": ["24.12.2026"]}, "'24.12.2026' is no date; write '2026-12-24'"),
        ({"days_off": ["2026-12-24..01-06"]}, "must both have a year, or neither"),
        ({"days_off": ["2026-12-24..2026-01-06"]}, "write the earlier date first"),
        ({"days_off": ["02-30"]}, "day is out of range for month"),
        ({"first_day": "2026-02-01", "last_day": "2026-01-01"}, "swap the two"),
        ({"day": [1]}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Calendar.model_validate({"times": ["08:00"], **fields})


def test_a_calendar_survives_its_json() -> None:
    calendar = Calendar(
        times=["08:00", "17:30"], days=[1, "last", "last-2"], weekdays=["mon"], months=[1], holidays=["DE-BY"],
        days_off=["12-24..01-06 Betriebsferien"], missed="once", first_day="2026-01-01",
    )  # fmt: skip

    written = calendar.model_dump(mode="json")

    assert written["days"] == [1, "last", "last-2"]
    assert Calendar.model_validate(written) == calendar

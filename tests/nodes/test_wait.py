"""Wait: until when an item rests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postwerk.engine import Record, Refused
from postwerk.nodes.records.wait import Wait
from pydantic import ValidationError

from ..surroundings import Surroundings

RECORD = Record(key="K1", values={})


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path)


def until(ctx: Surroundings, **how: Any) -> datetime:
    return Wait(**how).run(RECORD, ctx).until


def test_a_duration_counts_from_now(ctx: Surroundings) -> None:
    assert until(ctx, duration="P3DT4H") == ctx.now + timedelta(days=3, hours=4)


def test_a_date_begins_at_midnight_in_the_flows_time_zone(ctx: Surroundings) -> None:
    assert until(ctx, until=date(2026, 7, 1)) == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert until(ctx, until=datetime(2026, 1, 1, 8, 30)) == datetime(2026, 1, 1, 7, 30, tzinfo=UTC)


def test_a_moment_with_a_time_zone_is_kept(ctx: Surroundings) -> None:
    moment = datetime(2026, 1, 1, 8, 30, tzinfo=UTC)

    assert until(ctx, until=moment) == moment


@pytest.mark.parametrize("how", [{}, {"duration": "P1D", "until": date(2026, 1, 1)}, {"duration": "three days"}])
def test_it_wants_a_duration_or_a_moment_and_not_both(how: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Wait(**how)


@pytest.mark.parametrize(("duration", "told"), [("-P1D", "backwards"), ("P999999999D", "beyond the calendar")])
def test_a_duration_that_leads_nowhere_is_refused(ctx: Surroundings, duration: str, told: str) -> None:
    with pytest.raises(Refused, match=told):
        until(ctx, duration=duration)


@given(st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_nobody_goes_on_before_its_time(tmp_path_factory: pytest.TempPathFactory, duration: timedelta) -> None:
    ctx = Surroundings(tmp_path_factory.getbasetemp())

    assert until(ctx, duration=duration) - ctx.now == duration

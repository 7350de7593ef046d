"""Wait: items that go on later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from ...engine import Category, Context, Facet, Node, Pause, PerItem, Record, Refused, SentMail


class Wait(Node):
    """Hold each item for a time, or until a moment, and give its record then.

    A wait may last minutes or months: it costs nothing meanwhile, and outlives restarts. Each item goes on by itself
    when its own time has come; a moment that is past lets it go on at once. In a dry run nobody waits.

    A date means its first minute in the flow's time zone; `until` may be a column, such as `{{ due_date }}`.

    Raises:
        Refused: `until` is empty for this record, or the time is negative or beyond the calendar.

    Source: ISO 8601 (durations).
    """

    title: ClassVar[str] = "Wait"
    category: ClassVar[Category] = Category.OTHER
    declares_needs: ClassVar[bool] = True
    examples: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {"duration": "P3D"},
        {"until": "{{ due_date }}"},
    )

    duration: Annotated[PerItem[timedelta] | None, Facet.NOTHING] = Field(
        default=None, description="How long: P3D is three days, PT4H30M four and a half hours."
    )
    until: Annotated[PerItem[datetime | date] | None, Facet.NOTHING] = Field(
        default=None, description="The date or moment to wait for, instead of a duration."
    )

    @model_validator(mode="after")
    def _has_one_of_both(self) -> Self:
        if (self.duration is None) == (self.until is None):
            raise ValueError("give either a duration or a moment until when to wait")
        return self

    def run(self, item: Record | SentMail, ctx: Context) -> Pause:
        del item  # the record of the item goes on
        try:
            return Pause(until=self._moment(ctx))
        except OverflowError as error:
            raise Refused(f"{self.duration} from now is beyond the calendar.", field="duration") from error

    def _moment(self, ctx: Context) -> datetime:
        if isinstance(self.duration, timedelta):
            if self.duration < timedelta(0):
                raise Refused(f"The duration is {self.duration}; nobody waits backwards.", field="duration")
            return ctx.now + self.duration
        zone = ZoneInfo(ctx.timezone)
        if isinstance(self.until, datetime):
            return self.until if self.until.tzinfo else self.until.replace(tzinfo=zone)
        if self.until is None:
            raise Refused("The moment to wait for is empty.", field="until")
        return datetime.combine(self.until, time(), zone)

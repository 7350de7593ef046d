"""Days on which a calendar does not fire: public holidays of a region, and dates of the firm's own."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...engine import suggestion

if TYPE_CHECKING:
    from holidays import HolidayBase

_OWN = re.compile(r"(?P<first>[\d-]+?)(?:\.\.(?P<last>[\d-]+))?(?:\s+(?P<name>.+))?", re.DOTALL)
_YEARLY = re.compile(r"\d\d-\d\d")


def holiday(region: str, day: date) -> str | None:
    """The name of a region's holiday in German (its country's language elsewhere), or None on other days."""
    name: str | None = _holidays(region).get(day)
    return name


def _known(region: str) -> str:
    _holidays(region)
    return region


Region = Annotated[str, AfterValidator(_known)]
"""`DE` (what all states have), `DE-BY` (one state, by ISO 3166-2), `DE-BY/catholic` (also what only its Catholic
communities have: Assumption in Bavaria, Corpus Christi in parts of Saxony and Thuringia)."""


@lru_cache(maxsize=256)
def _holidays(region: str) -> HolidayBase:
    import holidays  # costs 50 ms, and is seldom needed

    place, _, category = region.partition("/")
    country, _, state = place.partition("-")
    countries = holidays.list_supported_countries(include_aliases=False)
    if country not in countries:
        raise ValueError(f"{region!r} is no region: the country {country!r} is unknown. Write 'DE-BY', say")
    if state and state not in countries[country]:
        raise ValueError(f"{region!r} is no region of {country}. Known are: {', '.join(countries[country])}")
    found = holidays.country_holidays(country, subdiv=state or None)
    if category and category not in found.supported_categories:
        raise ValueError(f"{region!r}: {country} has no holidays of that kind. "
                         f"{suggestion(category, found.supported_categories)}")  # fmt: skip
    categories = ("public", category) if category else None
    language = "de" if "de" in found.supported_languages else None
    return holidays.country_holidays(country, subdiv=state or None, language=language, categories=categories)


class DayOff(BaseModel):
    """A date of one's own, or several in a row; once, or each year.

    As text: `2026-12-24`, `12-24` (each year), `2026-12-24..2027-01-06 Betriebsferien`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str = Field(pattern=r"^(\d{4}-)?\d\d-\d\d$")
    last: str = Field(pattern=r"^(\d{4}-)?\d\d-\d\d$")
    name: str = Field("", max_length=200)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {"last": value.get("first"), **value}
        if not isinstance(value, str) or not (found := _OWN.fullmatch(value.strip())):
            raise ValueError(f"{value!r} is no date; write '2026-12-24', '12-24' or '2026-12-24..2027-01-06 a name'")
        return {"first": found["first"], "last": found["last"] or found["first"], "name": found["name"] or ""}

    @model_validator(mode="after")
    def _dates_are_dates(self) -> Self:
        if self.is_yearly != bool(_YEARLY.fullmatch(self.last)):
            raise ValueError(f"{self.first!r} and {self.last!r} must both have a year, or neither of them")
        for text in (self.first, self.last):
            date.fromisoformat(f"2024-{text}" if self.is_yearly else text)  # 2024 has a 29 February
        if not self.is_yearly and self.last < self.first:
            raise ValueError(f"{self.last} lies before {self.first}; write the earlier date first")
        return self

    @property
    def is_yearly(self) -> bool:
        return bool(_YEARLY.fullmatch(self.first))

    def covers(self, day: date) -> bool:
        """Whether it is one of these days. What comes each year may go over the end of a year."""
        text = f"{day:%m-%d}" if self.is_yearly else day.isoformat()
        if self.first <= self.last:
            return self.first <= text <= self.last
        return text >= self.first or text <= self.last

    @property
    def label(self) -> str:
        return self.name or "a date of one's own"

"""Readers: a cell as what its rule says it is. Whatever can't be read as such without doubt is a Complaint."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from babel.numbers import get_decimal_symbol
from email_validator import EmailNotValidError
from stdnum import iban
from stdnum.exceptions import InvalidChecksum, InvalidFormat, InvalidLength, ValidationError

from ...engine import Refused, Scalar
from ...engine.addresses import parse_mailbox, parse_mailboxes
from .complaints import Complaint
from .moments import MAX_WRITTEN, Reader, default_format, moment_readers
from .numbers import SAMPLES, decimal_of

Read = Callable[[Scalar], Scalar]

MAX_ADDRESS = 1_000
"""Characters; an address has at most 254, with a name and brackets more."""
MAX_IBAN = 60
MAX_PHONE = 100
TRUE = frozenset({"ja", "j", "yes", "y", "wahr", "true", "1", "x"})
FALSE = frozenset({"nein", "n", "no", "falsch", "false", "0"})
_GERMAN_IBAN = re.compile(r"DE[0-9]{20}")
_SPACES = re.compile(r"[\s\u200b\u2060\ufeff]+")


def kind_of(value: Scalar) -> str:
    """What a cell holds, for a message."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, datetime):
        return "a date with a time"
    for kind, words in ((date, "a date"), (time, "a time of day"), (str, "text")):
        if isinstance(value, kind):
            return words
    return "a number"


@dataclass(frozen=True, slots=True)
class TextReader:
    """Text. A number becomes its digits: Excel makes numbers of customer numbers and postcodes."""

    mark: str

    def __call__(self, value: Scalar) -> Scalar:
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise Complaint(f"holds {kind_of(value)}, and text is expected", quotes=False)
        number = _finite(value)
        if number == number.to_integral_value():
            return str(int(number)) if number.adjusted() < 40 else str(number)
        return format(number, "f").replace(".", self.mark)


@dataclass(frozen=True, slots=True)
class NumberReader:
    """A decimal number, exact to the last digit."""

    mark: str
    unit: str = ""

    def __call__(self, value: Scalar) -> Decimal:
        if isinstance(value, str):
            number = decimal_of(value, self.mark, self.unit)
            if number is None:
                raise Complaint(f"is no number; one such as {SAMPLES[self.mark]} is expected")
            return number
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise Complaint(f"holds {kind_of(value)}, and a number is expected", quotes=False)
        return _finite(value)


@dataclass(frozen=True, slots=True)
class WholeNumberReader:
    """A number without a fraction: 5.0 is 5."""

    number: NumberReader

    def __call__(self, value: Scalar) -> int:
        number = self.number(value)
        if number.adjusted() > 40 or number != number.to_integral_value():
            raise Complaint("is no whole number")
        return int(number)


def _finite(value: float | Decimal) -> Decimal:
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite():
        raise Complaint("is no number that can be calculated with", quotes=False)
    return number


def read_boolean(value: Scalar) -> bool:
    """Yes or no in words of German and English, x, 1 and 0."""
    if isinstance(value, bool):
        return value
    word = value.casefold() if isinstance(value, str) else str(value) if value in (0, 1) else ""
    if word in TRUE or word == "1.0":
        return True
    if word in FALSE or word == "0.0":
        return False
    raise Complaint("is neither yes nor no; ja, nein, yes, no, true, false, wahr, falsch, x, 1 or 0 is expected")


@dataclass(frozen=True, slots=True)
class MomentReader:
    """A date with a time of day, as the clocks of the flow's time zone show it."""

    readers: tuple[Reader, ...]
    zone: ZoneInfo
    sample: str

    def __call__(self, value: Scalar) -> datetime:
        if isinstance(value, datetime):
            moment: datetime | None = value
        elif isinstance(value, date):
            moment = datetime.combine(value, time())
        elif isinstance(value, str):
            moment = self._read(value)
        else:
            raise Complaint(
                f"holds {kind_of(value)}, and a date is expected; give the cells a date format where they come from",
                quotes=False,
            )
        if moment is None:
            raise Complaint(f"is no date; one written as {self.sample} is expected")
        return moment if moment.tzinfo is None else moment.astimezone(self.zone).replace(tzinfo=None)

    def _read(self, text: str) -> datetime | None:
        if len(text) <= MAX_WRITTEN:
            for read in self.readers:
                if moment := read(text):
                    return moment
        return None


@dataclass(frozen=True, slots=True)
class DateReader:
    """A date without a time of day."""

    moment: MomentReader

    def __call__(self, value: Scalar) -> date:
        if type(value) is date:
            return value
        moment = self.moment(value)
        if moment.time() != time():
            raise Complaint("has a time of day, and a date alone is expected")
        return moment.date()


def moment_reader(formats: tuple[str, ...], locale: str, zone: ZoneInfo) -> MomentReader:
    sample = " or ".join(formats) or f"{default_format(locale)} or yyyy-MM-dd"
    return MomentReader(moment_readers(formats, locale), zone, sample)


def read_email(value: Scalar) -> str:
    """One address, alone; its domain in the spelling that people read."""
    if not isinstance(value, str):
        raise Complaint(f"holds {kind_of(value)}, and a mail address is expected", quotes=False)
    if len(value) > MAX_ADDRESS:
        raise Complaint("is too long for a mail address")
    try:
        mailbox = parse_mailbox(value)
    except Refused as error:
        raise _no_address(value, error) from error
    if mailbox.name:
        raise Complaint("holds a name beside the address; the address alone is expected")
    return mailbox.address


def _no_address(text: str, error: Refused) -> Complaint:
    try:
        count = len(parse_mailboxes(text))
    except Refused:
        count = text.count("@") if re.search(r"@[^@]*[,;\s]+[^@]*@", text) else 0
    if count > 1:
        return Complaint(f"holds {'two' if count == 2 else count} addresses; one is expected")
    reason = f". {error.__cause__}" if isinstance(error.__cause__, EmailNotValidError) else ""
    return Complaint(f"is no mail address{reason}")


def read_iban(value: Scalar) -> str:
    """An IBAN (ISO 13616) in capitals and without spaces, its check digits and its country's form being right."""
    if not isinstance(value, str):
        raise Complaint(f"holds {kind_of(value)}, and an IBAN is expected", quotes=False)
    text = _SPACES.sub("", value).upper()
    if len(text) > MAX_IBAN:
        raise Complaint("is no valid IBAN (it is too long)")
    if _GERMAN_IBAN.fullmatch(text) and int(f"{text[4:]}1314{text[2:4]}") % 97 == 1:
        return text  # what the library finds in ten times the time
    try:
        return str(iban.validate(text))
    except ValidationError as error:
        raise Complaint(f"is no valid IBAN ({_iban_fault(text, error)})") from error


def _iban_fault(text: str, error: ValidationError) -> str:
    if text.startswith("DE") and len(text) != 22:
        return "a German one has 22 characters"
    if isinstance(error, InvalidChecksum):
        return "the check digits are wrong: a character is missing or was mistyped"
    if isinstance(error, InvalidLength):
        return "its length is wrong"
    if isinstance(error, InvalidFormat):
        return "it begins with a country such as DE and holds letters and digits only"
    return "its country or bank is unknown"


@dataclass(frozen=True, slots=True)
class PhoneReader:
    """A phone number with its country (E.164): 0171 2345678 as +491712345678."""

    region: str | None

    def __call__(self, value: Scalar) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise Complaint(f"holds {kind_of(value)}, and a phone number is expected", quotes=False)
        text = value if isinstance(value, str) else f"{_finite(value):f}".removesuffix(".0")
        if len(text) > MAX_PHONE:
            raise Complaint("is too long for a phone number")
        number = self._number(text)
        if number.extension:
            raise Complaint("holds an extension, which a number with its country has no place for")
        if not phonenumbers.is_valid_number(number):
            raise Complaint("is no phone number that exists; a digit is missing or was mistyped")
        if self._may_hold_country(text):
            raise Complaint("can be read in two ways; begin it with + and the country, or with 0")
        return f"+{number.country_code}{phonenumbers.national_significant_number(number)}"

    def _number(self, text: str) -> phonenumbers.PhoneNumber:
        try:
            return phonenumbers.parse(text, self.region)
        except phonenumbers.NumberParseException as error:
            raise Complaint(self._no_number(error.error_type)) from error

    def _may_hold_country(self, text: str) -> bool:
        """Whether it begins with the country without a plus: 491712345678 is a mobile, and a number in Leer (0491)."""
        country = str(phonenumbers.country_code_for_region(self.region)) if self.region else ""
        if not country or not text.startswith(country):
            return False
        with_country, without = self._number(f"+{text}"), self._number(text)
        return phonenumbers.is_valid_number(with_country) and with_country != without

    def _no_number(self, fault: int) -> str:
        if fault == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and not self.region:
            return (
                "is no phone number with its country; one such as +49 30 1234567 is expected, or a region in the rule"
            )
        return "is no phone number; one such as +49 30 1234567 is expected"


@lru_cache(maxsize=64)
def decimal_mark(locale: str) -> str:
    """The locale's decimal mark: a comma or a point."""
    return "," if get_decimal_symbol(locale) == "," else "."

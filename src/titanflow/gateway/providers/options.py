"""A provider's own options: read one by one, checked, none left over. Values are typed (TOML) or text (flags)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from titanflow.domain.types import NANOS_PER_SECOND, Nanos, plain_decimal
from titanflow.errors import InputError


class Options:
    """Options of one provider by name. Every reader raises InputError naming option, value and what was expected."""

    def __init__(self, provider: str, given: Mapping[str, object]) -> None:
        """`given` as settings and flags have it; None counts as not given."""
        self._provider = provider
        self._given = {name: value for name, value in given.items() if value is not None}
        self._known: list[str] = []

    def text(self, name: str, default: str) -> str:
        """A text."""
        value = self._take(name, default)
        if not isinstance(value, str):
            raise self._refused(name, value, "a text")
        return value

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of the allowed texts."""
        value = self.text(name, default)
        if value not in allowed:
            raise self._refused(name, value, f"one of {', '.join(allowed)}")
        return value

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of texts, or one text with commas."""
        value = self._take(name, default)
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) and part.strip() for part in parts):
            raise self._refused(name, value, "a list of texts, or one text with commas")
        return tuple(part.strip() for part in parts)

    def mapping(self, name: str) -> dict[str, str]:
        """A table of texts, or one text such as `ts_ns=time,price=px`; empty by default."""
        value = self._take(name, {})
        if isinstance(value, str):
            pairs = [part.partition("=") for part in value.split(",")]
            value = {key.strip(): target.strip() for key, _, target in pairs}
        if not isinstance(value, Mapping) or not all(isinstance(part, str) and part for part in value.values()):
            raise self._refused(name, value, "a table of texts, or a text such as 'ts_ns=time,price=px'")
        return {str(key): str(part) for key, part in value.items()}

    def number(self, name: str, default: Decimal | int, *, above: Decimal | int, upto: Decimal | int) -> Decimal:
        """A decimal number in (above, upto]."""
        value = self._take(name, default)
        number = plain_decimal(str(value))
        if number is None or not above < number <= upto:
            raise self._refused(name, value, f"a number above {above}, at most {upto}")
        return number

    def integer(self, name: str, default: int | None, *, upto: int) -> int | None:
        """A whole number from 1; None where neither given nor defaulted."""
        if name not in self._given and default is None:
            self._known.append(name)
            return None
        number = self.number(name, default or 1, above=0, upto=upto)
        if number != number.to_integral_value():
            raise self._refused(name, number, f"a whole number from 1 to {upto}")
        return int(number)

    def moment(self, name: str, default: str) -> Nanos:
        """An ISO 8601 moment; without an offset it is UTC."""
        value = self._take(name, default)
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        except ValueError:
            raise self._refused(name, value, "a moment such as 2024-01-02T14:30:00Z") from None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(aware.timestamp()) * NANOS_PER_SECOND

    def finish(self) -> None:
        """Refuse what nobody asked for: a misspelt option must not be ignored."""
        unknown = sorted(set(self._given) - set(self._known))
        if unknown:
            raise InputError(
                f"provider {self._provider!r} has no option {unknown[0]!r}; it knows: {', '.join(self._known)}"
            )

    def _take(self, name: str, default: object) -> object:
        self._known.append(name)
        return self._given.get(name, default)

    def _refused(self, name: str, value: object, expected: str) -> InputError:
        return InputError(f"option {name} of provider {self._provider!r} is {value!r}; expected {expected}")

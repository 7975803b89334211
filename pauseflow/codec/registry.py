"""Registry: the classes that data may name."""

from __future__ import annotations

import dataclasses
import enum
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from pauseflow.errors import MalformedData, RegistrationError


class Shape(Protocol):
    """How the instances of one class become plain values and come back."""

    def plain(self, value: Any) -> object:
        """The plain value that stands for `value`. Raises ValueError, saying why, if none does."""

    def instance(self, plain: object) -> object:
        """The instance that `plain` stands for. Raises MalformedData if there is none."""


class Fields:
    """A class whose instances are their fields: dataclasses and named tuples.

    Args:
        cls: the class.
        defaults: for each field, a function that makes its default, or None if it has none.
        build: makes an instance of the class from the values of all fields.
    """

    __slots__ = ("_build", "_cls", "_defaults", "names")

    def __init__(
        self,
        cls: type,
        defaults: Mapping[str, Callable[[], object] | None],
        build: Callable[[type, dict[str, object]], object],
    ) -> None:
        self._cls = cls
        self._defaults = dict(defaults)
        self._build = build
        self.names = tuple(defaults)

    def plain(self, value: object) -> dict[str, object]:
        """The values by field name, in the order of the class."""
        try:
            return {name: getattr(value, name) for name in self.names}
        except AttributeError as error:
            raise ValueError(f"its field {error.name!r} is not set") from error

    def instance(self, plain: object) -> object:
        """An instance with these fields, and the defaults of those that are not in the data."""
        if type(plain) is not dict:
            raise MalformedData(f"the fields of a {self._cls.__qualname__} are not a map")
        if plain.keys() != self._defaults.keys():
            plain = self._completed(plain)
        return self._build(self._cls, plain)

    def _completed(self, plain: dict[str, object]) -> dict[str, object]:
        unknown = [name for name in plain if name not in self._defaults]
        if unknown:
            raise MalformedData(
                f"the class {self._cls.__qualname__} has no field {unknown[0]!r}, which the data "
                f"was written with: the class has changed. Add the field back, or register the "
                f"class with encode= and decode= functions that know both forms"
            )
        whole: dict[str, object] = {}
        for name, default in self._defaults.items():
            if name in plain:
                whole[name] = plain[name]
            elif default is not None:
                whole[name] = default()
            else:
                raise MalformedData(
                    f"the data has no field {name!r}, which the class {self._cls.__qualname__} "
                    f"has: the class has changed. Give the new field a default"
                )
        return whole


class Members:
    """An Enum, whose members go by name; combinations of a Flag go by value."""

    __slots__ = ("_cls",)

    def __init__(self, cls: type[enum.Enum]) -> None:
        self._cls = cls

    def plain(self, value: enum.Enum) -> object:
        """The member's name, or a flag's number."""
        if isinstance(value, enum.Flag):
            return value.value
        if self._cls.__members__.get(value.name) is not value:
            raise ValueError(f"{value!r} is not one of the members that its class lists")
        return value.name

    def instance(self, plain: object) -> object:
        """The member with that name, or the flag with that number."""
        try:
            if type(plain) is str and not issubclass(self._cls, enum.Flag):
                return self._cls.__members__[plain]
            if type(plain) is int and issubclass(self._cls, enum.Flag):
                return self._cls(plain)
        except (KeyError, ValueError):
            pass
        raise MalformedData(f"the enum {self._cls.__qualname__} has no member {plain!r:.80}")


class Converted:
    """A class with functions of its user's."""

    __slots__ = ("_cls", "_decode", "_encode")

    def __init__(
        self, cls: type, encode: Callable[[Any], object], decode: Callable[[Any], object]
    ) -> None:
        self._cls = cls
        self._encode = encode
        self._decode = decode

    def plain(self, value: object) -> object:
        """What the encode function makes of it."""
        try:
            return self._encode(value)
        except Exception as error:
            raise ValueError(
                f"the encode function of {self._cls.__qualname__} raised {_told(error)}"
            ) from error

    def instance(self, plain: object) -> object:
        """What the decode function makes of it."""
        try:
            value = self._decode(plain)
        except Exception as error:
            raise MalformedData(
                f"the decode function of {self._cls.__qualname__} raised {_told(error)}"
            ) from error
        if type(value) is not self._cls:
            raise MalformedData(
                f"the decode function of {self._cls.__qualname__} returned a "
                f"{type(value).__qualname__}"
            )
        return value


class Registry:
    """The classes that may be encoded, and that data may name.

    Looking up needs no lock. Two classes never share a name, and a class has one name.
    """

    def __init__(self, reserved: frozenset[type]) -> None:
        self._reserved = reserved
        self._lock = threading.Lock()
        self.shapes: dict[type, tuple[str, Shape]] = {}
        self.named: dict[str, Shape] = {}
        self._classes: dict[str, tuple[type, object, object]] = {}

    def add(
        self,
        cls: type,
        name: str | None,
        encode: Callable[[Any], object] | None,
        decode: Callable[[Any], object] | None,
    ) -> None:
        """Make `cls` known. The same call again changes nothing.

        Raises:
            RegistrationError: the class can't be registered like this; the message says why.
        """
        if not isinstance(cls, type):
            raise RegistrationError(f"register() takes a class, and {cls!r:.80} is none")
        if cls in self._reserved:
            raise RegistrationError(
                f"{cls.__qualname__} can't be registered: the codec has its own rule for it. "
                f"Wrap the value in a class of yours"
            )
        name = f"{cls.__module__}:{cls.__qualname__}" if name is None else name
        if type(name) is not str or not name:
            raise RegistrationError(f"the name of {cls.__qualname__} must be a non-empty str")
        shape = _shape(cls, encode, decode)
        record = (cls, encode, decode)
        with self._lock:
            if self._classes.get(name) == record:
                return
            if name in self._classes:
                other = self._classes[name][0]
                raise RegistrationError(
                    f"the name {name!r} is taken by {other!r}: two classes under one name can't "
                    f"be told apart in data. Give one of them register(name=...)"
                )
            if cls in self.shapes:
                raise RegistrationError(
                    f"{cls.__qualname__} is registered already, as {self.shapes[cls][0]!r}"
                )
            self._classes[name] = record
            self.named[name] = shape
            self.shapes[cls] = (name, shape)


def _shape(
    cls: type,
    encode: Callable[[Any], object] | None,
    decode: Callable[[Any], object] | None,
) -> Shape:
    title = cls.__qualname__
    if encode is not None and decode is not None:
        return Converted(cls, encode, decode)
    if encode is not None or decode is not None:
        raise RegistrationError(f"{title} needs both encode= and decode=, or neither")
    if issubclass(cls, enum.Enum):
        return Members(cls)
    if "__dataclass_fields__" in cls.__dict__:
        return _dataclass_shape(cls)
    if dataclasses.is_dataclass(cls):
        raise RegistrationError(
            f"{title} derives from a dataclass but is none, so it may have attributes that are "
            f"no fields. Decorate it with @dataclass, and put @register above that"
        )
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_field_defaults"):
        return _named_tuple_shape(cls)
    raise RegistrationError(
        f"{title} is no dataclass, Enum or named tuple: register it with encode= (instance to "
        f"plain value) and decode= (plain value to instance). If it is to be a dataclass, put "
        f"@register above @dataclass"
    )


def _dataclass_shape(cls: type) -> Fields:
    try:
        object.__new__(cls)
    except TypeError as error:
        raise RegistrationError(
            f"{cls.__qualname__} can't be made from its fields alone ({error}): register it with "
            f"encode= and decode="
        ) from error
    defaults: dict[str, Callable[[], object] | None] = {}
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = _Constant(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory
        else:
            defaults[field.name] = None
    return Fields(cls, defaults, _build_dataclass)


def _named_tuple_shape(cls: Any) -> Fields:
    defaults: dict[str, Callable[[], object] | None] = {
        name: _Constant(cls._field_defaults[name]) if name in cls._field_defaults else None
        for name in cls._fields
    }

    def build(cls: type, fields: dict[str, object]) -> object:
        return tuple.__new__(cls, [fields[name] for name in defaults])

    return Fields(cls, defaults, build)


def _build_dataclass(cls: type, fields: dict[str, object]) -> object:
    value: object = object.__new__(cls)
    for name, content in fields.items():
        # Past a frozen class's own __setattr__.
        object.__setattr__(value, name, content)
    return value


class _Constant:
    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __call__(self) -> object:
        return self._value


def _told(error: Exception) -> str:
    return f"{type(error).__qualname__}: {error}"


__all__: Final = ["Converted", "Fields", "Members", "Registry", "Shape"]

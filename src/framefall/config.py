"""Frozen dataclasses to and from JSON, checked by the schema that their own fields define."""

import dataclasses
import json
import typing
from collections.abc import Collection
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

Config = TypeVar("Config")


def to_json(config: Any) -> str:
    """The config as readable JSON; `from_json` gives an equal object back."""
    return json.dumps(_adapter(type(config)).dump_python(config, mode="json"), indent=2) + "\n"


def from_json(kind: type[Config], text: str | bytes, origin: str = "config") -> Config:
    """The dataclass `kind` from JSON text; unknown, missing or wrongly typed fields are refused."""
    try:
        config: Config = _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise ValueError(_sentence(kind, error, origin)) from None
    return config


def from_dict(kind: type[Config], values: Any, origin: str = "config") -> Config:
    """The dataclass `kind` from plain values, with the same checks as `from_json`."""
    return from_json(kind, json.dumps(values), origin)


def to_dict(config: Any) -> dict[str, Any]:
    """The config as plain JSON values."""
    values: dict[str, Any] = json.loads(to_json(config))
    return values


def chosen(config: Any, among: Collection[str] | None = None) -> Any:
    """The config as plain values without the fields that are as they are by default; words that tell kinds apart stay.

    A field that comes later, with a default, is not in it until somebody sets it. `among` are the only
    fields that may be left out, as `Class.field`.
    """
    if isinstance(config, list | tuple):
        return [chosen(one, among) for one in config]
    if isinstance(config, dict):
        return {name: chosen(one, among) for name, one in config.items()}
    if not dataclasses.is_dataclass(config):
        return config
    values = {field: getattr(config, field.name) for field in dataclasses.fields(config)}
    return {
        field.name: chosen(value, among)
        for field, value in values.items()
        if (among is not None and f"{type(config).__name__}.{field.name}" not in among) or not _by_default(field, value)
    }


def _by_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if typing.get_origin(field.type) is typing.Literal and len(typing.get_args(field.type)) == 1:
        return False  # a kind, which says whose the other fields are
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return bool(value == field.default)


def override(config: Any, settings: list[str]) -> Any:
    """A copy with `key=value` settings applied; keys are dotted paths, values are JSON or plain text."""
    values = to_dict(config)
    for setting in settings:
        path, sign, text = setting.partition("=")
        if not sign:
            raise ValueError(f"a setting must look like key=value, got {setting!r}")
        *parents, last = path.split(".")
        inner: Any = values
        for name in parents:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or last not in inner:
            known = ", ".join(sorted(inner)) if isinstance(inner, dict) else ", ".join(sorted(values))
            raise ValueError(f"setting {path!r} is unknown; known here: {known}")
        inner[last] = _value(text)
    return from_dict(type(config), values, origin="settings")


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


_ADAPTERS: dict[type, Any] = {}  # a schema takes longer to build than many configs to read


def _adapter(kind: type) -> Any:  # a TypeAdapter[Any], which beartype cannot read
    if kind not in _ADAPTERS:
        _make_strict(kind)
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def _make_strict(kind: type) -> None:
    """Marks a dataclass and all in its fields: unknown fields, values of another type, NaN and infinity are errors."""
    pending: list[Any] = [kind]
    seen: set[Any] = set()
    while pending:
        one = pending.pop()
        pending.extend(typing.get_args(one))
        if not (isinstance(one, type) and dataclasses.is_dataclass(one)) or one in seen:
            continue
        seen.add(one)
        one.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)  # type: ignore[attr-defined]
        pending.extend(typing.get_type_hints(one, include_extras=True).values())


def _sentence(kind: type, error: ValidationError, origin: str) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or kind.__name__
    given = "" if first["type"] in ("missing", "json_invalid") else f", got {first['input']!r}"[:120]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in _BOUNDS:
        name, said = _BOUNDS[first["type"]]
        message = f"must be {said} {first['ctx'][name]:g}"
    return f"{origin} does not fit {kind.__name__}: {where}: {message}{given}"


_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}

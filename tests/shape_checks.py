"""Shapes are checked while tests run; other types only under `make test-full`, as mypy has seen to them already.

jaxtyping's pytest option checks every function of the package at every call. Most have no array among their arguments:
checking these too took a third of a test's time. Private functions are called by their own module with what public
ones were given: checking them took up to a third of what was left. Of a public one a call is checked where nothing
alike was given before in this process: the arrays' shapes and types are all that a check looks at.
"""

import dataclasses
import functools
import inspect
from collections import defaultdict
from typing import Any, get_args

import jaxtyping

from examples import examples

MOST = 16  # elements of a list that tell it from another
_every = jaxtyping.jaxtyped


def keep_to_arrays() -> None:
    """Before the package is imported: only what is public and takes or gives an array is checked."""
    if not examples(0, 1):
        jaxtyping.jaxtyped = _where_arrays


def _where_arrays(target: Any = None, *, typechecker: Any) -> Any:
    def decorate(target: Any) -> Any:
        if not _has_arrays(target) or _is_private(target):
            return target
        if inspect.isclass(target):
            if dataclasses.is_dataclass(target):
                target.__init__ = once(target.__init__)
            return target
        if isinstance(target, property):
            return property(*(each and once(each) for each in (target.fget, target.fset, target.fdel)))
        inner = getattr(target, "__func__", None)
        return type(target)(once(inner)) if inner else once(target)

    def once(function: Any) -> Any:
        check = functools.cache(lambda: _every(function, typechecker=typechecker))
        return at_new_kinds(function, check, _PASSED[f"{function.__module__}.{function.__qualname__}"])

    return decorate if target is None else decorate(target)


def at_new_kinds(target: Any, checked: Any, passed: set[Any]) -> Any:
    """The checked function where it is given what it never was, and otherwise the function itself.

    The check is made when it is needed: making one for each function took a fifth of the time in which tests are
    collected, and one for each function within a function, which begins to exist at each call of the outer, half of
    what checks took.
    """

    @functools.wraps(target)
    def call(*arguments: Any, **named: Any) -> Any:
        if jaxtyping.config.jaxtyping_disable:  # a compiler reads a network, whose sizes are no numbers then
            return target(*arguments, **named)
        kind = (*map(_kind, arguments), _kind(named)) if named else (*map(_kind, arguments),)
        if kind in passed:
            return target(*arguments, **named)
        made = checked()(*arguments, **named)
        passed.add(kind)
        return made

    return call


def _kind(value: Any) -> Any:
    """What a check can tell of a value: an array's shape and type, what a container holds, of others the class."""
    what = type(value)
    if what in _PLAIN:
        return what
    if what in _ARRAYS:
        return what, value.shape, value.dtype
    if what is tuple or what is list:
        return what, len(value), *map(_kind, value[:MOST])
    if what is dict:
        return what, len(value), *((key, _kind(value[key])) for key in [*value][:MOST])
    (_ARRAYS if hasattr(what, "shape") and hasattr(what, "dtype") else _PLAIN).add(what)
    return _kind(value)


_PLAIN, _ARRAYS = set[type](), set[type]()  # the classes that were met
_PASSED: dict[str, set[Any]] = defaultdict(set)  # what was given to a function of that name


def _is_private(target: Any) -> bool:
    """Whether only its own module calls it, between public functions that are checked."""
    name = getattr(target, "__name__", "")
    return name.startswith("_") and not name.endswith("__") and not inspect.isclass(target)


def _has_arrays(target: Any) -> bool:
    """Whether a function, a property or a dataclass names an array in its annotations."""
    if isinstance(target, property):
        return any(map(_has_arrays, filter(None, (target.fget, target.fset))))
    return any(map(_is_array, getattr(getattr(target, "__func__", target), "__annotations__", {}).values()))


def _is_array(annotation: Any) -> bool:
    if isinstance(annotation, str) or (inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray)):
        return True  # a name in quotes may be anything
    return any(map(_is_array, annotation if isinstance(annotation, list) else get_args(annotation)))

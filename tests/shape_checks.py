"""Shapes are checked while tests run; other types only under `make test-full`, as mypy has seen to them already.

jaxtyping's pytest option checks every function of the package at every call. Most have no array among their arguments:
checking these too took a third of a test's time. Private functions are called by their own module with what public
ones were given: checking them took up to a third of what was left. Of a public one the first calls of each test are
checked: those of a loop are all alike.
"""

import functools
import inspect
from collections import Counter
from typing import Any, get_args

import jaxtyping

from examples import examples

MOST = 100  # calls of a function in a test
CALLS = Counter[str]()  # of each function; a test begins with none
_every = jaxtyping.jaxtyped


def keep_to_arrays() -> None:
    """Before the package is imported: only what is public and takes or gives an array is checked."""
    if not examples(0, 1):
        jaxtyping.jaxtyped = _where_arrays


def _where_arrays(target: Any = None, *, typechecker: Any) -> Any:
    def decorate(target: Any) -> Any:
        wanted = _has_arrays(target) and not _is_private(target)
        if not wanted:
            return target
        checked = _every(target, typechecker=typechecker)
        return _at_first(target, checked) if inspect.isfunction(target) else checked

    return decorate if target is None else decorate(target)


def _at_first(target: Any, checked: Any) -> Any:
    """The checked function for the first calls of a test, and then the function itself."""
    key = f"{target.__module__}.{target.__qualname__}"

    @functools.wraps(target)
    def call(*arguments: Any, **named: Any) -> Any:
        if CALLS[key] >= MOST:
            return target(*arguments, **named)
        CALLS[key] += 1
        return checked(*arguments, **named)

    return call


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

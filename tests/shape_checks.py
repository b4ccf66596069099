"""Shapes are checked while tests run; other types only under `make test-full`, as mypy has seen to them already.

jaxtyping's pytest option checks every function of the package at every call. Most have no array among their arguments:
checking these too took a third of a test's time.
"""

import inspect
from typing import Any, get_args

import jaxtyping

from examples import examples

_every = jaxtyping.jaxtyped


def keep_to_arrays() -> None:
    """Before the package is imported: only what takes or gives an array is checked."""
    if not examples(0, 1):
        jaxtyping.jaxtyped = _where_arrays


def _where_arrays(target: Any = None, *, typechecker: Any) -> Any:
    def decorate(target: Any) -> Any:
        return _every(target, typechecker=typechecker) if _has_arrays(target) else target

    return decorate if target is None else decorate(target)


def _has_arrays(target: Any) -> bool:
    """Whether a function, a property or a dataclass names an array in its annotations."""
    if isinstance(target, property):
        return any(map(_has_arrays, filter(None, (target.fget, target.fset))))
    return any(map(_is_array, getattr(getattr(target, "__func__", target), "__annotations__", {}).values()))


def _is_array(annotation: Any) -> bool:
    if isinstance(annotation, str) or (inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray)):
        return True  # a name in quotes may be anything
    return any(map(_is_array, annotation if isinstance(annotation, list) else get_args(annotation)))

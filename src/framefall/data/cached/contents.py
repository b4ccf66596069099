"""What bytes elsewhere were found to be, so that a source that has not changed is not fetched again to know it."""

import hashlib
import json
import re
from pathlib import Path

from framefall import bounded, publish
from framefall.data.cached.store import Store

_HASH = re.compile(r"[0-9a-f]{64}")
_FOLDER = "contents"


def load(store: Store, source: str) -> dict[str, str]:
    """SHA-256 of what was decoded, by the identity of what it was decoded from; empty where nothing is known."""
    try:
        found = bounded.read_json(_file(store, source), 1 << 28)
        pairs = {str(key): str(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}
    return pairs if all(map(_HASH.fullmatch, [*pairs, *pairs.values()])) else {}


def save(store: Store, source: str, contents: dict[str, str]) -> None:
    """Publishes them."""
    path = _file(store, source)
    publish.make_folder(path.parent)
    with store.writing(path) as partial:
        partial.write_text(json.dumps(contents, sort_keys=True))  # files are done in any order


def _file(store: Store, source: str) -> Path:
    return store.root / _FOLDER / (hashlib.sha256(source.encode("utf-8", "surrogateescape")).hexdigest() + ".json")

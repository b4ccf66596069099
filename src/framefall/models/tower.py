"""Text towers other than the one that comes with Framefall: any folder of a sentence encoder or of a T5's encoder.

    pip install 'framefall[text]'

A folder as `transformers` saves it: `config.json`, `tokenizer.json`, and weights in safetensors alone. Of a stranger's
folder nothing runs: no pickle, no class but the library's own. A model says which tower it was trained with, by its
hash, and takes no other.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from tokenizers import Tokenizer
from torch import Tensor

from framefall import bounded, checks
from framefall.published import sha256
from framefall.ranges import Features

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
_POOLED = re.compile(r"(.*\.)?pooler\..*")  # makes one state of all, which nobody reads here


@dataclass(frozen=True, kw_only=True)
class TextTower:
    """A tower as a model's config names it: where its folder lies is nobody's business."""

    name: str  # of its folder, when the model was trained
    sha256: str  # of all that decides on its states
    dim: Features  # of a token's state

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 of a text tower must be 64 hexadecimal digits, got {self.sha256[:80]!r}")

    def __str__(self) -> str:
        return f"{self.name[:60]} (SHA-256 {self.sha256[:12]})"


@dataclass(frozen=True)
class Tower:
    """A tower that is here. Small and picklable: its weights are read where they are needed, once a process."""

    folder: Path
    about: TextTower


def open_tower(folder: str | Path) -> Tower:
    """The tower in a folder. Raises `ValueError` for what is none, or could run code of its own."""
    folder = Path(folder)
    values = _config(folder)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        found = next(
            (one.name for one in sorted(folder.iterdir()) if one.suffix in (".bin", ".pt", ".pth", ".h5")), None
        )
        what = "none" if found is None else f"{found}, which is not read: it could run code"
        raise ValueError(f"{folder} must have its weights in safetensors, got {what}; save it with safetensors")
    if not (folder / TOKENIZER).is_file():
        raise ValueError(f"{folder} must have a {TOKENIZER}, and has none; save its tokenizer as a fast one")
    files = [folder / CONFIG, folder / TOKENIZER, *weights]
    digest = hashlib.sha256("\n".join(f"{one.name} {sha256(one)}" for one in files).encode()).hexdigest()
    dim = values.get("d_model", values.get("hidden_size"))
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
        raise ValueError(f"{folder / CONFIG} must say how wide a state is (d_model or hidden_size), got {dim!r}")
    return Tower(folder, TextTower(name=folder.resolve().name, sha256=digest, dim=dim))


def matching(tower: Tower, wanted: TextTower | None, name: str) -> Tower:
    """The tower, if it is the one that a stage of that name was trained with; a `ValueError` if not."""
    if wanted is None or (wanted.sha256, wanted.dim) != (tower.about.sha256, tower.about.dim):
        own = "MiniLM, which comes with Framefall" if wanted is None else str(wanted)
        raise ValueError(f"{name} was trained with the text tower {own}, got {tower.about}; name that one")
    return tower


def present(tower: Tower | None, wanted: TextTower | None, name: str) -> Tower | None:
    """The tower of a stage of that name; None: MiniLM. Raises `ValueError` where it is not here."""
    if wanted is not None and tower is None:
        raise ValueError(
            f"{name} reads captions by the text tower {wanted}, which does not come with the model;"
            " name its folder with --text, or in Python with Cascade.with_text"
        )
    return tower


@dataclass(frozen=True, eq=False)
class Words:
    """A tower's tokenizer and its network, frozen."""

    tokenizer: Tokenizer
    network: Any
    dim: int

    def tokens(self, caption: str, words: int) -> list[int]:
        """Numbers of at most that many tokens, with the marks that the tower puts at the ends."""
        checks.characters("a caption", caption)
        self.tokenizer.enable_truncation(words)
        ids: list[int] = self.tokenizer.encode(caption).ids
        return ids

    def states(self, ids: Int64[Tensor, "batch words"]) -> Float[Tensor, "batch words features"]:
        """A state of each token; captions of one call have equally many, so that none is padded."""
        states: Tensor = self.network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return states


@cache
def words_of(tower: Tower) -> Words:
    """The tower's tokenizer and network. Raises `ValueError` where they cannot be read, or weights are missing."""
    if open_tower(tower.folder).about.sha256 != tower.about.sha256:
        raise ValueError(f"{tower.folder} has changed since it was opened; open it again")
    try:
        from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding
        from transformers.utils import logging
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise ValueError("a text tower of one's own needs transformers: pip install 'framefall[text]'") from None
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # what it says of weights that are missing is said here
    logging.disable_progress_bar()
    safely = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(tower.folder, **safely)
        # of what has a decoder too, such as a T5, the encoder alone
        known = type(config) in AutoModelForTextEncoding._model_mapping
        if not known and config.is_encoder_decoder:
            raise ValueError(f"the encoder of a {config.model_type} cannot be had without its decoder")
        network, found = (AutoModelForTextEncoding if known else AutoModel).from_pretrained(
            tower.folder, config=config, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **safely
        )
        tokenizer = Tokenizer.from_file(str(tower.folder / TOKENIZER))
    except Exception as error:  # of whatever kind: libraries say in many ways that they cannot read a folder
        raise ValueError(f"{tower.folder} cannot be read as a text tower: {_one_line(error)}") from None
    finally:
        logging.set_verbosity(before)
    _check(tower.folder, network, found)
    tokenizer.no_padding()
    return Words(tokenizer, network.eval().requires_grad_(False), tower.about.dim)


def _config(folder: Path) -> Mapping[str, Any]:
    """A folder's settings, which must name no code of their own."""
    if not (folder / CONFIG).is_file():
        raise ValueError(
            f"{folder} must be a folder with a {CONFIG}, as transformers saves encoders, and has none; name such a one"
        )
    try:
        values = bounded.read_json(folder / CONFIG)
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG} cannot be read: {_one_line(error)}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{folder / CONFIG} must be an object, got {type(values).__name__}")
    if "auto_map" in values:
        raise ValueError(f"{folder} must need no code of its own, and its {CONFIG} names some (auto_map); take another")
    return values


def _check(folder: Path, network: Any, found: Mapping[str, Any]) -> None:
    """Refuses a network some of whose weights the folder lacks (they would be random), or has no finite values for."""
    missing = sorted(name for name in found["missing_keys"] if not _POOLED.fullmatch(name))
    missing += sorted(str(one[0] if isinstance(one, tuple) else one) for one in found["mismatched_keys"])
    if missing:
        raise ValueError(f"{folder} must hold every weight of its network, and {missing[0]} is missing; save it whole")
    for name, tensor in network.named_parameters():
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{folder} must hold finite weights, and {name} is not; take another copy")


def _one_line(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error)).strip()[:300] or type(error).__name__

"""The names of weights in files, by format: files with the names of an earlier format are read under today's.

Format 1 is what was written before names were those of weights on the hub (timm's, diffusers', transformers'). A table
holds whole names from the front, without what it keeps (`.weight`, `.bias`); `#` is a number. It is used on a file that
holds its mark, a name that only networks of that kind and format have, so that no name of today is ever touched.
"""

from dataclasses import dataclass
from typing import TypeVar

from framefall import publish

FORMAT = 2  # what is written today
Told = TypeVar("Told")  # of a tensor: itself, or what a header says of it


@dataclass(frozen=True)
class Renames:
    """The names of a kind of network that the next format changed: old to new."""

    mark: str
    names: dict[str, str]


def _under(prefixes: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    """The names, each under each prefix."""
    return {
        f"{old_prefix}.{old}": f"{new_prefix}.{new}"
        for old_prefix, new_prefix in prefixes.items()
        for old, new in names.items()
    }


_LEVELS = _under({"time": "time_embed", "low_res_noise": "low_res_noise_embed"}, {"layers": "mlp"})
_CONDITIONS = {"null_word": "null_text", "pooled": "pooled_text_proj", "numbers": "number_proj"}
_ATTENTION = {"qkv": "qkv", "query_norm": "q_norm", "key_norm": "k_norm", "out": "proj"}
_TWO = {"first": "conv1", "second": "conv2"}
_RESIDUAL = _TWO | {"level": "time_emb_proj"}

_TRANSFORMER = {
    "enter": "proj_in",
    "place": "pos_embed",
    "share": "modulation",
    "leave_modulation": "norm_out.linear",
    "leave": "proj_out",
    "words": "text_proj",
    **_CONDITIONS,
    **_LEVELS,
    **_under({"detail": "detail"}, _TWO),
    **_under({"blocks.#.attention": "blocks.#.attn"}, _ATTENTION),
    **_under({"blocks.#.mlp": "blocks.#.mlp"}, {"inside": "gate_up_proj", "outside": "down_proj"}),
    "blocks.#.modulation.table": "blocks.#.modulation.scale_shift_table",
}
_U_NET_LEVEL = {
    **_under({"blocks.#": "resnets.#"}, _RESIDUAL),
    **_under({"spatial.layer": "spatial.attn", "temporal.layer": "temporal.attn"}, _ATTENTION),
    "words": "text_proj",
}
_CONVOLUTIONAL = {  # the convolutional network and the U-Net
    "enter": "conv_in",
    "leave": "conv_out",
    "mixing.#.mix": "temporal_convs.#.conv",
    "shrink": "downsamplers",
    "grow": "upsamplers",
    "lateral": "skip_convs",
    **_CONDITIONS,
    **_LEVELS,
    **_under({"blocks.#": "blocks.#"}, _RESIDUAL),
    **_under({"down.#": "down_blocks.#", "bottom": "mid_block", "up.#": "up_blocks.#"}, _U_NET_LEVEL),
}
_CODER = {
    "enter": "conv_in",
    "mix": "conv_mid",
    "fold": "downsample",
    "unfold": "upsample",
    "direct": "shortcut",
    **_under({"outer.#": "frame_blocks.#", "inner.#": "causal_blocks.#"}, _TWO),
}
_AUTOENCODER = {
    "shift": "latents_mean",
    "scale": "latents_std",
    **_under({"encoder": "encoder"}, _CODER | {"leave": "proj_out"}),
    **_under({"decoder": "decoder"}, _CODER | {"leave": "conv_out"}),
}

# what to change in a file of each earlier format; the first table whose mark the file holds is its own
FORMATS: dict[int, tuple[Renames, ...]] = {
    1: (
        Renames("share.weight", _TRANSFORMER),
        Renames("trunk.share.weight", _under({"trunk": "trunk"}, _TRANSFORMER)),
        Renames("encoder.enter.weight", _AUTOENCODER),
        Renames("time.layers.0.weight", _CONVOLUTIONAL),
    ),
}


def upgrade(tensors: dict[str, Told], version: int | None = None) -> dict[str, Told]:
    """One network's tensors, as a file of format `version` names them, under today's names; None: the names tell.

    Names that no table knows stay: they are refused where shapes are checked. Raises `publish.Corrupt` where a weight
    stands under an old name and a new one, ValueError for a format that this Framefall does not know.
    """
    if version is not None and not 1 <= version <= FORMAT:
        raise ValueError(f"weights must be of format 1 to {FORMAT}, got {version}: update Framefall")
    for earlier in range(version or 1, FORMAT):
        found = next((one.names for one in FORMATS.get(earlier, ()) if one.mark in tensors), {})
        renamed = {_renamed(name, found): tensor for name, tensor in tensors.items()}
        if len(renamed) < len(tensors):
            twice = next(new for name in tensors if (new := _renamed(name, found)) in tensors and new != name)
            raise publish.Corrupt(f"{twice} stands in one file under two names: restore the file from a copy")
        tensors = renamed
    return tensors


def _renamed(name: str, names: dict[str, str]) -> str:
    """A name with its longest known front replaced; numbers keep their order."""
    parts = name.split(".")
    general = ["#" if part.isdigit() else part for part in parts]
    for length in range(len(parts), 0, -1):
        if (new := names.get(".".join(general[:length]))) is not None:
            numbers = iter(part for part in parts[:length] if part.isdigit())
            return ".".join([next(numbers) if part == "#" else part for part in new.split(".")] + parts[length:])
    return name

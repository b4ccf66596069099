"""What a clip of a stage may ask of a machine: checked by its shape, before there is a tensor of it."""

from collections.abc import Iterable

from framefall.data.buckets import Bucket
from framefall.models.autoencoder import AutoencoderConfig
from framefall.models.backbone import BackboneSettings

VALUES = 1 << 29  # of a clip: 2 GB
ATTENDED = 1 << 16  # tokens that all see one another
PIXELS = 1 << 26  # of a frame that the last stage makes


def check(
    shapes: Iterable[Bucket], channels: int, backbone: BackboneSettings, latent: AutoencoderConfig | None
) -> None:
    """Refuses clips that no machine makes, of a stage's own shape and of all others that it is trained on."""
    for shape in shapes:
        clip = f"{shape.frames} frames of {shape.width}x{shape.height}"
        if (values := shape.frames * shape.height * shape.width * channels) > VALUES:
            raise ValueError(f"a clip must have at most {VALUES:,} values, {clip} have {values:,}; try fewer")
        grid = shape.frames, shape.height, shape.width
        tokens = backbone.attended(*(grid if latent is None else latent.latent_shape(*grid)))
        if tokens > ATTENDED:
            raise ValueError(
                f"at most {ATTENDED:,} tokens may see one another, in {clip} {tokens:,} do;"
                " try larger patches, or fewer frames"
            )

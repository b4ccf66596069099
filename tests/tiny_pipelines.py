"""Text-to-video pipelines of diffusers as folders, with networks of some thousand random weights."""

from collections.abc import Callable
from pathlib import Path

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = ["<pad>", "</s>", "<unk>", "a", "ball", "falls", "red", "cup", "turns", "the"]


def tokenizer(length: int = 16) -> transformers.PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=length, **special)


def wan(folder: Path) -> None:
    """A Wan: a transformer on latents of a causal video autoencoder, told by a T5."""
    text = transformers.UMT5Config(
        vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=1
    )
    pipeline = diffusers.WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=transformers.UMT5EncoderModel(text).eval(),
        vae=diffusers.AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=diffusers.WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=16,
            freq_dim=32,
            ffn_dim=32,
            num_layers=1,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
    )
    pipeline.save_pretrained(folder)


def text_to_video_sd(folder: Path) -> None:
    """A ModelScope: a U-Net with convolutions along time on the latents of frames, told by a CLIP."""
    text = transformers.CLIPTextConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    pipeline = diffusers.TextToVideoSDPipeline(
        vae=diffusers.AutoencoderKL(
            block_out_channels=(8,), norm_num_groups=4, latent_channels=4, sample_size=32, in_channels=3, out_channels=3
        ),
        text_encoder=transformers.CLIPTextModel(text).eval(),
        tokenizer=tokenizer(),
        unet=diffusers.UNet3DConditionModel(
            block_out_channels=(8, 8),
            layers_per_block=1,
            sample_size=16,
            in_channels=4,
            out_channels=4,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=16,
            attention_head_dim=4,
            norm_num_groups=2,
        ),
        scheduler=diffusers.DDIMScheduler(clip_sample=False),
    )
    pipeline.save_pretrained(folder)


PIPELINES: dict[str, Callable[[Path], None]] = {"wan": wan, "text_to_video_sd": text_to_video_sd}


def build(name: str, folder: Path) -> Path:
    """The pipeline of a name in a folder; its weights are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        PIPELINES[name](folder)
    return folder

"""What users have: a builder for each case, by the name that the case has in reports. `CASES` has them all."""

import json
import os
from pathlib import Path

import av
import numpy as np

from cases.drawing import (
    animation,
    clip,
    fill,
    frames,
    huge_gif,
    like_a_model,
    picture,
    pictures,
    repeated,
    retimed,
    sound,
    sparse,
    track,
    write,
)

CASES = {}


def case(build):
    """A builder of the case that is called as the function is, with dashes."""
    CASES[build.__name__.replace("_", "-")] = build
    return build


# ---------------------------------------------------------------- reads wrong, and says nothing


@case
def frames_with_thumbs_db(out):
    folder = frames(out / "clips" / "a red square", pictures(24))
    write(folder / "Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))


@case
def frames_with_masks_subfolder(out):
    folder = frames(out / "clips" / "a red square", pictures(24))
    frames(folder / "masks", [np.uint8(255) * (image[..., 0] > 180) for image in pictures(24)])


@case
def frames_with_a_gap(out):
    frames(out / "clips" / "a red square", pictures(26, step=1.0), numbers=[*range(1, 13), *range(31, 45)])


@case
def captions_csv_in_subfolder(out):
    for name in ("0001.mp4", "0002.mp4"):
        sound(out / "clips" / "day one", name)
    write(
        out / "clips" / "day one" / "captions.csv", "file,caption\n0001.mp4,a lantern swings\n0002.mp4,a kite rises\n"
    )


def _captioned(out, name, text):
    sound(out / "clips", "0001.mp4")
    write(out / "clips" / name, text)


@case
def sidecar_json_text_key(out):
    _captioned(out, "0001.json", json.dumps({"text": "a lantern swings", "width": 64}))


@case
def sidecar_json_prompt_key(out):
    _captioned(out, "0001.json", json.dumps({"prompt": "a lantern swings"}))


@case
def sidecar_txt_in_capitals(out):
    _captioned(out, "0001.TXT", "a lantern swings\n")


@case
def sidecar_dot_caption(out):
    _captioned(out, "0001.caption", "a lantern swings\n")


@case
def sidecar_double_suffix(out):
    _captioned(out, "0001.mp4.txt", "a lantern swings\n")


@case
def table_with_width_and_height(out):
    for name in ("0001.mp4", "0002.mp4"):
        sound(out / "clips", name)
    rows = ["path,text,num_frames,height,width,fps,speed"]
    rows += [f"{name},a lantern swings,48,48,64,24.0,{speed}" for name, speed in (("0001.mp4", 1.5), ("0002.mp4", 2.5))]
    write(out / "clips" / "captions.csv", "\n".join(rows) + "\n")


@case
def gif_delay_10ms(out):
    animation(out / "clips" / "a red square.gif", pictures(24, step=2.0), 10)


@case
def mkv_preview_track_first(out):
    small, large = pictures(4, 16, 12, step=4.0), pictures(48)
    path = out / "clips" / "a red square.mkv"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        preview, main = track(container, small, 2, "mjpeg", "yuvj420p"), track(container, large, 24, "libx264")
        preview.disposition, main.disposition = 0, av.stream.Disposition.default
        fill(container, preview, small, 2)
        fill(container, main, large, 24)


@case
def folder_named_like_a_world(out):
    sound(out / "fall", "leaves.mp4")


@case
def numbers_beside_clips(out):
    for name, speed in (("a red square 1", 1.5), ("a red square 2", 2.5)):
        sound(out / "clips", name + ".mp4")
        write(out / "clips" / (name + ".json"), json.dumps({"caption": "a red square", "numbers": [speed]}))


@case
def captions_say_left_and_right(out):
    clip(out / "clips" / "1.mp4", pictures(40))
    clip(out / "clips" / "2.mp4", pictures(40)[::-1])
    write(out / "clips" / "1.txt", "a square moves to the right")
    write(out / "clips" / "2.txt", "a square moves to the left")


@case
def clips_without_captions(out):
    for name in ("0001.mp4", "0002.mp4"):
        sound(out / "clips", name)


@case
def reference_at_another_rate(out):
    """The same frames, shown three times as fast."""
    clip(out / "clips" / "a.mp4", pictures(48), 24)
    clip(out / "reference" / "a.mp4", pictures(48), 8)


@case
def clip_of_30_frames_a_second(out):
    clip(out / "clips" / "a red square.mp4", pictures(61, 128, 48, step=1.0), 30, options={"crf": "6"})


@case
def vfr_phone_clip(out):
    """One second at 60 frames a second, two at 20; the square keeps its speed of 30 pixels a second."""
    times = [*(1000 * n // 60 for n in range(60)), *(1000 + 50 * n for n in range(40))]
    clip(out / "phone" / "a.mp4", [picture(0.03 * t, 128, 48) for t in times], 60, times=times)
    clip(out / "steady" / "a.mp4", [picture(1.5 * n, 128, 48) for n in range(60)], 20)


@case
def odd_size_45x33(out):
    clip(out / "odd.mkv", pictures(8, 45, 33), 12, "ffv1", pixels="bgr0")


# ---------------------------------------------------------------- loses what it did not make


def _users_frames(folder, count=6):
    frames(folder, pictures(count), "holiday_{:03d}.png")
    write(folder / "fps.txt", "24\n")
    write(folder / "notes.txt", "keep these\n")


@case
def output_is_users_frames(out):
    _users_frames(out / "holiday")


@case
def output_is_its_own_source(out):
    clip(out / "source.mp4", pictures(8, 32, 24), 12)


@case
def report_beside_users_files(out):
    write(out / "rabbit.json", json.dumps({"caption": "a rabbit, filmed on Tuesday"}))
    frames(out, [picture(3)], "rabbit.png")


@case
def output_is_users_video(out):
    clip(out / "holiday.mp4", pictures(8, 32, 24), 12)


@case
def output_is_a_fifo(out):
    out.mkdir(parents=True)
    os.mkfifo(out / "pipe.mp4")


@case
def output_is_a_link(out):
    (out / "disk").mkdir(parents=True)
    (out / "new.mp4").symlink_to(Path("disk") / "new.mp4")


@case
def two_trainings_one_folder(out):
    sound(out / "one", "a red square.mp4")
    clip(out / "two" / "a blue square.mp4", pictures(48, colour=(40, 60, 230)))


@case
def stage_after_stage(out):
    sound(out / "one", "a red square.mp4")
    clip(out / "two" / "a blue square.mp4", pictures(48, colour=(40, 60, 230)))


@case
def last_step_not_finite(out):
    sound(out / "clips", "a red square.mp4")


@case
def cache_bit_flip(out):
    sound(out / "clips", "a red square.mp4")


# ---------------------------------------------------------------- wastes hours


@case
def clips_smaller_than_ssr_crop(out):
    for number in (1, 2):
        clip(out / "clips" / f"a red square {number}.mp4", pictures(48, 24, 20), 12)


@case
def clip_of_31_minutes(out):
    clip(out / "clips" / "a long day.mp4", pictures(31 * 60, 32, 24), 1)


@case
def cache_is_a_file(out):
    sound(out / "clips", "a red square.mp4")
    write(out / "cache", "a file, where a folder was meant\n")


@case
def one_png_upscaled(out):
    frames(out, [picture(3, 32, 24)], "photo.png")


@case
def train_onto_users_frames(out):
    sound(out / "clips", "a red square.mp4")
    _users_frames(out / "frames")
    like_a_model(out / "frames")


# ---------------------------------------------------------------- hangs, and files that blow up


@case
def link_to_endless_zeros(out):
    sound(out / "clips")
    (out / "clips" / "z.mp4").symlink_to("/dev/zero")


@case
def sparse_20_gb(out):
    sound(out / "clips")
    sparse(out / "clips" / "z.mp4", 20 << 30, b"\0\0\0\x18ftypisom\0\0\0\0isomiso2")


@case
def fifo_among_clips(out):
    sound(out / "clips")
    os.mkfifo(out / "clips" / "z.mp4")


@case
def gif_6300x6300(out):
    sound(out / "clips")
    huge_gif(out / "clips" / "z.gif", 6300, 6300, 2000)


@case
def h264_40_megapixels(out):
    sound(out / "clips")
    repeated(out / "clips" / "z.mp4", 7680, 5120, 300)


@case
def last_frame_of_1e7_seconds(out):
    retimed(out / "z.mp4", range(12), last=300_000_000)


# ---------------------------------------------------------------- unclear


@case
def sidecar_json_broken_surrogate(out):
    _captioned(out, "0001.json", '{"caption": "a lantern \\ud83d swings"}')


@case
def unknown_suffixes(out):
    sound(out / "clips")
    for suffix, form, codec in (
        ("mpg", "mpeg", "mpeg1video"),
        ("flv", "flv", "flv"),
        ("ts", "mpegts", "libx264"),
        ("3gp", "3gp", "libx264"),
    ):
        clip(out / "clips" / f"other {suffix}.{suffix}", pictures(25), 25, codec, form=form)
    write(out / "clips" / "other heic.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))


@case
def killed_while_caching(out):
    repeated(out / "clips" / "a grey wall.mp4", 256, 192, 1500)


@case
def same_training_again(out):
    sound(out / "clips", "a red square.mp4")


@case
def cache_removed_in_mid_run(out):
    sound(out / "clips", "a red square.mp4")

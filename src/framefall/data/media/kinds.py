"""Kinds of files: by which suffixes they are looked for, by which first bytes they are known, and which are not read.

A file that is found by its suffix is opened as what its bytes say. What is known and not read is named, with a reason.
"""


def named(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


VIDEOS = frozenset(
    named(
        ".mp4 .m4v .mov .qt .mkv .webm .avi .divx .gif .apng .mpg .mpeg .mpe .m1v .m2v .mpv .vob .ts .m2ts .mts .m2t "
        ".tp .flv .f4v .3gp .3gpp .3g2 .wmv .asf .ogv .ogg .ogm .mxf .y4m .ivf .nut .mj2 .dv .rm .rmvb .h264 .264 "
        ".avc .h265 .265 .hevc .obu .av1 .braw .r3d .ari .insv .swf"
    )
)
PICTURES = frozenset(
    named(
        ".png .jpg .jpeg .jpe .jfif .webp .bmp .dib .tif .tiff .avif .ppm .pgm .pbm .pnm .qoi .jp2 .j2k .tga .heic "
        ".heif .heics .hif .jxl .exr .hdr .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .psd .psb .dpx .cin"
    )
)
SUFFIXES = VIDEOS | PICTURES

IMAGES = {  # kinds that Pillow reads, by its own name of the format
    "gif": "GIF",
    "png": "PNG",
    "jpeg": "JPEG",
    "webp": "WEBP",
    "bmp": "BMP",
    "tiff": "TIFF",
    "avif": "AVIF",
    "ppm": "PPM",
    "qoi": "QOI",
    "jp2": "JPEG2000",
    "tga": "TGA",
}
DEMUXERS = {  # kinds that FFmpeg's libraries read, by their own name, with the formats that may then be opened
    "mov": "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska": "matroska,webm",
    "avi": "avi",
    "mpeg": "mpeg",
    "mpegvideo": "mpegvideo",
    "mpegts": "mpegts",
    "flv": "flv",
    "asf": "asf",
    "ogg": "ogg",
    "mxf": "mxf",
    "yuv4mpegpipe": "yuv4mpegpipe",
    "ivf": "ivf",
    "nut": "nut",
    "rm": "rm",
    "dv": "dv",
}
STATE_LENGTH = frozenset({"mov", "matroska", "avi", "flv", "asf"})  # the others' length is guessed from their bytes

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2")
_MAGIC = (  # kind, place, bytes
    *(("avif", 4, b"ftyp" + brand) for brand in (b"avif", b"avis")),
    *(("heif", 4, b"ftyp" + brand) for brand in _HEIF),
    ("raw", 4, b"ftypcrx "),
    *(("mov", 4, name) for name in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    ("matroska", 0, b"\x1aE\xdf\xa3"),
    ("avi", 8, b"AVI "),
    ("gif", 0, b"GIF8"),
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    ("jpeg", 0, b"\xff\xd8\xff"),
    ("webp", 8, b"WEBP"),
    ("bmp", 0, b"BM"),
    ("tiff", 0, b"II*\0"),
    ("tiff", 0, b"MM\0*"),
    ("qoi", 0, b"qoif"),
    ("jp2", 0, b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("jp2", 0, b"\xff\x4f\xff\x51"),
    ("mpeg", 0, b"\0\0\x01\xba"),
    ("mpegvideo", 0, b"\0\0\x01\xb3"),
    ("flv", 0, b"FLV\x01"),
    ("asf", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("ogg", 0, b"OggS"),
    ("mxf", 0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"),
    ("yuv4mpegpipe", 0, b"YUV4MPEG2 "),
    ("ivf", 0, b"DKIF"),
    ("nut", 0, b"nut/multimedia container\0"),
    ("rm", 0, b".RMF"),
    ("dv", 0, b"\x1f\x07\0"),
    ("jxl", 0, b"\xff\x0a"),
    ("jxl", 0, b"\0\0\0\x0cJXL \r\n\x87\n"),
    ("exr", 0, b"\x76\x2f\x31\x01"),
    ("hdr", 0, b"#?RADIANCE"),
    ("psd", 0, b"8BPS"),
    ("dpx", 0, b"SDPX"),
    ("dpx", 0, b"XPDS"),
    ("stream", 0, b"\0\0\0\x01"),
    ("swf", 0, b"FWS"),
    ("swf", 0, b"CWS"),
)
HEAD = 1024  # bytes that tell a kind

NOT_READ = {  # kinds that are known and not read: what to do
    "heif": "it is a HEIF picture, which cannot be read here; convert it to jpg or png",
    "jxl": "it is a JPEG XL picture, which cannot be read here; convert it to png",
    "exr": "it is an OpenEXR picture, of linear light without bounds; convert it to png first",
    "hdr": "it is a Radiance picture, of linear light without bounds; convert it to png first",
    "dpx": "it is a DPX frame, of logarithmic light; convert it to png first",
    "psd": "it is a Photoshop file of layers; export it as png",
    "raw": "it is raw data of a camera's sensor; develop it to jpg or png, or export it as mp4 first",
    "swf": "it is a Flash program; record it as a video first",
    "stream": "it is a bare stream that states no times; put it into a container: ffmpeg -i IN -c copy OUT.mp4",
}
_RAW = frozenset(named(".dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .braw .r3d .ari"))  # some begin as tiff does


def kind_of(head: bytes, suffix: str) -> str | None:
    """What a file is by its first `HEAD` bytes: a key of `IMAGES`, `DEMUXERS` or `NOT_READ`; None: none of them.

    The suffix tells apart what bytes cannot: a camera's raw picture from a TIFF, and a TGA, which has no mark.
    """
    if suffix in _RAW:
        return "raw"
    for kind, place, magic in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return kind
    for begin, size in ((0, 188), (4, 192)):  # packets of 188 bytes, on Blu-ray and in cameras with 4 more before each
        marks = head[begin::size]
        if len(marks) >= 5 and set(marks[:5]) == {0x47}:
            return "mpegts"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "ppm"
    if suffix == ".tga" and len(head) > 18 and head[1] in (0, 1) and head[2] in (1, 2, 3, 9, 10, 11):
        return "tga"
    return None

"""Records in one file, each found and checked by itself: what is read is what was written, to the bit, or `Damaged`.

Layout, little-endian: `MAGIC`, the name of what is inside (16 bytes) and the number of records; a row (offset, length,
CRC-32) for each record; the records. A row's checksum is over the name, how many records there are, the record's number
and place, and its bytes: a flipped bit anywhere, a row in another's place and a record of another file all show.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

MAGIC = b"framefall-records-1\n"
_HEAD = struct.Struct(f"<{len(MAGIC)}s16sI")
_ROW = struct.Struct("<QQI")


class Damaged(ValueError):
    """A record is not what was written."""


def write(path: Path, name: str, records: Sequence[bytes]) -> None:
    """Writes all records of a file to a partial name."""
    offset = _HEAD.size + _ROW.size * len(records)
    rows = []
    for number, record in enumerate(records):
        rows.append(_ROW.pack(offset, len(record), _checksum(name, len(records), number, offset, record)))
        offset += len(record)
    with open(path, "wb") as stream:
        stream.write(_HEAD.pack(MAGIC, _digest(name), len(records)))
        stream.writelines(rows)
        stream.writelines(records)


def read(path: Path, name: str, number: int) -> bytes:
    """One record; raises `Damaged`, or `FileNotFoundError`. Read and not mapped: a file may shrink meanwhile."""
    file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        head = os.pread(file, _HEAD.size, 0)
        if len(head) < _HEAD.size or head[:-4] != _HEAD.pack(MAGIC, _digest(name), 0)[:-4]:
            raise Damaged(f"{path} does not begin as a file of records of {name}")
        count = _HEAD.unpack(head)[2]
        if not 0 <= number < count:
            raise Damaged(f"{path} has no record {number}")
        row = os.pread(file, _ROW.size, _HEAD.size + _ROW.size * number)
        if len(row) < _ROW.size:
            raise Damaged(f"{path} has been cut off")
        offset, length, checksum = _ROW.unpack(row)
        if offset + length > os.fstat(file).st_size:
            raise Damaged(f"{path} has been cut off")
        record = os.pread(file, length, offset)
        if len(record) != length or _checksum(name, count, number, offset, record) != checksum:
            raise Damaged(f"record {number} of {path} is not what was written")
        return record
    finally:
        os.close(file)


def pack(values: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Plain values and named arrays as one record."""
    listed = {name: [array.dtype.str, list(array.shape)] for name, array in arrays.items()}
    head = json.dumps({"values": dict(values), "arrays": listed}).encode()
    data = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    return b"".join([struct.pack("<I", len(head)), head, *data])


def unpack(record: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `pack` was given; the arrays own their memory."""
    (length,) = struct.unpack_from("<I", record)
    head = json.loads(record[4 : 4 + length])
    arrays, at = {}, 4 + length
    for name, (dtype, shape) in head["arrays"].items():
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(record, np.dtype(dtype), count, at).reshape(shape).copy()
        at += count * np.dtype(dtype).itemsize
    return head["values"], arrays


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _checksum(name: str, count: int, number: int, offset: int, record: bytes) -> int:
    return zlib.crc32(record, zlib.crc32(_digest(name) + struct.pack("<QQQQ", count, number, offset, len(record))))

"""Xorbs and shards as bytes (huggingface.co/docs/xet, "Xorb format" and "Shard format"), read with every length checked."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import lz4.frame

from apps.core.errors import BadInput

# Chunks are cut at 128 KiB at most; twice that leaves room, and bounds what a lying header can make us unpack.
MAX_CHUNK = 256 * 1024
CHUNK_HEADER = 8
RAW, LZ4, BYTE_GROUPED_LZ4 = 0, 1, 2

SHARD_HEADER = 48
SHARD_MAGIC = b"HFRepoMetaData"
RECORD = 48
END_OF_FILES = b"\xff" * 32
WITH_VERIFICATION = 0x80000000
WITH_METADATA = 0x40000000


class BadXorb(BadInput):
    code, title = "bad_xorb", "The chunk container is damaged"


class BadShard(BadInput):
    code, title = "bad_shard", "The shard is damaged"


@dataclass(frozen=True)
class Term:
    """Chunks `first` to `last` (exclusive) of a xorb: `size` bytes of a file."""

    xorb: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class XetFile:
    """A file as a shard describes it."""

    sha256: str
    terms: tuple[Term, ...]

    @property
    def size(self) -> int:
        return sum(term.size for term in self.terms)


def hash_text(raw: bytes) -> str:
    """32 bytes as Xet writes hashes, SHA-256 too: four little-endian 64-bit numbers in hex."""
    return "".join(f"{number:016x}" for number in struct.unpack("<4Q", raw))


def chunks(pieces: Iterable[bytes], first: int, last: int) -> Iterator[bytes]:
    """Chunks `first` to `last` (exclusive) of a xorb that comes in pieces; earlier ones are passed over unread. Raises BadXorb."""
    source, buffer, number = iter(pieces), bytearray(), 0

    def fill(wanted: int) -> None:
        while len(buffer) < wanted:
            piece = next(source, b"")
            if not piece:
                raise BadXorb(f"The container ends within chunk {number}.")
            buffer.extend(piece)

    while number < last:
        fill(CHUNK_HEADER)
        version, packed, kind, unpacked = _chunk_header(bytes(buffer[:CHUNK_HEADER]))
        if version != 0 or kind not in {RAW, LZ4, BYTE_GROUPED_LZ4} or unpacked > MAX_CHUNK or packed > 2 * MAX_CHUNK:
            raise BadXorb(f"Chunk {number} has a header that cannot be.")
        fill(CHUNK_HEADER + packed)
        if number >= first:
            yield _unpack(bytes(buffer[CHUNK_HEADER : CHUNK_HEADER + packed]), kind, unpacked)
        del buffer[: CHUNK_HEADER + packed]
        number += 1


def _chunk_header(raw: bytes) -> tuple[int, int, int, int]:
    return raw[0], int.from_bytes(raw[1:4], "little"), raw[4], int.from_bytes(raw[5:8], "little")


def _unpack(data: bytes, kind: int, size: int) -> bytes:
    if kind != RAW:
        unpacker = lz4.frame.LZ4FrameDecompressor()
        try:
            # One byte more than announced shows a lie; a bomb is never unpacked further.
            data = unpacker.decompress(data, max_length=size + 1)
        except RuntimeError as error:
            raise BadXorb(f"A chunk is not LZ4: {error}") from error
    if len(data) != size:
        raise BadXorb("A chunk does not have the length that its header says.")
    return _ungroup(data) if kind == BYTE_GROUPED_LZ4 else data


def _ungroup(data: bytes) -> bytes:
    """Undoes the grouping of bytes by their position modulo four, which makes floats compress."""
    out, position = bytearray(len(data)), 0
    for group in range(4):
        length = (len(data) + 3 - group) // 4
        out[group::4] = data[position : position + length]
        position += length
    return bytes(out)


def shard_files(shard: bytes) -> list[XetFile]:
    """The files that a shard describes. Raises BadShard, also for a file without its SHA-256."""
    if len(shard) < SHARD_HEADER or not shard.startswith(SHARD_MAGIC):
        raise BadShard("The shard does not begin as a shard does.")
    position = SHARD_HEADER
    files: list[XetFile] = []
    while True:
        head = _record(shard, position)
        position += RECORD
        if head[:32] == END_OF_FILES:
            return files
        flags, count = struct.unpack_from("<II", head, 32)
        needed = count * RECORD * (2 if flags & WITH_VERIFICATION else 1)
        if position + needed > len(shard):
            raise BadShard("The shard ends within a file's terms.")
        terms = tuple(_term(shard, position + number * RECORD) for number in range(count))
        position += needed
        if not flags & WITH_METADATA:
            raise BadShard("A file lacks its SHA-256.")
        files.append(XetFile(hash_text(_record(shard, position)[:32]), terms))
        position += RECORD


def _record(shard: bytes, position: int) -> bytes:
    record = shard[position : position + RECORD]
    if len(record) != RECORD:
        raise BadShard("The shard ends within a record.")
    return record


def _term(shard: bytes, position: int) -> Term:
    _, size, first, last = struct.unpack_from("<4I", shard, position + 32)
    if first >= last:
        raise BadShard("A term names no chunks.")
    return Term(hash_text(shard[position : position + 32]), size, first, last)

"""Xorbs and shards: what a client writes is read back, and no damage to it gives anything but a typed error."""

from __future__ import annotations

import random
import struct

import lz4.frame
import pytest

from apps.repositories.xet.formats import (
    BYTE_GROUPED_LZ4,
    END_OF_FILES,
    LZ4,
    MAX_CHUNK,
    RAW,
    SHARD_HEADER,
    SHARD_MAGIC,
    WITH_METADATA,
    WITH_VERIFICATION,
    BadShard,
    BadXorb,
    chunks,
    hash_text,
    shard_files,
)

ROLL = random.Random(11)


def grouped(data: bytes) -> bytes:
    return b"".join(data[group::4] for group in range(4))


def chunk(data: bytes, kind: int, *, announced: int | None = None) -> bytes:
    packed = data if kind == RAW else lz4.frame.compress(grouped(data) if kind == BYTE_GROUPED_LZ4 else data)
    size = len(data) if announced is None else announced
    return b"\0" + len(packed).to_bytes(3, "little") + bytes([kind]) + size.to_bytes(3, "little") + packed


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("kind", [RAW, LZ4, BYTE_GROUPED_LZ4])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 1023, 128 * 1024])
@pytest.mark.parametrize("piece", [1000, 10**9])
def test_a_chunk_is_read_back(kind: int, length: int, piece: int) -> None:
    data = ROLL.randbytes(length)
    assert b"".join(chunks(pieces(chunk(data, kind), piece), 0, 1)) == data


@pytest.mark.parametrize(("first", "last"), [(0, 3), (1, 2), (2, 3), (0, 1)])
def test_only_the_chunks_asked_for_come(first: int, last: int) -> None:
    parts = [ROLL.randbytes(200 + number) for number in range(3)]
    container = b"".join(chunk(part, kind) for part, kind in zip(parts, (RAW, LZ4, BYTE_GROUPED_LZ4), strict=True))
    assert list(chunks(pieces(container, 7), first, last)) == parts[first:last]


@pytest.mark.parametrize(
    "container",
    [
        b"",
        b"\0" * 7,
        chunk(b"x" * 50, RAW)[:-1],
        b"\1" + chunk(b"x" * 50, RAW)[1:],
        chunk(b"x" * 50, RAW)[:4] + b"\x09" + chunk(b"x" * 50, RAW)[5:],
        chunk(b"x" * 50, RAW, announced=49),
        chunk(b"x" * 50, LZ4, announced=49),
        chunk(b"x" * 50, LZ4, announced=51),
        chunk(b"\0" * 10_000_000, LZ4, announced=MAX_CHUNK),
        chunk(b"x", RAW, announced=MAX_CHUNK + 1),
        b"\0" + (30).to_bytes(3, "little") + bytes([LZ4]) + (50).to_bytes(3, "little") + b"n" * 30,
    ],
)
def test_a_container_that_lies_is_refused(container: bytes) -> None:
    with pytest.raises(BadXorb):
        list(chunks([container], 0, 1))


def test_a_container_with_any_byte_changed_is_read_or_refused() -> None:
    data = b"".join(chunk(ROLL.randbytes(40) * 5, kind) for kind in (RAW, LZ4, BYTE_GROUPED_LZ4))
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(ROLL.randint(1, 4)):
            damaged[ROLL.randrange(len(damaged))] = ROLL.randrange(256)
        try:
            assert sum(len(part) for part in chunks([bytes(damaged)], 0, 3)) <= 3 * MAX_CHUNK
        except BadXorb:
            pass


def shard(*files: tuple[bytes, list[tuple[bytes, int, int, int]]], flags: int = WITH_METADATA) -> bytes:
    out = SHARD_MAGIC.ljust(SHARD_HEADER, b"\0")
    for sha256, terms in files:
        out += bytes(32) + struct.pack("<IIQ", flags, len(terms), 0)
        for xorb, size, first, last in terms:
            out += xorb + struct.pack("<4I", 0, size, first, last)
        if flags & WITH_VERIFICATION:
            out += bytes(48) * len(terms)
        if flags & WITH_METADATA:
            out += sha256 + bytes(16)
    return out + END_OF_FILES + bytes(16)


@pytest.mark.parametrize("flags", [WITH_METADATA, WITH_METADATA | WITH_VERIFICATION])
def test_a_shard_names_its_files_in_order(flags: int) -> None:
    sha256, xorb = bytes(range(32)), bytes(range(32, 64))
    found = shard_files(shard((sha256, [(xorb, 10, 0, 2), (xorb, 5, 4, 5)]), (sha256, []), flags=flags))
    assert [file.size for file in found] == [15, 0]
    assert found[0].sha256 == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert [(term.xorb, term.first, term.last) for term in found[0].terms] == [
        (hash_text(xorb), 0, 2),
        (hash_text(xorb), 4, 5),
    ]


def test_shards_that_cannot_be_are_refused() -> None:
    whole = shard((bytes(32), [(bytes(32), 10, 0, 2)]))
    empty_term = shard((bytes(32), [(bytes(32), 10, 2, 2)]))
    without_sha256 = shard((bytes(32), [(bytes(32), 10, 0, 2)]), flags=0)
    # A count of terms that no shard could hold.
    endless = whole[: SHARD_HEADER + 36] + b"\xff\xff\xff\xff" + whole[SHARD_HEADER + 40 :]
    for bad in (b"", b"x" * 200, *(whole[:end] for end in range(len(whole) - 16)), empty_term, without_sha256, endless):
        with pytest.raises(BadShard):
            shard_files(bad)


def test_a_shard_with_any_byte_changed_is_read_or_refused() -> None:
    data = shard((ROLL.randbytes(32), [(ROLL.randbytes(32), 10, 0, 2)] * 3), (ROLL.randbytes(32), []))
    for _ in range(3000):
        damaged = bytearray(data)
        damaged[ROLL.randrange(len(damaged))] = ROLL.randrange(256)
        try:
            shard_files(bytes(damaged))
        except BadShard:
            pass

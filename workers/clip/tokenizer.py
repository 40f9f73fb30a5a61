"""Text to token ids: byte-level BPE, identical to the published CLIP tokenizer for every text of human words.

The vocabulary is vendored under `vocab/` (MIT); nothing is downloaded. Ids are those that the published weights know.
"""

from __future__ import annotations

import gzip
import html
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import ftfy
import regex
import torch
from torch import Tensor

VOCABULARY: Final = Path(__file__).parent / "vocab" / "bpe_simple_vocab_16e6.txt.gz"
START: Final = "<|startoftext|>"
END: Final = "<|endoftext|>"
WORD_END: Final = "</w>"
# The vendored file ranks far more merges than CLIP uses: 49,408 ids less 2 × 256 bytes and the two special tokens.
MERGES: Final = 49408 - 2 * 256 - 2

# No word is longer: one that is gets cut. Joining neighbours takes the square of a word's length, and a text of one
# megabyte without a space would otherwise keep a core busy for minutes.
WORD_LIMIT: Final = 1024  # bytes; 75 tokens of the longest kind would fit

# Special tokens, English contractions, a run of letters, one digit at a time, a run of anything else that is no space.
PATTERN: Final = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+", regex.IGNORECASE
)


def clean(text: str) -> str:
    """Repair mojibake, unescape HTML twice (web text is often escaped twice), squeeze white space, lower the case."""
    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()


@cache
def byte_symbols() -> dict[int, str]:
    """A printable character for each of the 256 bytes, in the order in which they have ids.

    Latin-1's printable characters stand for themselves; the other 68 bytes take characters from U+0100 up, so that the
    vocabulary file holds no white space or control characters (GPT-2's scheme, Radford et al. 2019 §2.2).
    """
    itself = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    symbols = {byte: chr(byte) for byte in itself}
    symbols.update({byte: chr(256 + n) for n, byte in enumerate(b for b in range(256) if b not in symbols)})
    return symbols


class Tokenizer:
    """Byte-pair encoding with the word-end mark `</w>` (Sennrich et al. 2016, §3.2)."""

    def __init__(self, vocabulary: Path = VOCABULARY) -> None:
        lines = gzip.decompress(vocabulary.read_bytes()).decode().split("\n")[1 : MERGES + 1]  # line 0 is a version
        self.merges: list[tuple[str, str]] = [(left, right) for left, right in (line.split() for line in lines)]
        self.rank = {pair: n for n, pair in enumerate(self.merges)}
        symbols = list(byte_symbols().values())
        words = [*symbols, *(s + WORD_END for s in symbols), *(a + b for a, b in self.merges), START, END]
        self.ids = {word: n for n, word in enumerate(words)}
        self.words = words
        self.start, self.end = self.ids[START], self.ids[END]
        self.bpe = lru_cache(maxsize=16384)(self._bpe)  # bounded: what people send must not fill the memory

    def _bpe(self, word: str) -> tuple[int, ...]:
        """One word in byte symbols → ids: join the neighbours of lowest rank until no two are in the table."""
        parts = [*word[:-1], word[-1] + WORD_END]
        while len(parts) > 1:
            best = min(pairwise(parts), key=lambda pair: self.rank.get(pair, MERGES))
            if best not in self.rank:
                break
            joined, i = [], 0
            while i < len(parts):
                if tuple(parts[i : i + 2]) == best:
                    joined.append(parts[i] + parts[i + 1])
                    i += 2
                else:
                    joined.append(parts[i])
                    i += 1
            parts = joined
        return tuple(self.ids[part] for part in parts)

    def stream(self, text: str) -> Iterator[int]:
        """Ids of a text without start and end, word by word; a special token written in the text becomes its id."""
        symbols = byte_symbols()
        for match in PATTERN.finditer(clean(text)):
            word = match.group()
            if word in (START, END):
                yield self.ids[word]
                continue
            encoded = "".join(symbols[byte] for byte in word.encode())
            for n in range(0, len(encoded), WORD_LIMIT):
                yield from self.bpe(encoded[n : n + WORD_LIMIT])

    def encode(self, text: str) -> list[int]:
        """All ids of `stream`."""
        return list(self.stream(text))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids, white space normalised; bytes that are no UTF-8 become U+FFFD."""
        bytes_of = {symbol: byte for byte, symbol in byte_symbols().items()}
        text = "".join(self.words[n] for n in ids if n not in (self.start, self.end)).replace(WORD_END, " ")
        return bytearray(bytes_of.get(c, 32) for c in text).decode("utf-8", errors="replace").strip()


@cache
def default_tokenizer() -> Tokenizer:
    return Tokenizer()


def tokenize(texts: str | Sequence[str], context_length: int = 77, truncate: bool = False) -> Tensor:
    """Texts → int32 ids [n, context_length]: start, the text, end, then zeros.

    A text that is too long raises RuntimeError; with `truncate` its tail is dropped and the end token kept, since that
    is where the model reads its feature. A single string counts as a list of one.
    """
    if context_length < 2:
        raise ValueError(f"context_length must leave room for start and end, not {context_length}")
    tokenizer = default_tokenizer()
    texts = [texts] if isinstance(texts, str) else texts
    result = torch.zeros(len(texts), context_length, dtype=torch.int32)
    for row, text in zip(result, texts, strict=True):
        body = list(islice(tokenizer.stream(text), context_length - 1))  # one more than fits tells that it does not
        if len(body) > context_length - 2 and not truncate:
            raise RuntimeError(
                f"{text[:80]!r} has more than the {context_length} tokens that fit, start and end counted: shorten it, "
                "or pass truncate=True to drop its tail"
            )
        ids = [tokenizer.start, *body[: context_length - 2], tokenizer.end]
        row[: len(ids)] = torch.tensor(ids, dtype=torch.int32)
    return result

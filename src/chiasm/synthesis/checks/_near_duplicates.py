"""Texts that are nearly the same as one seen before, by MinHash (Broder 1997) with banding, in bounded memory.

A text is its set of shingles: the characters from each beginning of a word on. The share of equal values in two
signatures estimates the share of shingles in common (Jaccard). Bands of a signature find candidates, the estimate
decides. About 600 bytes a text: 240,000 take 150 MB. Nothing is known about samples.
"""

from __future__ import annotations

import re
from array import array

import numpy as np
from numpy.typing import NDArray

_BANDS, _ROWS = 8, 8  # at a Jaccard of 0.9 a pair shares a band in 99 % of cases, at 0.5 in 3 %
_SIZE = _BANDS * _ROWS
_SHINGLE = 12  # characters: two or three English words
_SHINGLE_HAN = 5  # the same in Chinese
_CHAIN = 32  # candidates looked at in a band; a template's texts share bands by the thousand
_SPACE = re.compile(r"\s+")


class NearDuplicates:
    """The texts seen so far. `threshold` is the Jaccard similarity (0 to 1) from which two texts are duplicates."""

    def __init__(self, threshold: float) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"the threshold must be above 0 and at most 1, not {threshold}")
        self._threshold = threshold
        # Ours: any odd multipliers will do; a fixed seed, so that a run repeated finds the same.
        random = np.random.Generator(np.random.PCG64(20230417))
        self._factors = random.integers(1, 1 << 63, _SIZE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._offsets = random.integers(0, 1 << 63, _SIZE, dtype=np.uint64)
        self._keys: list[str] = []
        self._signatures = np.empty((1024, _SIZE), dtype=np.uint16)  # low bits: 1 in 65,536 is equal by chance
        self._newest: dict[int, int] = {}  # band -> the newest text that has it
        self._older = array("i")  # for each text and band, the text before it in that band, -1 for none

    def __len__(self) -> int:
        return len(self._keys)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Key and similarity of the text most like this one, if at or above the threshold."""
        return self._nearest(self._signature(text))

    def add(self, key: str, text: str) -> tuple[str, float] | None:
        """What `nearest` says; the text is remembered under `key` if that is None."""
        signature = self._signature(text)
        if (found := self._nearest(signature)) is not None:
            return found
        index = len(self._keys)
        if index == len(self._signatures):
            grown = np.empty((index * 2, _SIZE), dtype=np.uint16)
            grown[:index] = self._signatures
            self._signatures = grown
        self._signatures[index] = signature
        self._keys.append(key)
        for band in _bands(signature):
            self._older.append(self._newest.get(band, -1))
            self._newest[band] = index
        return None

    def _nearest(self, signature: NDArray[np.uint16]) -> tuple[str, float] | None:
        candidates: set[int] = set()
        for number, band in enumerate(_bands(signature)):
            index = self._newest.get(band, -1)
            for _ in range(_CHAIN):
                if index < 0:
                    break
                candidates.add(index)
                index = self._older[index * _BANDS + number]
        if not candidates:
            return None
        indices = sorted(candidates)
        similarities = (self._signatures[indices] == signature).mean(axis=1)
        best = int(similarities.argmax())
        if similarities[best] < self._threshold:
            return None
        return self._keys[indices[best]], float(similarities[best])

    def _signature(self, text: str) -> NDArray[np.uint16]:
        hashes = _shingles(_SPACE.sub(" ", text.strip().lower()))
        values = hashes[:, None] * self._factors + self._offsets
        # The high bits are the well mixed ones of a product.
        smallest: NDArray[np.uint64] = (values >> np.uint64(32)).min(axis=0)
        return smallest.astype(np.uint16)


def _bands(signature: NDArray[np.uint16]) -> list[int]:
    """One number a band; which band it is is part of it."""
    raw = signature.tobytes()
    width = 2 * _ROWS
    return [hash((number, raw[number * width : (number + 1) * width])) for number in range(_BANDS)]


def _shingles(text: str) -> NDArray[np.uint64]:
    """Hashes (number of beginnings of words,) of the characters that follow each."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    han = codes >= 0x2E80
    length = _SHINGLE_HAN if 2 * int(han.sum()) > len(codes) else _SHINGLE
    padded = np.zeros(len(codes) + length, dtype=np.uint64)
    padded[: len(codes)] = codes
    hashes = np.zeros(max(1, len(codes)), dtype=np.uint64)
    for at in range(length):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + padded[at : at + len(hashes)]
    hashes ^= hashes >> np.uint64(29)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    # A letter behind a letter begins nothing; each Chinese character does.
    letter = (codes >= ord("0")) & ~han & (codes != ord("?")) & (codes != ord(":")) & (codes != ord(";"))
    begins = np.ones(len(hashes), dtype=bool)
    begins[1 : len(codes)] = ~(letter[1:] & letter[:-1]) & (codes[1:] != ord(" "))
    return hashes[begins]

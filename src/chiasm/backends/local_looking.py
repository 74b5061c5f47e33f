"""Where a local model looked, told as words and pictures: tokens to characters, patches to cells of a picture.

It knows tokenizer and image policy; the attention itself comes from `chiasm.generation.looking`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import torch

from chiasm.backends.local_prompts import Opened
from chiasm.chat import Glance, Heat, Looked
from chiasm.errors import UserError
from chiasm.generation.looking import onto_picture
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # written without spaces: kana and Chinese characters
_WORD = re.compile(rf"[{_HAN}]+|(?:(?![{_HAN}])\w)+(?:['’.,:-](?:(?![{_HAN}])\w)+)*")

Span = tuple[int, int]


def looked(processor: Processor, shown: Sequence[Opened], answer_ids: Sequence[int], shares: torch.Tensor) -> Looked:
    """`shares` (tokens of the answer, tokens of all pictures) as maps over the pictures `shown`.

    Raises `UserError` for pictures of several tiles.
    """
    text, spans = token_spans(processor, answer_ids)
    maps = list(_maps(processor.images, shown, shares))

    def glances(pieces: Iterable[tuple[Span, list[int]]]) -> tuple[Glance, ...]:
        return tuple(Glance(*span, tuple(_heat(each[tokens].mean(0)) for each in maps)) for span, tokens in pieces)

    words = (
        (word, [i for i, span in enumerate(spans) if _overlap(text, span, word)]) for word in words_of(text, spans)
    )
    return Looked(
        text,
        glances((span, [i]) for i, span in enumerate(spans)),
        glances((word, tokens) for word, tokens in words if tokens),
        tuple(_heat(each.mean(0)) for each in maps),
    )


def token_spans(processor: Processor, ids: Sequence[int]) -> tuple[str, list[Span]]:
    """The text of an answer, trimmed, and the characters of each token in it.

    Tokens that are parts of one character all have it. Trimmed space belongs to no token.
    """
    stream = processor.tokenizer.decode_stream()
    pieces = [stream.feed(token) for token in ids]
    pieces[-1] += stream.finish()
    whole = "".join(pieces)
    text = whole.strip()
    lead = len(whole) - len(whole.lstrip())
    spans: list[Span] = []
    start, num_waiting = 0, 0
    for piece in pieces:
        num_waiting += 1
        if piece:
            end = start + len(piece)
            spans += [(_within(start - lead, text), _within(end - lead, text))] * num_waiting
            start, num_waiting = end, 0
    return text, [*spans, *[(len(text), len(text))] * num_waiting]


def words_of(text: str, spans: Sequence[Span]) -> list[Span]:
    """The words of `text`, numbers among them, without marks; writing without spaces is cut where tokens are."""
    borders = sorted({edge for span in spans for edge in span})
    words: list[Span] = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        if re.match(rf"[{_HAN}]", match[0]):
            edges = [start, *(edge for edge in borders if start < edge < end), end]
            words += list(itertools.pairwise(edges))
        else:
            words.append((start, end))
    return words


def _within(place: int, text: str) -> int:
    return min(max(place, 0), len(text))


def _overlap(text: str, span: Span, word: Span) -> bool:
    start, end = max(span[0], word[0]), min(span[1], word[1])
    return bool(text[start:end].strip())


def _maps(images: ImageProcessing, shown: Sequence[Opened], shares: torch.Tensor) -> Iterator[torch.Tensor]:
    """One map a picture: (tokens of the answer, rows, columns) over the picture itself."""
    start = 0
    for number, picture in enumerate(shown, 1):
        layout = picture.layout
        if layout.tiles != 1:
            raise UserError(
                f"picture {number} is seen in {layout.tiles} tiles; where a model looked is told for pictures of one"
            )
        patches = shares[:, start + layout.class_token : start + layout.num_tokens]
        (frame,) = images.frames(*picture.size)
        yield onto_picture(patches.reshape(-1, layout.rows, layout.cols), frame)
        start += layout.num_tokens


def _heat(shares: torch.Tensor) -> Heat:
    # Four digits: more than an eye can tell, and a tenth of the bytes.
    rows, columns = shares.shape
    return Heat(rows, columns, tuple(float(f"{share:.4g}") for share in shares.flatten().tolist()))

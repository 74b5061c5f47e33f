"""Captioning photographs in English: COCO's validation captions, Karpathy's test splits, Flickr8k.

Metrics are those of coco-caption (Chen et al. 2015) but METEOR and SPICE, which need Java and models: Bleu 1 to 4,
ROUGE-L and CIDEr-D, all times 100; words as in `chiasm.evals.captions.tokenise`. LLaVA-1.5 publishes no captioning
numbers. The prompt is the one it was trained on TextCaps with (arXiv 2310.03744, table 7), without OCR tokens.
"""

from __future__ import annotations

from pathlib import Path

from chiasm.evals.prompts import ONE_SENTENCE
from chiasm.evals.tasks._caption_sets import Captioned, english_set
from chiasm.evals.tasks._captioning import caption_task


def _read(data: Path) -> list[Captioned]:
    return english_set(data, "caption")


TASK = caption_task("Captions of photographs against people's: Bleu, ROUGE-L, CIDEr-D", ONE_SENTENCE, _read, "en")

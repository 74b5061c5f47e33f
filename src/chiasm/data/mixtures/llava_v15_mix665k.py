"""LLaVA-1.5's second stage: ten sets, 665,298 records, 624,610 of them with a picture.

Counts are those the authors gave for the released file (LLaVA, issue 702); construction is that of the paper's
appendix and of the records themselves. Where a set gives more than was published, as many are drawn by the seed: which
ones the authors took is unknown for OCR-VQA, Visual Genome and ShareGPT.
"""

from __future__ import annotations

from chiasm.data.mixture import Mixture, Part

_DRAWN = ("ocrvqa", "visual_genome", "sharegpt")
_WHOLE = ("llava_instruct", "vqav2", "gqa", "okvqa", "aokvqa", "textcaps", "refcoco")


def mixture() -> Mixture:
    """The published mixture, from the sets' own files."""
    from chiasm.data import sources

    parts = {name: Part() for name in _WHOLE}
    parts |= {name: Part(count=sources.find(name).published_count) for name in _DRAWN}
    return Mixture(name="llava_v15_mix665k", published=True, sources=parts)

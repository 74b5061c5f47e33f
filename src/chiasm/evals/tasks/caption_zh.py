"""Captioning photographs in Chinese: `captions_zh.json` of Flickr8k-CN (Li et al. 2016), as task `caption`.

Words are characters, as the set's authors score. The prompt is ours, after LLaVA's for English.
"""

from __future__ import annotations

from pathlib import Path

from chiasm.evals.tasks._caption_sets import Captioned, chinese_set
from chiasm.evals.tasks._captioning import caption_task

PROMPT = "请用一句话描述这张图片。"


def _read(data: Path) -> list[Captioned]:
    return chinese_set(data, "caption_zh")


TASK = caption_task("Chinese captions of photographs against people's, by characters", PROMPT, _read, "zh")

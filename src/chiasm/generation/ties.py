"""Two tokens nearly as likely: decided by numbers that depend on nobody else.

How a product of matrices rounds depends on how many rows it has: on who is computed beside, and on how much of a prompt
was found computed. In float32 that moves a logit by some millionths, enough to turn a choice between two as close as
that: under load, two answers in nine thousand. There the prompt and the answer so far are computed once more, by
themselves and from the beginning, so that an answer is the same in any company.

Shapes: B rows, D language width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chiasm.generation.logits import sharp_logits
from chiasm.generation.prompt import Prompt
from chiasm.models import language
from chiasm.models.llava import Llava

# Between two logits in float32; ours. Those of the assistant move by 2e-5 at most; a choice in 1,400 is as close.
_CLOSE = 5e-4


@torch.inference_mode()
def settled(model: Llava, answers: Sequence[tuple[Prompt, Sequence[int]]], logits_BV: torch.Tensor) -> torch.Tensor:
    """The logits that follow each of `answers`, prompt and ids, in which the likeliest is so in any company.

    What is ruled out stays at -inf. In 16 bits rounding moves logits so far that nothing is changed.
    """
    if model.dtype != torch.float32 or torch.is_autocast_enabled(model.device.type):
        return logits_BV
    likeliest: list[list[float]] = logits_BV.topk(min(2, logits_BV.shape[-1])).values.tolist()
    close = [row for row, likely in enumerate(likeliest) if likely[0] - likely[-1] < _CLOSE]
    if close:
        logits_BV = logits_BV.clone()
    for row in close:
        ruled_out_V = logits_BV[row].isneginf()
        logits_BV[row] = _alone(model, *answers[row]).masked_fill(ruled_out_V, -torch.inf)
    return logits_BV


def _alone(model: Llava, prompt: Prompt, ids: Sequence[int]) -> torch.Tensor:
    """Logits (V) of what follows `prompt` and `ids`, from nothing that was computed before."""
    ids_T = torch.tensor([*prompt.ids, *ids])
    for picture in prompt.pictures:  # elsewhere a placeholder's id is a token like others
        ids_T[picture.start : picture.end] = 0
    x_TD = language.embed(model.language_model, ids_T.to(model.device)[None])[0]
    for picture in prompt.pictures:
        tiles = prompt.pixels[picture.first_tile : picture.first_tile + picture.num_tiles]
        x_TD[picture.start : picture.end] = model.encode_images(tiles).flatten(0, -2)
    return sharp_logits(model, model.hidden(x_TD[None])[0, -1:])[0]

"""What the published recipes of LLaVA have in common: numbers of its papers and scripts.

Data paths are those of LLaVA's own instructions (`playground/data/...`); point them elsewhere with `--set`.
"""

from __future__ import annotations

from typing import Literal

from chiasm.training.config import Data, Model, Optim, Recipe, Stage

_ROOT = "playground/data"


def optim(lr: float) -> Optim:
    """AdamW, no weight decay, cosine after 3 % warm-up: every LLaVA script.

    Clipping at 1.0 is transformers' default; the DeepSpeed settings of the published runs name none, so those may not
    have clipped. Set `clip_norm` to null for that.
    """
    return Optim(lr=lr, schedule="cosine", warmup=0.03, weight_decay=0.0, clip_norm=1.0)


def v15(size: Literal["7b", "13b"]) -> Recipe:
    """LLaVA-1.5 (arXiv 2310.03744, table 9; scripts/v1_5/pretrain.sh and finetune.sh)."""
    return Recipe(
        name=f"llava_v15_{size}",
        model=Model(
            vision="openai/clip-vit-large-patch14-336",
            language=f"lmsys/vicuna-{size}-v1.5",
            connector="mlp2x_gelu",
            feature_layer=-2,
        ),
        stages={
            "align": Stage(
                trains=("connector",),
                data=Data(
                    records=f"{_ROOT}/LLaVA-Pretrain/blip_laion_cc_sbu_558k.json",
                    images=f"{_ROOT}/LLaVA-Pretrain/images",
                ),
                template="plain",
                images="square",  # the published script does not set padding in stage 1
                batch_size=256,
                micro_batch_size=32,
                optim=optim(1e-3),
                gradient_checkpointing=True,
            ),
            "instruct": Stage(
                trains=("connector", "language"),
                data=Data(records=f"{_ROOT}/llava_v1_5_mix665k.json", images=_ROOT, order="modality_length"),
                template="vicuna_v1",
                images="pad",
                batch_size=128,
                micro_batch_size=16,
                optim=optim(2e-5),
                gradient_checkpointing=True,
            ),
        },
        save_every=1000,
    )


def v1(size: Literal["7b"]) -> Recipe:
    """LLaVA v1 for chat (arXiv 2304.08485, section 5 and appendix B): 595K pairs, then 158K instructions, 3 epochs.

    Global batch 32 in stage 2 is the paper's; the shipped script has 128.
    """
    return Recipe(
        name=f"llava_v1_{size}",
        model=Model(
            vision="openai/clip-vit-large-patch14",
            language=f"lmsys/vicuna-{size}-v1.3",
            connector="linear",
            feature_layer=-2,
        ),
        stages={
            "align": Stage(
                trains=("connector",),
                data=Data(
                    records=f"{_ROOT}/LLaVA-CC3M-Pretrain-595K/chat.json",
                    images=f"{_ROOT}/LLaVA-CC3M-Pretrain-595K/images",
                ),
                template="plain",
                images="square",
                batch_size=128,
                micro_batch_size=16,
                optim=optim(2e-3),
                gradient_checkpointing=True,
            ),
            "instruct": Stage(
                trains=("connector", "language"),
                data=Data(records=f"{_ROOT}/llava_instruct_150k.json", images=f"{_ROOT}/coco/train2017"),
                template="vicuna_v1",
                images="square",
                batch_size=32,
                micro_batch_size=16,
                epochs=3,
                optim=optim(2e-5),
                gradient_checkpointing=True,
            ),
        },
        save_every=1000,
    )

"""What the published recipes of LLaVA have in common: numbers of its papers and scripts.

Data paths are those of LLaVA's own instructions (`playground/data/...`); point them elsewhere with `--set`.
"""

from __future__ import annotations

from typing import Literal

from chiasm.training.config import Data, Lora, Model, Optim, Recipe, Stage

_ROOT = "playground/data"

Size = Literal["7b", "13b"]


def optim(lr: float) -> Optim:
    """AdamW, no weight decay, cosine after 3 % warm-up: every LLaVA script.

    Clipping at 1.0 is transformers' default; the DeepSpeed settings of the published runs name none, so those may not
    have clipped. Set `clip_norm` to null for that.
    """
    return Optim(lr=lr, schedule="cosine", warmup=0.03, weight_decay=0.0, clip_norm=1.0)


def v15(size: Size) -> Recipe:
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
        save_every=1000,  # the scripts save every 24,000 or 50,000 steps, so hardly ever
        workers=4,
    )


def v15_lora(size: Size) -> Recipe:
    """LLaVA-1.5 with adapters in stage 2 (scripts/v1_5/finetune_lora.sh).

    Rank 128, alpha 256, 2e-4 for the adapters and 2e-5 for the connector (`mm_projector_lr`) are the script's; dropout
    0.05 and no biases are train.py's defaults. Everything else is the full run's.
    """
    whole = v15(size)
    instruct = whole.stages["instruct"].model_copy(
        update={
            "optim": optim(2e-4).model_copy(update={"lr_by_part": {"connector": 2e-5}}),
            "lora": Lora(rank=128, alpha=256, dropout=0.05),
        }
    )
    return whole.model_copy(update={"name": f"llava_v15_{size}_lora", "stages": {**whole.stages, "instruct": instruct}})


def v1_lora(size: Size) -> Recipe:
    """LLaVA v1 with adapters, as its preview script has them (scripts/finetune_lora.sh): 80K instructions, 1 epoch.

    Rank 64 and alpha 16 are train.py's defaults, which the script leaves as they are; 2e-5 and 16 samples on each of
    eight GPUs are the script's.
    """
    whole = v1(size)
    instruct = whole.stages["instruct"].model_copy(
        update={
            "data": Data(records=f"{_ROOT}/llava_instruct_80k.json", images=f"{_ROOT}/coco/train2017"),
            "batch_size": 128,
            "epochs": 1.0,
            "lora": Lora(rank=64, alpha=16, dropout=0.05),
        }
    )
    return whole.model_copy(update={"name": f"llava_v1_{size}_lora", "stages": {**whole.stages, "instruct": instruct}})


def v1_scienceqa(size: Size) -> Recipe:
    """LLaVA v1 on ScienceQA (arXiv 2304.08485, section 5.2): lecture and explanation first, then the answer (QCM-LEA).

    12 epochs at 2e-5. Global batch 32 is the paper's; scripts/finetune_sqa.sh has 128. The source `scienceqa`
    of `chiasm data mix` writes the records.
    """
    whole = v1(size)
    instruct = whole.stages["instruct"].model_copy(
        update={
            "data": Data(
                records=f"{_ROOT}/scienceqa/llava_train_QCM-LEA.json", images=f"{_ROOT}/scienceqa/images/train"
            ),
            "epochs": 12.0,
        }
    )
    return whole.model_copy(
        update={"name": f"llava_v1_{size}_scienceqa", "stages": {**whole.stages, "instruct": instruct}}
    )


def v1(size: Size) -> Recipe:
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
        save_every=1000,  # the scripts save every 24,000 or 50,000 steps, so hardly ever
        workers=4,
    )

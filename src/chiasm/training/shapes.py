"""What is known of a run before anything is there: shapes of models, numbers of samples and how long they are.

Folders and files on this machine are asked; for hub names and data files that are elsewhere the published numbers
stand here, with their sources. Nothing is downloaded and no weight is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chiasm import checkpoints
from chiasm.checkpoints.json_files import read_json
from chiasm.checkpoints.model_configs import completed, tower_of
from chiasm.checkpoints.tokenizer_files import FolderTokenizer
from chiasm.conversation import RecordError
from chiasm.data.conversations import ConversationFile
from chiasm.errors import UserError
from chiasm.models.config import LlavaConfig
from chiasm.processing.images import ImageProcessing
from chiasm.processing.pictures import PictureError
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer
from chiasm.training.config import Model, Recipe, Stage, Vocabulary
from chiasm.training.vocabulary import learn


def _clip_large(image_size: int) -> dict[str, Any]:
    """CLIP ViT-L/14: arXiv 2103.00020, table 20, and config.json of the hub's openai/clip-vit-large-patch14."""
    return {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": image_size,
        "patch_size": 14,
    }


def _vicuna(width: int, mlp: int, layers: int, heads: int) -> dict[str, Any]:
    """LLaMA: arXiv 2302.13971, table 2; the inner width from config.json of the hub's lmsys/vicuna-*."""
    return {
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": mlp,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "vocab_size": 32000,
        "tie_word_embeddings": False,
    }


_SEVEN, _THIRTEEN = _vicuna(4096, 11008, 32, 32), _vicuna(5120, 13824, 40, 40)
TOWERS: Mapping[str, dict[str, Any]] = {
    "openai/clip-vit-large-patch14": _clip_large(224),
    "openai/clip-vit-large-patch14-336": _clip_large(336),
}
LANGUAGE_MODELS: Mapping[str, dict[str, Any]] = {
    **{f"lmsys/vicuna-7b-{version}": _SEVEN for version in ("v1.1", "v1.3", "v1.5")},
    **{f"lmsys/vicuna-13b-{version}": _THIRTEEN for version in ("v1.1", "v1.3", "v1.5")},
}
WHOLE: Mapping[str, dict[str, Any]] = {
    "liuhaotian/llava-v1.5-7b": _SEVEN,
    "llava-hf/llava-1.5-7b-hf": _SEVEN,
    "liuhaotian/llava-v1.5-13b": _THIRTEEN,
    "llava-hf/llava-1.5-13b-hf": _THIRTEEN,
}


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of a stage. Tokens of text, pictures apart, and how many of those are trained; `source` says who says."""

    count: int
    share_with_picture: float
    mean_text: float
    longest_text: int
    trained_share: float
    source: str


# Counts: LLaVA's docs/Data.md and data cards; pictures of the mixture: 624,610 (GitHub issue 702 of LLaVA);
# pictures of ScienceQA's 12,726 training questions: 6,218 (arXiv 2209.09513, table 1). Lengths of text: ours, rounded,
# a caption of some 20 words and conversations that fit 2,048 tokens beside a picture; they move the time, and only for
# files that are not here.
PUBLISHED: Mapping[str, Samples] = {
    "blip_laion_cc_sbu_558k.json": Samples(558_128, 1.0, 25, 150, 0.9, "published count; length assumed"),
    "chat.json": Samples(595_375, 1.0, 25, 150, 0.9, "published count; length assumed"),
    "llava_v1_5_mix665k.json": Samples(665_298, 624_610 / 665_298, 350, 2048, 0.5, "published count; length assumed"),
    "llava_instruct_150k.json": Samples(157_712, 1.0, 350, 2048, 0.6, "published count; length assumed"),
    "llava_instruct_80k.json": Samples(80_000, 1.0, 350, 2048, 0.6, "published count; length assumed"),
    "llava_train_QCM-LEA.json": Samples(12_726, 6_218 / 12_726, 300, 2048, 0.5, "published count; length assumed"),
}
_LOOKED_AT = 200  # samples of a file that are counted token by token; ours


def config_of(origin: Model) -> LlavaConfig:
    """The model's shape; raises `UserError` when neither this machine nor the tables above know it."""
    if origin.start is not None:
        if Path(origin.start).is_dir():
            return checkpoints.describe(Path(origin.start)).config
        language = _known(origin.start, WHOLE, "model.start")
        return LlavaConfig(vision=TOWERS["openai/clip-vit-large-patch14-336"], language=language)
    assert origin.vision is not None  # `Model` refuses recipes without
    assert origin.language is not None
    vision = tower_of(_config(origin.vision, TOWERS, "model.vision"))
    language = completed(_config(origin.language, LANGUAGE_MODELS, "model.language"), "language model")
    if isinstance(origin.vocabulary, Vocabulary):
        language["vocab_size"] = origin.vocabulary.size
    elif origin.vocabulary is not None and Path(origin.vocabulary).is_dir():
        language["vocab_size"] = len(FolderTokenizer.from_folder(Path(origin.vocabulary)))
    return LlavaConfig(
        vision=vision,
        language=language,
        connector=origin.connector,
        feature_layer=origin.feature_layer,
        class_token=origin.class_token,
    )


def _config(source: str | dict[str, Any], known: Mapping[str, dict[str, Any]], where: str) -> dict[str, Any]:
    if isinstance(source, dict):
        return source
    if Path(source).is_dir():
        return read_json(Path(source) / "config.json")
    return _known(source, known, where)


def _known(name: str, known: Mapping[str, dict[str, Any]], where: str) -> dict[str, Any]:
    if name not in known:
        raise UserError(
            f"{where}: the shape of {name} is not known before it is here. Give a folder with its config.json; known "
            f"without: {', '.join(known)}"
        )
    return known[name]


def processor_of(recipe: Recipe) -> Processor | None:
    """The processor, where what it is made of is on this machine; no weight is read."""
    origin = recipe.model
    if origin.start is not None:
        return checkpoints.load_processor(origin.start) if Path(origin.start).is_dir() else None
    tokenizer: PieceTokenizer | None = None
    if isinstance(origin.vocabulary, Vocabulary):
        if all(Path(records).is_file() for records in origin.vocabulary.records):
            tokenizer = PieceTokenizer(learn(origin.vocabulary))
    else:
        folder = origin.vocabulary if origin.vocabulary is not None else origin.language
        if isinstance(folder, str) and Path(folder).is_dir():
            tokenizer = FolderTokenizer.from_folder(Path(folder))
    if tokenizer is None:
        return None
    vision = config_of(origin).vision
    images = ImageProcessing(size=vision["image_size"], patch_size=vision["patch_size"], class_token=origin.class_token)
    return Processor(tokenizer, "vicuna_v1", images, eos_token="</s>")


def samples_of(stage: Stage, processor: Processor | None) -> Samples:
    """How many samples a stage has and how long they are: counted where the file is here, published otherwise."""
    path = Path(stage.data.records)
    if not path.is_file():
        if path.name in PUBLISHED:
            return PUBLISHED[path.name]
        raise UserError(
            f"there is no file {path}, and it is none of those whose size is published ({', '.join(PUBLISHED)}). Point "
            "data.records at it with --set"
        )
    if stage.objective != "answers":
        return Samples(_num_coco(stage), 1.0, 0, 0, 0.0, "counted")
    if processor is not None and (stage.data.images is None or Path(stage.data.images).is_dir()):
        return _counted(stage, processor)
    lengths = ConversationFile(path).word_lengths()
    # Ours: a third more tokens than words, as English text has them in a vocabulary of 32,000 pieces.
    words = [abs(length) * 4 / 3 for length in lengths] or [0.0]
    with_picture = sum(length > 0 for length in lengths) / max(1, len(lengths))
    return Samples(len(lengths), with_picture, sum(words) / len(words), math.ceil(max(words)), 0.5, "counted in words")


def _counted(stage: Stage, processor: Processor) -> Samples:
    """Token by token, on samples spread evenly over the file."""
    data = ConversationFile(stage.data.records, stage.data.images)
    changed = processor.with_template(stage.template)
    changed = changed.with_images(processor.images.model_copy(update={"policy": stage.images}))
    changed.max_length = stage.max_length
    text, trained, pictures = [], 0, 0
    for place in range(min(len(data), _LOOKED_AT)):
        try:
            example = changed.encode(data[place * len(data) // min(len(data), _LOOKED_AT)], train=True)
        except (RecordError, PictureError):
            continue  # `chiasm data check` finds and names these
        shown = int((example.input_ids == changed.image_token_id).sum())
        text.append(len(example.input_ids) - shown)
        pictures += shown > 0
        trained += example.num_trained
    count = max(1, len(text))
    return Samples(
        len(data), pictures / count, sum(text) / count, max(text, default=0), trained / max(1, sum(text)), "counted"
    )


def _num_coco(stage: Stage) -> int:
    """Samples in COCO's files: the captions of all of them for `clip`, else the pictures."""
    further = stage.contrast.captions if stage.contrast is not None else ()
    name = "annotations" if stage.objective == "clip" else "images"
    found = [read_json(Path(each), max_bytes=10**9).get(name) for each in (stage.data.records, *further)]
    return sum(len(each) for each in found if isinstance(each, list))

"""A folder of eight small pictures with captions in two languages and boxes with phrases, and a recipe of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from chiasm.training.config import Contrast, Data, Model, Optim, Recipe, Stage, Vocabulary

COLOURS = ("red", "green", "blue", "black")
CHINESE = ("红色", "绿色", "蓝色", "黑色")
NUM_PICTURES = 8
NUM_CAPTIONS = 3  # of each picture: two English, one Chinese


def write(folder: Path) -> Path:
    """A coloured rectangle on white in each picture, 64 x 48."""
    (folder / "images").mkdir(parents=True)
    images, english, chinese, boxes, text = [], [], [], [], []
    for number in range(NUM_PICTURES):
        colour, left = number % 4, 8 * (number // 2)
        picture = Image.new("RGB", (64, 48), "white")
        picture.paste(COLOURS[colour], (left, 8, left + 16, 32))
        picture.save(folder / "images" / f"{number}.png")
        images.append({"id": number + 1, "file_name": f"{number}.png", "width": 64, "height": 48})
        for which in range(2):
            caption = f"a {COLOURS[colour]} thing, picture {number}, caption {which}"
            english.append({"id": 10 * number + which, "image_id": number + 1, "caption": caption})
        chinese.append({"id": number, "image_id": number + 1, "caption": f"第{number}张图里有{CHINESE[colour]}的东西"})
        said = {"en": ["a thing", f"a {COLOURS[colour]} thing"], "zh": [f"{CHINESE[colour]}的东西"]}
        box = {"id": number + 1, "image_id": number + 1, "category_id": 1, "bbox": [left, 8, 16, 24], "area": 384}
        wrong = {"en": [f"a {COLOURS[colour]} person"]}
        boxes.append({**box, "iscrowd": 0, "phrases": said, "wrong_phrases": wrong})
        turns = [{"from": "human", "value": english[-1]["caption"]}, {"from": "gpt", "value": chinese[-1]["caption"]}]
        text.append({"id": str(number), "conversations": turns})
    save(folder / "captions.json", {"images": images, "annotations": english})
    save(folder / "captions_zh.json", {"images": images, "annotations": chinese})
    categories = [{"id": 1, "name": "thing"}]
    save(folder / "instances.json", {"images": images, "annotations": boxes, "categories": categories})
    save(folder / "text.json", text)
    return folder


def save(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def recipe(folder: Path, *changes: str) -> Recipe:
    """Four steps of four samples of both towers, in float32, on 4 x 4 patches."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return Recipe(
        name="captioned",
        seed=0,
        precision="float32",
        workers=1,
        model=Model(
            vision={"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8, **sizes},
            language={"model_type": "llama", "num_key_value_heads": 2, "tie_word_embeddings": True, **sizes},
            vocabulary=Vocabulary(records=(str(folder / "text.json"),), size=300),
            dtype="float32",
        ),
        stages={
            "clip": Stage(
                trains=("vision",),
                objective="clip",
                data=Data(records=str(folder / "captions.json"), images=str(folder / "images")),
                contrast=Contrast(
                    captions=(str(folder / "captions_zh.json"),),
                    instances=str(folder / "instances.json"),
                    width=32,
                    layers=1,
                    heads=2,
                    common=16,
                ),
                batch_size=4,
                steps=4,
                optim=Optim(lr=1e-3),
            )
        },
    ).with_changes(list(changes))

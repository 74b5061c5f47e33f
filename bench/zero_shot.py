"""Zero-shot classification of the drawn world's kinds: which of 46 names fits a picture of one kind of thing?

    python -m bench.zero_shot world [CLIP]

Pictures of the test split that show things of a single kind; bare names of all kinds in English and in Chinese, as in
`chiasm classify picture.png dog cat ...`. Prints shares that are right with their 95 % intervals.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from chiasm import bundled
from chiasm.classifying import Classifier
from chiasm.evals.statistics import wilson
from chiasm.processing.pictures import open_picture
from chiasm.scenes.formats.picture import LANGUAGES


def main() -> None:
    """Classify every picture of one kind, in each language."""
    world = Path(sys.argv[1])
    clip = Path(sys.argv[2]) if len(sys.argv) > 2 else bundled.folder("clip")
    coco = json.loads((world / "annotations" / "instances_test.json").read_text())
    shown: dict[int, set[int]] = {}
    for annotation in coco["annotations"]:
        shown.setdefault(annotation["image_id"], set()).add(annotation["category_id"])
    for language in LANGUAGES:
        names = {each["id"]: language.name(each["name"]) for each in coco["categories"]}
        classifier = Classifier.open(clip, list(names.values()), "{}")
        right = num = 0
        for picture in coco["images"]:
            kinds = shown.get(picture["id"], set())
            if len(kinds) != 1:
                continue
            (kind,) = kinds
            best = classifier.classify(open_picture(world / "images" / picture["file_name"]))[0]
            right += best.label == names[kind]
            num += 1
        sure = wilson(right, num)
        print(
            f"{language.code}: {100 * right / num:.1f} % [{sure.low:.1f}, {sure.high:.1f}], n {num}, {len(names)} kinds"
        )


if __name__ == "__main__":
    main()

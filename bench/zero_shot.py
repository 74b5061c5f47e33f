"""Zero-shot classification of the drawn world's kinds: which of 46 names fits a picture of one kind of thing?

    python -m bench.zero_shot world [CLIP]

Pictures of the test split that show things of a single kind; names in English and in Chinese, as they stand in the
world's phrases. Prints shares that are right with their 95 % intervals.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from chiasm import bundled
from chiasm.classifying import Classifier
from chiasm.evals.statistics import wilson
from chiasm.processing.pictures import open_picture


def main() -> None:
    """Classify every picture of one kind, in each language."""
    world = Path(sys.argv[1])
    clip = Path(sys.argv[2]) if len(sys.argv) > 2 else bundled.folder("clip")
    coco = json.loads((world / "annotations" / "instances_test.json").read_text())
    things: dict[int, list[dict[str, object]]] = {}
    for annotation in coco["annotations"]:
        things.setdefault(annotation["image_id"], []).append(annotation)
    for language in ("en", "zh"):
        # The first phrase of a thing is its bare name.
        names = {a["category_id"]: a["phrases"][language][0] for a in coco["annotations"]}
        classifier = Classifier.open(clip, list(names.values()), "{}")
        right = num = 0
        for picture in coco["images"]:
            kinds = {a["category_id"] for a in things[picture["id"]]}
            if len(kinds) != 1:
                continue
            best = classifier.classify(open_picture(world / "images" / picture["file_name"]))[0]
            right += best.label == names[kinds.pop()]  # type: ignore[index]
            num += 1
        sure = wilson(right, num)
        print(f"{language}: {100 * right / num:.1f} % [{sure.low:.1f}, {sure.high:.1f}], n {num}, {len(names)} kinds")


if __name__ == "__main__":
    main()

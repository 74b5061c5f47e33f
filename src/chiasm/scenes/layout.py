"""Where the files of a drawn world are. Paths only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class WrittenWorld:
    """A world in `folder`. Paths of pictures inside its files are relative to `images`.

    `split` is "train", "val" or "test", `language` "en" or "zh".
    """

    folder: Path

    @property
    def manifest(self) -> Path:
        """What world this is, and whether it is complete."""
        return self.folder / "world.json"

    @property
    def readme(self) -> Path:
        """What is in the folder, for people."""
        return self.folder / "readme.md"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def captions(self, split: str, language: str = "en") -> Path:
        """COCO's captions."""
        return self.folder / "annotations" / f"captions_{_named(split, language)}.json"

    def instances(self, split: str) -> Path:
        """COCO's instances."""
        return self.folder / "annotations" / f"instances_{split}.json"

    @property
    def written_instances(self) -> Path:
        """The same of pictures to train on in which something is written, and of a part of the others."""
        return self.folder / "annotations" / "written_instances_train.json"

    @property
    def align_train(self) -> Path:
        """Stage 1: descriptions."""
        return self.folder / "align_train.json"

    @property
    def instruct_train(self) -> Path:
        """Stage 2 of the first LLaVA: conversations, descriptions, reasoning."""
        return self.folder / "instruct_train.json"

    @property
    def mixture_train(self) -> Path:
        """Stage 2 of LLaVA-1.5: everything."""
        return self.folder / "mixture_train.json"

    @property
    def practice_train(self) -> Path:
        """After stage 2, for a small model: short questions that do not give each other away."""
        return self.folder / "practice_train.json"

    def drill_train(self, name: str) -> Path:
        """After practice: a skill by itself, or all of them together."""
        return self.folder / "drills" / f"{name}_train.json"

    @property
    def text_train(self) -> Path:
        """For the language model alone."""
        return self.folder / "text_train.json"

    def questions(self, split: str, language: str = "en") -> Path:
        """Questions about held-out pictures, with their answers."""
        return self.folder / f"questions_{_named(split, language)}.json"

    def pope(self, split: str) -> Path:
        """The folder of POPE's three files."""
        return self.folder / f"pope_{split}"

    def vqa(self, split: str) -> Path:
        """The folder of VQA v2's two files."""
        return self.folder / f"vqav2_{split}"

    def vqa_questions(self, split: str) -> Path:
        return self.vqa(split) / f"v2_OpenEnded_drawn_{split}_questions.json"

    def vqa_annotations(self, split: str) -> Path:
        return self.vqa(split) / f"v2_drawn_{split}_annotations.json"

    def caption(self, split: str) -> Path:
        """The folder of the captioning benchmark, in the layout of Flickr8k-CN."""
        return self.folder / f"caption_{split}"


def _named(split: str, language: str) -> str:
    return split if language == "en" else f"{split}_{language}"

"""A question with its only right answer, and the response-format prompts that say how short the answer has to be.

Knows no scene. The English prompts are those LLaVA-1.5 was trained with (arXiv:2310.03744, section 3.3 and table 7; the
line of recognised words is TextVQA's in the same mixture); the Chinese ones are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from chiasm.scenes.telling.language import Language

Style = Literal["short", "option", "box", "region", "read", "long"]

SHORT: Mapping[str, str] = {
    "en": "Answer the question using a single word or phrase.",
    "zh": "请用一个词或短语回答。",
}
FORMATS: Mapping[Style, Mapping[str, str]] = {
    "short": SHORT,
    "read": SHORT,
    "option": {
        "en": "Answer with the option's letter from the given choices directly.",
        "zh": "请直接回答选项的字母。",
    },
    "box": {
        "en": "Provide the bounding box coordinate of the region this sentence describes.",
        "zh": "请给出这句话所描述的区域的边界框坐标。",
    },
    "region": {
        "en": "Provide a short description for this region.",
        "zh": "请简短地描述这个区域。",
    },
}
OCR_TOKENS: Mapping[str, str] = {"en": "Reference OCR token: ", "zh": "参考文字："}
LETTERS = "ABCD"

YES: Mapping[str, tuple[str, ...]] = {"en": ("yes",), "zh": ("是", "有")}
NO: Mapping[str, tuple[str, ...]] = {"en": ("no",), "zh": ("不是", "没有")}
"""What a question for yes or no is answered with. In Chinese the second answers 有…吗, the first all others."""


class Question(NamedTuple):  # quicker made than a dataclass, as a `Look`
    """A question and its answer; `style` says which format prompt follows it ("long": none).

    An "option" question is answered by the letter of one of its `options`. `recognised` are words that a reading
    machine found in the picture: they go into the prompt of a "read" question. `prompted` is false where an earlier
    question of the conversation has asked for short answers already.
    """

    kind: str
    question: str
    answer: str
    style: Style
    options: tuple[str, ...] = ()
    recognised: tuple[str, ...] = ()
    prompted: bool = True

    def prompt(self, language: Language) -> str:
        """What a model is asked: the question, its options, and the line that asks for the format."""
        lines = [self.question]
        lines += [f"{letter}. {option}" for letter, option in zip(LETTERS, self.options, strict=False)]
        if self.recognised:
            lines.append(f"{OCR_TOKENS[language.code]}{', '.join(self.recognised)}")
        if self.prompted and self.style in FORMATS:
            lines.append(FORMATS[self.style][language.code])
        return "\n".join(lines)


def asked_once(questions: Sequence[Question]) -> tuple[Question, ...]:
    """The same questions, of which only the first asks for short answers, as LLaVA-1.5 merges those of a picture.

    Options, boxes and regions keep their own line, each time.
    """
    said = False
    merged = []
    for question in questions:
        short = question.style in ("short", "read")
        merged.append(question._replace(prompted=False) if short and said else question)
        said = said or short
    return tuple(merged)

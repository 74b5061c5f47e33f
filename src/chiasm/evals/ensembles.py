"""Two models' answers to one multiple-choice benchmark made into one: LLaVA's with those of a text-only model.

ScienceQA with GPT-4 (LLaVA v1, section 5.2, table 7). *Complement*: the text-only model's answer, and LLaVA's where
that says nothing (90.97). *Judge*: where the two disagree, a model is asked again with the question and both outcomes,
and its own answer counts (92.53); where it says nothing, LLaVA's stands, as in eval_science_qa_gpt4_requery.py. LLaVA's
script for the first draws at random where LLaVA says nothing either; here such an answer stays invalid.

What an answer says, and whether two say the same, is what the task's own rule reads. The wording is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chiasm.chat import ChatModel
from chiasm.conversation import Conversation, Message, Text
from chiasm.errors import UserError
from chiasm.evals.judging.inquiry import Inquiry, Watch, inquire, replies
from chiasm.evals.task import Question, Rule, Task

_ORDER = "both outcomes"
_MAX_TOKENS = 1024  # as long as the published answers with their reasons may be

_SYSTEM = "You settle questions of multiple choice on which two others gave different answers."
_RULES = (
    "Two others answered differently; either may be right, or neither. You may not see a picture that belongs to the "
    "question. Work out your own answer. End with one line of exactly this form, and write these words nowhere else: "
    "The answer is X. Here X is the letter of the choice."
)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """One answer a question, by key, and how it came about, in a line for a person."""

    texts: dict[str, str]
    note: str


@dataclass(frozen=True, slots=True)
class TwoModels:
    """The answers `ours` (LLaVA's) and `others` (a text-only model's) to `questions`, by key, read by a task's `rule`.

    Raises `UserError` unless all questions are multiple choice.
    """

    task: Task
    questions: Sequence[Question]
    ours: Mapping[str, str]
    others: Mapping[str, str]
    rule: Rule

    def __post_init__(self) -> None:
        if open_ended := [question for question in self.questions if not question.options]:
            raise UserError(
                f"{len(open_ended):,} of {len(self.questions):,} questions are not multiple choice (first: "
                f"{open_ended[0].key}): only answers that name a choice can be put together. Leave out --complement"
            )

    def complement(self) -> Ensemble:
        """`others`, and `ours` where those say nothing."""
        said = self.task.mark(self.questions, self.others, self.rule)
        texts = {mark.question.key: (self.ours if mark.invalid else self.others)[mark.question.key] for mark in said}
        num, num_theirs = len(said), sum(not mark.invalid for mark in said)
        return Ensemble(texts, f"complement: {num_theirs:,} of {num:,} answers are the text-only model's")

    def arbitrate(self, judge: ChatModel, judge_name: str, rulings: Path, watch: Watch | None = None) -> Ensemble:
        """Where the two disagree, what `judge` says, and `ours` where it says nothing.

        Its replies are kept in the file `rulings`, and what stands there is not asked again. Raises `UserError` when it
        gave no reply at all to some.
        """
        asked = {question.key: question for question in self._disputed()}
        inquiries = {
            key: Inquiry(each.id, key, _ORDER, self.ours[key], _ask(each, self.ours[key], self.others[key]))
            for key, each in asked.items()
        }

        def read(reply: str, inquiry: Inquiry) -> str | None:
            (mark,) = self.task.mark([asked[inquiry.key]], {inquiry.key: reply}, self.rule)
            return None if mark.invalid else mark.read_as

        inquire(list(inquiries.values()), read, judge, judge_name, rulings, max_tokens=_MAX_TOKENS, watch=watch)
        identities = {inquiry.identity for inquiry in inquiries.values()}
        ruled = {
            record["key"]: record["reply"]
            for record in replies(rulings)
            if record["read"] is not None and (record["key"], record["order"], record["prompt_digest"]) in identities
        }
        note = (
            f"judge: {judge_name} settled {len(ruled):,} of {len(asked):,} disagreements in {len(self.questions):,} "
            f"questions; where it did not, {len(asked) - len(ruled):,} times, the first answer stands"
        )
        texts = {each.key: ruled.get(each.key, self.ours[each.key]) for each in self.questions}
        return Ensemble(texts, note)

    def _disputed(self) -> list[Question]:
        both = (self.task.mark(self.questions, texts, self.rule) for texts in (self.ours, self.others))
        return [a.question for a, b in zip(*both, strict=True) if (a.invalid, a.read_as) != (b.invalid, b.read_as)]


def _ask(question: Question, ours: str, other: str) -> Conversation:
    parts = (f"[Question]\n{question.text}", f"[First answer]\n{ours}", f"[Second answer]\n{other}", _RULES)
    text = "\n\n".join(parts).encode("utf-8", "replace").decode("utf-8")
    return Conversation((Message("system", (Text(_SYSTEM),)), Message("user", (Text(text),))))

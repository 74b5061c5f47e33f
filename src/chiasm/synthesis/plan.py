"""What a job is to make: which kinds of samples in which languages, how each is asked for, and how its record looks.

Pure: it touches no file and asks nobody. The same plan and contexts give the same items, keys and records in the same
order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chiasm.chat import Answer, Sampling
from chiasm.conversation import IMAGE_MARKER
from chiasm.dispatch import Request
from chiasm.synthesis.kinds import Kind, find
from chiasm.synthesis.sample import Context, Language, Sample, Turn

LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Item:
    """One sample to be made. `key` names its request, its reply and its record."""

    context: Context
    kind: str
    language: Language
    key: str

    @property
    def id(self) -> str:
        """The id of its record."""
        return f"{self.context.id}-{self.kind}-{self.language}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Kinds by name, in order; who is asked; where contexts come from, as records name it.

    `temperature` is the teacher's; `seed` draws what is ours: the question of a description, and whether the picture
    stands before or behind the first question.
    """

    kinds: Mapping[str, Kind]
    languages: Sequence[Language]
    teacher: str
    source: str
    temperature: float = 1.0
    seed: int = 0
    _digests: dict[tuple[str, Language], str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, names: Iterable[str], languages: Sequence[Language], teacher: str, source: str, **more: Any) -> Plan:
        """A plan of kinds by name; raises `UserError` for one that does not exist."""
        return cls({name: find(name) for name in dict.fromkeys(names)}, tuple(languages), teacher, source, **more)

    @property
    def num_each(self) -> int:
        """Samples a context."""
        return len(self.kinds) * len(self.languages)

    def digest(self, kind: str, language: Language) -> str:
        """The digest of a kind's prompt, worked out once."""
        if (kind, language) not in self._digests:
            self._digests[kind, language] = self.kinds[kind].digest(language)
        return self._digests[kind, language]

    def items(self, contexts: Iterable[Context]) -> Iterator[Item]:
        """All samples of a job, in the order of its output: by context, then kind, then language."""
        for context in contexts:
            for kind in self.kinds:
                for language in self.languages:
                    yield Item(context, kind, language, self._key(context, kind, language))

    def _key(self, context: Context, kind: str, language: Language) -> str:
        sampling = self._sampling(kind)
        shown = self.kinds[kind].context_text(context)
        content: list[object] = [kind, language, context.id, context.image, shown, self.digest(kind, language)]
        content += [self.teacher, sampling.max_tokens, sampling.temperature]
        written = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.blake2b(written.encode("utf-8"), digest_size=16).hexdigest()

    def _sampling(self, kind: str) -> Sampling:
        return Sampling(max_tokens=self.kinds[kind].max_tokens, temperature=self.temperature)

    def request(self, item: Item) -> Request:
        """What the teacher is asked."""
        conversation = self.kinds[item.kind].asked(item.context, item.language, item.id)
        return Request(item.key, conversation, self._sampling(item.kind))

    def sample(self, item: Item, answer: Answer) -> tuple[Sample, tuple[str, ...]]:
        """The reply as a sample, and what had to be repaired; raises `WrongFormat`."""
        kind = self.kinds[item.kind]
        parsed = kind.parse(answer.text)
        turns = parsed.turns
        if kind.questions:
            questions = kind.questions[item.language]
            question = questions[self._draw(item.key, "question", len(questions))]
            turns = tuple(Turn(question, turn.answer) for turn in turns)
        return self._sample(item, turns, answer.finish_reason), parsed.repairs

    def unread(self, item: Item, answer: Answer) -> Sample:
        """A reply that could not be parsed, as one answer to no question."""
        return self._sample(item, (Turn("", answer.text),), answer.finish_reason)

    @staticmethod
    def _sample(item: Item, turns: tuple[Turn, ...], finish_reason: str) -> Sample:
        return Sample(item.key, item.kind, item.language, item.context, turns, finish_reason)

    def record(self, item: Item, sample: Sample, repairs: Sequence[str] = ()) -> dict[str, Any]:
        """The record in LLaVA's JSON, with `meta`."""
        conversations: list[dict[str, str]] = []
        for number, turn in enumerate(sample.turns):
            question = turn.question
            if not number:  # LLaVA, section 3: the picture first or last, at random
                first = self._draw(item.key, "picture", 2)
                question = f"{IMAGE_MARKER}\n{question}" if first else f"{question}\n{IMAGE_MARKER}"
            conversations += [{"from": "human", "value": question}, {"from": "gpt", "value": turn.answer}]
        meta: dict[str, Any] = {
            "kind": item.kind,
            "language": item.language,
            "source": self.source,
            "teacher": self.teacher,
            "prompt_digest": self.digest(item.kind, item.language),
            "key": item.key,
        }
        if repairs:
            meta["repairs"] = list(repairs)
        return {"id": item.id, "image": item.context.image, "conversations": conversations, "meta": meta}

    def _draw(self, key: str, what: str, count: int) -> int:
        digest = hashlib.blake2b(f"{self.seed}\n{what}\n{key}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % count

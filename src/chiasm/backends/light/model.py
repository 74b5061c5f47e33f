"""The bundled assistant as a `ChatModel` without torch: prompts, answers and stop strings are those of `local`.

It computes in float32 what the torch path computes in float32: greedy answers are the same. By default the torch path
computes in the checkpoint's bfloat16, whose rounding may turn a word where two are all but equally likely.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from chiasm.backends.light.choosing import choose, draw_of
from chiasm.backends.light.decoder import Decoder, KeysAndValues
from chiasm.backends.light.familiar import Familiar, read_familiar
from chiasm.backends.light.shape import Unsupported, shape_of
from chiasm.backends.light.tower import Tower, is_left_out
from chiasm.backends.light.weights import Floats, Weights
from chiasm.backends.local_prompts import Attempts, Opened, PromptWriter, WrittenPrompt
from chiasm.backends.spoken import Spoken
from chiasm.chat import Answer, Delta, FinishReason, Sampling, Usage, collect
from chiasm.checkpoints import manifest, processor_json
from chiasm.checkpoints.json_files import read_json
from chiasm.checkpoints.manifest import WeightCheck
from chiasm.conversation import Conversation
from chiasm.errors import UserError
from chiasm.generation.prompt import contents_of, num_shared, picture_tokens, room
from chiasm.processing.processor import Processor
from chiasm.processing.token_bytes import TokenBytes
from chiasm.processing.tokens import PieceTokenizer

_NUM_PICTURES = 64  # whose picture tokens are kept; ours: 5 MB of the bundled assistant's


class LightChatModel:
    """Tower, decoder and processor together. One answer at a time: not to be shared between threads.

    Keys and values of the last conversation are kept, and the tokens of the last pictures, so that a next turn, or
    another question about a picture, computes only what is new.
    """

    def __init__(self, tower: Tower, decoder: Decoder, processor: Processor, familiar: Familiar | None = None) -> None:
        self.tower, self.decoder, self.processor = tower, decoder, processor
        self._familiar = familiar
        self._writer = PromptWriter(processor)
        self._album = self._writer.album(paths=False)  # a file may change between two questions
        self._bytes = TokenBytes(processor.tokenizer)
        self._kept = KeysAndValues(decoder.shape)
        self._contents: list[int | str] = []  # of the tokens kept, as `contents_of` gives them
        self._seen: OrderedDict[str, tuple[Floats, bool]] = OrderedDict()  # picture tokens, and whether unfamiliar

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The checkpoint of `folder`. Raises `Unsupported` for any but the bundled assistant's kind.

        Raises `UserError` for files that differ from the folder's manifest.
        """
        listed = manifest.read(folder)
        manifest.check_small_files(folder, listed)
        config = read_json(folder / "config.json")
        shape = shape_of(config)
        with WeightCheck(folder, listed) as check:
            processor = _processor(folder, config, shape.decoder.num_ids)
            layout = processor.images.one_tile()
            if layout.num_tokens != shape.tower.num_patches or processor.images.size != shape.tower.size:
                raise Unsupported(f"{folder}: processor.json and config.json disagree about the size of pictures")
            weights = Weights(folder / "model.safetensors")
            tower = Tower(weights, shape.tower, shape.decoder.width)
            decoder = Decoder(weights, shape.decoder)
            if left := [name for name in weights.names if not is_left_out(name, shape.tower.num_layers)]:
                raise Unsupported(f"{folder} has tensors that are not known here: {', '.join(sorted(left)[:5])}")
            familiar = read_familiar(folder, shape.tower)
            check.finish()
        return cls(tower, decoder, processor, familiar)

    @property
    def max_positions(self) -> int:
        """How many tokens the context holds, the answer included."""
        return self.decoder.shape.max_positions

    def stream(self, conversation: Conversation, sampling: Sampling) -> Generator[Delta, None, None]:
        """The answer to the last user turn, piece by piece, trimmed of white space at both ends.

        Raises `UserError` for a conversation that cannot be encoded or does not fit, at the first piece, and for a JSON
        schema or likelihoods, which only the torch path gives.
        """
        if sampling.json_schema is not None or sampling.num_likely is not None:
            raise UserError("answers held to a JSON schema, or with likelihoods, need the assistant opened with torch")
        prompt = self._writer.written(conversation, self._album)
        limit = min(sampling.max_tokens, room(len(prompt.ids), picture_tokens(prompt.pictures), self.max_positions))
        stops = (*self.processor.stop, *sampling.stop)
        spoken, num_answer = Spoken(self.processor.tokenizer, stops, self._bytes.of), 0
        draw, end_ids = draw_of(sampling), self.processor.end_ids
        logits_V, num_cached = self._read(prompt)
        finish: FinishReason = "length"
        while not spoken.stopped:
            token_id = choose(logits_V, sampling, draw)
            if token_id in end_ids:
                finish = "stop"
                break
            num_answer += 1
            delta = spoken.hear(token_id)
            if delta.text:
                yield delta
            if num_answer == limit:
                break
            if not spoken.stopped:
                logits_V = self._add([token_id], self.decoder.embed([token_id]))
        unfamiliar = tuple(i for i, picture in enumerate(prompt.pictures) if self._seen[picture.key][1])
        yield replace(spoken.end(finish, Usage(len(prompt.ids), num_cached, num_answer)), unfamiliar=unfamiliar)

    def answer_all(self, conversations: Sequence[Conversation], sampling: Sampling) -> Iterator[Answer]:
        """Answers one by one, those about the same pictures next to each other.

        Conversations that cannot be encoded or do not fit are left out; when all others are answered,
        `UnansweredError` says which (for one conversation alone its own error).
        """
        attempts = Attempts(conversations, lambda index: collect(self.stream(conversations[index], sampling), index))
        for _, answer in attempts:
            yield answer
        attempts.check()

    def _read(self, prompt: WrittenPrompt) -> tuple[Floats, int]:
        """Logits (V) behind a prompt, and how many of its tokens were kept from the one before."""
        contents = contents_of(prompt.ids, prompt.pictures)
        num_cached = num_shared(contents, prompt.pictures, self._contents)
        for picture, opened in zip(prompt.pictures, prompt.opened, strict=True):
            self._see(picture.key, opened)
        while len(self._seen) > max(_NUM_PICTURES, len(prompt.pictures)):
            self._seen.popitem(last=False)
        # What an interrupted step has left behind these, nobody has written into the contents.
        self._kept.length = num_cached
        del self._contents[num_cached:]
        x_TD = self.decoder.embed(prompt.ids[num_cached:])
        for picture in prompt.pictures:
            if picture.start >= num_cached:
                x_TD[picture.start - num_cached : picture.end - num_cached] = self._seen[picture.key][0]
        return self._add(contents[num_cached:], x_TD), num_cached

    def _add(self, contents: Sequence[int | str], x_TD: Floats) -> Floats:
        """Logits (V) behind new tokens, which are kept."""
        logits_V = self.decoder.step(x_TD, self._kept)
        self._contents.extend(contents)
        return logits_V

    def _see(self, key: str, opened: Opened) -> None:
        """Let a picture's tokens be among those kept, as the one used last."""
        if key not in self._seen:
            familiar = self._familiar
            looked_at = None if familiar is None else familiar.layer
            x_NPV, judged = self.tower.see_layers(opened.pixels, (None, looked_at))
            x_PD = self.tower.connect(x_NPV).reshape(-1, self.decoder.shape.width)
            self._seen[key] = x_PD, familiar is not None and familiar.is_unfamiliar(judged)
        self._seen.move_to_end(key)


def _processor(folder: Path, config: dict[str, object], num_ids: int) -> Processor:
    """The folder's processor as its `processor.json` says it."""
    said = processor_json.read(folder)
    if said is None or said.image_token_id != config.get("image_token_index"):
        raise Unsupported(f"{folder} has no {processor_json.FILE}, or its config.json puts pictures at another id")
    tokenizer = PieceTokenizer.from_folder(folder)
    vocabulary = tokenizer.tokenizer.get_vocab(with_added_tokens=True)
    if max(vocabulary.values(), default=0) >= num_ids:
        raise Unsupported(f"{folder} has a tokenizer with ids beyond the model's {num_ids}")
    if said.eos_token is not None and said.eos_token not in vocabulary:
        raise Unsupported(f"{folder} ends texts with {said.eos_token!r}, which its tokenizer does not have")
    return Processor(
        tokenizer,
        said.template,
        said.images,
        image_token_id=said.image_token_id,
        max_length=said.max_length,
        eos_token=said.eos_token,
    )

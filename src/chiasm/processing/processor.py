"""Conversation to what the model sees: ids, labels and pixels, with every picture's places already written.

The processor joins a template, a tokenizer and an image policy. It does not know the model; that both speak of the
same number of tokens a picture is one shared value, `ImageLayout`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chiasm import templates
from chiasm.conversation import Conversation, RecordError
from chiasm.errors import UserError
from chiasm.processing.apart import each_alone
from chiasm.processing.images import ImageLayout, ImageProcessing
from chiasm.processing.pictures import PictureLimits, fingerprint, open_picture
from chiasm.processing.tokens import PICTURE, PieceTokenizer, Tokens
from chiasm.templates import Piece

if TYPE_CHECKING:
    import torch
    from PIL import Image

NOT_TRAINED = -100  # PyTorch's ignore_index; `chiasm.models.llava` leaves such positions out of the loss


@dataclass(slots=True)
class Example:
    """One conversation as the model sees it.

    `input_ids` (tokens,), every picture expanded to its placeholders; `labels` (tokens,), -100 where not trained, not
    shifted; `pixels` (tiles, 3, height, width) of all pictures in reading order; `layouts` and `picture_keys` (digests
    of the content) one a picture; `num_cut` trained tokens that did not fit and were cut from the end. `features`
    (tiles, patches, vision width), what a tower made of the pictures, may stand in place of the pixels. `branches`:
    the lengths of questions asked apart, one behind the other after what they share; none in any other conversation.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    pixels: torch.Tensor
    layouts: tuple[ImageLayout, ...] = ()
    picture_keys: tuple[str, ...] = ()
    num_cut: int = 0
    id: str | None = None
    features: torch.Tensor | None = None
    branches: tuple[int, ...] = ()

    @property
    def num_trained(self) -> int:
        """Positions that are targets of the loss; the first position never is."""
        return int((self.labels[1:] != NOT_TRAINED).sum())

    def batch(self) -> dict[str, torch.Tensor]:
        """A batch of one for `Llava.forward`: every logit, no loss."""
        return {"input_ids": self.input_ids[None], "pixels": self.pixels}


@dataclass(slots=True)
class Processor:
    """Template, tokenizer and image policy of one model. `end_ids` and `stop` end an answer."""

    tokenizer: PieceTokenizer
    template_name: str
    images: ImageProcessing
    image_token_id: int = PICTURE
    max_length: int = 2048
    eos_token: str | None = None
    limits: PictureLimits = field(default_factory=PictureLimits)
    template: templates.Template = field(init=False)

    def __post_init__(self) -> None:
        self._write_with(self.template_name)
        if self.max_length < 2:
            raise UserError(f"max_length must leave room for a question and an answer; it is {self.max_length}")

    @property
    def end_ids(self) -> frozenset[int]:
        """Ids that end an answer: the template's end token and the tokenizer's own, where the vocabulary has them."""
        ends = (self.template.end, *self.template.stop, self.eos_token)
        return frozenset(
            self.tokenizer.special[end] for end in ends if end is not None and end in self.tokenizer.special
        )

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end an answer because the vocabulary has no token for them."""
        ends = (self.template.end, *self.template.stop)
        return tuple(end for end in ends if end not in self.tokenizer.special)

    def with_template(self, name: str) -> Processor:
        """The same processor writing another template: stage 1 and stage 2 differ in no more."""
        changed = copy.copy(self)
        changed._write_with(name)
        return changed

    def with_images(self, images: ImageProcessing) -> Processor:
        """The same processor treating pictures another way."""
        changed = copy.copy(self)
        changed.images = images
        return changed

    def resized(self, size: int) -> Processor:
        """The same processor for pictures, or tiles, of `size` x `size` pixels."""
        return self.with_images(self.images.model_copy(update={"size": size}))

    def encode(
        self,
        conversation: Conversation,
        train: bool = False,
        change: Callable[[Image.Image, int], Image.Image] | None = None,
    ) -> Example:
        """What the model sees of `conversation`, left open for an answer when the user spoke last.

        With `train` the template is written as in training and the whole is held to `max_length`: only the end of an
        answer is ever cut, a picture never. `change` makes another RGB picture of each that was opened, by its number
        in the conversation. Raises `RecordError` ("too long") when nothing trained would be left, and `PictureError`
        for a picture that cannot be read.
        """
        import torch

        pictures = [open_picture(image.source, self.limits) for image in conversation.images]
        if change is not None:
            pictures = [change(picture, number) for number, picture in enumerate(pictures)]
        layouts = tuple(self.images.layout(*picture.size) for picture in pictures)
        example = self._example(conversation, layouts, train)
        example.pixels = torch.cat([example.pixels, *(self.images.pixels(picture) for picture in pictures)])
        example.picture_keys = tuple(fingerprint(picture) for picture in pictures)
        example.id = conversation.id
        return example

    def encode_seen(self, conversation: Conversation, layouts: Sequence[ImageLayout], train: bool = False) -> Example:
        """The same without looking at the pictures, whose layouts are known: no pixels, no picture keys."""
        if len(layouts) != len(conversation.images):
            raise ValueError(f"{len(layouts)} layouts for {len(conversation.images)} pictures")
        example = self._example(conversation, tuple(layouts), train)
        example.id = conversation.id
        return example

    def _example(self, conversation: Conversation, layouts: tuple[ImageLayout, ...], train: bool) -> Example:
        """Ids and labels; no pixels yet. In training, questions asked apart follow what they share one by one."""
        if not (train and conversation.apart):
            return self._written(self.template.render(conversation, train=train), layouts, train)
        alone = []
        for number, each in enumerate(each_alone(conversation), start=1):
            try:
                alone.append(self._written(self.template.render(each, train=True), layouts, train=True))
            except RecordError as error:
                raise RecordError(error.reason, f"question {number}: {error}") from None
        return _branched(alone, self.image_token_id)

    def _written(self, pieces: Sequence[Piece], layouts: tuple[ImageLayout, ...], train: bool) -> Example:
        import torch

        tokens, blocks = self._expanded(self.tokenizer.encode(pieces), layouts)
        num_cut = self._cut(tokens, blocks) if train else 0
        ids = torch.tensor(tokens.ids, dtype=torch.int64)
        size = self.images.size
        return Example(
            input_ids=ids,
            labels=ids.where(torch.tensor(tokens.trained, dtype=torch.bool), torch.tensor(NOT_TRAINED)),
            pixels=torch.zeros(0, 3, size, size),
            layouts=layouts,
            num_cut=num_cut,
        )

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens and pictures left out."""
        return self.tokenizer.decode(ids)

    def _write_with(self, name: str) -> None:
        self.template_name, self.template = name, templates.find(name)
        # A picture's placeholder and what ends an answer must be out of reach of typed text, however they are marked.
        placeholder = self.tokenizer.tokenizer.id_to_token(self.image_token_id) if self.image_token_id >= 0 else None
        reserved = {*self.template.controls, placeholder, self.eos_token}
        self.tokenizer = self.tokenizer.reserving(token for token in reserved if token is not None)

    def _expanded(self, tokens: Tokens, layouts: tuple[ImageLayout, ...]) -> tuple[Tokens, list[tuple[int, int]]]:
        """The tokens with each `PICTURE` as often as its layout says, and where these blocks begin and end."""
        expanded, blocks, waiting = Tokens(), [], iter(layouts)
        for token_id, trained in zip(tokens.ids, tokens.trained, strict=True):
            if token_id == PICTURE:
                count = next(waiting).num_tokens
                blocks.append((len(expanded.ids), len(expanded.ids) + count))
                expanded.add([self.image_token_id] * count, [False] * count)
            else:
                expanded.add([token_id], [trained])
        return expanded, blocks

    def _cut(self, tokens: Tokens, blocks: list[tuple[int, int]]) -> int:
        """Cut `tokens` in place to `max_length` and return how many trained tokens were lost."""
        length, num_trained = len(tokens.ids), sum(tokens.trained)
        if length <= self.max_length:
            return 0
        # What follows the last trained token teaches nothing; ending there keeps pictures whole: none is trained.
        keep = max((i + 1 for i in range(self.max_length) if tokens.trained[i]), default=0)
        if keep == 0 or (blocks and keep < blocks[-1][1]):
            raise RecordError(
                "too long",
                f"{length} tokens ({sum(end - start for start, end in blocks)} of them pictures) do not fit into "
                f"{self.max_length}: no answer, or not every picture, would be left. Raise max_length or shorten it",
            )
        del tokens.ids[keep:], tokens.trained[keep:]
        return num_trained - sum(tokens.trained)


def _branched(alone: Sequence[Example], image_token_id: int) -> Example:
    """Conversations that begin with the same pictures as one: what they share, then the rest of each.

    Raises `RecordError` where a word is trained that follows the last picture at once: it has no place of its own to be
    foretold from.
    """
    import torch

    is_picture = (alone[0].input_ids == image_token_id).nonzero()
    num = int(is_picture[-1]) + 1 if len(is_picture) else 0
    ids, labels = ([getattr(each, name) for each in alone] for name in ("input_ids", "labels"))
    if not all(len(each) > num and torch.equal(each[:num], ids[0][:num]) for each in ids):
        raise RecordError("apart", "questions asked apart must share what stands before them, and be asked")
    if num and any(int(each[num]) != NOT_TRAINED for each in labels):
        raise RecordError("apart", "this template trains the first word after a picture, which no question apart can")
    for each in labels:
        each[num] = NOT_TRAINED  # nothing foretells what a row begins with
    return Example(
        input_ids=torch.cat([ids[0][:num], *(each[num:] for each in ids)]),
        labels=torch.cat([labels[0][:num], *(each[num:] for each in labels)]),
        pixels=alone[0].pixels,
        layouts=alone[0].layouts,
        num_cut=sum(each.num_cut for each in alone),
        branches=tuple(len(each) - num for each in ids),
    )

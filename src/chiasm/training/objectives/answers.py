"""Next-token loss on the assistant's words: LLaVA's objective in both stages (arXiv 2304.08485, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from chiasm.conversation import Conversation, RecordError
from chiasm.data import order, packing
from chiasm.data.conversations import ConversationFile, check_trains, nothing_trained
from chiasm.models.llava import Llava
from chiasm.processing.apart import each_alone
from chiasm.processing.batch import pack, pad
from chiasm.processing.images import ImageLayout
from chiasm.processing.pictures import picture_size
from chiasm.processing.processor import NOT_TRAINED, Example, Processor
from chiasm.templates import Piece, Written
from chiasm.training.augmentation import Augmentation
from chiasm.training.config import Stage
from chiasm.training.features import TowerFeatures
from chiasm.training.objectives import Loss, in_turn


class Answers:
    """Conversations, each loss only on the tokens the template marks as trained."""

    together = False
    through_model = True

    def __init__(self, stage: Stage, processor: Processor) -> None:
        self._data = ConversationFile(stage.data.records, stage.data.images)
        self._processor = processor
        self._stage = stage
        self._row_length = stage.row_length or stage.max_length * (stage.micro_batch_size or stage.batch_size)
        self._features: TowerFeatures | None = None
        self._augmentation: Augmentation | None = None
        match stage.data.order:
            case "modality_length":
                self._lengths = self._data.word_lengths()
            case "short_first":
                self._lengths = self._data.text_lengths()
            case "shuffled":
                self._lengths = []

    def __len__(self) -> int:
        return len(self._data)

    def name(self, index: int) -> str:
        """The record's id."""
        return self._data.name(index)

    def order(self, seed: int, epoch: int) -> list[int]:
        """As the stage's data asks: shuffled, the short ones first, or grouped by modality and length."""
        match self._stage.data.order:
            case "modality_length":
                return order.grouped(self._lengths, self._stage.batch_size, seed, epoch)
            case "short_first":
                return order.short_first(self._lengths, seed, epoch)
            case "shuffled":
                return order.shuffled(len(self), seed, epoch)

    def notes(self) -> list[str]:
        """That the file's last line is torn, if it is."""
        return [self._data.records.torn] if self._data.records.torn else []

    def digest(self) -> str:
        """Of the record file."""
        return self._data.records.digest()

    def pictures(self) -> Iterator[str | Path]:
        """The files of all pictures, as often as they are shown."""
        for index in range(len(self)):
            try:
                images = self._data[index].images
            except RecordError:
                continue  # named when the sample is asked for
            yield from (image.source for image in images if isinstance(image.source, str | Path))

    def see_through(self, features: TowerFeatures) -> None:
        """From now on samples come with features in place of pixels."""
        self._features = features

    def change_pictures(self, augmentation: Augmentation) -> None:
        """From now on samples come with their pictures changed."""
        self._augmentation = augmentation

    def sample(self, index: int, epoch: int = 0) -> Example:
        """The conversation as the model sees it; raises `RecordError` for questions apart that fill more than a row."""
        example = self._example(self.conversation(index), index, epoch)
        if example.branches and len(example.input_ids) > self._row_length:
            raise RecordError(
                "too long",
                f"{len(example.branches)} questions asked apart take {len(example.input_ids)} tokens, and a row holds "
                f"{self._row_length}. Make two records of them, or raise row_length",
            )
        return example

    def _example(self, conversation: Conversation, index: int, epoch: int) -> Example:
        if self._features is not None:
            return self._features.example(conversation)
        if (augmentation := self._augmentation) is None:
            return self._processor.encode(conversation, train=True)

        def changed(picture: Image.Image, number: int) -> Image.Image:
            return augmentation.of(picture, epoch, index, number)

        return self._processor.encode(conversation, train=True, change=changed)

    def look(self, index: int) -> None:
        """Whether the record is a conversation that teaches something within `max_length`, and its pictures are."""
        conversation = self.conversation(index)
        check_trains(conversation)
        processor = self._processor
        sizes = [picture_size(Path(str(image.source)), processor.limits) for image in conversation.images]
        layouts = [processor.images.layout(*size) for size in sizes]
        written = [processor.template.render(each, train=True) for each in each_alone(conversation)]
        if all(_fits(pieces, layouts, processor.max_length) for pieces in written):
            return  # nine tenths of the time are the tokenizer's
        if not processor.encode_seen(conversation, layouts, train=True).num_trained:
            raise nothing_trained()

    def conversation(self, index: int) -> Conversation:
        """The record as a conversation; raises `RecordError`."""
        conversation = self._data[index]
        if conversation.apart and not self._stage.pack:
            raise RecordError("apart", "questions asked apart share one row: add 'pack: true' to the stage")
        return conversation

    def num_targets(self, sample: Example) -> int:
        """Trained tokens."""
        return sample.num_trained

    def groups(self, samples: list[Example]) -> list[list[Example]]:
        """Micro-batches, or as many as fill a packed row."""
        stage = self._stage
        if not stage.pack:
            return in_turn(samples, stage.micro_batch_size)
        sizes = [packing.Size(len(sample.input_ids), len(sample.layouts)) for sample in samples]
        return [[samples[i] for i in row] for row in packing.rows(sizes, self._row_length, stage.row_pictures)]

    def collate(self, samples: list[Example]) -> dict[str, torch.Tensor]:
        """Padded on the right, or one behind the other."""
        return pack(samples) if self._stage.pack else pad(samples, "right")

    def loss(self, model: Llava, batch: dict[str, torch.Tensor]) -> Loss:
        """Summed cross-entropy of the trained tokens."""
        output = model(**batch)
        return Loss(output.loss_sum, output.num_trained)

    def shows(self, sample: Example) -> bool:
        """Whether the conversation holds a picture."""
        return bool(sample.layouts)

    def blank(self, picture: bool) -> Example:
        """A grey picture, or none, and two tokens."""
        images, features = self._processor.images, None
        layout = images.layout(images.size, images.size)
        tiles = layout.tiles if picture else 0
        if self._features is not None:
            features = self._features.blank(tiles)
        placeholders = [self._processor.image_token_id] * (layout.num_tokens if picture else 0)
        ids = torch.tensor([*placeholders, 0, 0])
        return Example(
            input_ids=ids,
            labels=torch.full_like(ids, NOT_TRAINED),
            pixels=torch.zeros(tiles, 3, images.size, images.size),
            layouts=(layout,) if picture else (),
            features=features,
        )

    def head(self) -> nn.Module | None:
        """The language model's own."""
        return None

    def keep(self, folder: Path) -> None:
        """Nothing."""


def build(stage: Stage, model: Llava, processor: Processor) -> Answers:
    """For a stage whose data are conversations."""
    return Answers(stage, processor)


def _fits(pieces: Sequence[Piece], layouts: Sequence[ImageLayout], max_length: int) -> bool:
    """Whether it surely teaches something, and surely fits."""
    return _most_tokens(pieces, layouts) <= max_length and any(_teaches(piece) for piece in pieces)


def _most_tokens(pieces: Sequence[Piece], layouts: Sequence[ImageLayout]) -> int:
    """What a conversation cannot have more of: tokenizers make at most one token of a byte, and one of a beginning."""
    written = (piece.text if isinstance(piece, Written) else getattr(piece, "token", "") for piece in pieces)
    return 1 + sum(1 + len(text.encode()) for text in written) + sum(layout.num_tokens for layout in layouts)


def _teaches(piece: Piece) -> bool:
    """Whether a token of it is trained, whatever the tokenizer."""
    return isinstance(piece, Written) and piece.trained and bool(piece.text.strip())

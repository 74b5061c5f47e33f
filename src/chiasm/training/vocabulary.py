"""A tokenizer made from a recipe's own text, for language models that start from nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from chiasm.conversation import RecordError
from chiasm.data.conversations import ConversationFile
from chiasm.training.config import Vocabulary

# The special tokens of our templates' end and start, so that a small model knows each as one piece.
SPECIAL = ("<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>")
# ChatML's names of who speaks: said before every message, so each is to be one piece as well.
_SPEAKERS = ("user", "assistant")
# Words with their leading space, single digits, runs of punctuation, white space: GPT-2's idea, digits apart. Chinese
# characters apart, too: it has no spaces, so that whole phrases would become pieces, and a colour among them be lost.
_WORDS = r" ?\p{Han}| ?(?:(?!\p{Han})\p{L})+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def learn(vocabulary: Vocabulary) -> Tokenizer:
    """Byte-level BPE over everything said in the records. Any text can be written with it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary.size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(vocabulary), trainer)
    return tokenizer


def _texts(vocabulary: Vocabulary) -> Iterator[str]:
    for path in vocabulary.records:
        conversations = ConversationFile(path)
        for index in range(len(conversations)):
            try:
                for message in conversations[index].messages:
                    yield message.text
                    yield from _SPEAKERS
            except RecordError:
                continue  # the stage that trains on it counts and names it

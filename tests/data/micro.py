"""A processor over bytes, so that every token of a sample can be read."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer


def processor(template: str = "vicuna_v1", max_length: int = 2048) -> Processor:
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    tokenizer.add_special_tokens(["<s>", "</s>", "<|im_start|>", "<|im_end|>"])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    images = ImageProcessing(policy="pad", size=28, patch_size=14)
    return Processor(PieceTokenizer(tokenizer), template, images, max_length=max_length, eos_token="</s>")

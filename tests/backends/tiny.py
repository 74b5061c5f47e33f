"""A tiny random assistant that reads and writes bytes, so that every text has ids and every id a text."""

from __future__ import annotations

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from chiasm.backends.local import LocalChatModel
from chiasm.models.config import LlavaConfig
from chiasm.models.llava import Llava
from chiasm.processing.images import ImageProcessing
from chiasm.processing.processor import Processor
from chiasm.processing.tokens import PieceTokenizer
from tests.generation.tiny import LANGUAGE, VISION


def byte_tokenizer() -> PieceTokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<s>", "</s>", "<image>")])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
    return PieceTokenizer(tokenizer)


def assistant(template: str = "vicuna_v1", num_positions: int = 2048, num_sessions: int = 4) -> LocalChatModel:
    torch.manual_seed(0)
    language = {**LANGUAGE, "vocab_size": 264, "max_position_embeddings": num_positions}
    model = Llava(LlavaConfig(vision=VISION, language=language, image_token_id=258))
    letters = [
        i for i, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet())) if byte.isascii() and byte.isalpha()
    ]
    with torch.no_grad():  # answers are letters and never end, so that texts can be compared
        head = model.language_model.lm_head.weight
        head[[i for i in range(264) if i not in letters]] = 0
    images = ImageProcessing(policy="pad", size=28, patch_size=14)
    processor = Processor(byte_tokenizer(), template, images, image_token_id=258)
    return LocalChatModel(model, processor, num_sessions=num_sessions)


def script(assistant: LocalChatModel, text: str, end: bool = True) -> None:
    """Make the model write `text`, byte by byte, whatever it is asked; then its end token, else the text again."""
    wanted = assistant.processor.tokenizer.encode_text(text) + [257] * end
    model, written = assistant.model, [0] * 64

    embed = model.embed

    def scripted_embed(ids: torch.Tensor, features: torch.Tensor | None = None) -> torch.Tensor:
        written[:] = [0] * 64  # a stream embeds its prompt here, not the tokens it chooses
        return embed(ids, features)

    def begun(_: object, __: object, given: dict[str, torch.Tensor]) -> None:
        if given["inputs_embeds"].shape[1] > 1:  # one of many: its prompt; a chosen token comes alone
            written[:] = [0] * 64

    model.language_model.base_model.register_forward_pre_hook(begun, with_kwargs=True)

    def scripted_logits(x: torch.Tensor) -> torch.Tensor:
        rows = []
        for row in range(len(x)):
            rows.append(wanted[written[row] % len(wanted)])
            written[row] += 1
        return torch.nn.functional.one_hot(torch.tensor(rows), 264).float()

    model.embed, model.logits = scripted_embed, scripted_logits  # type: ignore[method-assign]

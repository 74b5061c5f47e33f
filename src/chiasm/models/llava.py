"""Vision tower, connector and language model as one plain module.

Where a picture stands, the processor has already written its placeholder as often as the picture has tokens; here the
connector's outputs are put into those places. Nothing in this file knows lengths, templates or pictures.

Shapes: B batch, T tokens, D language width, V vocabulary, N tiles, P patches a tile, R rows asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from chiasm.models import connectors, documents, language, last_block, vision
from chiasm.models.config import LlavaConfig

NOT_TRAINED = -100  # label of positions that are no targets (PyTorch's ignore_index, and the published code's)


@dataclass(slots=True)
class LlavaOutput:
    """`logits` of the rows asked for. With labels, the loss as a sum over `num_trained` tokens, to be divided once,
    by the global count, whatever the batch was split into."""

    logits: torch.Tensor
    loss_sum: torch.Tensor | None = None
    num_trained: int = 0

    @property
    def loss(self) -> torch.Tensor:
        """Mean loss over this batch's trained tokens; raises `ValueError` when there is none."""
        if self.loss_sum is None or not self.num_trained:
            raise ValueError("this batch has no trained token, so it has no loss: labels were missing or all -100")
        return self.loss_sum / self.num_trained


class Llava(nn.Module):
    """`vision_tower` and `language_model` are modules of transformers with their own parameter names."""

    def __init__(self, config: LlavaConfig, attention: str | None = None) -> None:
        """Fresh random weights in torch's default dtype, on torch's default device."""
        super().__init__()
        self.config = config
        self.vision_tower = vision.build_tower(config.vision)
        self.connector = connectors.build(config.connector, config.vision_width, config.language_width)
        self.language_model = language.build_language(config.language, attention)
        self.rows_at_once: int | None = None
        """Trained positions whose logits are held at a time; None: all. More time, and no logits in the output."""
        self.few_rows = False
        """Whether the decoder's last block can be asked for trained positions alone (`chiasm.models.last_block`)."""
        vision.num_layers_to_run(config.feature_layer, len(cast("Any", self.vision_tower).encoder.layers))

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return next(self.language_model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the language model."""
        return next(self.language_model.parameters()).dtype

    def resize_pictures(self, size: int) -> None:
        """From here on pictures are `size` x `size` pixels: see `chiasm.models.vision.resize`."""
        vision.resize(self.vision_tower, size)
        self.config = self.config.resized(size)

    def encode_images(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
        """pixels (tiles, 3, height, width) -> picture tokens (tiles, patches, language width)."""
        return self.connect(self.see(pixels_NCHW))

    def see(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
        """pixels (tiles, 3, height, width) -> the features that the connector gets (tiles, patches, vision width)."""
        return self.see_layers(pixels_NCHW, (None,))[0]

    def see_layers(self, pixels_NCHW: torch.Tensor, layers: Sequence[int | None]) -> list[torch.Tensor]:
        """As `see`, of several layers of the tower at once: None for what the connector gets.

        All others are without the class token.
        """
        weight = next(self.vision_tower.parameters())
        pixels_NCHW = pixels_NCHW.to(device=weight.device, dtype=weight.dtype)
        # No graph is kept through a frozen tower: its activations are most of stage 1's memory.
        trains = torch.is_grad_enabled() and any(p.requires_grad for p in self.vision_tower.parameters())
        with torch.set_grad_enabled(trains):
            numbers = [self.config.feature_layer if layer is None else layer for layer in layers]
            states = vision.hidden_states(self.vision_tower, pixels_NCHW, numbers)
            return [
                x if layer is None and self.config.class_token else vision.without_class_token(self.vision_tower, x)
                for layer, x in zip(layers, states, strict=True)
            ]

    def connect(self, x_NPD: torch.Tensor) -> torch.Tensor:
        """The tower's features (tiles, patches, vision width) -> picture tokens (tiles, patches, language width)."""
        return cast("torch.Tensor", self.connector(x_NPD))

    def embed(self, ids_BT: torch.Tensor, image_features: torch.Tensor | None = None) -> torch.Tensor:
        """Embeddings (B, T, D) with picture tokens (N, P, D) or (total, D) in the placeholders' places, in order.

        Raises `ValueError` with both numbers when there are more or fewer placeholders than picture tokens.
        """
        is_picture_BT = ids_BT == self.config.image_token_id
        x_BTD = language.embed(self.language_model, ids_BT.masked_fill(is_picture_BT, 0))
        features = x_BTD.new_zeros(0, x_BTD.shape[-1]) if image_features is None else image_features.flatten(0, -2)
        num_places = int(is_picture_BT.sum())
        if num_places != len(features):
            raise ValueError(
                f"the ids hold {num_places} picture placeholders ({self.config.image_token_id}) but the pictures give "
                f"{len(features)} tokens. Were they made by another processor than this model's?"
            )
        if num_places:
            x_BTD = x_BTD.masked_scatter(is_picture_BT[..., None], features.to(x_BTD.dtype))
        return x_BTD

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        pixels: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int = 0,
        features: torch.Tensor | None = None,
        bounds: torch.Tensor | None = None,
        after: torch.Tensor | None = None,
    ) -> LlavaOutput:
        """input_ids (B, T), pixels (N, 3, height, width) of all pictures in reading order -> logits and loss.

        Without labels: logits (B, T, V), or (B, K, V) of the last `logits_to_keep` = K positions. With labels (B, T),
        -100 where not trained: logits (R, V) of just the R positions whose next token is trained, and the summed loss.

        `features` (N, P, vision width), what the tower makes of the pixels, may stand in their place. `bounds`
        (documents + 1,) says where the documents of a packed row (B = 1) begin and where the last one ends; each then
        attends only to itself, which must happen inside `documents.attending`. `after` (documents,) says which of them
        go on from an earlier one, behind which they stand together, and see that too; -1 for those that do not.
        """
        if features is not None and len(features):
            x_BTD = self.embed(input_ids, self.connect(features))
        elif pixels is not None and len(pixels):
            x_BTD = self.embed(input_ids, self.encode_images(pixels))
        else:
            x_BTD = self.embed(input_ids)
        if labels is None:
            x_BTD = self.hidden(x_BTD, attention_mask, bounds=bounds, after=after)
            return LlavaOutput(self.logits(x_BTD[:, -logits_to_keep:]))
        targets_BT = labels[:, 1:]
        is_target_BT = targets_BT != NOT_TRAINED
        targets_R = targets_BT[is_target_BT]
        if self.few_rows and bounds is not None and 0 < len(targets_R) <= last_block.MOST_ROWS * labels.numel():
            rows = is_target_BT[0].nonzero().flatten()
            x_RD = self.hidden(x_BTD, attention_mask, bounds=bounds, after=after, rows=rows)[0]
        else:
            x_RD = self.hidden(x_BTD, attention_mask, bounds=bounds, after=after)[:, :-1][is_target_BT]
        if self.rows_at_once and len(targets_R) > self.rows_at_once:
            parts = [
                checkpoint(self._summed_loss, *part, use_reentrant=False)
                for part in zip(*(torch.split(each, self.rows_at_once) for each in (x_RD, targets_R)), strict=True)
            ]
            return LlavaOutput(x_RD.new_zeros(0, 0), torch.stack(parts).sum(), len(targets_R))
        logits_RV = self.logits(x_RD)
        loss_sum = F.cross_entropy(logits_RV.float(), targets_R, reduction="sum")
        return LlavaOutput(logits_RV, loss_sum, len(targets_R))

    def _summed_loss(self, x_RD: torch.Tensor, targets_R: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(self.logits(x_RD).float(), targets_R, reduction="sum")

    def hidden(
        self,
        x_BTD: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        cache: Any | None = None,
        bounds: torch.Tensor | None = None,
        after: torch.Tensor | None = None,
        rows: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Embeddings (B, T, D) through the decoder -> hidden states (B, T, D), extending a transformers `cache`.

        `attention_mask` (B, cached + T) is 1 for tokens, 0 for padding on either side; positions count only tokens.
        `bounds` and `after` as in `forward`: positions begin anew with each document, or go on from the one before.
        With `few_rows`, `rows` (R,) of a packed row give (1, R, D).
        """
        position_ids: torch.Tensor | None = None
        packed: dict[str, torch.Tensor] = {}
        if bounds is not None:
            if not documents.is_attending(self.language_model):
                raise ValueError("a packed row outside `documents.attending`: its documents would see each other")
            if len(x_BTD) != 1 or attention_mask is not None or int(bounds[-1]) != x_BTD.shape[1]:
                raise ValueError(
                    f"documents up to {int(bounds[-1])} need one row of as many tokens without a mask; got "
                    f"{len(x_BTD)} x {x_BTD.shape[1]}"
                )
            position_ids, packed = documents.positions(bounds, after), {documents.BOUNDARIES: bounds}
            if after is not None:
                packed[documents.AFTER] = after
            if rows is not None:
                packed[last_block.ROWS] = rows
        if attention_mask is not None:
            position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -x_BTD.shape[1] :]
        output = language.decoder(self.language_model)(
            inputs_embeds=x_BTD,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=cache is not None,
            **packed,
        )
        return cast("torch.Tensor", output.last_hidden_state)

    def logits(self, x_RD: torch.Tensor) -> torch.Tensor:
        """Hidden states (..., D) -> logits (..., V)."""
        return cast("torch.Tensor", language.output_head(self.language_model)(x_RD))

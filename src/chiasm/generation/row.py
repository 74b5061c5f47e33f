"""One pass of the decoder over a row of tokens of many prompts: what is new of trunks and branches, side by side.

It knows how a row is put together and computed, not who is in it or what becomes of the logits.

Shapes: T tokens of the row, D language width, P tokens of a picture, R rows whose logits are wanted, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from chiasm.generation.attention import STEP, Abreast, Block, Step
from chiasm.generation.batch import Batch
from chiasm.generation.features import Features
from chiasm.generation.logits import sharp_logits
from chiasm.generation.prompt import Picture, Prompt
from chiasm.generation.trunk import Branch, Trunk
from chiasm.models import language
from chiasm.models.llava import Llava

# Both ours.
_LOGITS_AT_ONCE = 256  # rows of the output head: 0.2 GB for a vocabulary of 150,000 in float32
_BLOCK = 128  # queries of a masked block: they attend to no place behind their last, which spares a part of the keys


@dataclass(frozen=True, slots=True)
class _Shown:
    """A picture whose first token is in row `row`."""

    row: int
    prompt: Prompt
    picture: Picture

    @property
    def rows(self) -> slice:
        return slice(self.row, self.row + self.picture.end - self.picture.start)


@dataclass(slots=True)
class Row:
    """The tokens of a step. `wanted` are the rows that need logits: of each of `branches` the last, or its targets."""

    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    _blocks: list[Block | Abreast] = field(default_factory=list)
    _shown: list[_Shown] = field(default_factory=list)
    _grown: list[tuple[Trunk, int]] = field(default_factory=list)

    def add(self, trunk: Trunk, max_spare: int) -> None:
        """What is new of `trunk` and its branches, with room made for it; nothing counts until `commit`.

        Where the room grows, at most `max_spare` places are kept for later tokens.
        """
        begin, start = self._write_down(trunk, max_spare)
        self._attend(trunk, begin, start)

    def add_batch(self, batch: Batch, members: Sequence[Trunk]) -> None:
        """The new token of each of `members`, who lodge in the first slots of `batch`, in this order."""
        begin, places = len(self.ids), [trunk.used for trunk in members]
        for trunk in members:
            self._write_down(trunk, 0)
        self._blocks.append(Abreast(batch, slice(begin, len(self.ids)), places))

    def commit(self) -> None:
        """What this row wrote into its trunks counts."""
        for trunk, used in self._grown:
            trunk.commit(used)

    def logits(self, model: Llava, features: Features) -> torch.Tensor:
        """Logits (R, V) of the wanted rows. Call it in inference mode."""
        x_RD = self._decoded(model, self._embedded(model, features))
        return torch.cat([sharp_logits(model, some) for some in torch.split(x_RD, _LOGITS_AT_ONCE)])

    def _write_down(self, trunk: Trunk, max_spare: int) -> tuple[int, int]:
        """What is new of `trunk` and of its branches: the first row of each."""
        num_own = sum(branch.num_new for branch in trunk.branches)
        trunk.make_room(num_own, max_spare)
        begin = len(self.ids)
        if trunk.num_ready < len(trunk):
            assert trunk.prompt is not None
            self._take(trunk.prompt, trunk.pictures, trunk.num_ready, trunk.ids[trunk.num_ready :])
        start, owners = len(self.ids), []
        for branch in trunk.branches:
            first = len(trunk) + branch.num_computed
            new = branch.tokens_from(first)
            self._take(branch.prompt, branch.prompt.pictures, first, new)
            owners += [branch.number] * len(new)
            self.wanted += range(len(self.ids) - max(1, len(branch.targets)), len(self.ids))
        self.branches += trunk.branches
        trunk.assign(owners, self.positions[start:])
        self._grown.append((trunk, trunk.used + num_own))
        return begin, start

    def _attend(self, trunk: Trunk, begin: int, start: int) -> None:
        """Blocks for the rows from `begin` on, which are the trunk's up to `start`, then its branches'.

        As few as can be, since each goes through every layer by itself: rows whose places follow each other are one.
        """
        end, ready = len(self.ids), trunk.num_ready
        if trunk.used != len(trunk):  # branches hold some already: theirs are the places behind these
            self._masked(trunk, begin, start, ready)
            self._masked(trunk, start, end, trunk.used)
        elif ready or begin == start:
            self._masked(trunk, begin, end, ready)
        else:
            if len(trunk.branches) == 1:  # alone it sees what a longer trunk would
                start = end
            self._blocks.append(Block(trunk, slice(begin, start), slice(0, start - begin), is_causal=True))
            self._masked(trunk, start, end, start - begin)

    def _masked(self, trunk: Trunk, start: int, end: int, first: int) -> None:
        """Blocks for the rows from `start` to `end`, whose places in `trunk` begin at `first`."""
        for row in range(start, end, _BLOCK):
            stop = min(row + _BLOCK, end)
            places = slice(first + row - start, first + stop - start)
            self._blocks.append(Block(trunk, slice(row, stop), places, is_causal=False))

    def _take(self, prompt: Prompt, pictures: tuple[Picture, ...], first: int, ids: list[int]) -> None:
        """`ids` from position `first` on, with the pictures that begin there or later."""
        self._shown += [_Shown(len(self.ids) + p.start - first, prompt, p) for p in pictures if p.start >= first]
        self.ids += ids
        self.positions += range(first, first + len(ids))

    def _embedded(self, model: Llava, features: Features) -> torch.Tensor:
        """Embeddings (T, D) with features in the pictures' places; a placeholder's id elsewhere is a token."""
        ids_T = torch.tensor(self.ids)
        for shown in self._shown:
            ids_T[shown.rows] = 0
        x_TD = language.embed(model.language_model, ids_T.to(model.device)[None])[0]
        found = features.of((shown.prompt, shown.picture) for shown in self._shown)
        for shown in self._shown:
            x_PD, places = found[shown.picture.key], x_TD[shown.rows]
            if len(x_PD) != len(places):
                raise ValueError(
                    f"the ids hold {len(places)} placeholders for a picture that gives {len(x_PD)} tokens. "
                    "Were they made by another processor than this model's?"
                )
            places.copy_(x_PD)
        return x_TD

    def _decoded(self, model: Llava, x_TD: torch.Tensor) -> torch.Tensor:
        """Hidden states (R, D). Which keys a token sees is told by the step, so no mask is made."""
        decoder: Any = language.decoder(model.language_model)
        step = Step(self._blocks, longest=max(self.positions) + 1, wanted=self.wanted)
        output = decoder(
            inputs_embeds=x_TD[None],
            position_ids=torch.tensor([self.positions], device=x_TD.device),
            attention_mask=x_TD.new_zeros(1, 1, 1, 1),  # of four dimensions, so taken as it is; then not looked at
            use_cache=False,
            **{STEP: step},
        )
        assert step.num_layers, "the decoder attends past the step"
        hidden: torch.Tensor = output.last_hidden_state[0]
        if len(hidden) == len(self.wanted):  # all are wanted, or only those came: see `fused`
            return hidden
        return hidden[torch.tensor(self.wanted, device=hidden.device)]

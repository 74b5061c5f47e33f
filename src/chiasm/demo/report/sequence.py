"""What the model sees of a training sample: the picture as a run of tokens, then text, and which of it is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby

from chiasm.conversation import Conversation
from chiasm.data.show import tiles
from chiasm.demo.report.shown_pictures import address
from chiasm.demo.report.wording import both
from chiasm.processing.processor import NOT_TRAINED, Processor
from chiasm.processing.token_bytes import TokenBytes

_MOST = 400  # text tokens shown of a sample; ours


@dataclass(frozen=True, slots=True)
class Chip:
    """Neighbouring text tokens that make whole characters, as one: `special` ones come from the template."""

    text: str
    num_tokens: int
    learnt: bool
    special: bool


def sequence(conversation: Conversation, processor: Processor) -> str:
    """A sample of one picture, drawn: its tile with the patches, and every token in order."""
    example = processor.encode(conversation, train=True)
    layout = example.layouts[0]
    tile = address(tiles(conversation, processor)[0][0], "PNG")
    ids, labels = example.input_ids.tolist(), example.labels.tolist()
    drawn, num_text, num_learnt = [], 0, example.num_trained
    for is_picture, places in groupby(range(len(ids)), lambda place: ids[place] == processor.image_token_id):
        members = list(places)
        if is_picture:
            rows = (_patches(row, layout.cols) for row in range(len(members) // layout.cols))
            drawn.append(f'<span class="patches">{"".join(rows)}</span>')
            continue
        num_text += len(members)
        run = [(ids[place], labels[place] != NOT_TRAINED) for place in members]
        drawn += [_drawn(chip) for chip in chips(run[:_MOST], processor)]
        drawn += ["…"] if len(run) > _MOST else []
    style = f"--tile:url({tile});--rows:{layout.rows};--cols:{layout.cols}"
    told = both(
        f"<b>{layout.num_tokens}</b> picture tokens, <b>{num_text}</b> text tokens; "
        f"<b>{num_learnt}</b> of them are learnt",
        f"<b>{layout.num_tokens}</b> 个图像词元，<b>{num_text}</b> 个文本词元；其中 <b>{num_learnt}</b> 个参与学习",
    )
    return (
        f'<div class="sequence" style="{style}"><div class="tile"></div><div class="tokens">{"".join(drawn)}</div>'
        f'<p class="quiet">{told}</p></div>'
    )


def chips(run: list[tuple[int, bool]], processor: Processor) -> Iterator[Chip]:
    """Text tokens, (id, learnt) each; those that are parts of one character are gathered."""
    known, special = TokenBytes(processor.tokenizer), set(processor.tokenizer.special.values())
    held, num_held = b"", 0
    for place, (token, learnt) in enumerate(run):
        held += known.of(token)
        num_held += 1
        last = place + 1 == len(run) or run[place + 1][1] != learnt
        try:
            text = held.decode()
        except UnicodeDecodeError:
            if not last:
                continue
            text = held.decode(errors="replace")
        yield Chip(text, num_held, learnt, token in special)
        held, num_held = b"", 0


def _patches(row: int, cols: int) -> str:
    return "<span>" + "".join(f'<i style="--r:{row};--c:{col}"></i>' for col in range(cols)) + "</span>"


def _drawn(chip: Chip) -> str:
    text = escape(chip.text).replace("\n", "⏎").replace(" ", "&nbsp;")
    kind = " ".join(name for name, holds in (("learnt", chip.learnt), ("special", chip.special)) if holds)
    several = f"<sup>{chip.num_tokens}</sup>" if chip.num_tokens > 1 else ""
    return f'<span class="chip {kind}">{text}{several}</span>' + ("<br>" if "\n" in chip.text else "")

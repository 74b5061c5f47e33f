"""The two stages: what trains and what is frozen, the loss, and a sample of each as the model sees it."""

from __future__ import annotations

import json
from collections import defaultdict
from html import escape
from pathlib import Path

from chiasm import checkpoints
from chiasm.conversation import Conversation
from chiasm.data.conversations import ConversationFile
from chiasm.demo.report.curves import curve, ends
from chiasm.demo.report.sequence import sequence
from chiasm.demo.report.wording import PARTS, both, count, duration
from chiasm.demo.story import Story
from chiasm.training.config import PARTS as ORDER
from chiasm.training.config import Recipe, Stage
from chiasm.training.history import RunHistory, StageHistory
from chiasm.training.run import stage_processor

_SAMPLES = 400  # records looked through for one that is short enough to be drawn; ours
_SHORTEST, _LONGEST = 40, 330  # characters said in it

_TITLES = {
    "align": ("Stage 1: align", "第一阶段：对齐"),
    "instruct": ("Stage 2: instruct", "第二阶段：指令微调"),
}
_ABOUT = {
    "align": (
        "Only the connector learns. Shown a picture, it must find a way of putting it so that the frozen language "
        "model goes on with the right description.",
        "只有连接器在学。看到一张图，它要学会怎样“转述”，让冻结的语言模型能接着写出正确的描述。",
    ),
    "instruct": (
        "Now the language model learns too: to answer what is asked, as briefly or as fully as it is asked to.",
        "现在语言模型也一起学：问什么答什么，该短则短，该长则长。",
    ),
}


def stages(story: Story, history: RunHistory | None) -> str:
    """A card a stage."""
    if history is None:
        return ""
    return "".join(_card(story, name, stage, history.stages[name]) for name, stage in history.recipe.stages.items())


def read_history(folder: Path) -> RunHistory | None:
    """What the run logged; None where no run is."""
    if not (folder / "recipe.yaml").is_file():
        return None
    history = RunHistory(folder)
    history.read()
    return history


def samples(story: Story, recipe: Recipe) -> str:
    """A training sample of each stage as the model sees it, one in English and one in Chinese."""
    drawn = []
    processor = checkpoints.load_processor(story.folder / "final")
    for name, stage in recipe.stages.items():
        reader = stage_processor(processor, stage)
        title = both(*_TITLES.get(name, (escape(name), escape(name))))
        found = _in_both_languages(stage)
        if not found:
            continue
        parts = "".join(
            f'<div class="{code}">{sequence(conversation, reader)}</div>' for code, conversation in found.items()
        )
        drawn.append(f"<h3>{title}</h3>{parts}")
    return "".join(drawn)


def seconds(run: Path) -> dict[str, float]:
    """How long the steps of each stage took; of a log that was lost or torn, what is left of it."""
    took: defaultdict[str, float] = defaultdict(float)
    log = run / "metrics.jsonl"
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
        try:
            step = json.loads(line)
            took[str(step["stage"])] += float(step["seconds"])
        except (ValueError, TypeError, KeyError):
            continue
    return took


def _card(story: Story, name: str, stage: Stage, history: StageHistory) -> str:
    title = both(*_TITLES.get(name, (escape(name), escape(name))))
    about = both(*_ABOUT[name], tag="p") if name in _ABOUT else ""
    parts = []
    for part in ORDER:
        trains = part in stage.trains
        state = both("learns", "学习") if trains else both("frozen", "冻结")
        parts.append(
            f'<div class="part {"trains" if trains else "frozen"}"><b>{both(*PARTS[part])}</b>'
            f"<span>{count(story.parameters.get(part, 0))}</span><small>{state}</small></div>"
        )
    loss = history.curves.get("loss")
    drawn, told = "", ""
    if loss is not None and len(loss):
        drawn = curve(list(loss.steps), list(loss.values), f"loss of {escape(name)}")
        first, last = ends(list(loss.values))
        english, chinese = duration(seconds(story.run_folder).get(name, 0.0))
        told = both(
            f"Loss {first:.2f} → {last:.2f} in {history.step} steps of {stage.batch_size} samples; {english}.",
            f"损失 {first:.2f} → {last:.2f}，{history.step} 步，每步 {stage.batch_size} 个样本；{chinese}。",
        )
    return (
        f'<article class="stage"><h3>{title}</h3>{about}<div class="parts">{"<i>→</i>".join(parts)}</div>'
        f'{drawn}<p class="quiet">{told}</p></article>'
    )


def _in_both_languages(stage: Stage) -> dict[str, Conversation]:
    """The first sample with one picture in each language that is short enough to be drawn."""
    file = ConversationFile(Path(stage.data.records), Path(stage.data.images) if stage.data.images else None)
    found: dict[str, Conversation] = {}
    for place in range(min(len(file), _SAMPLES)):
        conversation = file[place]
        code = str(conversation.id).rpartition("_")[2]
        length = sum(len(message.text) for message in conversation.messages) * (3 if code == "zh" else 1)
        if len(conversation.images) == 1 and _SHORTEST <= length <= _LONGEST:
            found.setdefault(code, conversation)
    return {code: found[code] for code in ("en", "zh") if code in found}

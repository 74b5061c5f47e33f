"""Whole runs of a few steps: what trains, what stays, what is left behind and what is refused before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import chiasm
from chiasm import checkpoints
from chiasm.chat import Sampling
from chiasm.conversation import Conversation, user
from chiasm.errors import UserError
from chiasm.models.llava import Llava
from chiasm.processing.processor import Processor
from chiasm.training import objectives, state
from chiasm.training.config import Recipe
from chiasm.training.origin import build_model
from chiasm.training.parallel import Placement
from chiasm.training.run import run, stage_processor
from tests.training import micro


class Watcher:
    """Keeps the weights as they are after each stage."""

    def __init__(self) -> None:
        self.moments: dict[str, dict[str, torch.Tensor]] = {}
        self.training: list[bool] = []
        self.learning: dict[str, set[str]] = {}

    def __call__(self, name: str, model: Llava, processor: Processor) -> None:
        assert isinstance(processor, Processor)
        self.training.append(model.training)
        self.learning[name] = {n.partition(".")[0] for n, p in model.named_parameters() if p.requires_grad}
        self.moments[name] = {n: p.detach().clone() for n, p in model.named_parameters()}

    def changed(self, before: str, after: str) -> set[str]:
        """The parameters that differ between two moments."""
        old, new = self.moments[before], self.moments[after]
        return {name for name in old if not torch.equal(old[name], new[name])}


def test_four_stages_train_their_parts_and_nothing_else(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, stages=("see", "talk", "align", "instruct"))
    watcher, recorder = Watcher(), micro.Recorder()
    final = run(recipe, tmp_path / "run", reporter=recorder, after_stage=watcher)
    assert list(watcher.moments) == ["start", "see", "talk", "align", "instruct"]
    assert not any(watcher.training)
    parts = {"see": {"vision_tower"}, "talk": {"language_model"}, "align": {"connector"}}
    parts["instruct"] = {"connector", "language_model"}
    for before, after in zip(watcher.moments, list(watcher.moments)[1:], strict=False):
        assert {name.partition(".")[0] for name in watcher.changed(before, after)} == parts[after]
        assert watcher.learning[after] == parts[after]  # no gradient is computed for what is frozen
        table = recorder.summaries[after].splitlines()
        prefixes = ("vision_tower", "connector", "language_model")
        assert ["frozen" not in line for line in table] == [prefix in parts[after] for prefix in prefixes]
    # The second stage began with the connector of the first, and what was saved is what was trained.
    start = watcher.moments["instruct"]
    loaded = checkpoints.load(final).model
    saved = dict(loaded.named_parameters())
    for name, parameter in start.items():
        if "embed_tokens" not in name and "lm_head" not in name:  # the saved vocabulary has <image> and <pad> as well
            assert torch.equal(saved[name], parameter), name
    assert loaded.dtype == torch.float32
    assert recorder.ended == dict.fromkeys(recipe.stages, "none")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"recipe.yaml", "run.json", "metrics.jsonl", "checkpoints", "stages", "final"} - (
        set() if (tmp_path / "run" / "checkpoints").exists() else {"checkpoints"}
    )
    assert Recipe.from_yaml(tmp_path / "run" / "recipe.yaml") == recipe


def test_the_saved_folder_answers_about_a_picture(micro_world: Path, tmp_path: Path) -> None:
    final = run(micro.recipe(micro_world), tmp_path / "run")
    model = chiasm.load(final)
    assert model.processor.template_name == "chatml"
    assert model.processor.images.policy == "pad"
    assert model.processor.max_length == 512
    question = Conversation((user("What is this?", [micro_world / "images" / "val" / "000000.png"]),))
    (answer,) = model.answer_all([question], Sampling(max_tokens=5))
    assert answer.usage.num_prompt > 64  # the picture's places are in it
    assert answer.usage.num_answer >= 1
    manifest = json.loads((final / "manifest.json").read_text())
    assert json.loads((tmp_path / "run" / "run.json").read_text())["run_id"] in json.dumps(manifest)


def test_the_loss_falls(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(
        micro_world, "stages.instruct.steps=30", "stages.instruct.optim.lr=5e-3", stages=("align", "instruct")
    )
    run(recipe, tmp_path / "run")
    losses = [line["loss"] for line in micro.metrics(tmp_path / "run") if line["stage"] == "instruct"]
    assert len(losses) == 30
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_the_log_says_what_each_step_did(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.align.steps=3", "stages.align.optim.warmup=0")
    run(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines[:3]] == [("align", step) for step in (1, 2, 3)]
    for line in lines:
        assert line["num_samples"] == 4
        assert line["num_trained"] > 0
        assert line["loss"] > 0
        assert line["grad_norm"] > 0
        assert line["seconds"] > 0
    assert [round(line["lr"] / 2e-3, 2) for line in lines[:3]] == [1.0, 0.75, 0.25]


def test_the_same_recipe_gives_the_same_run(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "workers=3")
    other = micro.recipe(micro_world, "seed=1")
    for name, which in (("a", recipe), ("b", recipe), ("c", other)):
        run(which, tmp_path / name)
    assert micro.metrics(tmp_path / "a") == micro.metrics(tmp_path / "b") != micro.metrics(tmp_path / "c")
    assert micro.weights(tmp_path / "a") == micro.weights(tmp_path / "b") != micro.weights(tmp_path / "c")


def test_bfloat16_trains_in_float32(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "precision=bfloat16", "model.dtype=bfloat16")
    watcher = Watcher()
    final = run(recipe, tmp_path / "run", after_stage=watcher)
    dtypes = {name.partition(".")[0]: p.dtype for name, p in watcher.moments["align"].items()}
    assert dtypes == {"vision_tower": torch.bfloat16, "connector": torch.float32, "language_model": torch.bfloat16}
    assert {name.partition(".")[0] for name in watcher.changed("align", "instruct")} >= {"connector", "language_model"}
    assert all(line["loss"] > 0 for line in micro.metrics(tmp_path / "run"))
    assert checkpoints.load(final).model.dtype == torch.bfloat16


def test_activation_checkpointing_changes_no_number(micro_world: Path, tmp_path: Path) -> None:
    for name, flag in (("with", "true"), ("without", "false")):
        changes = (f"stages.{stage}.gradient_checkpointing={flag}" for stage in ("align", "instruct"))
        run(micro.recipe(micro_world, *changes), tmp_path / name)
    for a, b in zip(micro.metrics(tmp_path / "with"), micro.metrics(tmp_path / "without"), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)


def test_activation_checkpointing_ends_with_its_stage(micro_world: Path, tmp_path: Path) -> None:
    found: dict[str, bool] = {}

    def look(name: str, model: Llava, _: Processor) -> None:
        found[name] = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())

    recipe = micro.recipe(micro_world, "stages.align.gradient_checkpointing=true")
    run(recipe, tmp_path / "run", after_stage=look)
    assert found == {"start": False, "align": True, "instruct": False}


def test_no_steps_save_what_there_is(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.align.steps=0", "stages.instruct.steps=null", "stages.instruct.epochs=0")
    final = run(recipe, tmp_path / "run")
    model, _ = build_model(recipe)
    saved = checkpoints.load(final).model
    for name, parameter in model.connector.named_parameters():
        assert torch.equal(dict(saved.connector.named_parameters())[name], parameter)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_stage_may_begin_with_a_fresh_connector(micro_world: Path, tmp_path: Path) -> None:
    watcher = Watcher()
    recipe = micro.recipe(micro_world, "stages.instruct.reset_connector=true", "stages.instruct.steps=0")
    run(recipe, tmp_path / "run", after_stage=watcher)
    assert {n for n in watcher.changed("align", "instruct") if n.startswith("connector")}


def test_text_alone_in_a_batch_of_the_connector_teaches_nothing(micro_world: Path, tmp_path: Path) -> None:
    """No gradient reaches the connector from a sample without picture; the step goes on with the others."""
    records = micro.records(micro_world)[:2] + micro.records(micro_world, "text_train.json")[:2]
    (tmp_path / "mixed.json").write_text(json.dumps(records))
    changes = ("stages.align.micro_batch_size=1", f"stages.align.data.records={tmp_path / 'mixed.json'}")
    run(micro.recipe(micro_world, *changes), tmp_path / "run")
    (tmp_path / "text.json").write_text(json.dumps(records[2:]))
    changes = (f"stages.align.data.records={tmp_path / 'text.json'}",)
    watcher = Watcher()
    run(micro.recipe(micro_world, *changes), tmp_path / "text", after_stage=watcher)
    assert not watcher.changed("start", "align")


def test_a_run_may_go_on_from_a_finished_one(micro_world: Path, tmp_path: Path) -> None:
    first = run(micro.recipe(micro_world, stages=("align",)), tmp_path / "first")
    watcher = Watcher()
    run(micro.recipe(micro_world, stages=("instruct",), start=str(first)), tmp_path / "second", after_stage=watcher)
    trained = state.load_weights(tmp_path / "first" / "stages" / "align")
    for name, parameter in watcher.moments["start"].items():
        if name.startswith("connector"):
            assert torch.equal(parameter, trained[name])


def test_a_connector_of_another_shape_is_refused_in_one_line(micro_world: Path, tmp_path: Path) -> None:
    from chiasm.checkpoints import write_connector

    wide = micro.recipe(micro_world, "model.language.hidden_size=48")
    write_connector(tmp_path / "mm_projector.safetensors", build_model(wide)[0])
    weights = f"model.connector_weights={tmp_path / 'mm_projector.safetensors'}"
    with pytest.raises(UserError, match=r"48.*expected.*32"):
        build_model(micro.recipe(micro_world, weights))
    ours = build_model(micro.recipe(micro_world, "seed=5"))[0]
    write_connector(tmp_path / "mm_projector.safetensors", ours)
    read = build_model(micro.recipe(micro_world, weights))[0]
    for a, b in zip(ours.connector.parameters(), read.connector.parameters(), strict=True):
        assert torch.equal(a, b)


# ---- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stages.instruct.template=vicuna_v2", r"instruct.*no template called 'vicuna_v2'.*vicuna_v1"),
        ("stages.instruct.images=squre", r"instruct.*no image policy called 'squre'.*square"),
        ("stages.instruct.objective=answer", r"instruct.*no objective called 'answer'.*answers"),
        ("stages.instruct.data.records=absent.json", r"instruct.*absent\.json"),
        ("stages.instruct.data.images=absent", r"instruct.*absent"),
        ("model.connector=mlp2x", r"no connector called 'mlp2x'"),
        ("model.feature_layer=-9", r"9"),
        ("model.connector=identity", r"stages\.align\.trains: the connector \('identity'\) has no parameters"),
        ("model.vision.hiden_size=64", r"model\.vision\.hiden_size: unknown key.*'hidden_size'"),
        ("model.vision.hidden_size=wide", r"model\.vision: .*hidden_size.*int"),
        ("model.vision.image_size=-1", r"model\.vision: image_size -1"),
        ("model.vision.model_type=clip_vision", r"model\.vision\.model_type.*'clip_vision_model'"),
        ("model.language.num_hidden_layer=2", r"model\.language\.num_hidden_layer: unknown key.*'num_hidden_layers'"),
        ("model.language.num_attention_heads=0", r"model\.language: "),
        ("model.language.model_type=lama", r"model\.language\.model_type.*'llama'"),
        ("model.vocabulary.records=[absent.json]", r"model\.vocabulary\.records.*absent\.json"),
    ],
)
def test_what_the_last_stage_needs_is_asked_for_before_the_first(
    micro_world: Path, tmp_path: Path, change: str, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        run(micro.recipe(micro_world, change), tmp_path / "run", reporter=micro.Recorder())
    assert list(tmp_path.iterdir()) == []
    # The mistake put right, the same command works: nothing stands in the way that was never begun.
    run(micro.recipe(micro_world, "stages.align.steps=0", "stages.instruct.steps=0"), tmp_path / "run")


def test_an_existing_folder_is_not_written_into(micro_world: Path, tmp_path: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.align.steps=0", "stages.instruct.steps=0")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    (tmp_path / "file").touch()
    for place in ("full", "file"):
        with pytest.raises(UserError, match=r"already holds something.*--resume.*--out"):
            run(recipe, tmp_path / place)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    (tmp_path / "empty").mkdir()
    assert run(recipe, tmp_path / "empty").is_dir()
    with pytest.raises(UserError, match="already holds something"):
        run(recipe, tmp_path / "empty")


def test_a_folder_that_cannot_be_made_is_told(micro_world: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write to /proc/run.*--out"):
        run(micro.recipe(micro_world), Path("/proc/run"))


def test_a_device_that_is_not_here_is_told(micro_world: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device 'nonsense'"):
        run(micro.recipe(micro_world), tmp_path / "run", placement=Placement("nonsense"))


def test_the_sizes_a_tower_leaves_out_are_those_of_its_kind(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world)
    assert isinstance(recipe.model.vision, dict)
    tower = {key: value for key, value in recipe.model.vision.items() if key != "image_size"}
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"vision": tower})})
    assert build_model(recipe)[1].images.size == 224  # transformers' CLIPVisionConfig


def test_metrics_that_cannot_be_written_do_not_stop_a_run(
    micro_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *arguments: Any, **settings: Any) -> Any:
        if self.name == "metrics.jsonl":
            raise OSError(28, "No space left on device")
        return opened(self, *arguments, **settings)

    opened = Path.open
    monkeypatch.setattr(Path, "open", full)
    assert run(micro.recipe(micro_world, stages=("align",)), tmp_path / "run").is_dir()
    assert capsys.readouterr().err.count("warning") == 1


def test_a_torn_last_line_is_told(micro_world: Path, tmp_path: Path) -> None:
    records = micro.records(micro_world)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (tmp_path / "r.jsonl").write_text(lines[:-20])
    recorder = micro.Recorder()
    recipe = micro.recipe(micro_world, f"stages.align.data.records={tmp_path / 'r.jsonl'}", stages=("align",))
    run(recipe, tmp_path / "run", reporter=recorder)
    assert any(f"line {len(records)}" in note and "torn" in note for note in recorder.notes)


def test_short_first_shows_the_shortest_records_first(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world, "stages.talk.data.order=short_first", stages=("talk",))
    stage = recipe.stages["talk"]
    model, processor = build_model(recipe)
    objective = objectives.build(stage, model, stage_processor(processor, stage))
    order = objective.order(0, 0)
    lengths = [
        sum(len(turn["value"].encode()) for turn in record["conversations"])
        for record in micro.records(micro_world, "text_train.json")
    ]
    assert sorted(order) == list(range(len(lengths)))
    assert lengths[order[0]] <= sorted(lengths)[1]
    assert all(lengths[order[k]] <= sorted(lengths)[2 * k + 1] for k in range(len(order) // 2))

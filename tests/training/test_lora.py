"""Adapters: where they go, what they leave alone, how they are saved, read, merged and gone on with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from chiasm import checkpoints
from chiasm.errors import UserError
from chiasm.training import lora
from chiasm.training.config import Lora, Recipe
from chiasm.training.origin import build_model
from chiasm.training.run import run
from tests.training import micro

pytest.importorskip("peft")

LORA = "stages.instruct.lora={rank: 3, alpha: 6, dropout: 0.2}"


def adapted(world: Path, *changes: str, start: str | None = None, stages: tuple[str, ...] = ("instruct",)) -> Recipe:
    taught = ("align", *stages) if start is None else stages
    return micro.recipe(
        world, LORA, "stages.instruct.optim.lr=0.02", "save_every=3", *changes, stages=taught, start=start
    )


@pytest.fixture(scope="module")
def base(micro_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model to put adapters on."""
    return run(micro.recipe(micro_world), tmp_path_factory.mktemp("lora") / "base")


@pytest.fixture(scope="module")
def trained(micro_world: Path, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trained adapters on it; not to be changed."""
    folder = tmp_path_factory.mktemp("lora") / "run"
    run(adapted(micro_world, start=str(base)), folder)
    return folder


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    return {n: p.detach() for n, p in checkpoints.load(folder, progress=False).model.named_parameters()}


def test_every_linear_layer_but_the_head_and_nothing_of_the_tower(micro_world: Path) -> None:
    """The tower's layers are called q_proj, k_proj and v_proj as well."""
    model, _ = build_model(adapted(micro_world))
    tower = [name for name, _ in model.vision_tower.named_modules()]
    assert any(name.endswith("self_attn.q_proj") for name in tower)
    before = {name: id(module) for name, module in model.vision_tower.named_modules()}
    lora.attach(model.language_model, Lora(rank=3, alpha=6))
    assert {name: id(module) for name, module in model.vision_tower.named_modules()} == before
    wrapped = {n for n, m in model.language_model.named_modules() if hasattr(m, "lora_A") and hasattr(m, "base_layer")}
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
    names += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")  # the published run's seven
    assert wrapped == {f"model.layers.{layer}.{name}" for layer in range(2) for name in names}
    one = model.language_model.get_submodule("model.layers.0.mlp.up_proj")
    assert one.lora_dropout["default"].p == 0.05  # type: ignore[union-attr, index]
    assert one.scaling["default"] == 2.0  # type: ignore[index]


def test_fresh_adapters_change_nothing_and_come_off_again(micro_world: Path) -> None:
    model, _ = build_model(adapted(micro_world))
    ids = torch.arange(20)[None]
    names = [name for name, _ in model.named_parameters()]
    with torch.no_grad():
        before = model(ids).logits
        lora.attach(model.language_model, Lora(rank=3, alpha=6))
        model.eval()
        assert torch.equal(model(ids).logits, before)
        learnt = lora.detach(model.language_model)
        assert torch.equal(model(ids).logits, before)
    assert [name for name, _ in model.named_parameters()] == names
    assert learnt["model.layers.1.mlp.down_proj.lora_A.weight"].shape == (3, 64)
    assert not learnt["model.layers.1.mlp.down_proj.lora_B.weight"].any()


def test_the_folder_is_complete(trained: Path, base: Path) -> None:
    final = trained / "final"
    names = {path.name for path in final.iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "mm_projector.safetensors", "base.json"} <= names
    assert {"config.json", "processor.json", "tokenizer.json", "manifest.json"} <= names
    assert not names & {"model.safetensors", "base"}
    said = json.loads((final / "base.json").read_text())["base"]["checkpoint"]
    assert said["name"] == str(base)
    listed = json.loads((base / "manifest.json").read_text())["files"]
    assert said["files"] == {name: listed[name] for name in ("config.json", "model.safetensors")}
    config = json.loads((final / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["lora_dropout"], config["bias"]) == (3, 6, 0.2, "none")


def test_adapters_and_connector_changed_and_nothing_else(trained: Path, base: Path) -> None:
    before, after = _tensors(base), _tensors(trained / "final")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("connector.") or "_proj.weight" in name} - {
        name for name in before if name.startswith("vision_tower.")
    }


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers' old name
def test_merging_is_what_peft_makes_of_it(trained: Path, base: Path) -> None:
    from peft import PeftModel

    language = checkpoints.load(base, progress=False).model.language_model
    theirs = PeftModel.from_pretrained(language, str(trained / "final")).merge_and_unload()
    ours = checkpoints.load(trained / "final", progress=False).model.language_model
    expected = dict(theirs.named_parameters())
    assert expected.keys() == dict(ours.named_parameters()).keys()
    for name, parameter in ours.named_parameters():
        assert torch.equal(parameter, expected[name]), name


@pytest.mark.parametrize("layout", ["hf", "original"])
def test_converting_merges(trained: Path, tmp_path: Path, layout: str) -> None:
    checkpoints.convert(trained / "final", tmp_path / "whole", to=layout, progress=False)  # type: ignore[arg-type]
    assert not (tmp_path / "whole" / "adapter_config.json").exists()
    expected, found = _tensors(trained / "final"), _tensors(tmp_path / "whole")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        rows = min(len(tensor), len(found[name]))  # layouts differ in the vocabulary's last rows
        assert torch.equal(tensor[:rows], found[name][:rows]), name


def test_a_base_that_is_nowhere_else_goes_inside(micro_world: Path, tmp_path: Path) -> None:
    """Weights drawn from a seed, and an earlier stage that trained the language model."""
    recipe = adapted(micro_world, stages=("talk", "instruct"))
    final = run(recipe, tmp_path / "run")
    assert (final / "base" / "model.safetensors").is_file()
    shutil.move(final, tmp_path / "elsewhere")
    moved = _tensors(tmp_path / "elsewhere")
    assert not torch.equal(
        moved["language_model.model.layers.0.mlp.up_proj.weight"],
        _tensors(tmp_path / "elsewhere" / "base")["language_model.model.layers.0.mlp.up_proj.weight"],
    )


@pytest.mark.parametrize("at", [1, 4])
def test_a_killed_run_goes_on_bit_for_bit(
    micro_world: Path, base: Path, trained: Path, tmp_path: Path, at: int
) -> None:
    """Dropout draws from a generator, whose state must come back as well."""
    recipe = adapted(micro_world, start=str(base))
    with pytest.raises(micro.Killed):
        run(recipe, tmp_path / "run", reporter=micro.Recorder(fail_at=("instruct", at)))
    run(recipe, tmp_path / "run", resume=True)
    assert micro.metrics(tmp_path / "run") == micro.metrics(trained)
    assert micro.weights(tmp_path / "run") == micro.weights(trained)


def test_dropout_is_on_while_training(micro_world: Path, base: Path, tmp_path: Path) -> None:
    for name, dropout in (("with", 0.5), ("without", 0.0)):
        changed = adapted(micro_world, f"stages.instruct.lora.dropout={dropout}", start=str(base))
        run(changed, tmp_path / name)
    losses = [[line["loss"] for line in micro.metrics(tmp_path / name)] for name in ("with", "without")]
    assert losses[0][:2] == losses[1][:2]  # the second factors are zero, and the first step's rate is
    assert losses[0][2] != losses[1][2]


# ---- what is refused -------------------------------------------------------------------------------------------------


def test_another_base_is_refused(trained: Path, base: Path, micro_world: Path, tmp_path: Path) -> None:
    other = run(micro.recipe(micro_world, "seed=9"), tmp_path / "other")
    with pytest.raises(UserError, match=r"SHA-256"):
        checkpoints.load(trained / "final", base=str(other), progress=False)
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    assert _tensors(trained / "final").keys() == _tensors(trained / "final").keys()
    checkpoints.load(trained / "final", base=str(copy), progress=False)  # the same in another place
    (copy / "config.json").write_text((copy / "config.json").read_text() + "\n")
    (copy / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"is not the base the adapters were trained on.*config\.json"):
        checkpoints.load(trained / "final", base=str(copy), progress=False)


def test_a_missing_base_is_named(trained: Path, tmp_path: Path) -> None:
    final = Path(shutil.copytree(trained / "final", tmp_path / "final"))
    said = json.loads((final / "base.json").read_text())
    said["base"]["checkpoint"].update(name=str(tmp_path / "gone"), from_here="../gone")
    (final / "base.json").write_text(json.dumps(said))
    (final / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"stand on another model.*gone.*--base"):
        checkpoints.load(final, progress=False)


def test_a_flipped_bit_is_noticed(trained: Path, tmp_path: Path) -> None:
    final = Path(shutil.copytree(trained / "final", tmp_path / "final"))
    said = json.loads((final / "base.json").read_text())
    path = final / "adapter_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"adapter_model\.safetensors is not what was written"):
        checkpoints.load(final, base=said["base"]["checkpoint"]["name"], progress=False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("stages.instruct.trains=[connector]", r"lora adapts the language model.*'trains'"),
        ("stages.instruct.lora.rank=0", r"lora\.rank.*greater than or equal to 1"),
        ("stages.instruct.lora.rnk=4", r"unknown key, did you mean 'rank'"),
        ("stages.align.lora={}", r"lora adapts the language model"),
    ],
)
def test_mistakes_in_a_recipe(micro_world: Path, change: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        adapted(micro_world).with_changes([change])


def test_only_the_last_stage_can_train_adapters(micro_world: Path) -> None:
    recipe = micro.recipe(micro_world, stages=("talk", "align", "instruct"))
    with pytest.raises(UserError, match=r"stages\.talk\.lora: only the last stage"):
        recipe.with_changes(["stages.talk.lora={}"])


def test_without_peft_a_line_says_so(micro_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r"stages\.instruct\.lora needs peft.*pip install 'chiasm\[train\]'"):
        run(adapted(micro_world), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_four_bits_need_a_base_in_a_folder_and_bitsandbytes(
    micro_world: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    recipe = adapted(micro_world, "stages.instruct.lora.bits=4", start=str(base))
    with pytest.raises(UserError, match=r"stages\.instruct\.lora\.bits 4 needs bitsandbytes.*chiasm\[qlora\]"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setitem(sys.modules, "bitsandbytes", sys)
    with pytest.raises(UserError, match=r"no folder holds these.*model\.start"):
        lora.check(adapted(micro_world, "stages.instruct.lora.bits=4"))


def test_four_bits_train_and_merge_into_the_base_as_it_is(micro_world: Path, base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    final = run(adapted(micro_world, "stages.instruct.lora.bits=4", start=str(base)), tmp_path / "run")
    before, after = _tensors(base), _tensors(final)
    name = "language_model.model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(before[name], after[name])
    head = "language_model.model.norm.weight"
    assert torch.equal(before[head], after[head])

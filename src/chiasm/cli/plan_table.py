"""A plan of a run as a person reads it."""

from __future__ import annotations

from chiasm.training.plan import GIB, RunPlan


def lines(plan: RunPlan) -> list[str]:
    """The plan, a line each; memory in GiB of one device."""
    machine = plan.machine
    shown = [f"{plan.recipe} on {machine.gpus} x {machine.gpu_memory:g} GiB"]
    shown += [f"  {part:<10} {count:>15,} parameters" for part, count in plan.parameters.items()]
    for stage in plan.stages:
        trains = ", ".join(f"{part} {count:,}" for part, count in stage.trained.items())
        shown += [
            "",
            f"stage {stage.name}: trains {trains}",
            f"  {stage.samples:,} samples ({stage.samples_from}), {stage.steps:,} steps, {stage.micro_batch} at once",
            f"  {stage.picture_tokens} tokens a picture, {stage.tokens_per_sample:g} a sample, {stage.longest_sample} "
            "the longest",
            f"  {stage.flops:.2e} operations: {stage.hours:.1f} h at {machine.utilisation:.0%} of {machine.tflops:g} "
            "TFLOP/s each",
        ]
        if stage.cache_bytes:
            shown.append(f"  the tower's features, kept on disk: {stage.cache_bytes / 1e9:,.1f} GB at most")
        shown.append(
            f"  {'GiB a device':<26}{'weights':>9}{'gradients':>11}{'optimiser':>11}{'activations':>13}{'logits':>8}"
            f"{'other':>7}{'total':>8}"
        )
        for way, m in stage.memory.items():
            numbers = (m.weights, m.gradients, m.optimizer, m.activations, m.logits, m.other, m.total)
            widths = (9, 11, 11, 13, 8, 7, 8)
            cells = "".join(f"{n / GIB:>{w}.1f}" for n, w in zip(numbers, widths, strict=True))
            shown.append(f"{'>' if way == stage.chosen else ' '} {way:<26}{cells}")
        total = stage.memory[stage.chosen].total / GIB
        fits = "fits" if stage.fits else "does not fit"
        is_divided = stage.fits and stage.chosen.startswith("sharded")
        divided = ", divided: start it with --parallel shard" if is_divided else ""
        shown.append(f"  {fits}: {total:.1f} of {machine.gpu_memory:g} GiB{divided}")
        shown += [f"  try {advice}" for advice in stage.advice]
    return shown

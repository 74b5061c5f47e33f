"""Kinds of work of a profiled step: each operator counts for what it is done for."""

from __future__ import annotations

import time

import pytest
import torch

from bench.step_kinds import KINDS, as_text, kind_of, profiled


@pytest.mark.parametrize(
    ("lineage", "kind"),
    [
        (["aten::mm", "aten::linear"], "matrix products"),
        (["aten::addmm"], "matrix products"),
        (["aten::mkldnn_convolution", "aten::conv2d"], "matrix products"),
        (["aten::bmm", "chiasm::documents_backward"], "attention"),
        (["aten::_softmax", "aten::_scaled_dot_product_attention_math"], "attention"),
        (["aten::sqrt", "Optimizer.step#AdamW.step"], "optimiser"),
        (["aten::_foreach_norm"], "optimiser"),
        (["aten::copy_", "aten::_to_copy", "aten::to"], "copies and casts"),
        (["aten::silu"], "element-wise"),
        (["aten::_log_softmax"], "element-wise"),
    ],
)
def test_an_operator_counts_for_what_it_is_done_for(lineage: list[str], kind: str) -> None:
    assert kind_of(lineage) == kind


def test_a_step_is_accounted_for_whole() -> None:
    x = torch.randn(400, 400)

    def step() -> float:
        for _ in range(3):
            torch.mm(x, x)
        time.sleep(0.2)
        return 1.5

    begin = time.perf_counter()
    result, seconds, _ = profiled(step)
    assert result == 1.5
    assert tuple(seconds) == KINDS
    assert seconds["matrix products"] > 0
    assert seconds["Python"] > 0.19  # no operator accounts for the sleep
    assert sum(seconds.values()) <= time.perf_counter() - begin
    assert as_text(seconds).startswith("Python ")

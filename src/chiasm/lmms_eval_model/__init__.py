"""Models of this package inside lmms-eval, under the name `chiasm`: its entry point in the group `lmms_eval.models`.

    lmms-eval --model chiasm --model_args pretrained=runs/demo/final --tasks mme

Nothing of lmms-eval is changed or copied; it finds this through the installed package. Written against its 0.7.
"""

from __future__ import annotations

from typing import Any


def manifest() -> Any:
    """What lmms-eval's registry is told (its `ModelManifest`): a model of its plain kind, pictures before the text."""
    from lmms_eval.models.registry_v2 import ModelManifest

    return ModelManifest(model_id="chiasm", simple_class_path="chiasm.lmms_eval_model.model.ChiasmModel")

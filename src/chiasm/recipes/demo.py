"""The two stages of LLaVA on a drawn world, from the tower and the language model that come with chiasm: minutes.

`align` trains the connector alone on descriptions, `instruct` connector and language model on the mixture, as in the
recipe `tiny`, which made the two. Rates and lengths chosen by us: on two cores all of it, pictures and report included,
stays within eight minutes.
"""

from __future__ import annotations

from chiasm import bundled
from chiasm.models.device import computes_bfloat16
from chiasm.training.config import Data, Model, Optim, Recipe, Stage

_WORLD = "runs/demo/world"  # what `chiasm demo` wrote


def recipe(world: str = _WORLD) -> Recipe:
    """The run on a drawn world in the folder `world`. Raises `UserError` where chiasm came without its weights."""
    images = f"{world}/images"
    return Recipe(
        name="demo",
        seed=0,
        precision="bfloat16" if computes_bfloat16() else "float32",
        model=Model(
            vision=str(bundled.folder("clip")),
            language=str(bundled.folder("language")),
            connector="mlp2x_gelu",
            feature_layer=-2,
            dtype="bfloat16",
        ),
        stages={
            "align": Stage(
                trains=("connector",),
                data=Data(records=f"{world}/align_train.json", images=images),
                template="plain",
                batch_size=16,
                epochs=0.4,
                max_length=1024,
                pack=True,
                row_length=2048,
                features="cache",
                optim=Optim(lr=2e-3),
            ),
            "instruct": Stage(
                trains=("connector", "language"),
                data=Data(records=f"{world}/mixture_train.json", images=images),
                template="chatml",
                batch_size=16,
                epochs=0.5,
                max_length=1024,
                pack=True,
                row_length=2048,
                features="cache",
                optim=Optim(lr=1e-3, betas=(0.9, 0.98)),
            ),
        },
        save_every=200,
    )

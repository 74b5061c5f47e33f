"""A LLaVA from nothing on the small drawn world of `chiasm demo`, in minutes on two cores.

The papers begin with a tower that can see and a language model that can talk. Here both are taught first: `see` shows
the tower what lies where, `talk` lets the language model answer about scenes told in words. Then come the two stages
of LLaVA, unchanged: `align` trains the connector alone on captions, `instruct` connector and language model on
questions. Sizes and rates chosen by us, for two cores.
"""

from __future__ import annotations

from chiasm.training.config import Data, Model, Optim, Recipe, Stage, Vocabulary

_WORLD = "runs/demo/world"  # what `chiasm data scenes --out` or `chiasm demo` wrote


def recipe(world: str = _WORLD) -> Recipe:
    """The run on a drawn world in the folder `world`."""
    images = f"{world}/images"
    return Recipe(
        name="tiny",
        seed=0,
        precision="float32",
        model=Model(
            vision={
                "model_type": "clip_vision_model",
                "hidden_size": 128,
                "intermediate_size": 384,
                "num_hidden_layers": 5,
                "num_attention_heads": 4,
                "image_size": 64,
                "patch_size": 8,
            },
            language={
                "model_type": "llama",
                "hidden_size": 128,
                "intermediate_size": 384,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "num_key_value_heads": 4,
                "max_position_embeddings": 1024,
                "tie_word_embeddings": True,
                # About 1 / sqrt(hidden_size). With Llama's 0.02 a model this narrow begins with attention so even that
                # it has not learnt to look anything up within the minutes it has.
                "initializer_range": 0.08,
            },
            vocabulary=Vocabulary(records=(f"{world}/text_train.json", f"{world}/instruct_train.json"), size=512),
            connector="mlp2x_gelu",
            feature_layer=-2,
            dtype="float32",
        ),
        stages={
            "see": Stage(
                trains=("vision",),
                objective="patches",
                data=Data(records=f"{world}/annotations/instances_train.json", images=images),
                batch_size=32,
                epochs=3.5,
                optim=Optim(lr=2e-3, weight_decay=0.05),
            ),
            "talk": Stage(
                trains=("language",),
                data=Data(records=f"{world}/text_train.json"),
                template="chatml",
                batch_size=16,
                epochs=1,
                max_length=512,
                optim=Optim(lr=2e-3),
            ),
            "align": Stage(
                trains=("connector",),
                data=Data(records=f"{world}/align_train.json", images=images),
                template="plain",
                batch_size=32,
                epochs=1,
                max_length=512,
                optim=Optim(lr=2e-3),
            ),
            "instruct": Stage(
                trains=("connector", "language"),
                data=Data(records=f"{world}/instruct_train.json", images=images),
                template="chatml",
                batch_size=16,
                epochs=2.5,
                max_length=512,
                optim=Optim(lr=1e-3),
            ),
        },
        save_every=500,
    )

"""A LLaVA from nothing on the drawn world, on two cores: the recipe of the assistant that comes with chiasm.

The papers begin with a tower that can see and a language model that can talk. Here both are made first: `clip` is CLIP
(a tower and a text encoder, by contrast), `language` is the part of Vicuna (a language model that has read and talked,
in English and Chinese, about scenes told in words). Then come the two stages of LLaVA, unchanged: `align` trains the
connector alone on descriptions, `instruct` connector and language model on the mixture. `practice` goes on with short
questions that do not give each other away: a model from nothing has to be made to look. Then come drills, a skill each,
with some practice in between, and `together`, in which everything is asked; `sides` and `together` come once more, as
they were cut off too early. Which of two pictures has a thing is learnt by itself, too, and then everything together
once more. Captions leave out much that boxes tell: so the tower alone learns from boxes (`patches`), and connector and
language model follow it. Then nothing is frozen (`all_parts`), as in LLaVA-1.6, and every question is asked apart in
larger pictures (`everything`). At the end the tower learns letters from boxes of pictures with writing (`written`),
what is still hard is asked most (`hardest`), and a little of `instruct_again` brings back long answers. Sizes and rates
chosen by us.
"""

from __future__ import annotations

from chiasm.models.device import computes_bfloat16
from chiasm.training.config import Contrast, Data, Model, Optim, Recipe, Stage, Vocabulary

_WORLD = "runs/world"  # what `chiasm data scenes --out` wrote


def recipe(world: str = _WORLD) -> Recipe:
    """The run on a drawn world in the folder `world`; in bfloat16 where this machine is fast in it."""
    images, annotations, drills = f"{world}/images", f"{world}/annotations", f"{world}/drills"
    return Recipe(
        name="tiny",
        seed=0,
        precision="bfloat16" if computes_bfloat16() else "float32",
        model=Model(
            vision={
                "model_type": "clip_vision_model",
                "hidden_size": 192,
                "intermediate_size": 768,
                "num_hidden_layers": 6,
                # Heads of 64 and plain GELU: of what is as good, what two cores compute fastest.
                "num_attention_heads": 3,
                "hidden_act": "gelu",
                "image_size": 140,
                "patch_size": 14,
            },
            language={
                "model_type": "llama",
                "hidden_size": 192,
                "intermediate_size": 576,
                "num_hidden_layers": 4,
                # More heads of half the width: with six it looks things up after fewer texts than with three of 64.
                "num_attention_heads": 6,
                "num_key_value_heads": 6,
                "max_position_embeddings": 2048,
                "tie_word_embeddings": True,
                # 1 / sqrt(hidden_size). With Llama's 0.02 a model this narrow begins with attention so even that it has
                # not learnt to look anything up within the time it has.
                "initializer_range": 0.072,
            },
            vocabulary=Vocabulary(records=(f"{world}/mixture_train.json",), size=2048),
            connector="mlp2x_gelu",
            feature_layer=-2,
            dtype="bfloat16",
        ),
        stages={
            "clip": Stage(
                trains=("vision",),
                objective="clip",
                data=Data(records=f"{annotations}/captions_train.json", images=images),
                contrast=Contrast(
                    captions=(f"{annotations}/captions_train_zh.json",),
                    instances=f"{annotations}/instances_train.json",
                ),
                batch_size=64,
                epochs=0.4,  # an epoch shows a picture with each of its ten captions
                optim=Optim(lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05),
            ),
            "language": Stage(
                trains=("language",),
                data=Data(records=f"{world}/text_train.json", order="short_first"),
                template="chatml",
                batch_size=32,
                epochs=1,
                max_length=1024,
                pack=True,
                row_length=2048,
                # At 2e-3, whether a thing is there was still a guess after as many questions as 5e-4 took to learn it.
                optim=Optim(lr=7e-4, betas=(0.9, 0.98), weight_decay=0.1),
            ),
            "align": Stage(
                trains=("connector",),
                data=Data(records=f"{world}/align_train.json", images=images),
                template="plain",
                batch_size=16,
                epochs=0.1,
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
                epochs=0.55,
                max_length=1024,
                pack=True,
                row_length=2048,
                features="cache",
                optim=Optim(lr=5e-4, betas=(0.9, 0.98)),
            ),
            "practice": _questions(f"{world}/practice_train.json", images, epochs=0.65),
            "letters": _questions(f"{drills}/letters_train.json", images, epochs=0.5),
            "options": _questions(f"{drills}/options_train.json", images, epochs=0.375),
            "sides": _questions(f"{drills}/sides_train.json", images, epochs=0.5),
            "boxes": _questions(f"{drills}/boxes_train.json", images, epochs=0.375),
            "together": _questions(f"{drills}/together_train.json", images, epochs=0.175),
            "sides_again": _questions(f"{drills}/sides_train.json", images, epochs=0.5),
            "together_again": _questions(f"{drills}/together_train.json", images, epochs=0.375),
            "pairs": _questions(f"{drills}/pairs_train.json", images, epochs=0.25),
            "together_longer": _questions(f"{drills}/together_train.json", images, epochs=0.35),
            "patches": _patches(f"{annotations}/instances_train.json", images, epochs=2),
            "patches_again": _patches(f"{annotations}/instances_train.json", images, epochs=1.2),
            "words": _questions(f"{drills}/words_train.json", images, epochs=0.2),
            "all_together": _questions(f"{drills}/together_train.json", images, epochs=0.325),
            "all_parts": _nothing_frozen(f"{drills}/together_train.json", images, epochs=0.225),
            "all_parts_again": _nothing_frozen(f"{drills}/together_train.json", images, epochs=0.225),
            "everything": _apart(f"{drills}/everything_train.json", images, epochs=0.55),
            "written": _patches(f"{annotations}/written_instances_train.json", images, epochs=1.5, lr=7e-4),
            "hardest": _apart(f"{drills}/hardest_train.json", images, epochs=1),
            "instruct_again": _reminder(f"{world}/instruct_train.json", images, steps=100),
        },
        save_every=500,
    )


def _questions(records: str, images: str, epochs: float) -> Stage:
    """Connector and language model on short questions."""
    return Stage(
        trains=("connector", "language"),
        data=Data(records=records, images=images),
        template="chatml",
        batch_size=32,
        epochs=epochs,
        max_length=1024,
        pack=True,
        row_length=2048,
        features="cache",
        optim=Optim(lr=7e-4, betas=(0.9, 0.98)),
    )


def _nothing_frozen(records: str, images: str, epochs: float) -> Stage:
    """Short questions for all parts at once; the tower learns more slowly than the others."""
    questions = _questions(records, images, epochs)
    optim = Optim(lr=5e-4, lr_by_part={"vision": 2e-4}, betas=(0.9, 0.98))
    changes = {"trains": ("vision", "connector", "language"), "features": "computed", "optim": optim}
    return questions.model_copy(update=changes)


def _apart(records: str, images: str, epochs: float) -> Stage:
    """Larger pictures, and some twenty-five questions about each that share it; again nothing is frozen."""
    optim = Optim(lr=7e-4, lr_by_part={"vision": 5e-4}, betas=(0.9, 0.98))
    changes = {"image_size": 168, "batch_size": 16, "optim": optim}
    return _nothing_frozen(records, images, epochs).model_copy(update=changes)


def _reminder(records: str, images: str, steps: int) -> Stage:
    """A few conversations in the larger pictures, at a rate that moves little else; the tower stays as it is."""
    optim = Optim(lr=1e-4, betas=(0.9, 0.98))
    changes = {"trains": ("connector", "language"), "image_size": 168, "batch_size": 16, "steps": steps, "optim": optim}
    return _nothing_frozen(records, images, epochs=1).model_copy(update=changes)


def _patches(instances: str, images: str, epochs: float, lr: float = 1e-3) -> Stage:
    """The tower alone, on boxes and what is said of them."""
    return Stage(
        trains=("vision",),
        objective="patches",
        data=Data(records=instances, images=images),
        batch_size=64,
        epochs=epochs,
        optim=Optim(lr=lr, betas=(0.9, 0.98), weight_decay=0.05),
    )

"""A thing's box in text, as LLaVA-1.5's data writes it. Knows numbers only."""

from __future__ import annotations

from chiasm.scenes.scene import Scene, Thing


def square_box(scene: Scene, thing: Thing) -> str:
    """`[0.12, 0.40, 0.45, 0.71]`: left, top, right, bottom in parts of the picture padded to a square, two decimals.

    The picture lies in the middle of the square; an odd pixel of padding goes to the right or the bottom.
    """
    side = max(scene.width, scene.height)
    left, top = (side - scene.width) // 2, (side - scene.height) // 2
    across = [(x * scene.width + left) / side for x in (thing.box.x0, thing.box.x1)]
    down = [(y * scene.height + top) / side for y in (thing.box.y0, thing.box.y1)]
    return f"[{across[0]:.2f}, {down[0]:.2f}, {across[1]:.2f}, {down[1]:.2f}]"

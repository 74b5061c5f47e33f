"""Two pictures that do not exist, for the examples in prompts: what people would have said of them, and boxes."""

from __future__ import annotations

from chiasm.synthesis.sample import Box

STALL = (
    "A vendor in a green apron ladles soup at a market stall at night.",
    "Two customers sit on stools while a man cooks noodles.",
    "A small food stall lit by a paper lantern with steam rising from a pot.",
    "A cook is serving noodles to two people sitting at a counter.",
    "Steam comes out of a big pot at a street food stall.",
)
STALL_BOXES = (
    Box("person", 0.402, 0.180, 0.655, 0.870),
    Box("person", 0.050, 0.350, 0.240, 0.960),
    Box("person", 0.250, 0.370, 0.395, 0.950),
    Box("bowl", 0.140, 0.560, 0.212, 0.605),
    Box("bowl", 0.310, 0.562, 0.380, 0.608),
    Box("bottle", 0.700, 0.480, 0.735, 0.590),
)

WORKSHOP = (
    "A gray-haired woman repairs the wheel of an upside-down bicycle in a workshop.",
    "An older woman fixing a blue bike.",
    "A dog is asleep on the floor of a bicycle shop next to a woman at work.",
    "Tools hang in rows on the wall behind a woman mending a bike.",
    "A lady works on a bicycle while a brown dog naps beside her.",
)
WORKSHOP_ZH = (
    "一位头发花白的女士在修一辆倒放的自行车的车轮。",
    "年长的女士正在修理蓝色自行车。",
    "修车铺的地上睡着一只狗，旁边有位女士在干活。",
    "墙上整齐地挂着一排排工具，一位女士在修车。",
    "女士修车的时候，棕色的狗在她身边打盹。",
)
WORKSHOP_BOXES = (
    Box("person", 0.310, 0.120, 0.620, 0.880),
    Box("bicycle", 0.420, 0.330, 0.830, 0.940),
    Box("bicycle", 0.870, 0.210, 1.000, 0.760),
    Box("dog", 0.060, 0.740, 0.330, 0.930),
)

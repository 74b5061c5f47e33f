"""Text for a shop: a title and a description of the product in the picture."""

from chiasm.describing.styles._style import Style, paragraphs

STYLE = Style(
    prompts={
        "en": (
            "Write the text of a shop's page about the product in this picture: a title on the first line, then two or "
            "three sentences. Name its kind, colour, material and form as far as they can be seen. Invent no brand, "
            "size, price or promise."
        ),
        "zh": (
            "为图中的商品写一段商店页面的文字：第一行是标题，然后两三句介绍。写出看得出来的品类、颜色、材质和样式，"
            "不要编造品牌、尺寸、价格或承诺。"
        ),
    },
    max_tokens=256,
    read=paragraphs,
)

"""Words for scenes, English and Chinese: phrases of a language, captions, descriptions, reasons."""

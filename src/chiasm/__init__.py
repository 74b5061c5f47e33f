"""chiasm: the whole LLaVA recipe in one package."""

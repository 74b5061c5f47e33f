"""The model: vision tower, connector, language model, joined. It knows nothing of text, templates or files."""

"""Serving: a `ChatModel` behind OpenAI's protocol and a page. Which model it is, is the caller's affair."""

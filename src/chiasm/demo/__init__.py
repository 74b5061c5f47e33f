"""LLaVA's two stages in minutes: draw a world, align, instruct, and ask about pictures nobody has seen, all told."""

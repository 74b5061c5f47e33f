"""The whole recipe in minutes: draw a world, train through both stages, ask about pictures nobody has seen."""

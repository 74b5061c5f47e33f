"""Pictures of scenes: backgrounds, one painter a kind of thing, the whole composed. Knows no words."""

"""Training data: reading, ordering, checking and showing it. It knows conversations and processors, not training."""

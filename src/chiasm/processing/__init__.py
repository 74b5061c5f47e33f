"""From pictures and conversations to what the model is fed: pixels, ids and labels."""

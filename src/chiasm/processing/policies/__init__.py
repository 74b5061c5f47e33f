"""Image policies: how a picture of any shape becomes the square tiles a vision tower takes.

One file a policy; the file name is what `processor.json` stores. A file has the three functions of
`chiasm.processing.images.ImagePolicy`. A policy knows nothing about normalisation, towers or text.
"""

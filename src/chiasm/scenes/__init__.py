"""The drawn world: little pictures that come with everything one may say about them.

`world` samples scene graphs, `shapes` and `draw` turn them into pixels, `words` and `questions` into English,
`dataset` writes all of it to a folder. Nothing here knows about models, training or torch: the files are the interface.
"""

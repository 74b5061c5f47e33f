"""The drawn world: pictures that come with everything one may say about them, in English and Chinese.

`placing` makes scenes of `kinds` of things, `drawing` turns them into pixels, `telling` and `asking` into sentences,
`formats` into the files of the field, `writing` puts all of it into a folder. Nothing here knows about models, training
or torch: the files are the interface.
"""

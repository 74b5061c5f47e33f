"""Captions held against those people wrote: tokens, Bleu, ROUGE-L and CIDEr-D as coco-caption computes them, in Python.

Pure functions over lists of tokens; scores from 0 to 1, CIDEr-D from 0 to 10, as published. Nothing here knows a task.
"""

"""Visual instruction data: a text-only teacher reads captions and boxes, and writes conversations about the picture.

The teacher is handed in as a `chiasm.chat.ChatModel`; nothing here knows a model, torch or the network.
"""

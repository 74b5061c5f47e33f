"""Writing about many pictures: found, asked about in batches, written as they come, gone on with after a kill.

Whoever answers is handed in as a `chiasm.chat.ChatModel`. Knows nothing about models, servers or terminals.
"""

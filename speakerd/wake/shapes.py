"""How much openWakeWord's networks look at, at once and in all; specified by it and by the embedding model."""

CHUNK_FRAMES = 1280
"""80 ms at 16 kHz, the step of the embedding."""

OVERLAP_FRAMES = 480
"""Audio before a chunk that its melspectrogram looks back on."""

CHUNK_ROWS = 8
"""Rows of melspectrogram in a chunk."""

BANDS = 32
"""Numbers in a row of melspectrogram."""

EMBEDDING_ROWS = 76
"""Rows of melspectrogram in one embedding."""

EMBEDDING_WIDTH = 96
"""Numbers in one embedding."""

EMBEDDING_CHUNKS = 10
"""An embedding depends on so many chunks and nothing before them: 76 rows, and the overlap."""

NOISE_SEED = 20
"""Of the noise that openWakeWord's history begins with: a fixed one makes equal starts equal (chosen)."""


def memory_chunks(embeddings: int) -> int:
    """Return on how many chunks a score depends whose classifier looks at so many embeddings, a chunk apart."""
    return embeddings + EMBEDDING_CHUNKS

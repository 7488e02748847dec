"""A byte ring between exactly two threads: one writes, one reads, nobody waits.

The promises, in full:

* **Allocation.** The storage is allocated once. ``write`` copies into it and allocates nothing of size; ``read``
  allocates the ``bytes`` it returns and nothing else.
* **Blocking.** No call blocks, takes a lock or calls the system. There is no way to wait on a ring: the writer rings a
  doorbell of its own (``doorbell.py``), or the reader looks once a period.
* **Overwrite.** Never. What does not fit is refused and told by the return value; what to do about it is the writer's
  business. Bytes come out in the order they went in, each once, unless the reader discards them.
* **Granularity.** Bytes. The ring knows no frames: a writer that must not split a frame looks at ``free_bytes`` first,
  which only grows behind its back, and a reader asks for whole frames, of which there are only ever more.
* **Threads.** ``Producer`` belongs to one thread and ``Consumer`` to one (possibly the same); each may move to another
  thread when the first will not touch it again. Each position has one writer, is stored only after the bytes it covers
  have been copied, and is an ``int`` that is replaced as a whole.
* **Numbers seen from the other side** are old, but safely so: the writer sees at most as much room as there is, the
  reader at most as many bytes.
"""

from __future__ import annotations


class _Storage:
    """What both handles share; no one else holds it."""

    __slots__ = ("capacity", "read_total", "view", "written_total")

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity = capacity_bytes
        self.view = memoryview(bytearray(capacity_bytes))
        self.written_total = 0  # stored by the producer only
        self.read_total = 0  # stored by the consumer only


class Producer:
    """The writing end."""

    __slots__ = ("_storage",)

    def __init__(self, storage: _Storage) -> None:
        self._storage = storage

    @property
    def free_bytes(self) -> int:
        """How many bytes ``write`` would take now."""
        storage = self._storage
        return storage.capacity - (storage.written_total - storage.read_total)

    def write(self, data: bytes | memoryview) -> int:
        """Copy in as much as fits and return how many bytes that was; the rest is refused."""
        storage = self._storage
        size = min(len(data), self.free_bytes)
        start = storage.written_total % storage.capacity
        before_wrap = min(size, storage.capacity - start)
        source = memoryview(data)
        storage.view[start : start + before_wrap] = source[:before_wrap]
        if size > before_wrap:
            storage.view[: size - before_wrap] = source[before_wrap:size]
        storage.written_total += size
        return size


class Consumer:
    """The reading end."""

    __slots__ = ("_storage",)

    def __init__(self, storage: _Storage) -> None:
        self._storage = storage

    @property
    def available_bytes(self) -> int:
        """How many bytes ``read`` would return now."""
        return self._storage.written_total - self._storage.read_total

    def read(self, max_bytes: int) -> bytes:
        """Return up to ``max_bytes`` bytes, the oldest first; ``b""`` when there are none."""
        storage = self._storage
        size = min(max_bytes, self.available_bytes)
        start = storage.read_total % storage.capacity
        before_wrap = min(size, storage.capacity - start)
        if size > before_wrap:
            data = b"".join((storage.view[start:], storage.view[: size - before_wrap]))
        else:
            data = bytes(storage.view[start : start + size])
        storage.read_total += size
        return data

    def discard(self) -> int:
        """Throw away everything now readable and return how many bytes that was."""
        size = self.available_bytes
        self._storage.read_total += size
        return size


def make_ring(capacity_bytes: int) -> tuple[Producer, Consumer]:
    """Make a ring and return its two ends.

    Args:
        capacity_bytes: How much it holds, all of it usable; whole frames, so that they wrap at the edge.

    Raises:
        ValueError: the capacity is not positive.
    """
    if capacity_bytes <= 0:
        raise ValueError(f"a ring holds at least one byte, not {capacity_bytes}")
    storage = _Storage(capacity_bytes)
    return Producer(storage), Consumer(storage)

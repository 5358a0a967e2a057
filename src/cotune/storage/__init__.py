"""Where the log of a study lives."""

from cotune.storage.memory import MemoryStorage
from cotune.storage.sqlite import Durability, SqliteStorage
from cotune.storage.storage import CHUNK, Storage

__all__ = ["CHUNK", "Durability", "MemoryStorage", "SqliteStorage", "Storage"]

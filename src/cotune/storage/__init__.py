"""Where the log of a study lives."""

from cotune.storage.memory import MemoryStorage
from cotune.storage.sqlite import Durability, SqliteStorage
from cotune.storage.storage import Storage

__all__ = ["Durability", "MemoryStorage", "SqliteStorage", "Storage"]

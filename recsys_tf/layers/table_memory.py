"""Refuses a table that does not fit into memory, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_BYTES = 4  # Of a float32.


def check_table_memory(
    tables: Mapping[str, tuple[int, ...]],
    num_slots: int | Mapping[str, int] = 0,
    is_made: bool = False,
) -> None:
    """Checks that tables, and what an optimiser keeps beside them, fit into the free memory.

    `rows x width x 4 bytes x (1 + slots)`, summed over the tables. Where the system does not tell
    how much memory is free, nothing is checked.

    Args:
        tables: Rows and width of each, by name.
        num_slots: Numbers that the optimiser keeps for each of the table: 2 for Adam and FTRL, 1
            for Adagrad, 0 where nothing is trained. By name where the tables differ.
        is_made: Whether the tables stand in memory already, so that only the slots are to come.

    Raises:
        MemoryError: If they do not fit; the text has the arithmetic.

    Example:
        >>> check_table_memory({"item_id": (1000, 64)}, num_slots=2)
    """
    slots = dict.fromkeys(tables, num_slots) if isinstance(num_slots, int) else num_slots
    sizes = {name: rows * width * _BYTES for name, (rows, width) in tables.items()}
    needed = {name: size * (1 + slots[name]) for name, size in sizes.items()}
    free = free_bytes()
    made = sum(sizes.values()) if is_made else 0
    if free is None or sum(needed.values()) <= free + made:
        return
    name = max(needed, key=lambda each: needed[each])
    rows, width = tables[name]
    others = sum(needed.values()) - needed[name]
    raise MemoryError(
        f"the table {name!r} takes {rows:,} rows x {width:,} numbers x {_BYTES} bytes x "
        f"(1 + {slots[name]} of the optimiser) = {_gibibytes(needed[name])}"
        + (f", and {len(tables) - 1} others {_gibibytes(others)}" if others else "")
        + f"; {_gibibytes(free)} of memory are free{' beside the tables' * is_made}. Lower "
        "`embedding_dim`, count rare ids as unknown (`min_count`), hash the ids or compose their "
        "vectors (`model.id_tables`), or take an optimiser with fewer slots (`adagrad`)."
    )


def free_bytes() -> int | None:
    """Returns the memory that a process may still take; None where the system does not tell.

    Cached files count as free, which the system drops for it.
    """
    found = [each for each in (_of_the_machine(), _of_the_container()) if each is not None]
    return min(found, default=None)


def _of_the_machine() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None


def _of_the_container(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Reads what a control group of version 2 or 1 may still take; None without a limit."""
    for place, limit, current, prefix in (
        (folder, "memory.max", "memory.current", ""),
        (folder / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ):
        try:
            most, used = (int((place / name).read_text("ascii")) for name in (limit, current))
            lines = (place / "memory.stat").read_text("ascii").splitlines()
            counts = {name: int(count) for name, count in map(str.split, lines)}
        except (OSError, ValueError):  # No limit is the word `max` in version 2.
            continue
        # What was read of files counts as used, and is dropped where room is wanted: both lists,
        # before anything is killed, as `MemAvailable` has it. Not `file`, which holds tmpfs too.
        cached = sum(counts.get(f"{prefix}{name}_file", 0) for name in ("inactive", "active"))
        return max(0, most - max(0, used - cached))
    return None


def _gibibytes(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB"

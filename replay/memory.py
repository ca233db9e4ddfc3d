"""How much memory a run took."""

import resource
from pathlib import Path


def peak_rss_mib() -> float:
    """The largest resident memory of this process so far, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def anonymous_rss_mib() -> float:
    """This process's memory of its own at the moment, in MiB: without the files that are mapped, as a journal is."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return round(int(kib) / 1024, 1)

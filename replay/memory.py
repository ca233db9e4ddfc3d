"""How much memory a run took."""

import resource


def peak_rss_mib() -> float:
    """The largest resident memory of this process so far, in MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)

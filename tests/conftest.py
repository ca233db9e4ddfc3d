"""Before any test: kernels get their cache folder, hypothesis its profile, and an overflow is an error."""

from adapters import compile_cache

compile_cache.prepare()

import os  # noqa: E402

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

_PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large]

# "ci" tries the same examples at every run; "long" tries new ones, many of them, and prints how to repeat a failure.
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, suppress_health_check=_PATIENT)
settings.register_profile("long", max_examples=5000, deadline=None, print_blob=True, suppress_health_check=_PATIENT)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Interpreted kernels wrap with a warning where compiled ones wrap in silence: neither may happen."""
    config.addinivalue_line("filterwarnings", "error:overflow encountered:RuntimeWarning")

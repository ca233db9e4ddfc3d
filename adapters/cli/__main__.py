"""`python -m adapters.cli` is `tapefold`."""

import sys

from adapters.cli import main

sys.exit(main())

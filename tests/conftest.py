"""What every test run shares: examples that repeat from run to run, and nothing of the user's settings."""

import os

from hypothesis import settings

settings.register_profile("xferzone", deadline=None, derandomize=True)
settings.load_profile("xferzone")

for _name in [name for name in os.environ if name.startswith(("XFERZONE_", "FOSSIL_"))]:
    del os.environ[_name]

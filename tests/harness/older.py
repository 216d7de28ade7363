# SPDX-License-Identifier: Apache-2.0
"""A daemon that believes its kernel to be older: the other side of older.c."""
from harness.daemon import HELPERS, WEIR, Daemon


class OlderDaemon(Daemon):
    def __init__(self, namespace, version, **options):
        prefix = ["env", f"LD_PRELOAD={HELPERS / 'older.so'}", f"OLDER={version}"]
        super().__init__(namespace, prefix=prefix, **options)

    def offline(self, *words, **options):
        """A verb that asks no daemon, but the kernel itself."""
        return self.namespace.run(*self.prefix, WEIR, *words, check=False, **options)

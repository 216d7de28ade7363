# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on. README.md beside this file tells what is where."""

# SPDX-License-Identifier: Apache-2.0
"""What Weir should do, said a second time: README.md beside this file tells what is where."""

# SPDX-License-Identifier: Apache-2.0
"""Builds what the tests of rejecting load: the packet programs with a stage that rejects, and their
loader."""
import bpf_build


def build_loader(folder):
    return bpf_build.build_loader(folder, "reject_bpf")


def build_object(folder, compiler):
    return bpf_build.build_object(folder, "reject_bpf", compiler)

/* SPDX-License-Identifier: Apache-2.0 */
/* What a device's driver says of its offloads. Reads only. */
#ifndef WEIR_CORE_ETHTOOL_H
#define WEIR_CORE_ETHTOOL_H

/*
 * Whether a feature, by the name `ethtool -k` gives it to the kernel ("rx-gro-hw"), is active: 1 or
 * 0. -ENOENT: this kernel knows no such feature; other -errno: not readable.
 */
int weir_ethtool_feature(const char *device, const char *feature);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* ETHTOOL_GFEATURES by name: bit numbers differ from kernel to kernel, so the names are asked for
 * first. */
#include "core/ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define FEATURES_MAX 1024

static int device_ask(int fd, const char *device, void *command)
{
	struct ifreq request = { .ifr_data = command };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	return ioctl(fd, SIOCETHTOOL, &request) ? -errno : 0;
}

static int names_count(int fd, const char *device, uint32_t *ret_count)
{
	struct {
		struct ethtool_sset_info header;
		uint32_t count;
	} info = { .header = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };
	int r = device_ask(fd, device, &info);

	if (r)
		return r;
	if (!info.header.sset_mask || info.count > FEATURES_MAX)
		return -EOPNOTSUPP;
	*ret_count = info.count;
	return 0;
}

static int name_find(int fd, const char *device, uint32_t count, const char *feature)
{
	_cleanup_free_ struct ethtool_gstrings *names =
		calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);

	if (!names)
		return -ENOMEM;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	int r = device_ask(fd, device, names);

	for (uint32_t i = 0; i < count && !r; i++)
		if (strncmp((char *)names->data + (size_t)i * ETH_GSTRING_LEN, feature,
			    ETH_GSTRING_LEN) == 0)
			return (int)i;
	return r ? r : -ENOENT;
}

int weir_ethtool_feature(const char *device, const char *feature)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint32_t count = 0;
	int r = fd < 0 ? -errno : names_count(fd, device, &count);
	int bit = r ? r : name_find(fd, device, count, feature);
	uint32_t blocks = (count + 31) / 32;

	if (bit < 0)
		return bit;
	_cleanup_free_ struct ethtool_gfeatures *features =
		calloc(1, sizeof(*features) + blocks * sizeof(features->features[0]));

	if (!features)
		return -ENOMEM;
	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	r = device_ask(fd, device, features);
	return r ? r : (int)(features->features[bit / 32].active >> bit % 32 & 1);
}

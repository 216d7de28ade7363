/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what is pinned without the object it came from: nothing is known of a map but what the
 * kernel says of it. */
#ifndef WEIR_CORE_PINNED_H
#define WEIR_CORE_PINNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_map_info;

/* Of a map; -errno. */
int weir_pinned_info(int fd, struct bpf_map_info *ret_info);
/* A row of an array. -EPROTO when its values have another size. */
int weir_pinned_get(int fd, uint32_t row, void *ret_value, size_t size);
/* A row of a per-CPU array of u64s, summed over the CPUs. -EPROTO when its values have another
 * size. */
int weir_pinned_sum(int fd, uint32_t row, void *ret_sums, size_t size);
/* Memory the kernel says the map takes; 0 when it does not say. */
uint64_t weir_pinned_bytes(int fd);
/* How many entries a hash map holds: O(entries). */
uint64_t weir_pinned_entries(int fd);
/* Whether links/IFINDEX-HOOK below pin_dir is pinned and still on that device. */
bool weir_pinned_link_is_live(const char *pin_dir, uint32_t ifindex, const char *hook);

#endif

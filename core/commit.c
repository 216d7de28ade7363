/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two slots of compiled policy and the word that says which is live.
 *
 * The race that matters: a packet reads the word, is delayed, and goes on reading the old slot
 * after the flip. The old slot is filled again at the next stage at the earliest, and stage begins
 * with a grace period (membarrier waits for every CPU to leave the RCU section that packet programs
 * run in), so it still reads whole, old lines. What it may never see is two slots: it read the word
 * once.
 */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "abi/maps.h"
#include "abi/policy_head.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "grace.h"
#include "near.h"
#include "pin.h"
#include "placed.h"

struct slot {
	int fd;		   /* -1: never filled */
	uint32_t capacity; /* lines */
	struct weir_placed placed;
};

struct weir_commit {
	struct slot slots[WEIR_POLICY_SLOTS];
	int outer_fd; /* tab_policy: its own descriptor, since a reload frees the object it came
			 from */
	struct weir_policy_head *heads; /* tab_head, mapped */
	struct weir_near near;
	struct weir_live *live; /* cfg_live, mapped */
	char *pin_dir;
};

static const char *const slot_names[WEIR_POLICY_SLOTS] = { "0", "1" };

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static void *value_map(int fd, size_t bytes)
{
	void *at = mmap(NULL, page_round(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

#define HEADS_BYTES (WEIR_POLICY_SLOTS * sizeof(struct weir_policy_head))

/*
 * A run killed between pinning a slot's new map and placing it leaves a pin that packets do not
 * read: what were written there would never be seen. The slot then counts as never filled; it was
 * the spare one.
 */
static bool slot_is_placed(const struct weir_commit *commit, uint32_t index, uint32_t map_id)
{
	__u32 placed = 0;

	return bpf_map_lookup_elem(commit->outer_fd, &index, &placed) == 0 && placed == map_id;
}

static int slot_adopt(struct weir_commit *commit, uint32_t index)
{
	_cleanup_close_ int fd = weir_pin_get(commit->pin_dir, "policy", slot_names[index]);
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (slot_is_placed(commit, index, info.id))
		commit->slots[index] =
			(struct slot){ .fd = weir_take_fd(fd), .capacity = info.max_entries };
	return 0;
}

/* Pinned slots belong to a pinned tab_policy: with a new one they would be strangers. */
static int commit_adopt(struct weir_commit *commit, const struct weir_object *object)
{
	if (!commit->pin_dir || !weir_object_policy_is_reused(object))
		return 0;
	for (uint32_t i = 0; i < WEIR_POLICY_SLOTS; i++) {
		int r = slot_adopt(commit, i);

		if (r)
			return r;
	}
	return 0;
}

/* How long a client may take to send again what nobody has answered. */
#define SETTLES_NS (3 * WEIR_NS_PER_S)

static void layout_tell(struct weir_commit *commit)
{
	__atomic_store_n(&commit->live->layout, WEIR_LAYOUT_VERSION, __ATOMIC_RELEASE);
}

int weir_commit_new(struct weir_object *object, const char *pin_dir, struct weir_diag *diag,
		    struct weir_commit **ret_commit)
{
	_cleanup_commit_ struct weir_commit *commit = calloc(1, sizeof(*commit));

	if (!commit)
		return -ENOMEM;
	for (int i = 0; i < WEIR_POLICY_SLOTS; i++)
		commit->slots[i].fd = -1;
	commit->outer_fd = fcntl(weir_object_map_fd(object, "tab_policy"), F_DUPFD_CLOEXEC, 0);
	commit->heads = value_map(weir_object_map_fd(object, "tab_head"), HEADS_BYTES);
	commit->pin_dir = pin_dir ? strdup(pin_dir) : NULL;
	commit->live = value_map(weir_object_map_fd(object, "cfg_live"), sizeof(*commit->live));
	int r = weir_near_open(&commit->near, object);

	if (!r && (commit->outer_fd < 0 || !commit->heads || !commit->live ||
		   (pin_dir && !commit->pin_dir)))
		r = -ENOMEM;
	if (!r)
		r = commit_adopt(commit, object);

	if (r) {
		weir_diag_error(diag, "weir cleanup --force, then start again",
				"the policy slots cannot be opened: %s", strerror(-r));
		return r;
	}
	if (weir_object_pins(object) == WEIR_PINS_OURS)
		layout_tell(commit);
	*ret_commit = weir_take(commit);
	return 0;
}

/* Once: a start that finds these maps pinned has the tables of before, and waits for nothing. */
void weir_commit_finish(struct weir_commit *commit)
{
	if (!commit->live->settles_ns)
		__atomic_store_n(&commit->live->settles_ns, weir_clock_monotonic_ns() + SETTLES_NS,
				 __ATOMIC_RELAXED);
	layout_tell(commit);
}

void weir_commit_free(struct weir_commit *commit)
{
	if (!commit)
		return;
	for (int i = 0; i < WEIR_POLICY_SLOTS; i++) {
		weir_cleanup_close(&commit->slots[i].fd);
		weir_placed_done(&commit->slots[i].placed);
	}
	weir_cleanup_close(&commit->outer_fd);
	weir_near_done(&commit->near);
	if (commit->heads)
		munmap(commit->heads, page_round(HEADS_BYTES));
	if (commit->live)
		munmap(commit->live, page_round(sizeof(struct weir_live)));
	free(commit->pin_dir);
	free(commit);
}

uint64_t weir_commit_revision(const struct weir_commit *commit)
{
	return __atomic_load_n(&commit->live->word, __ATOMIC_RELAXED) >> 1;
}

unsigned weir_commit_slot(const struct weir_commit *commit)
{
	return __atomic_load_n(&commit->live->word, __ATOMIC_RELAXED) & 1;
}

/* Filling a map of maps waits for a grace period too, so where membarrier is refused (nohz_full) a
 * slot gets once more what it has. Where none was ever filled, no packet has read one. */
int weir_commit_grace(struct weir_commit *commit)
{
	if (!weir_grace_wait())
		return 0;
	for (uint32_t i = 0; i < WEIR_POLICY_SLOTS; i++)
		if (commit->slots[i].fd >= 0)
			return bpf_map_update_elem(commit->outer_fd, &i, &commit->slots[i].fd,
						   BPF_ANY) ?
				       -errno :
				       0;
	return 0;
}

static int image_map_new(uint32_t lines)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE | BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "policy", sizeof(__u32), WEIR_LINE_BYTES, lines,
				&opts);

	return fd < 0 ? -errno : fd;
}

static int lines_write(int fd, const struct weir_line *lines, uint32_t count)
{
	_cleanup_window_ struct weir_window window = {};
	struct weir_line *at = weir_lines_map(fd, 0, count, &window);

	if (!at)
		return -errno;
	memcpy(at, lines, (size_t)count * WEIR_LINE_BYTES);
	return 0;
}

/* What the live slot has is quicker copied than made. */
static int slot_write(struct weir_commit *commit, int fd, struct weir_placed *placed,
		      const struct weir_image *image)
{
	const struct slot *live = &commit->slots[weir_commit_slot(commit)];
	const struct weir_placed_slot source = { live->fd, &live->placed };
	uint32_t count = 0;
	const struct weir_line *lines = weir_image_lines(image, &count);
	int r = lines_write(fd, lines, count);

	return r ? r : weir_placed_fill(fd, placed, weir_image_parts(image), &source);
}

/* A map that is far too large is given back: memory follows the policy down too. */
static bool slot_fits(const struct slot *slot, uint32_t lines)
{
	return slot->fd >= 0 && lines <= slot->capacity && slot->capacity / 4 <= lines + 1024;
}

/* Room for growth, so that small changes reuse the map and need no grace period of their own. */
static int slot_replace(struct weir_commit *commit, uint32_t index, const struct weir_image *image)
{
	uint32_t count = weir_image_line_count(image), capacity = count + count / 8 + 64;
	_cleanup_close_ int fd = image_map_new(capacity);
	_cleanup_(weir_placed_done) struct weir_placed placed = {};

	if (fd < 0)
		return fd;
	int r = slot_write(commit, fd, &placed, image);

	if (!r && commit->pin_dir)
		r = weir_pin_replace(fd, commit->pin_dir, "policy", slot_names[index]);
	if (!r && bpf_map_update_elem(commit->outer_fd, &index, &fd, BPF_ANY))
		r = -errno;
	if (r)
		return r;
	weir_cleanup_close(&commit->slots[index].fd);
	weir_placed_done(&commit->slots[index].placed);
	commit->slots[index] = (struct slot){ weir_take_fd(fd), capacity, placed };
	placed = (struct weir_placed){};
	return 0;
}

int weir_commit_stage(struct weir_commit *commit, const struct weir_image *image,
		      struct weir_diag *diag)
{
	uint32_t spare = !weir_commit_slot(commit), count = weir_image_line_count(image);
	struct slot *slot = &commit->slots[spare];
	int r = weir_commit_grace(commit);

	if (!r)
		r = weir_near_write(&commit->near, spare, image);
	if (!r)
		r = slot_fits(slot, count) ? slot_write(commit, slot->fd, &slot->placed, image) :
					     slot_replace(commit, spare, image);
	if (!r)
		memcpy(&commit->heads[spare], weir_image_lines(image, &count),
		       sizeof(commit->heads[spare]));
	else
		weir_diag_error(
			diag, "free memory, or make the lists smaller",
			"the policy (%u lines of %u bytes) cannot be placed in the kernel: %s",
			count, WEIR_LINE_BYTES, strerror(-r));
	return r;
}

void weir_commit_flip(struct weir_commit *commit, uint64_t revision)
{
	uint64_t word = revision << 1 | !weir_commit_slot(commit);

	__atomic_store_n(&commit->live->word, word, __ATOMIC_RELEASE);
}

void weir_commit_bump(struct weir_commit *commit, uint64_t revision)
{
	__atomic_store_n(&commit->live->word, revision << 1 | weir_commit_slot(commit),
			 __ATOMIC_RELEASE);
}

bool weir_commit_is_live(struct weir_commit *commit, const struct weir_image *image)
{
	struct slot *slot = &commit->slots[weir_commit_slot(commit)];
	uint32_t count = 0;
	const struct weir_line *lines = weir_image_lines(image, &count);
	_cleanup_window_ struct weir_window window = {};

	if (slot->fd < 0 || slot->capacity < weir_image_line_count(image) ||
	    !weir_near_holds(&commit->near, weir_commit_slot(commit), image))
		return false;
	const struct weir_line *at = weir_lines_map(slot->fd, 0, count, &window);

	return at && memcmp(at, lines, (size_t)count * WEIR_LINE_BYTES) == 0 &&
	       weir_placed_holds(slot->fd, &slot->placed, weir_image_parts(image));
}

uint64_t weir_commit_bytes(const struct weir_commit *commit)
{
	uint64_t lines = 0;

	for (int i = 0; i < WEIR_POLICY_SLOTS; i++)
		lines += commit->slots[i].capacity;
	lines += (uint64_t)WEIR_POLICY_SLOTS * commit->near.capacity;
	return lines * WEIR_LINE_BYTES;
}

uint32_t weir_commit_near_capacity(const struct weir_commit *commit)
{
	return commit->near.capacity;
}

struct weir_policy_view weir_commit_view(const struct weir_commit *commit, unsigned slot)
{
	return (struct weir_policy_view){ .head = &commit->heads[slot],
					  .near = weir_near_slot(&commit->near, slot) };
}

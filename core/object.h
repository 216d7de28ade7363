/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet programs and their maps: opened from the binary, given their constants, loaded beside
 * whatever runs already, reusing its pinned maps. Nothing here attaches anything: hook.c does.
 */
#ifndef WEIR_CORE_OBJECT_H
#define WEIR_CORE_OBJECT_H

#include "../abi/probe.h"
#include "../base/diag.h"
#include "map.h"

enum weir_program {
	WEIR_PROGRAM_XDP,
	WEIR_PROGRAM_TC_IN,
	WEIR_PROGRAM_TC_OUT,
	WEIR_PROGRAM_TC_PROOF, /* only where cookies are sent */
	WEIR_PROGRAM_COUNT,
};

/* What an object is loaded with. Equal constants mean an equal program: compared to know whether a
 * change needs a new one. */
struct weir_constants *weir_constants_new(void);
/* NULL when out of memory. */
struct weir_constants *weir_constants_copy(const struct weir_constants *constants);
void weir_constants_free(struct weir_constants *constants);
static inline void weir_constants_freep(struct weir_constants **constants)
{
	weir_constants_free(*constants);
}
/* For a private copy: probes leave behind what packets would, so that a capture's connections are
 * followed. */
void weir_constants_learn(struct weir_constants *constants);
bool weir_constants_equal(const struct weir_constants *a, const struct weir_constants *b);

/*
 * Opens and loads. pin_dir NULL: a private copy with maps of its own (replay). `mapped_from` (may
 * be NULL): an object whose maps are used where they fit; else pinned ones below pin_dir are, when
 * their layout version is ours. Takes ownership of constants on success.
 */
int weir_object_new(const char *pin_dir, struct weir_object *mapped_from,
		    struct weir_constants *constants, struct weir_diag *diag,
		    struct weir_object **ret_object);
void weir_object_free(struct weir_object *object);
static inline void weir_object_freep(struct weir_object **object)
{
	weir_object_free(*object);
}
#define _cleanup_object_ __attribute__((cleanup(weir_object_freep)))

/* Entries of the map pinned under that name, 0 when there is none. */
uint32_t weir_object_pinned_capacity(const char *pin_dir, const char *map);
/* What a first object found pinned; an object loaded on the maps of another has ours. */
enum weir_pins {
	WEIR_PINS_NONE,
	WEIR_PINS_OURS,
	WEIR_PINS_OTHER,      /* of another layout version */
	WEIR_PINS_UNFINISHED, /* of a first start that did not come to its end */
};
enum weir_pins weir_object_pins(const struct weir_object *object);

enum weir_pinned {
	WEIR_PIN_NEW, /* maps that were not taken over */
	WEIR_PIN_ALL,
};
/* Pins maps, new before old (rename). */
int weir_object_pin(struct weir_object *object, const char *pin_dir, enum weir_pinned which,
		    struct weir_diag *diag);
/* Whether state maps got another size, and what was in them is still to come over (state.c). */
bool weir_object_has_old(const struct weir_object *object);
const struct weir_constants *weir_object_constants(const struct weir_object *object);
/* Whether it has work for a program behind XDP (hook_proof.h). */
bool weir_object_writes_behind_xdp(const struct weir_object *object);
/* … and this kernel takes none: at XDP that work is left undone. */
bool weir_object_lacks_behind_xdp(const struct weir_object *object);
/* Whether its programs translate connections that are relayed. */
bool weir_object_relays(const struct weir_object *object);
int weir_object_program_fd(const struct weir_object *object, enum weir_program program);
uint32_t weir_object_program_id(const struct weir_object *object, enum weir_program program);
/* Descriptor of a map by name, for core only. */
int weir_object_map_fd(const struct weir_object *object, const char *name);
/*
 * Whether the live policy was taken over with all its maps. They go together: when one of them has
 * another size (tab_near), all are new, and programs still attached keep the old ones whole.
 */
bool weir_object_policy_is_reused(const struct weir_object *object);
/* Bytes of machine code of the XDP program and instructions the verifier walked for all of them. */
void weir_object_size(const struct weir_object *object, uint32_t *ret_jited_bytes,
		      uint64_t *ret_verified_instructions);

/*
 * Runs a program on a frame as a probe: judged by the live tables, told about, not counted. `frame`
 * starts with the Ethernet header; more than 2,048 bytes are not looked at. -EIO when the program
 * told nothing.
 */
int weir_object_probe(struct weir_object *object, enum weir_program program, const void *frame,
		      size_t len, uint32_t ifindex, struct weir_probe_result *ret_result);
/* Of the probes to come. Heeded by an object that learns (weir_constants_learn()). */
int weir_object_tell(struct weir_object *object, const struct weir_probe_told *told);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From configuration (and what features hold besides) to an image. Pure: no kernel, no files but
 * those the configuration names. */
#ifndef WEIR_CORE_COMPILE_H
#define WEIR_CORE_COMPILE_H

#include "config.h"
#include "feature.h"
#include "image.h"

struct weir_compile_input {
	const struct weir_config *config;
	void *const *states;		     /* one a feature; NULL = the configuration alone */
	const struct weir_feature *changing; /* the one whose draft this is, or NULL */
	void *draft;
	bool is_unasked; /* see struct weir_compile */
};

/* The services of all features, as they will be in the policy that is compiled of it
 * (core/services.h). -ENOMEM. */
int weir_compile_services(const struct weir_compile_input *input,
			  struct weir_services *ret_services);
int weir_compile_input(const struct weir_compile_input *input, struct weir_diag *diag,
		       struct weir_image **ret_image);
/* Whether any feature denies by default what it does not name. */
bool weir_config_denies_by_default(const struct weir_config *config);
/* Whether any tracks connections, or would where the policy asks for them. */
bool weir_config_tracks(const struct weir_config *config);
/* Whether an interface is to be met at XDP, whatever else is wanted: `auto` leaves that open. */
bool weir_config_names_xdp(const struct weir_config *config);
/* Whether any judges how much interfaces are under attack. */
bool weir_config_alarms(const struct weir_config *config);
/* Whether connections are tracked by the policy that was compiled of it. */
bool weir_image_follows(const struct weir_image *image, const struct weir_config *config);
/* The configuration alone: check, replay. */
int weir_compile(const struct weir_config *config, struct weir_diag *diag,
		 struct weir_image **ret_image);
/* What the features' constants say of this configuration and what was compiled of it;
 * near_capacity: lines a slot of tab_near is to have (near.h). */
int weir_compile_constants(const struct weir_config *config, const struct weir_image *image,
			   uint32_t near_capacity, struct weir_constants **ret_constants);

#endif

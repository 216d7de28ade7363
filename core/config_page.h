/* SPDX-License-Identifier: Apache-2.0 */
/* The reference page of the configuration, from the same tables that read it. */
#ifndef WEIR_CORE_CONFIG_PAGE_H
#define WEIR_CORE_CONFIG_PAGE_H

#include "base/buf.h"

/* Appends docs/user/configuration.md (Markdown): the keys of core and of every feature. */
void weir_config_page(struct weir_buf *page);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal itself: the one file that knows ncurses stands behind this. */
#ifndef WEIR_TOP_SCREEN_H
#define WEIR_TOP_SCREEN_H

#include "base/diag.h"
#include "cli/top/grid.h"

enum top_mouse_kind {
	TOP_MOUSE_PRESS,
	TOP_MOUSE_WHEEL_UP,
	TOP_MOUSE_WHEEL_DOWN,
};

struct top_mouse {
	enum top_mouse_kind kind;
	int x, y;
};

/* Takes the terminal over. -EINVAL: it cannot be used, which diag tells. */
int top_screen_open(bool has_color, struct weir_diag *diag);
/* Gives it back as it was; does nothing where it was not taken. */
void top_screen_close(void);
bool top_screen_is_utf8(void);
void top_screen_size(int *ret_width, int *ret_height);
void top_screen_show(const struct top_grid *grid);
/* The next key that was pressed (cli/top/keys.h), TOP_KEY_NONE: there is none, -1: there will be
 * none. */
int top_screen_key(struct top_mouse *ret_mouse);

#endif

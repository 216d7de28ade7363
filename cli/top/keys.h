/* SPDX-License-Identifier: Apache-2.0 */
/* What the keys do: the table that keys are looked up in, and the help screen is made of. */
#ifndef WEIR_TOP_KEYS_H
#define WEIR_TOP_KEYS_H

#include <stddef.h>

/* Keys that are no characters; those that are, are what they are. */
enum top_special {
	TOP_KEY_NONE = 0,
	TOP_KEY_UP = 0x110000, /* past all characters */
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACKTAB,
	TOP_KEY_BACKSPACE,
	TOP_KEY_DELETE,
	TOP_KEY_F1,
	TOP_KEY_RESIZE,
	TOP_KEY_MOUSE,
	TOP_KEY_UNKNOWN,
};

#define TOP_KEY_ENTER '\n'
#define TOP_KEY_TAB '\t'
#define TOP_KEY_ESC 27
#define TOP_KEY_CTRL(C) ((C)&0x1f)

enum top_action {
	TOP_NOTHING,
	TOP_UP,
	TOP_DOWN,
	TOP_PAGE_UP,
	TOP_PAGE_DOWN,
	TOP_FIRST,
	TOP_LAST,
	TOP_TAB_NEXT,
	TOP_TAB_BEFORE,
	TOP_TAB_NUMBER,
	TOP_FILTER,
	TOP_SORT_NEXT,
	TOP_SORT_BEFORE,
	TOP_REVERSE,
	TOP_GROUP,
	TOP_PAUSE,
	TOP_DETAIL,
	TOP_FLOWS,
	TOP_BACK,
	TOP_BLOCK,
	TOP_FASTER,
	TOP_SLOWER,
	TOP_HELP,
	TOP_QUIT,
	TOP_ACTIONS,
};

#define TOP_KEYS_EACH 4

struct top_binding {
	enum top_action action;
	int keys[TOP_KEYS_EACH]; /* up to TOP_KEY_NONE */
	const char *label;	 /* as the help screen says them */
	const char *help;
	const char *hint; /* "q Quit" in the lowest line; NULL: not there */
};

extern const struct top_binding top_bindings[]; /* up to label NULL */

enum top_action top_key_action(int key);

#endif

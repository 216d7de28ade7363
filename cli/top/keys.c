/* SPDX-License-Identifier: Apache-2.0 */
/* As in htop and k9s, and where these differ, both. */
#include "cli/top/keys.h"

const struct top_binding top_bindings[] = {
	{ TOP_UP, { TOP_KEY_UP, 'k' }, "Up, k", "the row above" },
	{ TOP_DOWN, { TOP_KEY_DOWN, 'j' }, "Down, j", "the row below" },
	{ TOP_PAGE_UP, { TOP_KEY_PAGE_UP, TOP_KEY_CTRL('b') }, "PgUp, Ctrl-B", "a screen up" },
	{ TOP_PAGE_DOWN, { TOP_KEY_PAGE_DOWN, TOP_KEY_CTRL('f') }, "PgDn, Ctrl-F", "a screen on" },
	{ TOP_FIRST, { TOP_KEY_HOME }, "Home", "the first row" },
	{ TOP_LAST, { TOP_KEY_END, 'G' }, "End, G", "the last row" },
	{ TOP_TAB_NEXT, { TOP_KEY_TAB, TOP_KEY_RIGHT }, "Tab, Right", "the next tab" },
	{ TOP_TAB_BEFORE, { TOP_KEY_BACKTAB, TOP_KEY_LEFT }, "Shift-Tab, Left", "the tab before" },
	{ TOP_TAB_NUMBER, { TOP_KEY_NONE }, "1 to 9", "the tab of this number" },
	{ TOP_FILTER, { '/', '\\' }, "/", "filter the rows", "/ Filter" },
	{ TOP_SORT_NEXT, { '>', 's' }, ">, s", "sort by next column", "s Sort" },
	{ TOP_SORT_BEFORE, { '<', 'S' }, "<, S", "sort by the one before" },
	{ TOP_REVERSE, { 'r', 'I' }, "r, I", "turn the order around", "r Reverse" },
	{ TOP_GROUP, { 'g' }, "g", "group in another way", "g Group" },
	{ TOP_PAUSE, { 'p', ' ' }, "p, Space", "pause, and go on", "p Pause" },
	{ TOP_DETAIL, { TOP_KEY_ENTER, 'd' }, "Enter, d", "all about the row", "Enter Detail" },
	{ TOP_FLOWS, { 'f' }, "f", "the flows of the row", NULL },
	{ TOP_BACK, { TOP_KEY_ESC }, "Esc", "back; no filter" },
	{ TOP_BLOCK, { 'b' }, "b", "block, after asking", "b Block" },
	{ TOP_FASTER, { '+', '=' }, "+", "look more often" },
	{ TOP_SLOWER, { '-', '_' }, "-", "look less often" },
	{ TOP_HELP, { '?', 'h', TOP_KEY_F1 }, "?, h, F1", "this help", "? Help" },
	{ TOP_QUIT, { 'q', 'Q' }, "q, Ctrl-C", "quit", "q Quit" },
	{ 0 },
};

enum top_action top_key_action(int key)
{
	if (key >= '1' && key <= '9')
		return TOP_TAB_NUMBER;
	for (const struct top_binding *binding = top_bindings; binding->label; binding++)
		for (size_t i = 0; i < TOP_KEYS_EACH && binding->keys[i] != TOP_KEY_NONE; i++)
			if (binding->keys[i] == key)
				return binding->action;
	return TOP_NOTHING;
}

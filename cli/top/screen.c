/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncursesw/ncurses.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/top/keys.h"

#define ESC_MS 25 /* after ESC: what comes within is one key */

static SCREEN *screen;
static bool is_colored;

static const struct {
	short foreground, background; /* -1: the terminal's own */
	attr_t with_color, without;
} looks[TOP_STYLES] = {
	[TOP_PLAIN] = { -1, -1, A_NORMAL, A_NORMAL },
	[TOP_DIM] = { -1, -1, A_DIM, A_DIM },
	[TOP_BOLD] = { -1, -1, A_BOLD, A_BOLD },
	[TOP_BAD] = { COLOR_RED, -1, A_BOLD, A_BOLD },
	[TOP_WARN] = { COLOR_YELLOW, -1, A_NORMAL, A_BOLD },
	[TOP_GOOD] = { COLOR_GREEN, -1, A_NORMAL, A_NORMAL },
	[TOP_SPARK] = { COLOR_CYAN, -1, A_NORMAL, A_NORMAL },
	[TOP_KEY] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE },
	[TOP_HEAD] = { COLOR_BLACK, COLOR_GREEN, A_NORMAL, A_REVERSE },
	[TOP_SORTED] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE | A_BOLD },
	[TOP_TAB] = { -1, -1, A_NORMAL, A_NORMAL },
	[TOP_TAB_HERE] = { COLOR_BLACK, COLOR_GREEN, A_BOLD, A_REVERSE | A_BOLD },
	[TOP_SELECTED] = { COLOR_BLACK, COLOR_CYAN, A_NORMAL, A_REVERSE },
};

static void colors_make(void)
{
	start_color();
	use_default_colors();
	for (short i = 0; i < TOP_STYLES; i++)
		init_pair((short)(i + 1), looks[i].foreground, looks[i].background);
}

int top_screen_open(bool has_color, struct weir_diag *diag)
{
	setlocale(LC_CTYPE, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return weir_diag_error(diag, "set TERM to what it is, as xterm-256color",
				       "this terminal is not known: TERM=%s",
				       getenv("TERM") ? getenv("TERM") : "");
	set_term(screen);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, true);
	nodelay(stdscr, true);
	set_escdelay(ESC_MS);
	curs_set(0);
	mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
	mouseinterval(0);
	is_colored = has_color && has_colors();
	if (is_colored)
		colors_make();
	return 0;
}

void top_screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

bool top_screen_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void top_screen_size(int *ret_width, int *ret_height)
{
	getmaxyx(stdscr, *ret_height, *ret_width);
}

static void cell_show(const struct top_grid *grid, int x, int y)
{
	const struct top_cell *cell = &grid->cells[y * grid->width + x];
	wchar_t text[2] = { cell->c, 0 };
	cchar_t shown;

	if (!cell->c)
		return;
	setcchar(&shown, text,
		 is_colored ? looks[cell->style].with_color : looks[cell->style].without,
		 is_colored ? (short)(cell->style + 1) : 0, NULL);
	mvadd_wch(y, x, &shown);
}

void top_screen_show(const struct top_grid *grid)
{
	for (int y = 0; y < grid->height; y++)
		for (int x = 0; x < grid->width; x++)
			cell_show(grid, x, y);
	refresh();
}

static int special_of(int key)
{
	static const struct {
		int theirs, ours;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_LEFT, TOP_KEY_LEFT },	{ KEY_RIGHT, TOP_KEY_RIGHT },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP }, { KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },	{ KEY_END, TOP_KEY_END },
		{ KEY_BTAB, TOP_KEY_BACKTAB },	{ KEY_BACKSPACE, TOP_KEY_BACKSPACE },
		{ KEY_DC, TOP_KEY_DELETE },	{ KEY_F(1), TOP_KEY_F1 },
		{ KEY_ENTER, TOP_KEY_ENTER },	{ KEY_RESIZE, TOP_KEY_RESIZE },
		{ KEY_MOUSE, TOP_KEY_MOUSE },
	};

	for (size_t i = 0; i < WEIR_ARRAY_SIZE(keys); i++)
		if (keys[i].theirs == key)
			return keys[i].ours;
	return TOP_KEY_UNKNOWN;
}

static int mouse_read(struct top_mouse *ret_mouse)
{
	MEVENT event;

	if (getmouse(&event) != OK)
		return TOP_KEY_UNKNOWN;
	*ret_mouse = (struct top_mouse){
		.kind = event.bstate & BUTTON4_PRESSED ? TOP_MOUSE_WHEEL_UP :
			event.bstate & BUTTON5_PRESSED ? TOP_MOUSE_WHEEL_DOWN :
							 TOP_MOUSE_PRESS,
		.x = event.x,
		.y = event.y,
	};
	return TOP_KEY_MOUSE;
}

/* A byte that is no character of the locale leaves EILSEQ, and keys come on behind it. */
int top_screen_key(struct top_mouse *ret_mouse)
{
	wint_t key;
	int kind;

	errno = 0;
	kind = get_wch(&key);
	if (kind == ERR)
		return errno == EIO || errno == EBADF || errno == ENXIO ? -1 : TOP_KEY_NONE;
	if (kind == KEY_CODE_YES) {
		int special = special_of((int)key);

		return special == TOP_KEY_MOUSE ? mouse_read(ret_mouse) : special;
	}
	if (key == '\r')
		return TOP_KEY_ENTER;
	return key == 127 || key == 8 ? TOP_KEY_BACKSPACE : (int)key;
}

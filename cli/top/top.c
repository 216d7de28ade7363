/* SPDX-License-Identifier: Apache-2.0 */
/* The command, and the loop that waits for keys, answers, signals and the time to ask again. */
#include "cli/top/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/interval.h"
#include "cli/nearest.h"
#include "cli/terminal.h"
#include "cli/top/app.h"
#include "cli/top/screen.h"
#include "cli/top/view.h"

const struct weir_arg weir_top_args[] = {
	{ .name = "tab",
	  .type = WEIR_ARG_CHOICE,
	  .metavar = "TAB",
	  .help = "what to begin with",
	  .choices = top_tab_names,
	  .fallback = "flows" },
	{ .name = "filter",
	  .metavar = "FILTER",
	  .help = "show only what passes it, as in flow list: 'proto=tcp and port=443'" },
	{ .name = "sort",
	  .metavar = "COLUMN",
	  .help = "by which column, as its title says, as bytes" },
	{ .name = "interval", .metavar = "SECONDS", .help = "between two looks", .fallback = "1s" },
	{ 0 },
};

static int ended_fd = -1; /* readable once a signal came */

static void signal_take(int number)
{
	int before = errno;

	(void)number;
	(void)eventfd_write(ended_fd, 1);
	errno = before;
}

/* Before ncurses, which leaves handlers alone that are there, and would end the process in its
 * own. */
static int signals_take(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = signal_take };

	ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ended_fd < 0)
		return -errno;
	for (size_t i = 0; i < WEIR_ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &action, NULL);
	return 0;
}

/* "rate" is "rate/s": what is typed may be the beginning of a title. */
static int sort_read(struct top_app *app, const char *name, struct weir_terminal *terminal)
{
	const struct top_way *way = top_model_way(&app->model);
	_cleanup_buf_ struct weir_buf all = { 0 };

	for (size_t i = 0; name && way->columns[i].title; i++) {
		if (!top_column_sorts(&way->columns[i]) || !way->columns[i].title[0])
			continue;
		if (strcmp(way->columns[i].title, name) == 0) {
			top_model_sort_column(&app->model, i);
			return 0;
		}
		weir_buf_addf(&all, "%s%s",
			      all.len ? ", " : "write one of: ", way->columns[i].title);
	}
	if (!name)
		return 0;
	weir_terminal_problem(terminal, weir_buf_str(&all), "--sort: there is no column '%s'",
			      name);
	return -EINVAL;
}

static int app_read(struct top_app *app, struct weir_terminal *terminal)
{
	const char *tab = weir_command_str(app->command, "tab"),
		   *filter = weir_command_str(app->command, "filter");

	while (tab && strcmp(top_tabs[app->model.tab].name, tab) != 0)
		app->model.tab++;
	app->interval_ns = WEIR_NS_PER_S;
	if (!weir_interval_read(app->command, terminal, &app->interval_ns) ||
	    sort_read(app, weir_command_str(app->command, "sort"), terminal))
		return -EINVAL;
	if (filter && top_model_way(&app->model)->filtered == TOP_FILTER_NONE) {
		weir_terminal_problem(terminal, "leave it out, or choose another --tab",
				      "--filter: there is none for %s",
				      top_tabs[app->model.tab].name);
		return -EINVAL;
	}
	return filter ? top_model_filter_set(&app->model, filter) : 0;
}

static int draw(struct top_app *app)
{
	int width, height;

	top_screen_size(&width, &height);
	if (top_grid_clear(&app->grid, width, height))
		return -ENOMEM;
	top_view_draw(app);
	top_screen_show(&app->grid);
	return 0;
}

/* Nothing is done with keys while nothing can be seen of it. */
static bool is_blind(const struct top_app *app)
{
	return app->grid.width < TOP_WIDTH_LEAST || app->grid.height < TOP_HEIGHT_LEAST;
}

static void keys_take(struct top_app *app)
{
	struct top_mouse mouse;
	int key;

	while (!app->is_over && (key = top_screen_key(&mouse)) != TOP_KEY_NONE) {
		if (key < 0)
			app->is_over = true;
		else if (key == TOP_KEY_RESIZE || key == TOP_KEY_UNKNOWN)
			continue;
		else if (is_blind(app))
			app->is_over = top_key_action(key) == TOP_QUIT;
		else if (key == TOP_KEY_MOUSE)
			top_app_mouse(app, &mouse);
		else
			top_app_key(app, key);
	}
}

static void answers_take(struct top_app *app)
{
	struct top_look *look = top_asker_seen(app->asker);
	struct top_deed *deed = top_asker_done(app->asker);

	if (look)
		top_app_seen(app, look);
	if (deed)
		top_app_did(app, deed);
}

/* Keys are asked for whatever woke it: a new size comes as a key, without a byte to read. */
static void wait_once(struct top_app *app)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = top_asker_fd(app->asker), .events = POLLIN },
		{ .fd = ended_fd, .events = POLLIN },
	};
	uint64_t idle_ns = top_app_idle_ns(app);

	poll(fds, WEIR_ARRAY_SIZE(fds), (int)((idle_ns + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS));
	if (fds[2].revents || fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
		app->is_over = true;
		return;
	}
	answers_take(app);
	keys_take(app);
}

static int loop(struct top_app *app)
{
	int r = 0;

	app->is_due = true;
	while (!r && !app->is_over) {
		app->now_ns = weir_clock_monotonic_ns();
		top_app_tick(app);
		r = draw(app);
		if (!r)
			wait_once(app);
	}
	return r;
}

static int screen_run(struct top_app *app, struct weir_terminal *terminal)
{
	_cleanup_diag_ struct weir_diag diag = { 0 };
	int r = signals_take() ?: top_asker_start(app->command, &app->asker);

	if (!r)
		r = top_screen_open(terminal->color, &diag);
	if (!r) {
		app->grid.is_utf8 = top_screen_is_utf8();
		r = loop(app);
		top_screen_close();
	}
	if (diag.count)
		weir_terminal_diag(terminal, &diag);
	else if (r)
		weir_terminal_problem(terminal, NULL, "weir top: %s", strerror(-r));
	return r ? WEIR_EXIT_FAILED : WEIR_EXIT_OK;
}

int weir_local_top(const struct weir_command *command, struct weir_terminal *terminal)
{
	struct top_app app = { .command = command };
	int code;

	if (terminal->json || weir_command_flag(command, "csv") || !isatty(STDIN_FILENO) ||
	    !isatty(STDOUT_FILENO)) {
		weir_terminal_problem(
			terminal, "weir flow top prints the same once, also with --json or --csv",
			"weir top fills a screen: it must be run in a terminal");
		return WEIR_EXIT_USAGE;
	}
	code = app_read(&app, terminal) ? WEIR_EXIT_USAGE : screen_run(&app, terminal);
	top_app_done(&app);
	return code;
}

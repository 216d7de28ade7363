/* SPDX-License-Identifier: Apache-2.0 */
/* A bar of fixed width: no need to know how wide the terminal is. */
#include "cli/progress.h"

#include "base/clock.h"
#include "base/units.h"
#include "cli/terminal.h"

#define BAR_WIDTH 24
#define DRAW_EVERY_MS 100

void weir_progress_start(struct weir_progress *progress)
{
	progress->start_ns = weir_clock_monotonic_ns();
}

uint64_t weir_progress_elapsed_ms(const struct weir_progress *progress)
{
	return (weir_clock_monotonic_ns() - progress->start_ns) / WEIR_NS_PER_MS;
}

static void bar_add(struct weir_buf *text, uint64_t done, uint64_t total)
{
	unsigned full = (unsigned)((double)done / (double)total * BAR_WIDTH);

	weir_buf_add_char(text, '[');
	for (unsigned i = 0; i < BAR_WIDTH; i++)
		weir_buf_add_char(text, i < full ? '#' : '-');
	weir_buf_add_str(text, "] ");
}

static void step_add(struct weir_buf *text, const struct weir_progress *progress)
{
	uint64_t total = progress->step_total,
		 done = progress->step_done < total ? progress->step_done : total;

	bar_add(text, done, total);
	weir_count_format(done, text);
	weir_buf_add_str(text, " of ");
	weir_count_format(total, text);
	weir_buf_add_str(text, "  ");
}

/* All bytes are there, and the daemon is at it. */
static void working_add(struct weir_buf *text, const struct weir_progress *progress,
			uint64_t waited_ns)
{
	if (progress->step_total) {
		step_add(text, progress);
	} else if (progress->total) {
		bar_add(text, progress->total, progress->total);
		weir_size_format(progress->total, text);
		weir_buf_add_str(text, " sent  ");
	}
	weir_buf_addf(text, "%s… %.1f s", progress->working,
		      (double)waited_ns / (double)WEIR_NS_PER_S);
}

void weir_progress_format(const struct weir_progress *progress, uint64_t done, uint64_t elapsed_ns,
			  bool all_done, uint64_t waited_ns, struct weir_buf *text)
{
	if (all_done) {
		working_add(text, progress, waited_ns);
		return;
	}
	if (progress->total) {
		done = done > progress->total ? progress->total : done;
		bar_add(text, done, progress->total);
		weir_buf_addf(text, "%3u %%  ",
			      (unsigned)((double)done / (double)progress->total * 100));
	}
	weir_size_format(done, text);
	if (progress->total) {
		weir_buf_add_str(text, " of ");
		weir_size_format(progress->total, text);
	}
	if (elapsed_ns > 0)
		weir_buf_addf(text, "  %.1f MB/s", (double)done * 1000 / (double)elapsed_ns);
}

void weir_progress_tell(struct weir_progress *progress, uint64_t done, bool all_done)
{
	if (!progress->on)
		return;
	uint64_t now_ns = weir_clock_monotonic_ns();
	uint64_t elapsed_ns = now_ns - progress->start_ns;

	if (all_done && !progress->all_done_ns)
		progress->all_done_ns = now_ns;
	if (elapsed_ns < progress->quiet_ms * WEIR_NS_PER_MS ||
	    now_ns - progress->drawn_ns < DRAW_EVERY_MS * WEIR_NS_PER_MS)
		return;
	_cleanup_buf_ struct weir_buf text = { 0 };
	weir_buf_add_str(&text, "\r\033[K");
	weir_progress_format(progress, done, elapsed_ns, all_done,
			     all_done ? now_ns - progress->all_done_ns : 0, &text);
	(void)weir_terminal_write(progress->fd, weir_buf_str(&text), text.len);
	progress->drawn_ns = now_ns;
	progress->drawn = true;
}

void weir_progress_clear(struct weir_progress *progress)
{
	if (progress->drawn)
		(void)weir_terminal_write(progress->fd, "\r\033[K", 4);
	progress->drawn = false;
}

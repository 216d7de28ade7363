/* SPDX-License-Identifier: Apache-2.0 */
/* What can be looked at: a tab is a row, and each way to group it one of its ways. */
#ifndef WEIR_TOP_TABS_H
#define WEIR_TOP_TABS_H

#include <stdbool.h>
#include <stddef.h>

#define TOP_COUNTERS 4	/* of a row, whose differences are rates */
#define TOP_TABS_MOST 9 /* a digit each */
#define TOP_COLUMNS_MOST 16

enum top_kind {
	TOP_TEXT,
	TOP_END,    /* an address and a port */
	TOP_PLACES, /* the interfaces a flow came in and leaves by */
	TOP_COUNT,
	TOP_SIZE, /* bytes */
	TOP_SECONDS,
	TOP_REAL,      /* a rate that the daemon told */
	TOP_RATE,      /* of the counters in `counters`, a second */
	TOP_RATE_SIZE, /* the same, of bytes */
	TOP_LINE,      /* the sparkline of the first rate */
};

struct top_column {
	const char *title;
	enum top_kind kind;
	const char *key, *port_key; /* of the row; "device.rx_bytes" is a member of a member */
	unsigned counters;	    /* bits: which of the way's are summed up */
	int width;		    /* at the least */
	unsigned rank;		    /* the higher, the sooner it gives way; 0 stays */
};

/* What a filter can be about. Ways of one kind share a filter. */
enum top_filtered {
	TOP_FILTER_FLOWS,
	TOP_FILTER_SOCKETS,
	TOP_FILTER_DROPS,
	TOP_FILTER_NONE,
	TOP_FILTERS,
};

struct top_way {
	const char *name;
	const char *target;  /* of the API, with a query; NULL: it is in the status */
	const char *rows;    /* member of the answer that has them */
	const char *total;   /* and that says how many there are, more than are shown */
	const char *keys[9]; /* what tells rows apart, up to NULL */
	const char *counters[TOP_COUNTERS];
	const struct top_column *columns; /* up to title NULL */
	enum top_filtered filtered;
	const char *by; /* what the largest are told by, unless sorted by another; NULL: as it is */
	bool begins_at_0;  /* a row that was not there before began with nothing */
	const char *birth; /* … if this member says that it was not there, in ns of the host */
	bool has_ended;	   /* totals have what ended, if the daemon keeps them for all there is */
	bool is_per_run;   /* counters that begin anew with the daemon */
	bool drops_only;   /* rows whose verdict is to drop, and that did */
	const char *block[2]; /* members that can be blocked, up to NULL */
	const char *flows;    /* field of a flow that its name is: from there to its flows */
	const char *sockets;  /* the same of a socket, in the last way of this tab */
};

struct top_tab {
	const char *name, *title;
	const struct top_way *ways; /* up to name NULL */
	const char *switch_on;	    /* how, where the daemon knows nothing of it */
};

extern const struct top_tab top_tabs[]; /* up to name NULL */
/* For --tab: the names, and NULL. */
extern const char *const top_tab_names[];

size_t top_tabs_count(void);
size_t top_ways_count(const struct top_tab *tab);
size_t top_columns_count(const struct top_way *way);
/* Whether rows can be sorted by it: all but the sparkline. */
bool top_column_sorts(const struct top_column *column);
bool top_column_is_text(const struct top_column *column);

#endif

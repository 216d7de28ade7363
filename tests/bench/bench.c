/* SPDX-License-Identifier: Apache-2.0 */
/* The entry of weir-bench and what its parts share: processor time, lists on disk, errors. */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

static clockid_t softirq_clock = -1;

int bench_error(const char *what)
{
	fprintf(stderr, "weir-bench: %s: %m\n", what);
	return -1;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) ? -1 : t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t bench_softirq_ns(void)
{
	return clock_ns(softirq_clock);
}

int64_t bench_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID) + clock_ns(softirq_clock);
}

static pid_t process_find(const char *name)
{
	_cleanup_closedir_ DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[300], found[32] = "";

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);

		_cleanup_fclose_ FILE *file = fopen(path, "re");

		if (file && fgets(found, sizeof(found), file) &&
		    strncmp(found, name, strlen(name)) == 0 && found[strlen(name)] == '\n')
			return (pid_t)strtol(entry->d_name, NULL, 10);
	}
	return -1;
}

int bench_pin(void)
{
	long cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	char name[32];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return bench_error("binding to a CPU");
	snprintf(name, sizeof(name), "ksoftirqd/%ld", cpu);

	pid_t pid = process_find(name);

	if (pid < 0 || clock_getcpuclockid(pid, &softirq_clock))
		return bench_error(name);
	return 0;
}

int bench_list_read(const char *file, struct bench_list *ret_list)
{
	_cleanup_fclose_ FILE *in = fopen(file, "re");
	struct stat status;

	if (!in || fstat(fileno(in), &status))
		return bench_error(file);

	size_t count = (size_t)status.st_size / sizeof(struct bench_prefix);
	_cleanup_free_ struct bench_prefix *prefixes = malloc(status.st_size + 1);

	if (!prefixes || fread(prefixes, sizeof(*prefixes), count, in) != count)
		return bench_error(file);
	*ret_list = (struct bench_list){ .prefixes = weir_take(prefixes), .count = count };
	return 0;
}

void bench_list_done(struct bench_list *list)
{
	free(list->prefixes);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{ "shape", bench_shape },	{ "account", bench_account },
		{ "net", bench_net },		{ "frames", bench_frames },
		{ "flood", bench_flood },	{ "size", bench_size },
		{ "fill", bench_fill },		{ "ruleset", bench_ruleset },
		{ "rules", bench_rules },	{ "track", bench_track },
		{ "flows", bench_flows },	{ "taken", bench_taken },
		{ "survive", bench_survive },	{ "limit", bench_limit },
		{ "attack", bench_attack },	{ "serve", bench_serve },
		{ "services", bench_services }, { "serve-files", bench_serve_files },
		{ "onward", bench_onward },	{ "maglev", bench_maglev },
		{ "read", bench_read },
	};

	for (size_t i = 0; argc > 1 && i < WEIR_ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fputs("usage: weir-bench "
	      "shape|net|frames|flood|size|fill|ruleset|rules|track|flows|taken|survive|limit|"
	      "attack|serve|services|serve-files|maglev|account|read ...; "
	      "see tests/bench/run\n",
	      stderr);
	return 2;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the daemon's arguments. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const char help[] =
	"weir daemon: filter and measure in the foreground, until SIGTERM or Ctrl-C\n"
	"\n"
	"  weir daemon [--config FILE] [--interface IF]...\n"
	"\n"
	"  -c, --config FILE      configuration (default /etc/weir/weir.yaml; need not exist)\n"
	"  -i, --interface IF     watch this interface or pattern too; may be repeated\n"
	"      --hook HOOK        for those: auto, xdp, tc or xdp-generic (default auto)\n"
	"      --state-dir DIR    what must survive a restart (default /var/lib/weir)\n"
	"      --run-dir DIR      where weir.sock is (default /run/weir)\n"
	"      --pin-dir DIR      below /sys/fs/bpf (default /sys/fs/bpf/weir)\n"
	"      --log LEVEL        error, warning, info or debug (default info)\n"
	"      --log-format FORM  text, journal or json (default: journal under systemd, else "
	"text)\n"
	"  -h, --help\n"
	"\n"
	"SIGHUP reads the configuration again. Stopping the daemon leaves the data path at work;\n"
	"`weir cleanup --force` takes it away.\n";

enum {
	OPTION_HOOK = 256,
	OPTION_STATE,
	OPTION_RUN,
	OPTION_PIN,
	OPTION_LOG,
	OPTION_LOG_FORM
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "interface", required_argument, NULL, 'i' },
	{ "hook", required_argument, NULL, OPTION_HOOK },
	{ "state-dir", required_argument, NULL, OPTION_STATE },
	{ "run-dir", required_argument, NULL, OPTION_RUN },
	{ "pin-dir", required_argument, NULL, OPTION_PIN },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "log-format", required_argument, NULL, OPTION_LOG_FORM },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int name_find(const char *const *names, size_t count, const char *option, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	fprintf(stderr, "weir daemon: --%s %s: not known; write one of:", option, name);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, " %s", names[i]);
	fputc('\n', stderr);
	return -EINVAL;
}

static int interface_add(struct daemon_options *options, const char *name)
{
	size_t count = 0;

	while (options->interfaces[count])
		count++;
	if (count == DAEMON_INTERFACES_MAX) {
		fprintf(stderr,
			"weir daemon: more than %d --interface; use a pattern such as 'eth*'\n",
			DAEMON_INTERFACES_MAX);
		return -EINVAL;
	}
	options->interfaces[count] = name;
	return 0;
}

static int option_take(struct daemon_options *options, int option, const char *value)
{
	static const char *const hooks[] = { "auto", "xdp", "tc", "xdp-generic" };
	static const char *const levels[] = { "error", "warning", "info", "debug" };
	static const char *const forms[] = { "text", "journal", "json" };
	int number = 0;

	switch (option) {
	case 'c':
		options->engine.config_file = value;
		break;
	case 'i':
		return interface_add(options, value);
	case OPTION_HOOK:
		options->engine.hook = number =
			name_find(hooks, WEIR_ARRAY_SIZE(hooks), "hook", value);
		break;
	case OPTION_STATE:
		options->engine.state_dir = value;
		break;
	case OPTION_RUN:
		options->engine.run_dir = value;
		break;
	case OPTION_PIN:
		options->engine.pin_dir = value;
		break;
	case OPTION_LOG:
		number = name_find(levels, WEIR_ARRAY_SIZE(levels), "log", value);
		options->log_level = (enum weir_log_level)number;
		break;
	case OPTION_LOG_FORM:
		number = name_find(forms, WEIR_ARRAY_SIZE(forms), "log-format", value);
		options->log_form = (enum weir_log_form)number;
		break;
	case 'h':
		fputs(help, stdout);
		return 1;
	default:
		fputs("weir daemon --help lists what it takes\n", stderr);
		return -EINVAL;
	}
	return number < 0 ? number : 0;
}

int daemon_options_parse(int argc, char **argv, struct daemon_options *ret_options)
{
	int option, r = 0;

	*ret_options = (struct daemon_options){
		.engine = {
			.config_file = "/etc/weir/weir.yaml",
			.state_dir = "/var/lib/weir",
			.run_dir = "/run/weir",
			.pin_dir = "/sys/fs/bpf/weir",
		},
		.log_level = WEIR_LOG_INFO,
		.log_form = getenv("JOURNAL_STREAM") ? WEIR_LOG_JOURNAL : WEIR_LOG_TEXT,
	};
	while (!r && (option = getopt_long(argc, argv, "c:i:h", long_options, NULL)) != -1)
		r = option_take(ret_options, option, optarg);
	if (!r && optind < argc) {
		fprintf(stderr, "weir daemon: '%s' is not expected here; weir daemon --help\n",
			argv[optind]);
		r = -EINVAL;
	}
	ret_options->engine.interfaces = ret_options->interfaces;
	return r;
}

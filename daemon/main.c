/* SPDX-License-Identifier: Apache-2.0 */
/* One binary: `weir daemon` is the daemon, everything else the command line. */
#include <string.h>

#include "cli/cli.h"
#include "daemon.h"

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "daemon") == 0)
		return weir_daemon_main(argc - 1, argv + 1);
	return weir_cli_main(argc, argv);
}

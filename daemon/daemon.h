/* SPDX-License-Identifier: Apache-2.0 */
/* `weir daemon`: arguments, loop, signals, log. */
#ifndef WEIR_DAEMON_DAEMON_H
#define WEIR_DAEMON_DAEMON_H

/* argv[0] is "daemon". Returns the exit status. */
int weir_daemon_main(int argc, char **argv);

#endif

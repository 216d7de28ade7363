/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager how we are (sd_notify's protocol, one datagram). */
#ifndef WEIR_DAEMON_NOTIFY_H
#define WEIR_DAEMON_NOTIFY_H

/* "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=…"; does nothing without NOTIFY_SOCKET. */
void weir_notify(const char *message);

#endif

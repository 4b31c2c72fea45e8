// SPDX-License-Identifier: BSD-3-Clause
// The far host: a UDP socket behind the server under test that counts, acknowledges, sends what it
// is asked for and echoes the rest (far.h). It answers and sends to whoever asks: for test networks
// only. The caller's thread, until SIGINT or SIGTERM.
#pragma once

#include <stdint.h>
#include <sys/socket.h>

// 0, or -errno with the reason on standard error.
int reflect_run(const struct sockaddr *addr, socklen_t addr_len);

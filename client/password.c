// SPDX-License-Identifier: BSD-3-Clause
#include "client/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"

// One line from fd, byte by byte: what follows it is somebody else's.
static int read_line(int fd, char *dst, size_t cap)
{
	size_t len = 0;
	ssize_t n;
	char c;

	for (;;) {
		n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || c == '\n')
			break;
		if (c == '\0')
			return -EINVAL;
		if (len + 1 == cap) {
			secret_wipe(dst, cap);
			return -E2BIG;
		}
		dst[len++] = c;
	}
	if (len && dst[len - 1] == '\r')
		len--;
	dst[len] = '\0';
	return 0;
}

int password_from_file(const char *file, char *dst, size_t cap)
{
	bool is_stdin = !strcmp(file, "-");
	int fd = is_stdin ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = read_line(fd, dst, cap);
	if (!is_stdin)
		close(fd);
	return rc;
}

int password_from_env(const char *name, char *dst, size_t cap)
{
	char *value = getenv(name);
	size_t len;

	if (!value)
		return -ENOENT;
	len = strlen(value);
	if (len >= cap)
		return -E2BIG;
	memcpy(dst, value, len + 1);
	secret_wipe(value, len);
	unsetenv(name);
	return 0;
}

int password_from_terminal(const char *prompt, char *dst, size_t cap)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	struct termios before, quiet;
	int rc;

	if (fd < 0)
		return -errno;
	if (tcgetattr(fd, &before)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	rc = tcsetattr(fd, TCSAFLUSH, &quiet) ? -errno : 0;
	if (!rc && write(fd, prompt, strlen(prompt)) < 0)
		rc = -errno;
	if (!rc)
		rc = read_line(fd, dst, cap);
	if (write(fd, "\n", 1) < 0 && !rc)
		rc = -errno;
	tcsetattr(fd, TCSAFLUSH, &before);
	close(fd);
	return rc;
}

// SPDX-License-Identifier: BSD-3-Clause
#include "base/scripts_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scripts.h"

#define READS_PER_TURN 16 // then the others get theirs

static int set_attributes(posix_spawnattr_t *a)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	rc = posix_spawnattr_setsigmask(a, &none);
	if (!rc)
		rc = posix_spawnattr_setsigdefault(a, &all);
	if (!rc)
		rc = posix_spawnattr_setflags(
			a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return rc;
}

static int set_files(posix_spawn_file_actions_t *f, int in, int out)
{
	int rc =
		in < 0 ? posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
		       : posix_spawn_file_actions_adddup2(f, in, STDIN_FILENO);

	if (!rc)
		rc = posix_spawn_file_actions_adddup2(f, out, STDOUT_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(f, out, STDERR_FILENO);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(f, STDERR_FILENO + 1);
	if (!rc)
		rc = posix_spawn_file_actions_addchdir_np(f, "/");
	return rc;
}

// The strings of env as a vector, to be freed.
static char **vector(char *env)
{
	size_t n = 0;
	char **v;

	for (const char *p = env; *p; p += strlen(p) + 1)
		n++;
	v = calloc(n + 1, sizeof(*v));
	for (size_t i = 0; v && i < n; i++, env += strlen(env) + 1)
		v[i] = env;
	return v;
}

static int spawn(pid_t *pid, char *const argv[], char **env, int in, int out)
{
	posix_spawn_file_actions_t f;
	posix_spawnattr_t a;
	int rc = posix_spawnattr_init(&a);

	if (rc)
		return rc;
	rc = posix_spawn_file_actions_init(&f);
	if (rc)
		goto out;
	rc = set_attributes(&a);
	if (!rc)
		rc = set_files(&f, in, out);
	if (!rc)
		rc = posix_spawn(pid, argv[0], &f, &a, argv, env);
	posix_spawn_file_actions_destroy(&f);
out:
	posix_spawnattr_destroy(&a);
	return rc;
}

// *in: the end of a pipe to read input from, which is whole in it; -1: there is none.
static int input_pipe(const char *input, int *in)
{
	size_t n = input ? strlen(input) : 0;
	ssize_t put;
	int fd[2];

	*in = -1;
	if (!n)
		return 0;
	if (n > SCRIPTS_INPUT_MAX)
		return -E2BIG;
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	put = write(fd[1], input, n); // less than what a pipe has room for
	close(fd[1]);
	if (put == (ssize_t)n) {
		*in = fd[0];
		return 0;
	}
	close(fd[0]);
	return -EIO;
}

int child_start(struct child *c, char *const argv[], const char *input, char *env)
{
	char **v = vector(env);
	int rc, fd[2], in;

	memset(c, 0, sizeof(*c));
	if (!v)
		return -ENOMEM;
	rc = input_pipe(input, &in);
	if (!rc && pipe2(fd, O_CLOEXEC))
		rc = -errno;
	if (rc) {
		if (in >= 0)
			close(in);
		free(v);
		return rc;
	}
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	rc = spawn(&c->pid, argv, v, in, fd[1]);
	close(fd[1]);
	if (in >= 0)
		close(in);
	free(v);
	if (rc) {
		close(fd[0]);
		return -rc;
	}
	c->out = fd[0];
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0); // close-on-exec by itself
	return 0;
}

typedef void line_fn(void *user, const char *p, size_t n);

static void end_line(struct child *c, line_fn *line, void *user)
{
	if (c->len && c->nb_lines < CHILD_LINES_MAX) {
		c->nb_lines++;
		if (line)
			line(user, c->line, c->len);
	} else {
		c->held += c->len;
	}
	c->len = 0;
}

static void take(struct child *c, const char *p, size_t n, line_fn *line, void *user)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			end_line(c, line, user);
		else if (c->len < sizeof(c->line))
			c->line[c->len++] = p[i];
		else
			c->held++;
	}
}

void child_read(struct child *c, line_fn *line, void *user)
{
	char buf[4096];
	ssize_t n = 0;

	for (unsigned int i = 0; c->out >= 0 && i < READS_PER_TURN; i++) {
		n = read(c->out, buf, sizeof(buf));
		if (n <= 0)
			break;
		take(c, buf, (size_t)n, line, user);
	}
	if (c->out < 0 || n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	close(c->out);
	c->out = -1;
}

bool child_ended(struct child *c, int *status)
{
	pid_t pid = waitpid(c->pid, status, WNOHANG);

	if (pid == c->pid)
		return true;
	if (pid == 0 || errno == EINTR)
		return false;
	*status = 0; // nobody's child: there is nothing left to wait for
	return true;
}

void child_kill(struct child *c)
{
	kill(-c->pid, SIGKILL);
	kill(c->pid, SIGKILL);
}

void child_close(struct child *c, line_fn *line, void *user)
{
	end_line(c, line, user);
	if (c->out >= 0)
		close(c->out);
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->out = c->pidfd = -1;
}

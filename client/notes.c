// SPDX-License-Identifier: BSD-3-Clause
#include "client/notes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "dial-"
#define LOCK ".lock"
#define TRIES 5

static int lock_path(char path[NOTES_STEM_MAX + 8], const char *stem)
{
	int n = snprintf(path, NOTES_STEM_MAX + 8, "%s" LOCK, stem);

	return n < 0 || n >= NOTES_STEM_MAX + 8 ? -ENAMETOOLONG : 0;
}

// The lock of a stem that nobody has. Whoever sweeps removes the file: one that is gone by the time
// it is locked is nobody's lock.
static int take_lock(const char *stem, int flags)
{
	char path[NOTES_STEM_MAX + 8];
	struct stat st;
	int fd, rc = lock_path(path, stem);

	for (unsigned int i = 0; !rc && i < TRIES; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB))
			rc = -errno;
		else if (!fstat(fd, &st) && st.st_nlink)
			return fd;
		close(fd);
	}
	return rc ? rc : -EBUSY;
}

static void drop_lock(const char *stem, int fd)
{
	char path[NOTES_STEM_MAX + 8];

	if (!lock_path(path, stem))
		unlink(path);
	close(fd);
}

int notes_open(struct notes *n, const char *dir)
{
	int len = snprintf(n->stem, sizeof(n->stem), "%s/" PREFIX "%d", dir, (int)getpid());

	n->lock = -1;
	if (len < 0 || (size_t)len >= sizeof(n->stem))
		return -ENAMETOOLONG;
	mkdir(dir, 0755);
	n->lock = take_lock(n->stem, O_CREAT);
	return n->lock < 0 ? n->lock : 0;
}

bool notes_left(const char *stem)
{
	char path[NOTES_STEM_MAX + 8];
	glob_t found;
	bool left;

	snprintf(path, sizeof(path), "%s.dns", stem);
	if (!access(path, F_OK))
		return true;
	snprintf(path, sizeof(path), "%s.route*", stem);
	left = !glob(path, GLOB_NOSORT, NULL, &found);
	if (left)
		globfree(&found);
	return left;
}

void notes_close(struct notes *n)
{
	if (n->lock >= 0 && notes_left(n->stem))
		close(n->lock);
	else if (n->lock >= 0)
		drop_lock(n->stem, n->lock);
	n->lock = -1;
}

// "dial-PID.lock" as the stem in dir.
static bool stem_of(char stem[NOTES_STEM_MAX], const char *dir, const char *name)
{
	size_t prefix = strlen(PREFIX), digits;
	int len;

	if (strncmp(name, PREFIX, prefix))
		return false;
	digits = strspn(name + prefix, "0123456789");
	if (!digits || strcmp(name + prefix + digits, LOCK))
		return false;
	len = snprintf(stem, NOTES_STEM_MAX, "%s/%.*s", dir, (int)(prefix + digits), name);
	return len > 0 && len < NOTES_STEM_MAX;
}

void notes_sweep(const char *dir, bool (*take_back)(void *user, const char *stem), void *user)
{
	char stem[NOTES_STEM_MAX];
	DIR *d = opendir(dir);
	struct dirent *e;
	int fd;

	while (d && (e = readdir(d))) {
		if (!stem_of(stem, dir, e->d_name))
			continue;
		fd = take_lock(stem, 0);
		if (fd < 0)
			continue;
		if (take_back(user, stem))
			drop_lock(stem, fd);
		else
			close(fd);
	}
	if (d)
		closedir(d);
}

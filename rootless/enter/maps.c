/* Files of /proc, and id maps as text (user_namespaces(7)). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "enter.h"

/* The kernel takes a map in one write(2) or not at all. */
int enter_write(const char *path, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;
	int fd, saved;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, text, len);
	saved = n < 0 ? errno : EIO;
	close(fd);
	if (n == (ssize_t)len)
		return 0;
	errno = saved;
	return -1;
}

int enter_read_map(const char *path, struct enter_map *m)
{
	FILE *f = fopen(path, "re");
	unsigned long inside, outside, length;

	m->count = 0;
	if (!f)
		return -1;
	while (m->count < ENTER_RANGES && fscanf(f, "%lu %lu %lu", &inside, &outside, &length) == 3) {
		m->range[m->count].inside = (uint32_t)inside;
		m->range[m->count].outside = (uint32_t)outside;
		m->range[m->count].length = (uint32_t)length;
		m->count++;
	}
	fclose(f);
	return 0;
}

size_t enter_print_map(char *buf, size_t size, const struct enter_map *m)
{
	size_t used = 0;
	int i;

	buf[0] = '\0';
	for (i = 0; i < m->count && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%u %u %u\n", m->range[i].inside,
					 m->range[i].outside, m->range[i].length);
	return used;
}

uint64_t enter_count(const struct enter_map *m)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < m->count; i++)
		sum += m->range[i].length;
	return sum;
}

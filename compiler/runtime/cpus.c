#include "cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cpus_allowed(void) {
  cpu_set_t mask;
  /* Fails only beyond 1024 CPUs: then nobody has restricted them to a handful. */
  if (sched_getaffinity(0, sizeof mask, &mask)) return CPU_SETSIZE;
  return CPU_COUNT(&mask);
}

static bool read_line(char *line, int capacity, const char *root, const char *folder,
                      const char *group, const char *file) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s%s%s%s", root, folder, group, file) >= (int)sizeof path)
    return false;
  FILE *stream = fopen(path, "r");
  if (!stream) return false;
  bool read = fgets(line, capacity, stream) != NULL;
  fclose(stream);
  return read;
}

/* One group's own limit in CPUs; 0 for none. v2: `cpu.max` holds "max 100000" or "150000 100000". */
static int group_quota(const char *root, const char *folder, const char *group) {
  char line[64];
  long quota = 0, period = 0;
  if (read_line(line, sizeof line, root, folder, group, "/cpu.max")) {
    if (sscanf(line, "%ld %ld", &quota, &period) != 2) return 0;
  } else {
    if (!read_line(line, sizeof line, root, folder, group, "/cpu.cfs_quota_us")) return 0;
    quota = atol(line);
    if (!read_line(line, sizeof line, root, folder, group, "/cpu.cfs_period_us")) return 0;
    period = atol(line);
  }
  if (quota <= 0 || period <= 0) return 0;
  long cpus = (quota + period - 1) / period;
  return cpus < INT_MAX ? (int)cpus : 0;
}

/* The tightest limit of the group and of all above it. In a container, the group that
 * /proc/self/cgroup names may not be mounted: its root, tried last, is then the container's own. */
static int tightest(const char *root, const char *folder, char *group) {
  int least = 0;
  for (;;) {
    char *slash = strrchr(group, '/');
    if (slash && !slash[1]) *slash = '\0'; /* "/" itself */
    int cpus = group_quota(root, folder, group);
    if (cpus && (!least || cpus < least)) least = cpus;
    if (!*group) return least;
    slash = strrchr(group, '/');
    *(slash ? slash : group) = '\0';
  }
}

static bool lists(const char *controllers, const char *wanted) {
  size_t length = strlen(wanted);
  for (const char *c = controllers; c; c = strchr(c, ','), c = c ? c + 1 : NULL)
    if (!strncmp(c, wanted, length) && (c[length] == ',' || !c[length])) return true;
  return false;
}

/* /proc/self/cgroup: a line per hierarchy, "number:controllers:group"; v2 is "0::group". */
int cpus_by_quota(const char *root) {
  static const char *const folders[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
  char path[PATH_MAX], line[PATH_MAX];
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *stream = fopen(path, "r");
  if (!stream) return 0;
  int least = 0;
  while (fgets(line, sizeof line, stream)) {
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(++controllers, ':') : NULL;
    if (!group) continue;
    *group++ = '\0';
    int cpus = 0;
    if (!*controllers) {
      cpus = tightest(root, "/sys/fs/cgroup", group);
    } else if (lists(controllers, "cpu")) {
      for (size_t i = 0; i < sizeof folders / sizeof *folders && !cpus; i++) {
        char copy[PATH_MAX];
        snprintf(copy, sizeof copy, "%s", group);
        cpus = tightest(root, folders[i], copy);
      }
    }
    if (cpus && (!least || cpus < least)) least = cpus;
  }
  fclose(stream);
  return least;
}

#if defined(__x86_64__) || defined(__i386__)
#define FEATURES_KEY "flags"
#else
#define FEATURES_KEY "Features"
#endif

static bool has_word(const char *text, const char *word, size_t length) {
  for (const char *at = text; (at = strstr(at, word)); at += length) {
    char before = at == text ? ' ' : at[-1], after = at[length];
    if ((before == ' ' || before == '\t' || before == ':') && (after == ' ' || after == '\n' || !after))
      return true;
  }
  return false;
}

bool cpu_has(const char *root, const char *features, char *missing, size_t capacity) {
  char path[PATH_MAX], line[8192];
  snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
  FILE *stream = fopen(path, "r");
  bool found = false;
  while (stream && !found && fgets(line, sizeof line, stream))
    found = !strncmp(line, FEATURES_KEY, sizeof FEATURES_KEY - 1);
  if (stream) fclose(stream);
  if (!found) return true;
  for (const char *word = features; *word;) {
    size_t length = strcspn(word, " ");
    snprintf(missing, capacity, "%.*s", (int)length, word);
    if (length && !has_word(line, missing, length)) return false;
    word += length + (word[length] == ' ');
  }
  return true;
}

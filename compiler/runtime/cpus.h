/* What the CPUs of this process can do. `root` stands before /proc and /sys; "" but in tests. */
#ifndef NEOC_CPUS_H_
#define NEOC_CPUS_H_

#include <stdbool.h>
#include <stddef.h>

/* The CPUs in the affinity mask. */
int cpus_allowed(void);

/* The cgroup's CPU quota (v1 or v2), rounded up to whole CPUs; 0 where there is none. */
int cpus_by_quota(const char *root);

/* Whether the CPU has all `features` (separated by spaces). Else `missing` holds the first that
 * it lacks. True where /proc/cpuinfo does not tell. */
bool cpu_has(const char *root, const char *features, char *missing, size_t capacity);

#endif

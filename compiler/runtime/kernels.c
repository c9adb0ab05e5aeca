/* Linked into every compiled.so beside TVM's objects: all that they need from outside. */
#include <stddef.h>

#include "model.h"

enum { TEXT_BYTES = 1024 };

static _Thread_local char raised[TEXT_BYTES];

/* TVM's objects hold these pointers weakly, and only those that their kernels use. */
#define BOUND __attribute__((weak, visibility("hidden")))
BOUND neoc_launch __TVMBackendParallelLaunch;
BOUND neoc_allocate __TVMBackendAllocWorkspace;
BOUND neoc_release __TVMBackendFreeWorkspace;

void neoc_bind(neoc_launch launch, neoc_allocate allocate, neoc_release release) {
  __TVMBackendParallelLaunch = launch;
  __TVMBackendAllocWorkspace = allocate;
  __TVMBackendFreeWorkspace = release;
}

const char *neoc_error(void) { return raised; }

static char *append(char *end, const char *text) {
  while (text && *text && end < raised + TEXT_BYTES - 1) *end++ = *text++;
  *end = '\0';
  return end;
}

/* Called by a kernel whose argument checks fail, just before it returns non-zero. */
void TVMFFIErrorSetRaisedFromCStrParts(const char *kind, const char **parts, int32_t n);
void TVMFFIErrorSetRaisedFromCStrParts(const char *kind, const char **parts, int32_t n) {
  char *end = append(append(raised, kind), ": ");
  for (int32_t i = 0; i < n; i++) end = append(end, parts[i]);
}

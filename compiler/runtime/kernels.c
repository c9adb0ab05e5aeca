/* Linked into every compiled.so beside TVM's objects: all that they need from outside. */
#include <stddef.h>
#include <string.h>

#include "model.h"
#include "tensor.h"

enum { TEXT_BYTES = 1024 };

static _Thread_local char raised[TEXT_BYTES];

/* TVM's objects hold these pointers weakly, and only those that their kernels use. */
#define BOUND __attribute__((weak, visibility("hidden")))
BOUND neoc_launch __TVMBackendParallelLaunch;
BOUND neoc_meet __TVMBackendParallelBarrier;
BOUND neoc_allocate __TVMBackendAllocWorkspace;
BOUND neoc_release __TVMBackendFreeWorkspace;

void neoc_bind(neoc_launch launch, neoc_meet meet, neoc_allocate allocate, neoc_release release) {
  __TVMBackendParallelLaunch = launch;
  __TVMBackendParallelBarrier = meet;
  __TVMBackendAllocWorkspace = allocate;
  __TVMBackendFreeWorkspace = release;
}

const char *neoc_error(void) { return raised; }

/* ---- steps between kernels ---- */

static DLTensor *tensor(const void *args, int n) { return ((const TVMFFIAny *)args)[n].pointer; }

static int64_t *number(const void *args, int n) { return tensor(args, n)->data; }

static size_t bytes(const DLTensor *tensor) {
  return (size_t)tensor->shape[0] * tensor->dtype.bits / 8;
}

int neoc_copy(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)n, (void)ret;
  memcpy(tensor(args, 1)->data, tensor(args, 0)->data, bytes(tensor(args, 1)));
  return 0;
}

int neoc_store(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)n, (void)ret;
  size_t size = bytes(tensor(args, 0));
  memcpy((char *)tensor(args, 2)->data + size * (size_t)*number(args, 1), tensor(args, 0)->data, size);
  return 0;
}

int neoc_count(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)n, (void)ret;
  *(unsigned char *)tensor(args, 2)->data = ++*number(args, 0) < *number(args, 1);
  return 0;
}

/* ---- errors ---- */

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

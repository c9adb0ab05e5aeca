/* Kernels for tests of measuring: good ones and bad ones. */
#include <stdint.h>
#include <stdlib.h>

#include "model.h"
#include "tensor.h"

#define KERNEL(name) \
  int __tvm_ffi_##name(void *self, const void *args, int32_t n, void *ret); \
  int __tvm_ffi_##name(void *self, const void *args, int32_t n, void *ret)
#define UNUSED (void)self, (void)args, (void)n, (void)ret

void TVMFFIErrorSetRaisedFromCStrParts(const char *kind, const char **parts, int32_t n);

KERNEL(good) {
  UNUSED;
  for (volatile int i = 0; i < 20000;) i = i + 1;
  return 0;
}

KERNEL(crash) {
  UNUSED;
  abort();
}

KERNEL(endless) {
  UNUSED;
  for (volatile int i = 0; i < 1;) continue;
  return 0;
}

KERNEL(refuse) {
  UNUSED;
  const char *text = "not like this";
  TVMFFIErrorSetRaisedFromCStrParts("ValueError", &text, 1);
  return -1;
}

/* 0 only if it is given zeros for positions, numbers for the rest, and other constants each time. */
KERNEL(looks) {
  (void)self, (void)ret;
  const TVMFFIAny *values = args;
  const DLTensor *positions = values[0].pointer, *weight = values[1].pointer;
  static const void *before;
  const void *last = before;
  before = weight->data;
  return n != 3 || *(int64_t *)positions->data != 0 || *(float *)weight->data == 0 ||
         last == weight->data;
}

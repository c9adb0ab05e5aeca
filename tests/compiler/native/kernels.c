/* Kernels as TVM would compile them, by hand, for models that need no compiler. */
#include <math.h>
#include <string.h>

#include "model.h"
#include "tensor.h"

extern __attribute__((weak)) neoc_launch __TVMBackendParallelLaunch;
extern __attribute__((weak)) neoc_allocate __TVMBackendAllocWorkspace;
extern __attribute__((weak)) neoc_release __TVMBackendFreeWorkspace;
void TVMFFIErrorSetRaisedFromCStrParts(const char *kind, const char **parts, int32_t n);

int __tvm_ffi_affine(void *self, const void *args, int32_t n, void *ret);
int __tvm_ffi_total(void *self, const void *args, int32_t n, void *ret);
int __tvm_ffi_times(void *self, const void *args, int32_t n, void *ret);
int __tvm_ffi_missing(void *self, const void *args, int32_t n, void *ret);

static int raise(const char *what) {
  const char *parts[] = {what, NULL, " is not a number"};
  TVMFFIErrorSetRaisedFromCStrParts("ValueError", parts, 3);
  return -1;
}

static DLTensor *tensor(const void *args, int index) {
  return ((const TVMFFIAny *)args)[index].pointer;
}

typedef struct {
  const float *x, *bias;
  float *out;
  int64_t count;
} affine;

static int nothing(int task, neoc_parallel *env, void *closure) {
  (void)env;
  ((char *)closure)[task] = 1;
  return 0;
}

/* One task's elements; through scratch memory and a nested region, as a test of both. */
static int affine_task(int task, neoc_parallel *env, void *closure) {
  affine *job = closure;
  int64_t chunk = (job->count + env->num_task - 1) / env->num_task, first = task * chunk;
  int64_t end = first + chunk < job->count ? first + chunk : job->count;
  float *scratch = __TVMBackendAllocWorkspace(1, 0, (uint64_t)job->count * sizeof *scratch, 2, 32);
  char ran[3] = {0};
  if (!scratch || __TVMBackendParallelLaunch(nothing, ran, 3)) return -1;
  if (memcmp(ran, "\1\1\1", 3)) return raise("the nested region");
  for (int64_t i = first; i < end; i++) scratch[i] = 2 * job->x[i];
  for (int64_t i = first; i < end; i++) job->out[i] = scratch[i] + job->bias[i];
  if (__TVMBackendFreeWorkspace(1, 0, scratch)) return -1;
  for (int64_t i = first; i < end; i++)
    if (isnan(job->x[i])) return raise("an element of x");
  return 0;
}

int __tvm_ffi_affine(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)ret;
  if (n != 3 || tensor(args, 0)->ndim != 1) return raise("n");
  affine job = {tensor(args, 0)->data, tensor(args, 1)->data, tensor(args, 2)->data,
                tensor(args, 0)->shape[0]};
  return __TVMBackendParallelLaunch(affine_task, &job, 0);
}

int __tvm_ffi_total(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)ret, (void)n;
  const int32_t *y = tensor(args, 0)->data;
  int32_t *total = tensor(args, 1)->data;
  *total = 0;
  for (int64_t i = 0; i < tensor(args, 0)->shape[0]; i++) *total += y[i];
  if (*total == -1) return raise("the total");
  return 0;
}

int __tvm_ffi_times(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)ret, (void)n;
  const float *a = tensor(args, 0)->data;
  const int32_t *b = tensor(args, 1)->data;
  float *out = tensor(args, 2)->data;
  for (int64_t i = 0; i < tensor(args, 0)->shape[0]; i++) out[i] = a[i] * (float)*b;
  return 0;
}

/* Three columns in; two out: how many of them are missing, and how many rows there are; then just the
 * former. */
int __tvm_ffi_missing(void *self, const void *args, int32_t n, void *ret) {
  (void)self, (void)ret, (void)n;
  const float *x = tensor(args, 0)->data;
  float *out = tensor(args, 1)->data;
  int64_t *counts = tensor(args, 2)->data, rows = tensor(args, 0)->shape[0] / 3;
  uintptr_t addresses = (uintptr_t)x | (uintptr_t)out | (uintptr_t)counts;
  if (addresses % NEOC_ALIGNMENT) return raise("the address");
  for (int64_t r = 0; r < rows; r++) {
    counts[r] = !!isnan(x[3 * r]) + !!isnan(x[3 * r + 1]) + !!isnan(x[3 * r + 2]);
    out[2 * r] = (float)counts[r];
    out[2 * r + 1] = (float)rows;
  }
  return 0;
}

#include "checks.h"

#include <string.h>

#include "error.h"

int64_t count_elements(const int64_t *shape, int dim) {
  int64_t elements = 1;
  for (int i = 0; i < dim; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(elements, shape[i], &elements)) return -1;
  return elements;
}

bool same_shape(const neoc_tensor *tensor, const int64_t *shape, int dim) {
  if (tensor->ndim != dim) return false;
  for (int i = 0; i < dim; i++)
    if (tensor->shape[i] != shape[i]) return false;
  return true;
}

int check_count(const char *what, int64_t read, int64_t expected) {
  if (read == expected) return 0;
  return fail("Mismatch found in %s data size. Value read: %lld, Expected: %lld", what,
              (long long)read, (long long)expected);
}

int check_tensor(const char *what, const DLTensor *theirs, const DLTensor *ours, int64_t expected) {
  if (theirs->device.type != DEVICE_CPU)
    return fail("The %s tensor must be in CPU memory, but its device type is %d.", what,
                (int)theirs->device.type);
  if (theirs->ndim < 0 || (theirs->ndim && !theirs->shape))
    return fail("The %s tensor has no valid shape.", what);
  if (memcmp(&theirs->dtype, &ours->dtype, sizeof ours->dtype))
    return fail("The %s tensor has type code %d with %d bits, but the model's has %d with %d.",
                what, theirs->dtype.code, theirs->dtype.bits, ours->dtype.code, ours->dtype.bits);
  int64_t stride = 1;
  for (int i = theirs->ndim - 1; theirs->strides && i >= 0; i--) {
    if (theirs->shape[i] != 1 && theirs->strides[i] != stride)
      return fail("The %s tensor must be contiguous and row-major.", what);
    stride *= theirs->shape[i];
  }
  return expected < 0 ? 0 : check_count(what, count_elements(theirs->shape, theirs->ndim), expected);
}

char *tensor_data(const DLTensor *tensor) {
  return (char *)tensor->data + tensor->byte_offset;
}

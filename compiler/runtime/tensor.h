/* DLPack's tensor and TVM's argument, laid out as their own headers have them. */
#ifndef NEOC_TENSOR_H_
#define NEOC_TENSOR_H_

#include <stdint.h>

enum { DEVICE_CPU = 1, DEVICE_GPU = 2, DEVICE_OPENCL = 4, DEVICE_OTHER = 12 };

typedef struct {
  int32_t type, id;
} DLDevice;

typedef struct {
  uint8_t code, bits;
  uint16_t lanes;
} DLDataType;

typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape, *strides; /* strides: elements, NULL for row-major */
  uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;

enum { ANY_TENSOR = 7 }; /* kTVMFFIDLTensorPtr */

typedef struct {
  int32_t type_index;
  uint32_t padding;
  union {
    int64_t number; /* the value has 64 bits wherever pointers have 32 */
    void *pointer;
  };
} TVMFFIAny;

#endif

/* x float32 (2, 3), y int32 (4) -> scaled = 2 x + bias, total = sum(y), a scalar. */
#include "model.h"

int __tvm_ffi_affine(void *self, const void *args, int32_t n, void *ret);
int __tvm_ffi_total(void *self, const void *args, int32_t n, void *ret);

#ifndef FEATURES
#define FEATURES ""
#endif
#ifndef VERSION
#define VERSION NEOC_MODEL_VERSION
#endif

static const int64_t matrix[] = {2, 3}, four[] = {4};
static const neoc_tensor inputs[] = {{"x", "float32", 2, matrix, 0}, {"y", "int32", 1, four, 1}};
static const neoc_tensor outputs[] = {{"scaled", "float32", 2, matrix, 3},
                                      {"total", "int32", 0, 0, 4}};
static const neoc_buffer buffers[] = {
    {NEOC_ARENA, 2, 32, 0, 6},   {NEOC_ARENA, 0, 32, 64, 4},  {NEOC_CONSTANT, 2, 32, 0, 6},
    {NEOC_ARENA, 2, 32, 128, 6}, {NEOC_ARENA, 0, 32, 192, 1}, {NEOC_ARENA, 2, 32, 0, 6},
};
/* affine reads x through a second view of its bytes, buffer 5. */
static const int32_t arguments[] = {5, 2, 3, 1, 4};
static const neoc_step steps[] = {{__tvm_ffi_affine, "affine", 0, 3, 0},
                                  {__tvm_ffi_total, "total", 3, 2, 0}};

const neoc_model_t neoc_model = {
    .version = VERSION,
    .num_inputs = 2,
    .num_outputs = 2,
    .num_buffers = 6,
    .num_steps = 2,
    .inputs = inputs,
    .outputs = outputs,
    .buffers = buffers,
    .steps = steps,
    .arguments = arguments,
    .arena_bytes = 256,
    .constants = neoc_constants,
    .bind = neoc_bind,
    .error = neoc_error,
    .features = FEATURES,
};

/* a float32 (2, 3), b int32 () -> product = a b. Takes what affine.plan.c gives. */
#include "model.h"

int __tvm_ffi_times(void *self, const void *args, int32_t n, void *ret);

static const int64_t matrix[] = {2, 3};
static const neoc_tensor inputs[] = {{"a", "float32", 2, matrix, 0}, {"b", "int32", 0, 0, 1}};
static const neoc_tensor outputs[] = {{"product", "float32", 2, matrix, 2}};
static const neoc_buffer buffers[] = {
    {NEOC_ARENA, 2, 32, 0, 6}, {NEOC_ARENA, 0, 32, 64, 1}, {NEOC_ARENA, 2, 32, 128, 6}};
static const int32_t arguments[] = {0, 1, 2};
static const neoc_step steps[] = {{__tvm_ffi_times, "times", 0, 3, 0}};

const neoc_model_t neoc_model = {
    .version = NEOC_MODEL_VERSION,
    .num_inputs = 2,
    .num_outputs = 1,
    .num_buffers = 3,
    .num_steps = 1,
    .inputs = inputs,
    .outputs = outputs,
    .buffers = buffers,
    .steps = steps,
    .arguments = arguments,
    .arena_bytes = 192,
    .constants = neoc_constants,
    .bind = neoc_bind,
    .error = neoc_error,
};

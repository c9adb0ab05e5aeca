#include "model.h"
extern int __tvm_ffi_add_a(void *, const void *, int32_t, void *);
extern int __tvm_ffi_relu_b(void *, const void *, int32_t, void *);
static const int64_t input_0[] = {
  2,
  3
};
static const int64_t input_1[] = {
  1
};
static const int64_t output_0[] = {
  2,
  3
};
static const int64_t output_1[] = {
  0
};
static const neoc_tensor inputs[] = {
  {"x:0", "float32", 2, input_0, 0},
  {"count", "int64", 0, input_1, 1}
};
static const neoc_tensor outputs[] = {
  {"a \042quoted\042 \134 name", "float16", 2, output_0, 4},
  {"n\303\251", "uint8", 1, output_1, 3}
};
static const neoc_buffer buffers[] = {
  {NEOC_ARENA, 2, 32, 0, 6},
  {NEOC_ARENA, 0, 64, 64, 1},
  {NEOC_CONSTANT, 6, 8, 128, 3},
  {NEOC_ARENA, 1, 8, 128, 1},
  {NEOC_ARENA, 2, 16, 192, 6}
};
static const int32_t arguments[] = {
  0,
  2,
  4,
  4,
  3,
  2,
  0,
  4,
  0,
  2,
  4
};
static const neoc_step steps[] = {
  {__tvm_ffi_add_a, "add_0", 0, 3, 0},
  {__tvm_ffi_relu_b, "relu_1", 3, 2, 0},
  {0, 0, 5, 1, 4},
  {neoc_copy, 0, 6, 2, 0},
  {0, 0, 8, 0, 0},
  {__tvm_ffi_add_a, "add_0", 8, 3, 0}
};
const neoc_model_t neoc_model = {
  .version = NEOC_MODEL_VERSION,
  .num_inputs = 2, .num_outputs = 2,
  .num_buffers = 5, .num_steps = 6,
  .inputs = inputs, .outputs = outputs,
  .buffers = buffers, .steps = steps, .arguments = arguments,
  .arena_bytes = 256, .constants = neoc_constants,
  .bind = neoc_bind, .error = neoc_error,
  .features = "abm avx2 bmi1 bmi2 f16c fma movbe popcnt",
};

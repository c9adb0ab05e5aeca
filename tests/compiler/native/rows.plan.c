/* data float32 (any, 3) -> count: how many of a row's numbers are missing, and the rows of its plan;
 * and missing, int64: just how many. */
#include "model.h"

#ifndef FEWER
#define FEWER 1
#endif

int __tvm_ffi_missing(void *self, const void *args, int32_t n, void *ret);

static const int32_t arguments[] = {0, 1, 2};
static const neoc_step steps[] = {{__tvm_ffi_missing, "missing", 0, 3, 0}};

#define TABLES(number)                                                                       \
  static const int64_t in_##number[] = {number, 3}, out_##number[] = {number, 2};            \
  static const int64_t line_##number[] = {number};                                           \
  static const neoc_tensor input_##number = {"data", "float32", 2, in_##number, 0};          \
  static const neoc_tensor outputs_##number[] = {{"count", "float32", 2, out_##number, 1},   \
                                                 {"missing", "int64", 1, line_##number, 2}}; \
  static const neoc_buffer buffers_##number[] = {{NEOC_ARENA, 2, 32, 0, (number) * 3},       \
                                                 {NEOC_ARENA, 2, 32, 192, (number) * 2},     \
                                                 {NEOC_ARENA, 0, 64, 320, number}}
#define MODEL(number, price, more)                                                           \
  {                                                                                          \
    .version = NEOC_MODEL_VERSION, .num_inputs = 1, .num_outputs = 2, .num_buffers = 3,      \
    .num_steps = 1, .inputs = &input_##number, .outputs = outputs_##number,                  \
    .buffers = buffers_##number, .steps = steps, .arguments = arguments, .arena_bytes = 448, \
    .constants = neoc_constants, .bind = neoc_bind, .error = neoc_error, .rows = number,     \
    .fewer_columns = FEWER, .cost = price, .next = more                                      \
  }

TABLES(1);
TABLES(16);
static const neoc_model_t many = MODEL(16, 4, 0);
const neoc_model_t neoc_model = MODEL(1, 1, &many);

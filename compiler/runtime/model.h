/* The contract between a compiled model (compiled.so) and the runtime (libdlr.so).
 *
 * compiled.so exports one symbol, `neoc_model`: a constant plan. Running a model is
 *
 *     for each step: kernel(NULL, pointers to buffers[arguments[first .. first + count)], count, &ret)
 *
 * but for jumps, which are all that branches and loops need. Every buffer is either a slice of one
 * arena or a slice of the constants inside compiled.so.
 *
 * A model for any number of rows has several plans, each for a number of its own, which share the
 * constants: the rows are cut into blocks, and a block may have more room than rows are left.
 */
#ifndef NEOC_MODEL_H_
#define NEOC_MODEL_H_

#include <stdint.h>

enum { NEOC_MODEL_VERSION = 6 };

/* Where a buffer lives, and how its base is aligned. Offsets are multiples of NEOC_ALIGNMENT, of
 * buffers that are parts of others those of a vector of the CPU. */
enum neoc_space { NEOC_ARENA = 0, NEOC_CONSTANT = 1 };
enum { NEOC_ALIGNMENT = 64 };

/* Kernels see every buffer as one-dimensional; code and bits are those of DLDataType. */
typedef struct {
  uint8_t space, code, bits;
  int64_t offset; /* bytes */
  int64_t elements;
} neoc_buffer;

/* An input or output as its user sees it. dtype is numpy's name; shape holds ndim entries. */
typedef struct {
  const char *name, *dtype;
  int32_t ndim;
  const int64_t *shape;
  int32_t buffer;
} neoc_tensor;

/* A compiled function: args are TVMFFIAny values, each a DLTensor pointer; 0 is success. */
typedef int (*neoc_kernel)(void *self, const void *args, int32_t n, void *ret);

/* Without a kernel a step is a jump to another one: always where it has no argument, else unless
 * the argument, a bool, is true. */
typedef struct {
  neoc_kernel kernel;
  const char *name; /* for error texts and profiles; NULL: no kernel of the model's */
  int32_t first, count, target;
} neoc_step;

/* What kernels ask of the runtime, in TVM's terms (tvm/runtime/c_backend_api.h).
 * launch runs lambda(task, env, closure) for every task of 0 .. env->num_task - 1;
 * `tasks` is their number, 0 for as many as there are threads. Of such a launch each task has a
 * thread of its own and calls meet, half a barrier, an even number of times: the first, the third,
 * ... of its calls returns when all others have made the one before, which returns at once. */
typedef struct {
  void *sync;
  int32_t num_task;
} neoc_parallel;
typedef int (*neoc_lambda)(int task, neoc_parallel *env, void *closure);
typedef int (*neoc_launch)(neoc_lambda lambda, void *closure, int tasks);
typedef int (*neoc_meet)(int task, neoc_parallel *env);
typedef void *(*neoc_allocate)(int device_type, int device_id, uint64_t bytes, int code, int bits);
typedef int (*neoc_release)(int device_type, int device_id, void *data);

typedef struct neoc_model {
  int32_t version; /* NEOC_MODEL_VERSION */
  int32_t num_inputs, num_outputs, num_buffers, num_steps;
  const neoc_tensor *inputs, *outputs;
  const neoc_buffer *buffers;
  const neoc_step *steps;
  const int32_t *arguments; /* buffer numbers */
  int64_t arena_bytes;
  const unsigned char *constants;
  void (*bind)(neoc_launch, neoc_meet, neoc_allocate, neoc_release); /* once, before any call */
  const char *(*error)(void); /* the calling thread's last kernel error; never NULL */
  const char *features;       /* what the CPU must have, as /proc/cpuinfo spells it,
                                 separated by spaces; NULL or "" for nothing special */
  /* Of a model for any number of rows, which has one input, of two dimensions and of floats; all
   * outputs begin with the rows. */
  int64_t rows; /* this plan's, of all but the first a multiple of 16; 0: the shapes are fixed */
  int32_t fewer_columns; /* whether fewer may be given: the others are missing values */
  double cost;  /* of a run of this plan, beside that of the others */
  const struct neoc_model *next; /* the plan for the next larger number of rows */
} neoc_model_t;

/* What loops do between kernels, called like these. copy: from, to. store: a row, its number, all
 * rows. count: a number, how many there are, whether the next is one of them; counts on. */
int neoc_copy(void *self, const void *args, int32_t n, void *ret);
int neoc_store(void *self, const void *args, int32_t n, void *ret);
int neoc_count(void *self, const void *args, int32_t n, void *ret);

/* plan.c defines neoc_model; kernels.c the two functions that it names; constants.S the bytes. */
extern __attribute__((visibility("default"))) const neoc_model_t neoc_model;
void neoc_bind(neoc_launch launch, neoc_meet meet, neoc_allocate allocate, neoc_release release);
const char *neoc_error(void);
extern const unsigned char neoc_constants[];

#endif

#include "rows.h"

#include <math.h>
#include <string.h>

#include "error.h"
#include "instance.h"

static void free_block(block *self) {
  if (self->data) self->release(self->data);
  self->data = NULL;
}

static bool new_block(block *self, int64_t rows, int64_t columns) {
  int64_t bytes;
  free_block(self);
  if (__builtin_mul_overflow(rows, columns * (int64_t)sizeof(float), &bytes)) return false;
  self->data = memory_block((size_t)bytes, &self->release);
  return self->data;
}

void rows_free(rows *self) {
  free_block(&self->input);
  free_block(&self->output);
  free_block(&self->larger);
}

static int64_t columns(const neoc_tensor *tensor) { return tensor->shape[1]; }

/* Beyond the rows there is room for the largest plan. */
static bool reserve(instance *self, int64_t count) {
  const instance *largest = self;
  rows *rows = &self->rows;
  int64_t room;
  if (count <= rows->room && rows->input.data) return true;
  while (largest->next) largest = largest->next;
  rows->given = -1;
  rows->room = 0;
  if (__builtin_add_overflow(count, largest->model->rows, &room) ||
      !new_block(&rows->input, room, columns(self->model->inputs)) ||
      !new_block(&rows->larger, room, columns(self->model->outputs)))
    return false;
  rows->room = count;
  return true;
}

int rows_set(instance *self, const int64_t *shape, const float *data, int dim) {
  int64_t expected = columns(self->model->inputs);
  if (dim != 2)
    return fail("Mismatch found in input dimension. Value read: %d, Expected: 2", dim);
  if (shape[0] < 0 || shape[1] < 0)
    return fail("The input is given with the shape [%lld, %lld].", (long long)shape[0],
                (long long)shape[1]);
  if (shape[1] > expected)
    return fail("ClientError: Mismatch found in input shape at dimension 1. Value read: %lld, "
                "Expected: %lld or less",
                (long long)shape[1], (long long)expected);
  if (!reserve(self, shape[0])) return fail("Out of memory: %lld rows.", (long long)shape[0]);
  float *own = (float *)self->rows.input.data;
  if (shape[1] == expected) memcpy(own, data, (size_t)(shape[0] * expected) * sizeof *own);
  for (int64_t r = 0; r < shape[0] && shape[1] < expected; r++, own += expected) {
    memcpy(own, data + r * shape[1], (size_t)shape[1] * sizeof *own);
    for (int64_t c = shape[1]; c < expected; c++) own[c] = NAN;
  }
  self->rows.given = shape[0];
  return 0;
}

int rows_begin(instance *self) {
  rows *rows = &self->rows;
  rows->copied = NULL;
  if (rows->given < 0) return fail("The input %s is not set.", self->model->inputs->name);
  if (rows->larger.data) {
    free_block(&rows->output);
    rows->output = rows->larger;
    rows->larger.data = NULL;
  }
  return 0;
}

/* The largest plan that the rows fill, or the next larger one, if it costs no more. */
static instance *best_plan(instance *self, int64_t left) {
  instance *fits = self;
  while (fits->next && fits->next->model->rows <= left) fits = fits->next;
  const neoc_model_t *model = fits->model;
  int64_t runs = (left + model->rows - 1) / model->rows;
  bool rounds_up = fits->next && fits->next->model->cost <= (double)runs * model->cost;
  return rounds_up ? fits->next : fits;
}

static void publish(instance *self) {
  rows *rows = &self->rows;
  DLTensor *output = &self->outputs->dl_tensor;
  rows->made = rows->given;
  rows->shape[0] = rows->made;
  rows->shape[1] = columns(self->model->outputs);
  output->shape = rows->shape;
  output->data = rows->output.data;
}

/* Kernels want their buffers aligned, as no single row is: the smallest plan has copies. Blocks get
 * smaller and smaller, so that those of the others are aligned. */
instance *rows_next(instance *self, int64_t *at) {
  rows *rows = &self->rows;
  const neoc_tensor *input = self->model->inputs, *output = self->model->outputs;
  size_t in_bytes = (size_t)columns(input) * sizeof(float);
  size_t out_bytes = (size_t)columns(output) * sizeof(float);
  if (rows->copied)
    memcpy(rows->copied, self->tensors[output->buffer].data, (size_t)self->model->rows * out_bytes);
  rows->copied = NULL;
  if (*at >= rows->given) {
    publish(self);
    return NULL;
  }
  instance *plan = best_plan(self, rows->given - *at);
  unsigned char *from = rows->input.data + (size_t)*at * in_bytes;
  unsigned char *to = rows->output.data + (size_t)*at * out_bytes;
  *at += plan->model->rows;
  if (plan == self) {
    memcpy(self->tensors[input->buffer].data, from, (size_t)self->model->rows * in_bytes);
    rows->copied = to;
  } else {
    instance_place(plan, plan->model->inputs, from);
    instance_place(plan, plan->model->outputs, to);
  }
  return plan;
}

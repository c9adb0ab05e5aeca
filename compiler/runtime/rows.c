#include "rows.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "instance.h"

static void free_block(block *self) {
  if (self->data) self->release(self->data);
  self->data = NULL;
}

static bool new_block(block *self, int64_t rows, int64_t row_bytes) {
  int64_t bytes;
  free_block(self);
  if (__builtin_mul_overflow(rows, row_bytes, &bytes)) return false;
  self->data = memory_block((size_t)bytes, &self->release);
  return self->data;
}

void rows_free(rows *self) {
  free_block(&self->input);
  free_block(&self->output);
  free_block(&self->larger);
}

static int64_t columns(const neoc_tensor *tensor) { return tensor->shape[1]; }

static int64_t row_bytes(const instance *self, const neoc_tensor *tensor) {
  int64_t elements = 1;
  for (int i = 1; i < tensor->ndim; i++) elements *= tensor->shape[i];
  return elements * self->model->buffers[tensor->buffer].bits / 8;
}

static int64_t all_row_bytes(const instance *self) {
  int64_t bytes = 0;
  for (int i = 0; i < self->model->num_outputs; i++)
    bytes += row_bytes(self, &self->model->outputs[i]);
  return bytes;
}

/* A whole number of alignments, so that every output can begin at one; behind the rows of the input
 * there is room for the largest plan. */
static bool reserve(instance *self, int64_t count) {
  const instance *largest = self;
  rows *rows = &self->rows;
  int64_t room, more;
  if (count <= rows->room && rows->input.data) return true;
  while (largest->next) largest = largest->next;
  rows->given = -1;
  rows->room = 0;
  if (__builtin_add_overflow(count, MEMORY_ALIGNMENT - 1, &room)) return false;
  room -= room % MEMORY_ALIGNMENT;
  if (__builtin_add_overflow(room, largest->model->rows, &more) ||
      !new_block(&rows->input, more, row_bytes(self, self->model->inputs)) ||
      !new_block(&rows->larger, room, all_row_bytes(self)))
    return false;
  rows->room = room;
  return true;
}

int rows_set(instance *self, const int64_t *shape, const float *data, int dim) {
  int64_t expected = columns(self->model->inputs);
  if (dim != 2)
    return fail("Mismatch found in input dimension. Value read: %d, Expected: 2", dim);
  if (shape[0] < 0 || shape[1] < 0)
    return fail("The input is given with the shape [%lld, %lld].", (long long)shape[0],
                (long long)shape[1]);
  bool fewer = self->model->fewer_columns;
  if (fewer ? shape[1] > expected : shape[1] != expected)
    return fail("ClientError: Mismatch found in input shape at dimension 1. Value read: %lld, "
                "Expected: %lld%s",
                (long long)shape[1], (long long)expected, fewer ? " or less" : "");
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
  rows->running = NULL;
  if (rows->given < 0) return fail("The input %s is not set.", self->model->inputs->name);
  if (rows->larger.data) {
    free_block(&rows->output);
    rows->output = rows->larger;
    rows->larger.data = NULL;
  }
  unsigned char *next = rows->output.data;
  for (int i = 0; i < self->model->num_outputs; i++) {
    self->outputs[i].dl_tensor.data = next;
    next += rows->room * row_bytes(self, &self->model->outputs[i]);
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

/* What the plan made of its rows, as far as they were given, to where they belong. */
static void collect(instance *self, const instance *plan, int64_t first) {
  int64_t left = self->rows.given - first, count = plan->model->rows;
  if (count > left) count = left;
  for (int i = 0; i < self->model->num_outputs; i++) {
    int64_t bytes = row_bytes(self, &self->model->outputs[i]);
    unsigned char *to = self->outputs[i].dl_tensor.data;
    memcpy(to + first * bytes, plan->tensors[plan->model->outputs[i].buffer].data,
           (size_t)(count * bytes));
  }
}

static void publish(instance *self) {
  self->rows.made = self->rows.given;
  for (int i = 0; i < self->model->num_outputs; i++)
    self->outputs[i].dl_tensor.shape[0] = self->rows.made;
}

/* Kernels want their input aligned, as no single row is: the smallest plan has a copy. Blocks get
 * smaller and smaller, so that those of the others are aligned. */
instance *rows_next(instance *self, int64_t *at) {
  rows *rows = &self->rows;
  const neoc_tensor *input = self->model->inputs;
  if (rows->running) collect(self, rows->running, rows->first);
  rows->running = NULL;
  if (*at >= rows->given) {
    publish(self);
    return NULL;
  }
  instance *plan = best_plan(self, rows->given - *at);
  int64_t bytes = row_bytes(self, input);
  unsigned char *from = rows->input.data + *at * bytes;
  rows->running = plan;
  rows->first = *at;
  *at += plan->model->rows;
  if (plan == self)
    memcpy(self->tensors[input->buffer].data, from, (size_t)(self->model->rows * bytes));
  else
    instance_place(plan, plan->model->inputs, from);
  return plan;
}

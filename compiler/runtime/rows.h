/* Models for any number of rows: the rows given, the rows made, and which plan runs which of them.
 *
 * Blocks lie one behind the other. The last one may reach beyond the rows: there is room for it in
 * the input, and what it reads there are numbers of no meaning, whose results nobody sees. */
#ifndef NEOC_ROWS_H_
#define NEOC_ROWS_H_

#include <stdint.h>

#include "memory.h"

typedef struct instance instance;

typedef struct {
  unsigned char *data;
  memory_release release;
} block;

/* given: of the input, -1 before it is set; made: of the outputs; room: for both. What a run has
 * made stays until the next run, so that a larger block waits for that. */
typedef struct {
  int64_t given, made, room;
  block input, output, larger; /* one output behind the other */
  const instance *running;     /* the plan whose rows, from `first` on, are being made */
  int64_t first;
} rows;

/* Copies the input in; fewer columns than the model's are missing values, where it knows such. */
int rows_set(instance *self, const int64_t *shape, const float *data, int dim);
int rows_begin(instance *self);
instance *rows_next(instance *self, int64_t *at);
void rows_free(rows *self);

#endif
